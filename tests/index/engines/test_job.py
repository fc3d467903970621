"""index.engines.job: the job on an engine gives what the plain job gives."""

from pathlib import Path

from index.sources import open_source
from models.bundle import Bundle
from tests.index.engines.support import contents, mixed_corpus, rejects_of, run_staged
from tests.index.support import collection_for, run_job


def test_an_engine_gives_what_the_plain_job_gives(tmp_path: Path, tiny_bundle: Path) -> None:
    """Same rows, captions, vectors and rejects, and the same summary but for time and version."""
    bundle = Bundle.open(tiny_bundle)
    source = open_source(str(mixed_corpus(tmp_path)))
    plain, staged = collection_for(bundle, tmp_path, "plain"), collection_for(bundle, tmp_path, "staged")
    expected = run_job(plain, source, bundle)
    version = staged.latest().version
    found = run_staged(staged, source, bundle)
    assert contents(plain) == contents(staged)
    assert rejects_of(plain) == rejects_of(staged)
    assert version + 1 == staged.latest().version == found.version
    print(expected, found)
