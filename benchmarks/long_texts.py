"""What becomes of a text that is longer than a model reads at once: cut at its end, or read sentence by sentence.

    python -m benchmarks.long_texts [--small] [--scenes N] [--bundle FOLDER]

Held-out rendered scenes are looked for with texts beyond the context. In "captions" a text is the five captions of its scene, the shortest
first and the one that says most last; in "little" sentences that each say a little that is true of it come first, over and over; in "filler" sentences that are true of every scene, and then one caption. Cutting loses the end; the mean of
the sentences' unit vectors loses nothing, and lets every sentence count alike; weighed by tokens, as the service does, those that say more count for more. The
last sentence alone is what a reader who knew which one tells would ask with. Differences are taken inside one run. `--small` takes half a minute.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.table import Row, show
from models.bundle import Bundle
from models.scenes.corpus import SceneExample, generate
from service.queries.sentences import split

SCENES_S = Path(__file__).parents[1] / "models" / "bundles" / "scenes-s"
FILLER = (
    "This is one of many pictures that were drawn by a program.",
    "It was made in order to see what a model can tell about what it is shown.",
    "There is nothing in it that moves, and nobody lives there.",
    "Whoever looks at it for long enough will find what is said of it here at the end.",
    "All of them have the same size, and each has a background of its own.",
)

Way = Callable[[Bundle, str], np.ndarray]


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="200 scenes")
    parser.add_argument("--scenes", type=int, default=None, help="held out, to search among (1,000)")
    parser.add_argument("--bundle", type=Path, default=SCENES_S, help="whose towers (scenes-s)")
    given, _ = parser.parse_known_args()
    count = given.scenes or (200 if given.small else 1_000)
    bundle = Bundle.open(given.bundle)
    examples = list(generate("test", count, 0, bundle.manifest.preprocess.size))
    images = np.concatenate([bundle.embed_images(bundle.prepare(each.png())[None]) for each in examples])
    for name, text_of in (("captions", _captions), ("little", _little), ("filler", _filler)):
        texts = [text_of(each) for each in examples]
        cut = bundle.embed_texts(texts).truncated
        rows = [Row("texts beyond the context", 100 * float(cut.mean()), "%")]
        rows += [
            Row(f"{way}: recall@{k}", found[k], "%")
            for way, found in _recalls(bundle, texts, images).items()
            for k in (1, 10)
        ]
        show(f"{count:,} held-out scenes, {name}", rows)


def _captions(example: SceneExample) -> str:
    """All captions, the one that says most last."""
    ordered = sorted(example.described, key=lambda each: (len(each.statements), len(each.text)))
    return " ".join(_sentence(each.text) for each in ordered)


def _little(example: SceneExample) -> str:
    """What is there, one shape or colour at a time, until the context is full; and the caption that says most."""
    there = example.scene.objects
    said = [f"There is a {each.shape}." for each in there] + [f"Something is {each.colour}." for each in there]
    return " ".join((said * 12)[:14]) + " " + _sentence(_telling(example))


def _telling(example: SceneExample) -> str:
    return max(example.described, key=lambda each: (len(each.statements), len(each.text))).text


def _filler(example: SceneExample) -> str:
    """Sentences that are true of all scenes, and the caption that says most."""
    return " ".join((*FILLER, _sentence(_telling(example))))


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:].rstrip(".") + "."


def _recalls(bundle: Bundle, texts: Sequence[str], images: np.ndarray) -> dict[str, dict[int, float]]:
    ways: dict[str, Way] = {
        "cut": lambda model, text: model.embed_texts([text]).vectors[0],
        "mean of sentences": lambda model, text: _mean(model, text, weighed=False),
        "mean weighed by tokens": lambda model, text: _mean(model, text, weighed=True),
        "last sentence alone": lambda model, text: model.embed_texts([_pieces(model, text)[-1]]).vectors[0],
    }
    found: dict[str, dict[int, float]] = {}
    for name, way in ways.items():
        vectors = np.stack([way(bundle, text) for text in texts])
        cosines = vectors @ images.T
        own = cosines[np.arange(len(texts)), np.arange(len(texts))][:, None]
        # ties count against it
        place = (cosines >= own).sum(axis=1)
        found[name] = {k: 100 * float((place <= k).mean()) for k in (1, 10)}
    return found


def _pieces(bundle: Bundle, text: str) -> list[str]:
    return list(split(text, lambda some: [not cut for cut in bundle.tokenizer.encode(some).truncated.tolist()]))


def _mean(bundle: Bundle, text: str, *, weighed: bool) -> np.ndarray:
    pieces = _pieces(bundle, text)
    vectors = bundle.embed_texts(pieces).vectors
    # begin and end aside
    weights = bundle.tokenizer.encode(pieces).lengths - 2 if weighed else np.ones(len(pieces))
    total = weights @ vectors
    return total / np.linalg.norm(total)


if __name__ == "__main__":
    main()
