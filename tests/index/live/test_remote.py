"""Live writes in a process of their own."""

import os
import pickle
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from index.collection import Collection
from index.errors import BundleMismatch, CollectionMissing
from index.live import remote as module
from index.live.remote import RemoteWriter
from index.live.view import View
from index.live.writes import Change, Put, Remove
from index.live.writing import Done, LiveWriter
from index.publish import current, publish
from index.schema import Record
from index.snapshot import Snapshot
from tests.index.published import filled, unit_vectors
from tests.index.support import empty_collection

VECTORS = unit_vectors(60)


def put(number: int, digest: str = "0" * 64) -> Put:
    """An item with a caption."""
    record = Record(f"item-{number:05d}", "", "", 0, 0, (f"text {number}",), {"number": number})
    return Put(record, VECTORS[number], VECTORS[number][None], digest)


def asked(writer: RemoteWriter, changes: list[Change]) -> Done:
    """What the child answers, once it is there."""
    until = time.monotonic() + 30
    while (done := writer.apply(changes)) is None:
        assert time.monotonic() < until, "the child does not come"
        time.sleep(0.02)
    return done


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[RemoteWriter]:
    """Of a collection of four items."""
    filled(tmp_path, VECTORS[:4])
    made = RemoteWriter(tmp_path / "test")
    yield made
    made.close()


def pid_of(writer: RemoteWriter) -> int:
    """Of its child."""
    child = writer._child  # pyright: ignore[reportPrivateUsage]
    assert child is not None
    return child.pid


def test_it_answers_as_a_writer_in_this_process(writer: RemoteWriter, tmp_path: Path) -> None:
    """The same changes, there and here: the same outcomes, rows and commits, which a view takes up without reading."""
    changes: list[Change] = [put(2), put(7), Remove("item-00001"), Remove("nobody")]
    twin = tmp_path / "twin"
    here = LiveWriter(twin, filled(twin, VECTORS[:4]).info.name).apply(changes)
    collection = Collection.open(tmp_path, "test")
    publish(collection)
    view = View.of(Snapshot.open(current(collection.path)), collection.latest())

    there = asked(writer, changes)

    assert here.outcomes == there.outcomes == ["updated", "created", "removed", "absent"]
    assert here.made.generation == there.made.generation
    for ours, theirs in ((here.made.items, there.made.items), (here.made.captions, there.made.captions)):
        assert [(each.changes.gone.tolist(), each.changes.rows.tolist()) for each in ours] == [
            (each.changes.gone.tolist(), each.changes.rows.tolist()) for each in theirs
        ]
    shown = view.advanced(collection.latest(), there.made)
    assert (4, 4) == (shown.images.rows, shown.texts.rows)
    assert {"item-00007"} == {
        record.id for record in shown.items(shown.images.search(VECTORS[7:8], 1)[1][0].tolist()).values()
    }


def test_what_it_raises_is_raised_here(writer: RemoteWriter) -> None:
    """An error of the child is its caller's, as it is; the next changes are made."""
    with pytest.raises(BundleMismatch, match="embed the item again"):
        asked(writer, [put(5, "another model")])

    assert ["created"] == asked(writer, [put(5)]).outcomes


def test_until_it_is_there_nobody_waits(writer: RemoteWriter) -> None:
    """The first question starts the child and returns at once: the caller writes by itself meanwhile."""
    began = time.monotonic()

    assert writer.apply([put(5)]) is None

    took, child = time.monotonic() - began, writer._child  # pyright: ignore[reportPrivateUsage]
    assert child is not None and child.stdout is not None
    # a loaded machine starts a process slowly; what it loads takes longer still
    assert took < 0.5 or not module._has_more(child.stdout, 0)  # pyright: ignore[reportPrivateUsage]


def test_one_that_still_starts_is_not_waited_for(writer: RemoteWriter) -> None:
    """It was asked for nothing: whoever closes the writer ends it at once, rather than let it load everything first."""
    assert writer.apply([put(5)]) is None
    child = writer._child  # pyright: ignore[reportPrivateUsage]
    assert child is not None

    writer.close()

    assert -signal.SIGKILL == child.returncode


def test_a_child_that_is_killed_is_replaced(writer: RemoteWriter, tmp_path: Path) -> None:
    """What it was asked is not answered, and may be asked again; the next child answers."""
    asked(writer, [put(5)])
    os.kill(pid_of(writer), signal.SIGKILL)

    assert writer.apply([put(6)]) is None
    assert ["created"] == asked(writer, [put(6)]).outcomes
    assert 6 == Collection.open(tmp_path, "test").count()


def test_one_that_hangs_is_ended(writer: RemoteWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that does not answer in time is killed, and nobody waits for it any longer."""
    asked(writer, [put(5)])
    monkeypatch.setattr(module, "_PATIENCE_S", 0.1)
    os.kill(stopped := pid_of(writer), signal.SIGSTOP)

    assert writer.apply([put(6)]) is None

    assert not _is_there(stopped)
    monkeypatch.undo()
    assert ["created"] == asked(writer, [put(6)]).outcomes
    assert 6 == Collection.open(tmp_path, "test").count()


def test_pipes_may_have_high_numbers(tmp_path: Path) -> None:
    """A service with many connections has no low descriptor left."""
    filled(tmp_path, VECTORS[:4])
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4_096, hard), hard))
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1_100)]
    made = RemoteWriter(tmp_path / "test")
    try:
        assert ["created"] == asked(made, [put(5)]).outcomes
    finally:
        made.close()
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_no_process_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where none can be started, whoever asks writes by itself."""
    monkeypatch.setattr(
        module.subprocess, "Popen", lambda *_, **__: (_ for _ in ()).throw(OSError("no more processes"))
    )
    writer = RemoteWriter(tmp_path / "test")

    assert [None] * 5 == [writer.apply([put(1)]) for _ in range(5)]


def test_control_c_is_for_the_parent(writer: RemoteWriter) -> None:
    """The terminal sends it to all of a group: a commit that is under way is finished, and the next one made."""
    asked(writer, [put(5)])
    os.kill(child := pid_of(writer), signal.SIGINT)

    assert ["created"] == asked(writer, [put(6)]).outcomes
    assert child == pid_of(writer)


def test_one_that_has_nothing_to_do_ends(tmp_path: Path) -> None:
    """After a while without changes it goes, and is no fault: the next changes start another one."""
    filled(tmp_path, VECTORS[:4])
    code = (
        "import sys; from pathlib import Path; import index.live.remote as remote; remote._IDLE_S = 0.0\n"
        "sys.argv[1:] = [sys.argv[1]]; remote.main()"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "test")]
    run = subprocess.run(command, stdin=subprocess.PIPE, capture_output=True, env=_with_path(), check=True, timeout=60)

    assert b"ready\n" == run.stdout


def _with_path() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def test_one_that_always_ends_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three children that end before they are ready: no fourth one, and whoever asks writes by itself."""
    empty_collection(tmp_path)
    started, plain = list[int](), subprocess.Popen

    def ends(command: list[str], **options: int) -> object:
        started.append(1)
        return plain([sys.executable, "-c", ""], **options)  # pyright: ignore[reportCallIssue, reportArgumentType]

    monkeypatch.setattr(module.subprocess, "Popen", ends)
    writer, until = RemoteWriter(tmp_path / "test"), time.monotonic() + 20
    while len(started) < 3 and time.monotonic() < until:
        assert writer.apply([put(1)]) is None
        time.sleep(0.02)
    time.sleep(0.2)
    for _ in range(5):
        assert writer.apply([put(1)]) is None

    assert 3 == len(started)
    writer.close()


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    """A parent that is killed leaves no writer behind."""
    empty_collection(tmp_path)
    code = (
        "import sys, time; from pathlib import Path; from index.live.remote import RemoteWriter\n"
        "writer = RemoteWriter(Path(sys.argv[1]))\n"
        "while writer.apply([]) is None: time.sleep(0.02)\n"
        "print(writer._child.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "test")],
        stdout=subprocess.PIPE,
        env=_with_path(),
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()

    until = time.monotonic() + 20
    while _is_there(child):
        assert time.monotonic() < until, "it is still there"
        time.sleep(0.05)


def _is_there(pid: int) -> bool:
    try:
        # a zombie that nobody waits for has ended
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def test_an_error_that_cannot_be_sent_is_told() -> None:
    """What cannot be pickled, or not be made again, becomes a RuntimeError that names it."""

    class Odd(Exception):
        """Cannot be found by its name."""

    class Broken:
        def apply(self, _: object) -> Done:
            raise Odd("too odd")

    answer = module._answer(Broken(), [])  # pyright: ignore[reportPrivateUsage, reportArgumentType]

    error = pickle.loads(answer)
    assert isinstance(error, RuntimeError) and "Odd: too odd" == str(error)


def test_a_missing_collection_is_told(tmp_path: Path) -> None:
    """The child opens the collection when it is asked, and says that there is none."""
    writer = RemoteWriter(tmp_path / "test")
    try:
        with pytest.raises(CollectionMissing):
            asked(writer, [put(1)])
    finally:
        writer.close()
