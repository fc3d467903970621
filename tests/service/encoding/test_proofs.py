"""A proofreader behind its queues."""

import asyncio
import threading
from pathlib import Path

import numpy as np
import pytest

from models.bundle import Bundle
from models.errors import StoredImageInvalid, TextInvalid
from models.proof_image import StoredImage
from models.proofreader import Proofreader
from service.encoding.models import Model
from service.encoding.proofs import Asked, Proofs
from service.errors import CannotProofread, DeadlineExceeded, NotReady, QueueFull
from service.operations.metrics import Metrics
from service.settings import Settings

TEXT = "a red picture"
PIXELS = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)


def test_answers_are_the_proofreaders(proof_bundle: Path) -> None:
    """Pictures and texts that many ask for at once come back as the proofreader alone says."""
    bundle = Bundle.open(proof_bundle)
    proofs = Proofs(bundle, Settings(), Metrics())

    async def read() -> list[list[float]]:
        images = await asyncio.gather(*(proofs.encode_image(each, 30) for each in PIXELS))
        found = await asyncio.gather(*(proofs.check(text, images, 30) for text in (TEXT, "the photo is blue")))
        return [[proof.score for proof in each] for each in found]

    found = asyncio.run(read())
    proofs.close()

    alone = Proofreader.open(bundle)
    images = alone.encode_images(PIXELS)
    expected = [alone.score(text, images).tolist() for text in (TEXT, "the photo is blue")]
    assert np.allclose(expected, found, atol=0.02)


def test_the_first_caller_loads_nothing(proof_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it is made every graph is loaded: no request pays for the opening of one."""
    proofs = Proofs(Bundle.open(proof_bundle), Settings(), Metrics())
    monkeypatch.setattr("models.proof_graphs.open_session", lambda *_, **__: pytest.fail("a graph is opened"))

    image = asyncio.run(proofs.encode_image(PIXELS[0], 30))
    assert 1 == len(asyncio.run(proofs.check(TEXT, [image], 30)))
    proofs.close()


def test_what_is_wrong_with_one_text_leaves_the_others(proof_bundle: Path) -> None:
    """A text that is not Unicode and a damaged picture raise their errors; the next text is read."""
    proofs = Proofs(Bundle.open(proof_bundle), Settings(), Metrics())
    image = asyncio.run(proofs.encode_image(PIXELS[0], 30))

    with pytest.raises(TextInvalid):
        asyncio.run(proofs.check("\ud800", [image], 30))
    with pytest.raises(StoredImageInvalid):
        asyncio.run(proofs.check(TEXT, [image[:-1]], 30))
    other = StoredImage.of(np.ones((2, 3), np.float32), np.ones(4, np.float32)).to_bytes()
    with pytest.raises(StoredImageInvalid):
        asyncio.run(proofs.check(TEXT, [other], 30))
    assert 1 == len(asyncio.run(proofs.check(TEXT, [image], 30)))
    proofs.close()


def test_waiting_is_bounded(proof_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one text is read few may wait, none for longer than its deadline; what waits holds patches."""
    proofs = Proofs(Bundle.open(proof_bundle), Settings(max_queue=1), Metrics())
    image = asyncio.run(proofs.encode_image(PIXELS[0], 30))
    entered, leave = threading.Event(), threading.Event()
    check = proofs._texts._run

    def busy(batch: list[Asked]) -> list[object]:
        entered.set()
        leave.wait(30)
        return check(batch)  # type: ignore[return-value]

    monkeypatch.setattr(proofs._texts, "_run", busy)

    async def crowd() -> None:
        first = asyncio.create_task(proofs.check(TEXT, [image], 30))
        await asyncio.to_thread(entered.wait, 30)
        second = asyncio.create_task(proofs.check(TEXT, [image], 0.5))
        await asyncio.sleep(0)
        with pytest.raises(QueueFull):
            await proofs.check(TEXT, [image], 30)
        with pytest.raises(DeadlineExceeded):
            await second
        leave.set()
        assert 1 == len(await first)

    asyncio.run(crowd())
    proofs.close()


def test_no_text_waits_longer_than_is_said(proof_bundle: Path) -> None:
    """Behind one that is read and one that waits, a text is refused for the wait that is expected, long before its deadline."""
    proofs = Proofs(Bundle.open(proof_bundle), Settings(max_wait_s=0.5), Metrics())
    image = asyncio.run(proofs.encode_image(PIXELS[0], 30))
    proofs._texts._cost.observe(1, 1.0)

    async def crowd() -> list[object]:
        # all are there before any is taken
        with proofs._texts._arrived:
            asked = [asyncio.create_task(proofs.check(TEXT, [image], 30)) for _ in range(3)]
            await asyncio.sleep(0)
        return await asyncio.gather(*asked, return_exceptions=True)

    found = asyncio.run(crowd())
    proofs.close()

    assert [False, False, True] == [isinstance(each, QueueFull) for each in found]


def test_what_waits_is_bounded_in_bytes(proof_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bundle that keeps ten times as much of an image lets a tenth of the texts wait: 64 MB in all, and one at least."""
    waiting: list[int] = []
    for size in (1_000, 10_000, 76_590, 10**9):
        monkeypatch.setattr(Proofreader, "stored_bytes", size)
        proofs = Proofs(Bundle.open(proof_bundle), Settings(), Metrics())
        waiting.append(proofs._texts._max_queue)
        proofs.close()

    assert [64, 64, 8, 1] == waiting


def test_texts_beside_one_picture_are_one_question(proof_bundle: Path) -> None:
    """Many texts beside a picture come back in order as the proofreader says, and count as many pairs."""
    metrics = Metrics()
    proofs = Proofs(Bundle.open(proof_bundle), Settings(), metrics)
    image = asyncio.run(proofs.encode_image(PIXELS[0], 30))
    texts = [TEXT, "the photo is blue", TEXT]

    found = asyncio.run(proofs.check_texts(texts, image, 30, words=False))

    proofs.close()
    expected = [asked_alone(proof_bundle, text, image) for text in texts]
    assert np.allclose(expected, [proof.score for proof in found], atol=1e-4)
    assert 3 == metrics.registry.get_sample_value("vilem_proofs_total")
    assert 1 == metrics.registry.get_sample_value("vilem_batch_size_count", {"queue": "proofread"})


def asked_alone(bundle: Path, text: str, image: bytes) -> float:
    """The score of one text beside one picture."""
    return float(Proofreader.open(Bundle.open(bundle)).score(text, [StoredImage.from_bytes(image)])[0])


def test_a_stored_image_is_known_by_its_size(proof_bundle: Path) -> None:
    """What a cache brings back is taken for an image only when it has an image's size."""
    proofs = Proofs(Bundle.open(proof_bundle), Settings(), Metrics())
    image = asyncio.run(proofs.encode_image(PIXELS[0], 30))
    proofs.close()

    assert proofs.is_whole(image)
    assert not proofs.is_whole(image[:-1])
    assert not proofs.is_whole(b"")


def test_a_model_without_says_so(tiny_bundle: Path, proof_bundle: Path) -> None:
    """Asking a model that cannot proofread raises, with the reason that it also tells beforehand; closing ends both kinds."""
    unable, able = (Model(Bundle.open(path), Settings(), Metrics()) for path in (tiny_bundle, proof_bundle))

    with pytest.raises(CannotProofread, match="has no proofreader"):
        unable.proofreading()
    assert "'tiny'" in (unable.cannot_proofread or "")
    assert able.cannot_proofread is None
    unable.close()
    able.close()
    with pytest.raises(NotReady):
        asyncio.run(able.proofreading().check(TEXT, [], 1))
