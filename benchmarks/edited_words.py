"""Whether the proofreader finds the wrong words of edited captions, by the picture: edits by rule and by a masked language model.

    python -m benchmarks.edited_words [--bundle BUNDLE] [--scenes 1000] [--masked-lm FOLDER]

One caption of each held-out scene is edited by each source, and read by the bundle as it serves, beside its own picture and beside
another's. Only words that some edit changes, or puts in, are judged. Corrections are asked for of all wrong words, as training does;
beside that stands how many are restored in use, where only those are corrected that are called wrong. Without a folder a masked language model is trained on the captions of the training scenes, once.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.fixtures import CACHE
from benchmarks.table import Row, show
from benchmarks.vilem_scenes import masked_lm, taught
from models.bundle import Bundle, find_bundle
from models.evaluation.judged import Judged, editable, judge
from models.evaluation.words import auroc, auroc_by_group, shuffled_images
from models.proofreader import Proofreader
from models.scenes.corpus import generate
from models.training.editors import make_editor
from models.training.pairs import caption_of
from models.training.parts import EditsPart

AUROC, SHUFFLED, RESTORED = 0.95, 0.65, 80.0
_BATCH = 64
_FEW = 3


def rows_of(found: Sequence[Judged], threshold: float) -> list[Row]:
    """The figures beside their bars; a word is called wrong where P(wrong) is above the threshold."""
    wrong = np.array([each.wrong for each in found])
    own, other = (np.array([getattr(each, name) for each in found]) for name in ("own", "other"))
    restored = [(each.restored, each.restored and each.own > threshold) for each in found if each.restored is not None]
    right, said = 100 * np.mean(restored, axis=0)
    by_kind = auroc_by_group(own, wrong, [each.kind for each in found])
    return [
        Row("words judged", float(len(found)), ""),
        Row("of these wrong", float(wrong.sum()), ""),
        Row("wrong words found, AUROC", auroc(own, wrong), "", AUROC),
        Row("the same beside another picture", auroc(other, wrong), "", SHUFFLED, at_most=True),
        *(Row(f"- found: {kind}", value, "") for kind, value in by_kind.items()),
        Row("right word restored", float(right), "%", RESTORED),
        # where many words are wrong, none is left that tells which thing is meant
        *(Row(f"- restored: {name}", value, "%") for name, value in _restored_by_errors(found).items()),
        Row("called wrong and restored", float(said), "%"),
    ]


def _restored_by_errors(found: Sequence[Judged]) -> dict[str, float]:
    """Percent of words restored, of captions with few wrong words and with many."""
    asked = [(sum(each.edit.wrong) > _FEW, each.restored) for each in found if each.restored is not None]
    named = {f"up to {_FEW} wrong words in a caption": False, "more than that": True}
    return {
        f"{name} ({len(some):,})": 100 * float(np.mean(some))
        for name, many in named.items()
        if (some := [restored for of_many, restored in asked if of_many == many])
    }


def main() -> None:
    """Print the figures of both sources."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--bundle", default="scenes-s", help="folder or name")
    parser.add_argument("--scenes", type=int, default=1000)
    parser.add_argument("--masked-lm", type=Path, help="folder of `vilem train-mlm`")
    parser.add_argument("--seed", type=int, default=0, help="of the edits, and of who is shown another's picture")
    options, _ = parser.parse_known_args()
    bundle = Bundle.open(find_bundle(options.bundle, Path()))
    reader = Proofreader.open(bundle)
    # what belongs there is asked of all words, whether they are called wrong or not; beside another picture of none
    thorough, plain = reader.correcting(-np.inf), reader.correcting(np.inf)
    scenes = list(generate("test", options.scenes, 0, bundle.manifest.preprocess.size))
    pixels = np.stack([scene.image for scene in scenes])
    images = [
        image
        for start in range(0, len(pixels), _BATCH)
        for image in reader.encode_images(pixels[start : start + _BATCH])
    ]
    others = shuffled_images(np.arange(len(scenes)), options.seed)
    said = taught()
    parts = {
        "rules": EditsPart(plausible=True),
        "a masked language model": EditsPart(
            rules=0.0, masked=1.0, masked_lm=options.masked_lm or masked_lm(CACHE / "edited_words")
        ),
    }
    for name, part in parts.items():
        captions = [caption_of(scene.captions, row % len(scene.captions)) for row, scene in enumerate(scenes)]
        drawn = make_editor(part, said).edit(captions, np.random.default_rng(options.seed))
        edited = [(row, edit) for row, edit in enumerate(drawn) if edit is not None]
        words, vocabulary = editable(edit for _, edit in edited), frozenset(reader.vocabulary)
        found: list[Judged] = []
        for row, edit in edited:
            own, other = (
                who.check(edit.text, [images[of]])[0] for who, of in ((thorough, row), (plain, int(others[row])))
            )
            found += judge(edit, own, other, words, vocabulary)
        show(
            f"{bundle.manifest.name}: {len(edited):,} of {len(scenes):,} captions edited by {name}",
            rows_of(found, reader.threshold),
        )


if __name__ == "__main__":
    main()
