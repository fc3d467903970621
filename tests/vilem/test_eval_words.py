"""`vilem eval words`, as a user types it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from models.errors import ProofreaderMissing
from models.evaluation.dataset import DatasetInvalid
from models.evaluation.layouts.sugarcrepe import TYPES
from models.evaluation.report import read_report
from models.negatives.masked_lm import save_masked_lm
from models.scenes.corpus import write_jsonl
from tests.models.evaluation.made import write_karpathy, write_sugarcrepe
from tests.models.negatives.small_lm import trained
from tests.vilem.evaluating import vilem_eval
from vilem.cli.eval import app


def _words(*arguments: str | Path, fails: type[Exception] | None = None) -> Result:
    return vilem_eval("words", *arguments, fails=fails)


def test_rendered_scenes_and_a_corpus_are_read_alike(tmp_path: Path) -> None:
    """The same scenes, rendered or from a corpus on disk, have the same figures; nothing else is measured."""
    list(write_jsonl(tmp_path, "test", 4, seed=1))

    rendered = json.loads(_words("scenes-s", "--scenes", "4", "--seed", "1", "--json").stdout)
    read = json.loads(_words("scenes-s", tmp_path / "test.jsonl", "--json").stdout)

    assert rendered == read
    assert {"words.auroc", "words.shuffled", "words.corrected", "words.told", "words.auroc.attribute-replaced"} < set(
        read
    )
    assert read["words.auroc"] > read["words.shuffled"]
    assert not any(name.startswith(("t2i", "i2t", "edits")) for name in read)


def test_a_report_is_written_and_compared(tmp_path: Path) -> None:
    """The other commands know its report: with itself nothing differs, and tables say what was found."""
    done = _words("scenes-s", "--scenes", "3", "--out", tmp_path / "report")

    for said in ("Finds wrong words", "another image's", "attribute-replaced", "right word restored"):
        assert said in done.output
    assert read_report(tmp_path / "report").pool.words is not None
    assert "words.auroc" in (tmp_path / "report" / "report.json").read_text()
    assert "Finds wrong words" in (tmp_path / "report" / "report.html").read_text()
    compared = CliRunner().invoke(app, ["compare", *[str(tmp_path / "report")] * 2, "--json", "--resamples", "100"])
    assert {0.0} == {each[side] for each in json.loads(compared.stdout)["differences"] for side in ("low", "high")}


def test_the_page_shows_wins_and_losses(tmp_path: Path) -> None:
    """Beside their pictures stand captions whose wrong words are told, in green, and captions with a missed one, in red."""
    _words("scenes-s", "--scenes", "4", "--out", tmp_path)

    page = (tmp_path / "report.html").read_text()

    read = read_report(tmp_path).read
    assert {True, False} == {each.won for each in read}
    assert len(read) == page.count('<img src="data:image/jpeg;base64,')
    for shown in (
        "Wins: every wrong word is told",
        "Losses: a wrong word is missed",
        '<mark class="true">',
        '<mark class="false">',
    ):
        assert shown in page


def test_edits_are_made_where_there_are_none(tmp_path: Path) -> None:
    """--make-edits makes false captions of a data set's own, by a language model too, and their words are judged."""
    save_masked_lm(trained()[0].model(), tmp_path / "mlm")
    list(write_jsonl(tmp_path, "test", 4, seed=1))
    lines = [json.loads(line) for line in (tmp_path / "test.jsonl").read_text().splitlines()]
    plain = [json.dumps({"path": each["path"], "captions": each["captions"]}) for each in lines]
    (tmp_path / "plain.jsonl").write_text("\n".join(plain))

    found = json.loads(
        _words("scenes-s", tmp_path / "plain.jsonl", "--make-edits", "--masked-lm", tmp_path / "mlm", "--json").stdout
    )

    assert {f"words.auroc.{kind}" for kind in ("swap", "attribute", "object", "masked")} <= found.keys()
    assert found["words.auroc"] > found["words.shuffled"]
    with pytest.raises(DatasetInvalid, match="false captions of its own: leave --make-edits out"):
        _words("scenes-s", tmp_path / "test.jsonl", "--make-edits", fails=DatasetInvalid)


def test_sugarcrepe_is_read(tmp_path: Path) -> None:
    """Its folder is told by its looks or named, and --captions and --skip-missing have their meaning."""
    folder = write_sugarcrepe(tmp_path / "texts", tmp_path / "val2017", TYPES)
    pictures = ["--images", tmp_path / "val2017", "--json"]

    told = json.loads(_words("scenes-s", folder, *pictures).stdout)

    assert told == json.loads(_words("scenes-s", folder, "--layout", "sugarcrepe", *pictures).stdout)
    assert (3.0, 3.0 * len(TYPES)) == (told["images"], told["captions"])
    assert 6.0 == json.loads(_words("scenes-s", folder, "--captions", "2", *pictures).stdout)["captions"]


def test_a_bundle_without_a_proofreader_says_how_to_get_one(tiny_bundle: Path) -> None:
    """It is refused before anything is rendered, with what to train."""
    with pytest.raises(ProofreaderMissing, match=r"has no proofreader: train one with `vilem train`"):
        _words(tiny_bundle, "--scenes", "100000000", fails=ProofreaderMissing)


def test_a_data_set_without_edits_says_what_was_expected(tmp_path: Path) -> None:
    """Photographs have no known edits: the message says what they need."""
    with pytest.raises(
        DatasetInvalid,
        match=r"no false captions to proofread: expected `negatives` beside the captions.* with --make-edits",
    ):
        _words("scenes-s", write_karpathy(tmp_path, ["test"] * 2), fails=DatasetInvalid)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--split", "val"], "--split would do nothing"),
        (["corpus.jsonl", "--scenes", "3"], "--scenes would do nothing"),
        (["corpus.json", "--layout", "karpathy"], "Invalid value for '--layout'"),
        (["--variant", "int8"], "No such option"),
        (["--make-edits"], "--make-edits would do nothing"),
        (["corpus.jsonl", "--masked-lm", "mlm"], "--masked-lm would do nothing: it belongs to --make-edits"),
    ],
)
def test_options_that_would_do_nothing_are_refused(arguments: list[str], said: str) -> None:
    """Options of a data set need one, layouts without edits are none, and proofreaders have one precision."""
    done = CliRunner().invoke(app, ["words", "scenes-s", *arguments], env={"COLUMNS": "140"})

    assert 2 == done.exit_code
    assert said in " ".join(done.output.split())


def test_help_shows_an_example() -> None:
    """The help says what the command does and shows lines to type."""
    done = _words("--help")

    assert "vilem eval words scenes-s" in done.output
    assert "Example" in done.output
