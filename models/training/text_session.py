"""A run that makes a new text tower for an index that stays: from a bundle and captions to a tower that can be sealed."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import Field
from tokenizers import Tokenizer
from torch import nn

from models.bundle import Bundle
from models.manifest import NAME_PATTERN, TextSpec
from models.open_clip_import import import_open_clip
from models.training.backbones import fitted
from models.training.compute import device_of
from models.training.distill_texts import TextDistiller, TextStep, TextTower, distill_texts
from models.training.parts import Part
from models.training.parts import TextTower as TextSize
from models.training.recipe import OptimPart
from models.training.teachers import AT_ONCE, BundleTeacher
from models.training.text_pairs import TextPairs, hold_out
from models.training.tokenizer import END, token_ids, train_tokenizer

# open_clip builds two towers; this one is thrown away at once
_NO_IMAGES = {"image_size": 16, "patch_size": 16, "width": 16, "layers": 1, "head_width": 16}


class TextPlan(Part):
    """What decides a run, beside its teacher and its captions."""

    name: str = Field(pattern=NAME_PATTERN, description="of the new bundle")
    seed: int = 0
    held_out: int = Field(gt=0, description="pairs that are measured on and not learnt from")
    text: TextSize
    optim: OptimPart


@dataclass(frozen=True)
class Student:
    """A fresh text tower, and what it takes to feed it.

    Attributes:
        model: the text side of an open_clip model.
        tokenizer: cuts texts to the context.
        tokenizer_json: the same without cutting, for a bundle.
        text: how a string becomes token ids.
    """

    model: nn.Module
    tokenizer: Tokenizer
    tokenizer_json: bytes
    text: TextSpec

    def ids(self, texts: Sequence[str]) -> torch.Tensor:
        """Token ids [n, t] of clean texts."""
        return token_ids(self.tokenizer, texts)


def new_student(dim: int, size: TextSize, texts: Sequence[str], seed: int) -> Student:
    """A text tower with random weights, and a tokenizer learnt from clean *texts*."""
    tokenizer = train_tokenizer(texts, size.vocabulary)
    import_open_clip()
    from open_clip.model import CLIP

    torch.manual_seed(seed)
    text_cfg = {**size.model_dump(exclude={"vocabulary"}), "vocab_size": tokenizer.get_vocab_size()}
    model = CLIP(dim, _NO_IMAGES, text_cfg)  # pyright: ignore[reportArgumentType]
    model.visual = nn.Identity()
    text = TextSpec(context_length=size.context_length, causal=True, eot_id=tokenizer.token_to_id(END))
    sealed = tokenizer.to_str().encode()
    return Student(model, fitted(tokenizer, text), sealed, text)


class TextSession:
    """One run; goes on from its checkpoint.

    Args:
        teacher: opened; its text tower is imitated.
        pairs: all captions, those to hold out among them.
        plan: the rest.
        work: folder of the checkpoint, which has the digest of all three in its name.

    Attributes:
        student: what is trained.
        learnt: pairs that it learns from.
        held_out: pairs that it is measured on.
        digest: SHA-256 (hex) of the plan, the teacher and the captions.
        checkpoint: the run's file.

    Raises:
        DistillationError: too few captions.
        RecipeError: the plan asks for a device that this machine has not.
    """

    def __init__(self, teacher: Bundle, pairs: TextPairs, plan: TextPlan, work: Path) -> None:
        self.learnt, self.held_out = hold_out(pairs, plan.held_out, plan.seed)
        self.data_digest = hashlib.sha256(json.dumps([list(pairs.captions), list(pairs.read)]).encode()).hexdigest()
        of = [plan.model_dump(mode="json"), teacher.digest, self.data_digest]
        self.digest = hashlib.sha256(json.dumps(of).encode()).hexdigest()
        self.checkpoint = work / f"{plan.name}-{self.digest[:12]}.pt"
        self.student = new_student(teacher.manifest.dim, plan.text, self.learnt.read, plan.seed)
        self._teacher = BundleTeacher(teacher)
        self._tower = TextTower(self.student.model).to(device_of(plan.optim))
        self._run = TextDistiller(
            self._teacher,
            self._tower,
            self.student.ids,
            self.learnt.captions,
            plan.optim,
            seed=plan.seed,
            translations=self.learnt.read,
        )

    def run(self) -> Iterator[TextStep]:
        """Train to the end; raises as `distill_texts`."""
        return distill_texts(self._run, self.checkpoint)

    def cut(self) -> float:
        """Share of the texts to learn from that are longer than the context, and lose their end."""
        encoded = self.student.tokenizer.encode_batch_fast(list(self.learnt.read))
        return sum(bool(each.overflowing) for each in encoded) / len(encoded)

    @torch.no_grad()
    def answers(self) -> tuple[np.ndarray, np.ndarray]:
        """Vectors (n, d) of the held-out pairs: the student's of what it reads, the teacher's of the captions."""
        device = next(self._tower.parameters()).device
        self._tower.eval()
        parts = [
            self._tower(self.student.ids(self.held_out.read[start : start + AT_ONCE]).to(device)).float().cpu()
            for start in range(0, len(self.held_out), AT_ONCE)
        ]
        return torch.cat(parts).numpy(), self._teacher.texts(self.held_out.captions).numpy()

    def finished(self) -> nn.Module:
        """The text side as the exporter takes it: on the CPU, in evaluation mode."""
        return self.student.model.cpu().eval()
