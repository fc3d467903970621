"""What goes through a step: pairs, what the towers say of them, what stands beside them, and how much there is of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import nn

from models.training.distill import Lesson
from models.training.editing import EditedBatch
from models.training.features import ImageFeatures, normalised
from models.training.losses import Keys, Targets, word_counts


@dataclass(frozen=True)
class Batch:
    """b pairs, and for proofreading their captions again, edited.

    Attributes:
        pixels: [b, 3, s, s] normalised, of clips [b, f, 3, s, s]; as a batch is made they are bytes, [b, s, s, 3] or
            [b, f, s, s, 3], and `prepared` turns them.
        ids: [b, t] token ids.
        edited: m edited texts of the b pairs.
        rows: [b] which pictures of the corpus they are; None when nobody asks.
        choices: [b] which caption of each.
        said: [b, v] bool: which of v words their captions have; None when nobody asks.
    """

    pixels: torch.Tensor
    ids: torch.Tensor
    edited: EditedBatch | None = None
    rows: torch.Tensor | None = None
    choices: torch.Tensor | None = None
    said: torch.Tensor | None = None

    def prepared(self, towers: nn.Module, device: torch.device | str = "cpu") -> "Batch":
        """The same on *device*, its bytes normalised there for *towers*."""
        moved = self._each(lambda tensor: tensor.to(device, non_blocking=True))
        return replace(moved, pixels=normalised(towers, moved.pixels))

    def pin_memory(self) -> "Batch":
        """The same in pinned memory; a torch DataLoader calls it."""
        return self._each(torch.Tensor.pin_memory)

    def _each(self, change: Callable[[torch.Tensor], torch.Tensor]) -> "Batch":
        edited = None if self.edited is None else self.edited.each(change)
        rest = {name: value for name, value in vars(self).items() if isinstance(value, torch.Tensor)}
        return replace(self, edited=edited, **{name: change(value) for name, value in rest.items()})


@dataclass(frozen=True)
class Encoded:
    """What the towers say of a batch or a chunk of it.

    Attributes:
        vectors: what is compared with the whole joint batch, rows first: "images" and "texts" [b, d] and, where edited
            texts are negatives, "wrong" [c, d] of those with a wrong word. Unit vectors.
        image: features of the b images.
        tokens: [m, t, w] features of the edited texts' tokens; None without them.
        wrong: [c, d] unit vectors of the edited texts with a wrong word; None without them.
    """

    vectors: dict[str, torch.Tensor]
    image: ImageFeatures
    tokens: torch.Tensor | None = None
    wrong: torch.Tensor | None = None


@dataclass(frozen=True)
class Beside:
    """What stands beside the pairs of a joint batch of B, none of it with gradient.

    Attributes:
        keys: pairs of earlier steps.
        targets: what each should choose instead of its own alone.
        weights: [B] of the pairs.
        lesson: what a teacher says of them.
    """

    keys: Keys | None = None
    targets: Targets | None = None
    weights: torch.Tensor | None = None
    lesson: Lesson | None = None


@dataclass(frozen=True)
class Counts:
    """What a joint batch has, which its parts divide their sums by: [4] words wrong, right, to be corrected; wrong texts."""

    numbers: torch.Tensor

    @classmethod
    def of(cls, edited: EditedBatch) -> "Counts":
        """Of one process's edited texts."""
        others = torch.stack([torch.tensor(len(edited.words), device=edited.wrong.device), edited.changed.sum()])
        return cls(torch.cat([word_counts(edited.wrong, edited.there), others]))
