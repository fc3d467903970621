"""The objective: from a batch to its losses. Plain contrastive, or with ViLEM's proofreading beside it.

The towers see each image once and each text once; with proofreading, the texts that were edited once more. Gradients of
detection and correction flow through the module into both towers: that is the whole point of it.
"""

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import nn
from torch.nn import functional

from models.manifest import TextSpec
from models.pretrained.causal import text_tower
from models.training.alarms import Judged, ambiguous
from models.training.batch import Batch, Beside, Counts, Encoded
from models.training.editing import EditedBatch
from models.training.features import (
    ImageFeatures,
    TextFeatures,
    depth,
    image_features,
    level_indices,
    text_features,
)
from models.training.frames import visual_features
from models.training.interaction import Interaction, Shape
from models.training.late import Late, Widths
from models.training.losses import contrastive, correction, detection, preference, sigmoid
from models.training.reading import read
from models.training.recipe import LatePart, ProofreadingPart, TaggingPart
from models.training.tagging import Tagging

_NOTHING = Beside()
# of the images' mean: the last twenty steps or so, while the towers change slowly
_FOLLOWS = 0.05


class Objective(nn.Module):
    """Towers, and the module that is trained beside them.

    A step asks for `encode`, `between` and `within` in turn, because what is compared with the whole joint batch must wait
    for all of it (`models.training.step`); `forward` is the three of them on a batch that is the whole.

    Args:
        towers: an open_clip model.
        module: None for plain contrastive training.
        weights: of the losses; needed with a module.
        levels: blocks of the image tower that the module reads.

    Attributes:
        towers: as given.
        module: as given.
        levels: as given.
        sigmoid: whether the contrastive loss is SigLIP's; the towers need a `logit_bias` then.
        late: what compares texts and images part by part, where that is wished; it reads the last of the levels.
        tagging: what tells an image's words, where that is wished; it reads the last of the levels too.
    """

    def __init__(
        self,
        towers: nn.Module,
        module: Interaction | None = None,
        weights: ProofreadingPart | None = None,
        levels: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        self.towers = towers
        self.module = module
        self._weights = weights
        if weights is not None and weights.preference and module is not None:
            # what all images have in common, which a text alone could please
            self.register_buffer("centre", torch.zeros(module.shape.embedding))
        self.levels = levels
        self.sigmoid = False
        self.late: Late | None = None
        self.tagging: Tagging | None = None

    def forward(self, batch: Batch, strength: float = 1.0) -> dict[str, torch.Tensor]:
        """Every part of the loss by name; "total" is what is to be descended.

        Args:
            batch: the pairs.
            strength: factor on the proofreading losses, which begin slowly.
        """
        factors = {"detection": strength, "correction": strength}
        encoded = self.encode(batch)
        between, within = self.between(encoded.vectors, factors), self.within(encoded, batch, factors)
        return {**between, **within, "total": between["total"] + within["total"]}

    def encode(self, batch: Batch) -> Encoded:
        """Run the towers: each image once, each text once, and those that were edited once more."""
        edited = batch.edited if self.module is not None else None
        reads = edited is not None or self.late is not None or self.tagging is not None
        image = visual_features(self.towers, batch.pixels, self.levels if reads else ())
        # at once: many small products cost more than a few of twice the rows
        ids = batch.ids if edited is None else _stacked(batch.ids, edited.ids[edited.changed])
        texts, pairs = text_features(self.towers, ids), len(batch.ids)
        own, wrong = texts.embedding.split([pairs, len(ids) - pairs])
        vectors = {"images": image.embedding, "texts": own}
        if self.late is not None:
            vectors |= self.late(image.levels[-1], texts.tokens[:pairs, : batch.ids.shape[1]], batch.ids)
        if self.tagging is not None and batch.said is not None:
            vectors |= {"tags": self.tagging(image.levels[-1]), "said": batch.said}
        if edited is None:
            return Encoded(vectors, image)
        if self._weights is not None and self._weights.negatives:
            vectors["wrong"] = wrong
        # a text that was not edited is its caption, which has been encoded
        source = edited.owner.clone()
        source[edited.changed] = torch.arange(pairs, len(ids), device=source.device)
        return Encoded(vectors, image, texts.tokens.index_select(0, source)[:, : edited.ids.shape[1]], wrong)

    def between(
        self,
        vectors: Mapping[str, torch.Tensor],
        factors: Mapping[str, float] = MappingProxyType({}),
        beside: Beside = _NOTHING,
        world: int = 1,
    ) -> dict[str, torch.Tensor]:
        """Losses that compare every pair of the joint batch with every other, in single precision.

        Args:
            vectors: of the joint batch, as `encode` names them.
            factors: what each loss is multiplied by, beside its weight; 1 for those not named.
            beside: what stands beside them.
            world: processes that compute this same loss, of which each gives the scale its share of the gradient.

        Returns:
            By name; "total" is their weighted sum.
        """
        images, texts = vectors["images"], vectors["texts"]
        self._remember(images)
        # half precision tells cosines apart by steps of 0.004, which the scale multiplies by up to 100
        with torch.autocast(images.device.type, enabled=False):
            scale, wrong, weights = _shared(self.towers.logit_scale, world).exp(), vectors.get("wrong"), beside.weights
            if self.sigmoid:
                loss = sigmoid(images, texts, scale, _shared(self.towers.logit_bias, world), wrong, weights=weights)
            else:
                loss = contrastive(
                    images, texts, scale, wrong, weights=weights, keys=beside.keys, targets=beside.targets
                )
            parts, weigh = {"contrastive": loss}, {"contrastive": 1.0}
            if self.late is not None:
                parts["late"] = self.late.loss(vectors, _shared(self.late.log_scale, world).exp(), weights)
                weigh["late"] = self.late.weight
            if self.tagging is not None and "tags" in vectors:
                parts["tagging"] = self.tagging.loss(vectors["tags"], vectors["said"])
                weigh["tagging"] = self.tagging.weight
            if beside.lesson is not None:
                parts["affinity"] = beside.lesson.loss(images, texts, scale, weights)
                weigh["affinity"] = beside.lesson.weight
        return {"total": _weighted(parts, weigh, factors), **parts}

    def within(
        self,
        encoded: Encoded,
        batch: Batch,
        factors: Mapping[str, float] = MappingProxyType({}),
        counts: Counts | None = None,
    ) -> dict[str, torch.Tensor]:
        """Losses of the words of a batch or of a part of it; those of the parts add up to those of the joint batch.

        Args:
            encoded: what `encode` made of the batch.
            batch: the same.
            factors: as in `between`.
            counts: of the joint batch's words; of this batch's by default.

        Returns:
            By name; "total" is their weighted sum, and 0 where there is nothing to proofread.
        """
        edited, weights = batch.edited, self._weights
        if self.module is None or weights is None or edited is None or encoded.tokens is None:
            return {"total": torch.zeros((), device=batch.ids.device)}
        reading = read(self.module, encoded.tokens, edited, encoded.image)
        numbers = (Counts.of(edited) if counts is None else counts).numbers
        parts = {
            "detection": detection(reading.wrong(self.module), edited.wrong, edited.there, numbers[:2]),
            "correction": correction(reading.right(self.module, edited.places), edited.words, int(numbers[2])),
        }
        if weights.preference and encoded.wrong is not None:
            parts["preference"] = self._preference(encoded, encoded.wrong, edited, int(numbers[3]))
        return {"total": _weighted(parts, {name: getattr(weights, name) for name in parts}, factors), **parts}

    def _preference(self, encoded: Encoded, wrong: torch.Tensor, edited: EditedBatch, count: int) -> torch.Tensor:
        pairs = edited.owner[edited.changed]
        images, texts = (encoded.vectors[name][pairs] for name in ("images", "texts"))
        return preference(images - self.centre, texts, wrong, self.towers.logit_scale.exp(), count)

    @torch.no_grad()
    def _remember(self, images: torch.Tensor) -> None:
        """Follow the mean of the joint batch's images: the same on every process, and for every chunk of a step."""
        if self._weights is not None and self._weights.preference and self.training:
            mean = images.float().mean(dim=0)
            self.centre = torch.lerp(self.centre, mean, _FOLLOWS) if self.centre.any() else mean

    @torch.no_grad()
    def judge(self, encoded: Encoded, edited: EditedBatch) -> Judged | None:
        """Read the words that only the image can tell once beside their own images and once beside their neighbours'.

        Returns:
            Scores; None without a module, or where there are no such words.
        """
        judged = ambiguous(edited)
        if self.module is None or encoded.tokens is None or len(encoded.image.embedding) < 2 or not judged.any():
            return None
        image = encoded.image
        next_to = ImageFeatures(image.embedding.roll(1, 0), tuple(level.roll(1, 0) for level in image.levels))
        scores, shuffled = (
            read(self.module, encoded.tokens, edited, each).wrong(self.module)[judged] for each in (image, next_to)
        )
        return Judged(scores.float().cpu().numpy(), shuffled.float().cpu().numpy(), edited.wrong[judged].cpu().numpy())


def with_late(objective: Objective, part: LatePart, size: int, text: TextSpec) -> Objective:
    """The same objective, which from now on compares texts and images part by part too.

    Args:
        objective: changed in place.
        part: sizes and weight.
        size: side of the towers' images in pixels.
        text: tells a text's tokens from markers and padding.
    """
    objective.levels = objective.levels or (depth(objective.towers) - 1,)
    image, said = _look(objective.towers, size, objective.levels)
    # a marker that has seen nothing of the text (CoCa's), or whose features the tower keeps to itself, is the same in all texts
    first = getattr(text_tower(objective.towers), "attn_mask", None) is None and bool(said.tokens[:, 0].any())
    widths = Widths(said.tokens.shape[-1], image.levels[-1].shape[1])
    objective.late = Late(part, widths, text, first=first)
    return objective


def with_tagging(objective: Objective, part: TaggingPart, size: int, words: int) -> Objective:
    """The same objective, whose image tower from now on tells its captions' words too.

    Args:
        objective: changed in place.
        part: weight.
        size: side of the towers' images in pixels.
        words: how many it tells.
    """
    objective.levels = objective.levels or (depth(objective.towers) - 1,)
    image, _ = _look(objective.towers, size, objective.levels)
    objective.tagging = Tagging(part, image.levels[-1].shape[1], words)
    return objective


def with_proofreading(towers: nn.Module, part: ProofreadingPart, size: int, vocabulary: int) -> Objective:
    """Towers with a fresh module that fits them.

    Args:
        towers: an open_clip model.
        part: sizes and weights.
        size: side of the towers' images in pixels.
        vocabulary: words that correction can answer.
    """
    levels = tuple(level_indices(towers, part.levels))
    image, text = _look(towers, size, levels)
    shape = Shape(
        tokens=text.tokens.shape[-1],
        embedding=image.embedding.shape[-1],
        levels=tuple(level.shape[1] for level in image.levels),
        width=part.width,
        blocks=part.blocks,
        heads=part.heads,
        side=part.side,
        vocabulary=vocabulary,
        local=part.local,
        whole=part.whole,
    )
    return Objective(towers, Interaction(shape), part, levels)


@torch.no_grad()
def _look(towers: nn.Module, size: int, levels: tuple[int, ...]) -> tuple[ImageFeatures, TextFeatures]:
    """Features of one empty picture and one short text: every kind of tower has channels of its own."""
    training = towers.training
    # or batch normalisation would remember the empty picture
    towers.eval()
    try:
        image = image_features(towers, torch.zeros(1, 3, size, size), levels)
        return image, text_features(towers, torch.ones(1, 2, dtype=torch.long))
    finally:
        towers.train(training)


def _shared(parameter: torch.Tensor, world: int) -> torch.Tensor:
    """The same value, whose gradient is divided by *world*: all processes have it whole, and theirs are summed."""
    return parameter if world == 1 else parameter.detach() + (parameter - parameter.detach()) / world


def _stacked(*batches: torch.Tensor) -> torch.Tensor:
    """Token ids [b, t] of all, padded: only those of towers that see nothing after a text's end differ in length."""
    length = max(ids.shape[1] for ids in batches)
    return torch.cat([functional.pad(ids, (0, length - ids.shape[1])) for ids in batches])


def _weighted(
    parts: Mapping[str, torch.Tensor], weights: Mapping[str, float], factors: Mapping[str, float]
) -> torch.Tensor:
    """The sum of the parts by their weights and this step's factors."""
    return torch.stack([weights[name] * factors.get(name, 1.0) * part for name, part in parts.items()]).sum()
