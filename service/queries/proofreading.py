"""A text beside pictures, word by word: of a collection's items, of pictures sent along, of a search's candidates.

Knows nothing of HTTP.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence

import numpy as np

from index.errors import PatchesMissing
from index.rerank import Reread, patches_of_hits
from models.proof import Proof, WordProof
from service.encoding.embedding import Timings, check_length
from service.encoding.inputs import told_by
from service.encoding.models import Model
from service.errors import ItemUnknown, QueryInvalid
from service.operations import request_ids
from service.queries.bounds import expect_few
from service.queries.together import together
from service.runtime import Runtime
from service.schemas.proofread import Correction, ProofreadAnswer, ProofView, WordView
from service.served import Served


async def proofread_items(runtime: Runtime, name: str, ids: Sequence[str], text: str) -> ProofreadAnswer:
    """Read *text* beside items of a collection, from what is stored of them.

    Raises:
        CannotProofread: the collection's model has no proofreader.
        ItemUnknown: there is no such item.
        PatchesMissing: nothing is stored of one.
        ServiceError, InputError: as `service.problems` lists them.
    """
    served = runtime.served(name)
    timings = _begin(runtime, text)
    with timings.stage("total"):
        _expect_able(served)
        asked = {f"ids.{place}": each for place, each in enumerate(ids)}
        images = await _of_items(runtime, served, asked, timings)
        proofs = await _check(served.model, text, images, timings, runtime.settings.deadline_s)
    return _answer(served.model, proofs, timings, collection=name, ids=ids)


async def proofread_pictures(
    runtime: Runtime, model_name: str, pictures: Sequence[Callable[[], bytes]], text: str, *, field: str = "images"
) -> ProofreadAnswer:
    """Read *text* beside pictures.

    Args:
        runtime: the app's.
        model_name: of a loaded model.
        pictures: each gives an image file's bytes; called in the decoders' threads.
        text: to read.
        field: of the request that holds the pictures.

    Raises:
        ModelUnknown: there is no such model.
        CannotProofread: it has no proofreader.
        AsksTooMuch: there are more pictures than one request may have read.
        ServiceError, InputError: as `service.problems` lists them.
    """
    model = runtime.model(model_name)
    expect_few(len(pictures), runtime.settings.max_inputs)
    timings = _begin(runtime, text)
    with timings.stage("total"):
        model.proofreading()
        images = await _read_all(runtime, model, pictures, timings, field)
        proofs = await _check(model, text, images, timings, runtime.settings.deadline_s)
    return _answer(model, proofs, timings)


async def rerank(
    runtime: Runtime,
    served: Served,
    text: str,
    vector: np.ndarray,
    candidates: int,
    timings: Timings,
    *,
    words: bool,
    among: np.ndarray | None = None,
) -> list[Reread]:
    """The best *candidates* of a text by its vector, of the row ids in *among* if given, ordered by cosine and proof together.

    Items of which nothing is stored stand behind the others, in the order of their vectors.

    Raises:
        CannotProofread: the collection's model has no proofreader.
        PatchesMissing: nothing is stored of any candidate.
        ServiceError: as `MicroBatcher.submit`.
    """
    _expect_able(served)
    with timings.stage("search"):
        hits = await served.find(vector, candidates, "images", patches=True, among=among)
    images = patches_of_hits(hits)
    proofs = await _check(served.model, text, images, timings, runtime.settings.deadline_s, words=words)
    return served.model.proofreading().in_order(hits, proofs)


async def rerank_captions(
    runtime: Runtime,
    served: Served,
    picture: str | np.ndarray,
    vector: np.ndarray,
    candidates: int,
    timings: Timings,
    *,
    words: bool,
    among: np.ndarray | None = None,
) -> list[Reread]:
    """The best *candidates* among the captions for a picture by its vector, ordered by cosine and proof together.

    Args:
        runtime: the app's.
        served: the collection.
        picture: an item's id, of which is read what is stored; or prepared pixels (S, S, 3) uint8.
        vector: the picture's.
        candidates: how many.
        timings: where the stages are noted.
        words: whether the proofs have words.
        among: sorted row ids of the captions that may be found; None = all.

    Raises:
        CannotProofread: the collection's model has no proofreader.
        QueryInvalid: the collection has no captions.
        ItemUnknown, PatchesMissing: there is no such item, or nothing is stored of it.
        ServiceError: as `MicroBatcher.submit`.
    """
    proofs = served.model.proofreading()
    name, settings = served.searcher.name, runtime.settings
    if not served.searcher.caption_count:
        raise QueryInvalid(
            "target", f"collection {name!r} has no captions: index a source that has them, or search its images"
        )
    if isinstance(picture, str):
        _expect_able(served)
        (image,) = await _of_items(runtime, served, {"query.id": picture}, timings)
    else:
        image = await runtime.embedder.patches_of(served.model, picture, timings)
    with timings.stage("search"):
        hits = await served.find(vector, candidates, "texts", among=among)
    # no longer than a query may be: what follows is far beyond what a model reads
    texts = [(hit.caption or "")[: settings.max_text_chars] for hit in hits]
    with timings.stage("proofread"):
        read = await proofs.check_texts(texts, image, settings.deadline_s, words=words)
    return proofs.captions_in_order(hits, read)


def word_views(proof: Proof) -> list[WordView]:
    """Every word of a proof as the API shows it."""
    return [_word(word) for word in proof.words]


def _word(word: WordProof) -> WordView:
    return WordView(
        text=word.text,
        start=word.start,
        end=word.end,
        support=None if word.support is None else round(word.support, 4),
        contradicted=word.contradicted,
        corrections=[Correction(word=each, probability=round(chance, 4)) for each, chance in word.corrections],
    )


def _begin(runtime: Runtime, text: str) -> Timings:
    check_length(text, runtime.settings.max_text_chars, "text")
    if runtime.settings.log_text:
        request_ids.note_text(text)
    return Timings(runtime.metrics)


def _expect_able(served: Served) -> None:
    served.model.proofreading()
    if served.cannot_proofread is not None:
        raise PatchesMissing(served.cannot_proofread)


async def _of_items(runtime: Runtime, served: Served, asked: Mapping[str, str], timings: Timings) -> list[bytes]:
    """What is stored of items; *asked* has their ids by the fields that name them."""
    with timings.stage("lookup"):
        found = await runtime.readers.run(lambda: served.searcher.patches(list(asked.values())))
    return [_stored(served.searcher.name, found, item_id, field) for field, item_id in asked.items()]


def _stored(name: str, found: dict[str, bytes | None], item_id: str, field: str) -> bytes:
    if item_id not in found:
        raise ItemUnknown(f"collection {name!r} has no item {item_id[:100]!r}", field)
    stored = found[item_id]
    if stored is None:
        raise PatchesMissing(
            f"nothing is stored of item {item_id[:100]!r} to proofread: run `vilem index build {name}` with its source again"
        )
    return stored


async def _read_all(
    runtime: Runtime, model: Model, pictures: Sequence[Callable[[], bytes]], timings: Timings, field: str
) -> list[bytes]:
    def reader(place: int, picture: Callable[[], bytes]) -> Callable[[], Awaitable[bytes]]:
        async def read() -> bytes:
            with told_by(f"{field}.{place}"):
                data = await runtime.decoders.run(picture)
                return await runtime.embedder.patches(model, data, timings)

        return read

    settings = runtime.settings
    # no more at a time than share a batch: one request must not fill the queues
    return await together(
        [reader(place, each) for place, each in enumerate(pictures)], min(settings.max_batch, settings.max_queue)
    )


async def _check(
    model: Model, text: str, images: Sequence[bytes], timings: Timings, deadline_s: float, *, words: bool = True
) -> list[Proof]:
    with timings.stage("proofread"):
        return await model.proofreading().check(text, images, deadline_s, words=words)


def _answer(
    model: Model, proofs: Sequence[Proof], timings: Timings, collection: str | None = None, ids: Sequence[str] = ()
) -> ProofreadAnswer:
    views = [
        ProofView(
            index=place,
            id=ids[place] if ids else None,
            score=round(proof.score, 4),
            threshold=proof.threshold,
            words=word_views(proof),
        )
        for place, proof in enumerate(proofs)
    ]
    return ProofreadAnswer(
        text=proofs[0].text,
        model=model.bundle.manifest.name,
        collection=collection,
        proofs=views,
        took_ms=timings.ms,
    )
