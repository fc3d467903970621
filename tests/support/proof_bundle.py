"""A small bundle with a proofreader that can be trusted: trained for seconds on pictures of one colour each.

It knows eight captions, `a COLOUR picture` and `the photo is COLOUR`, of four colours.
"""

import functools
import hashlib
import io
import os
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from tokenizers import Tokenizer

from models.export.proofreader import TrainedProofreader
from models.export.seal import export_bundle
from models.manifest import Calibration, Preprocess, Provenance, TextSpec
from models.negatives.editor import Caption
from models.open_clip_import import import_open_clip
from models.sealed import write_atomically
from models.training.batch import Batch
from models.training.data import SceneArrays
from models.training.editing import EditMaker, Vocabulary
from models.training.features import normalised
from models.training.objective import Objective, with_proofreading
from models.training.recipe import ProofreadingPart
from models.training.tokenizer import END, token_ids, train_tokenizer
from tests.architecture.measures import ROOT
from tests.models.training.edits import ColourEditor
from tests.support.once import made_once

if TYPE_CHECKING:
    from open_clip.model import CLIP

PAINT = {"red": (200, 0, 0), "green": (0, 200, 0), "blue": (0, 0, 200), "yellow": (200, 200, 0)}
TEXTS = ("a {} picture", "the photo is {}")
SIDE, CONTEXT, STEPS, RATE = 32, 24, 200, 4e-3
FITTED = Calibration(slope=1, intercept=0, alpha=0.05, words=0, ece_before=0, ece_after=0, r1_before=0, r1_after=0)


@dataclass(frozen=True)
class Trained:
    """What a run leaves."""

    objective: Objective
    edits: EditMaker
    tokenizer: Tokenizer
    vocabulary: Vocabulary


def picture(colour: str, seed: int = 0, side: int = SIDE) -> np.ndarray:
    """A picture of one colour and some noise, (side, side, 3) uint8."""
    noise = np.random.default_rng(seed).normal(0, 12, (side, side, 3))
    return np.clip(np.array(PAINT[colour]) + noise, 0, 255).astype(np.uint8)


def scenes(repeats: int = 3, seed: int = 0) -> SceneArrays:
    """*repeats* noisy pictures of each colour, two captions each."""
    colours = [colour for colour in PAINT for _ in range(repeats)]
    pictures = np.stack([picture(colour, seed + row) for row, colour in enumerate(colours)])
    captions = [tuple(text.format(colour) for text in TEXTS) for colour in colours]
    return SceneArrays(pictures, captions, np.zeros(len(colours), bool))


@functools.cache
def trained() -> "Trained":
    """Towers and module that know the colours."""
    # small tensors: more threads only wait for each other
    torch.set_num_threads(1)
    torch.manual_seed(0)
    known = scenes()
    texts = [text for captions in known.captions for text in captions]
    tokenizer = train_tokenizer(texts * 20, 300)
    vocabulary = Vocabulary.of(texts, 50)
    towers = _towers(tokenizer.get_vocab_size())
    objective = with_proofreading(towers, ProofreadingPart(width=32, heads=2, levels=1), SIDE, len(vocabulary))
    edits = EditMaker(ColourEditor(tuple(PAINT)), tokenizer, vocabulary, 0.3)

    def keep(path: Path) -> None:
        _train(objective, edits, tokenizer, known)
        kept = io.BytesIO()
        torch.save(objective.state_dict(), kept)
        write_atomically(path, kept.getvalue())

    weights = made_once(home() / "weights.pt", keep)
    objective.load_state_dict(torch.load(weights, weights_only=True))
    return Trained(objective.eval(), edits, tokenizer, vocabulary)


def _train(objective: Objective, edits: EditMaker, tokenizer: Tokenizer, known: SceneArrays) -> None:
    optimizer = torch.optim.AdamW(objective.parameters())
    pixels = normalised(objective.towers, torch.from_numpy(known.images))
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 10) * (1 - step / STEPS)
        captions = [Caption(each[step % len(TEXTS)]) for each in known.captions]
        ids = token_ids(tokenizer, [caption.text for caption in captions])
        drawn = edits.draw(captions, np.random.default_rng(step))
        parts = objective.train()(Batch(pixels, ids, edits.lay_out(drawn)))
        optimizer.zero_grad()
        parts["total"].backward()
        torch.nn.utils.clip_grad_norm_(objective.parameters(), 1.0)
        optimizer.step()


def home() -> Path:
    """Where weights and bundle are kept from one run of the tests to the next, until something of theirs changes."""
    sources = [Path(__file__), *sorted((ROOT / "models" / "export").glob("*.py"))]
    sources += [ROOT / "models" / f"{name}.py" for name in ("manifest", "sealed", "text")]
    sources += [
        ROOT / "models" / "training" / f"{name}.py" for name in ("editing", "features", "interaction", "objective")
    ]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources))
    for package in ("torch", "onnx", "onnxscript", "open_clip_torch"):
        digest.update(version(package).encode())
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return cache / "vilem-tests" / f"colours-{digest.hexdigest()[:16]}"


def kept_proof_bundle() -> Path:
    """The bundle, exported when it is not kept yet."""
    return made_once(home() / "colours", make_proof_bundle)


def make_proof_bundle(folder: Path, *, proofreader: bool = True) -> Path:
    """Write the bundle at *folder*, which must not exist, and return it; without proofreader, its towers alone."""
    known = trained()
    towers, module = known.objective.towers, known.objective.module
    assert module is not None
    second = TrainedProofreader(module, known.objective.levels, known.vocabulary.words, FITTED)
    export_bundle(
        towers,
        known.tokenizer.to_str().encode(),
        name=folder.name,
        output=folder,
        preprocess=Preprocess(size=SIDE, mean=(0.5,) * 3, std=(0.25,) * 3),
        text=TextSpec(context_length=CONTEXT, causal=True, eot_id=known.tokenizer.token_to_id(END)),
        provenance=Provenance(architecture="colours", pretrained="none"),
        proofreader=second if proofreader else None,
    )
    return folder


def _towers(vocabulary: int) -> "CLIP":
    import_open_clip()
    from open_clip.model import CLIP

    vision = {"image_size": SIDE, "patch_size": 16, "layers": 1, "width": 32, "head_width": 16}
    text = {"context_length": CONTEXT, "vocab_size": vocabulary, "width": 32, "heads": 2, "layers": 1}
    towers = CLIP(16, vision, text)  # pyright: ignore[reportArgumentType] # it takes both for its own classes
    towers.visual.image_mean, towers.visual.image_std = (0.5,) * 3, (0.25,) * 3
    return towers
