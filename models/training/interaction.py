"""ViLEM's interaction module: the words of a text meet an image, as a whole and in its parts.

Chen et al., "ViLEM", CVPR 2023, section 3: error detection for each word, error correction where one is wrong. Shapes
and sizes that the paper leaves open are ours. In the shapes below: b texts, w words, t tokens, p patches of a level.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn
from torch.nn import functional

from models.training.features import ImageFeatures, averaged

# far below every logit, and within half precision
_FAR = -1e4


@dataclass(frozen=True)
class Shape:
    """Sizes of the module.

    Attributes:
        tokens: width of the text tower's token features.
        embedding: dimension d of the shared space.
        levels: channels of each level that is read, shallow to deep.
        width: of the module.
        blocks: each lets words look at each other, and then at the patches of all levels.
        heads: of its attentions.
        side: a level's map is averaged down to at most so many patches a side.
        vocabulary: words that correction can answer.
        local: whether words meet patches.
        whole: whether words meet the image's embedding.
    """

    tokens: int
    embedding: int
    levels: tuple[int, ...]
    width: int = 256
    blocks: int = 2
    heads: int = 4
    side: int = 7
    vocabulary: int = 10_000
    local: bool = True
    whole: bool = True


class Interaction(nn.Module):
    """From word features and image features to what is wrong and what should be there."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = shape.width
        self.shape = shape
        self.words = nn.Linear(shape.tokens, width)
        self.levels = nn.ModuleList(Patches(channels, width, shape.side) for channels in shape.levels if shape.local)
        self.blocks = nn.ModuleList(Block(width, shape.heads, cross=shape.local) for _ in range(shape.blocks))
        self.whole = nn.Linear(shape.embedding, width) if shape.whole else None
        self.mixed = nn.Sequential(nn.Linear(3 * width, width), nn.GELU()) if shape.whole else None
        out = (2 if shape.whole else 1) * width
        self.norm = nn.LayerNorm(out)
        self.detect = nn.Linear(out, 1)
        self.correct = nn.Linear(out, width)
        # the table that correction answers from: logits are products with it
        self.vocabulary = nn.Parameter(torch.randn(shape.vocabulary, width) * width**-0.5)

    def forward(self, words: torch.Tensor, there: torch.Tensor, image: ImageFeatures) -> torch.Tensor:
        """Let the words of b texts meet b images.

        Args:
            words: [b, w, tokens] features, see `pool_words`.
            there: [b, w] bool, False for padding.
            image: of the same b images.

        Returns:
            [b, w, out] features, for `detection` and `correction`.
        """
        return self.meet(words, there, self.look(image.levels), image.embedding)

    def deepened(self, blocks: int) -> "Interaction":
        """A copy with so many blocks; those that are new pass on what they are given, until they have learnt.

        Raises:
            ValueError: it has more.
        """
        new = blocks - len(self.blocks)
        if new < 0:
            raise ValueError(f"a module of {len(self.blocks)} blocks cannot be deepened to {blocks}")
        deeper = Interaction(replace(self.shape, blocks=blocks))
        # what it lacks are the new blocks alone
        deeper.load_state_dict(self.state_dict(), strict=False)
        for block in deeper.blocks[len(self.blocks) :]:
            _silence(block)
        return deeper

    def look(self, levels: Sequence[torch.Tensor]) -> tuple[torch.Tensor, ...]:
        """The image's side: maps [b, channels, h, w] of the levels to patches [b, p, width] of each; none without local."""
        return tuple(project(level) for project, level in zip(self.levels, levels, strict=self.shape.local))

    def meet(
        self, words: torch.Tensor, there: torch.Tensor, patches: Sequence[torch.Tensor], embedding: torch.Tensor
    ) -> torch.Tensor:
        """What `forward` does after `look`: words [b, w, tokens] meet patches and embeddings [b, d] of b images."""
        hidden = first = self.words(words)
        parts = torch.cat(list(patches), dim=1) if self.shape.local else None
        mask = unseen(there, hidden.dtype)
        for block in self.blocks:
            hidden = block(hidden, mask, parts)
        if self.whole is not None and self.mixed is not None:
            # a unit vector's entries are small beside the words': brought to their size, or it would be learnt from last
            seen = self.whole(embedding * embedding.shape[-1] ** 0.5)[:, None].expand_as(first)
            hidden = torch.cat([hidden, self.mixed(torch.cat([first, seen, first * seen], dim=-1))], dim=-1)
        return self.norm(hidden)

    def detection(self, features: torch.Tensor) -> torch.Tensor:
        """Logits [b, w] that a word is wrong."""
        return self.detect(features).squeeze(-1)

    def correction(self, features: torch.Tensor) -> torch.Tensor:
        """Logits [..., vocabulary] of the word that belongs there."""
        return self.correct(features) @ self.vocabulary.T


class Patches(nn.Module):
    """A level's map as patches that know their places: [b, channels, h, w] to [b, p, width], p at most *side* squared."""

    def __init__(self, channels: int, width: int, side: int) -> None:
        super().__init__()
        self.side = side
        self.norm = nn.LayerNorm(channels)
        self.project = nn.Linear(channels, width)

    def forward(self, level: torch.Tensor) -> torch.Tensor:
        """Average what is finer than *side*; places are added, because an average has none."""
        level = averaged(level, self.side)
        height, width = level.shape[2:]
        patches = self.project(self.norm(level.flatten(2).transpose(1, 2)))
        return patches + places(height, width, patches.shape[-1]).to(patches)


class Block(nn.Module):
    """Words look at each other in both directions (the text tower may be causal), then at patches."""

    def __init__(self, width: int, heads: int, *, cross: bool) -> None:
        super().__init__()
        self.among = Attention(width, heads)
        self.across = Attention(width, heads) if cross else None
        self.think = Feedforward(width, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))

    def forward(self, words: torch.Tensor, mask: torch.Tensor, patches: torch.Tensor | None) -> torch.Tensor:
        """[b, w, width] to the same; *mask* as `unseen` makes it, patches [b, p, width]."""
        normed = self.norms[0](words)
        words = words + self.among(normed, normed, mask)
        if self.across is not None and patches is not None:
            words = words + self.across(self.norms[1](words), patches, None)
        return words + self.think(self.norms[2](words))


def _silence(block: nn.Module) -> None:
    """Let a block add nothing to what it is given; its last layers have gradients all the same, and begin to."""
    for name, layer in block.named_modules():
        if name in ("among.out", "across.out", "think.2"):
            for each in layer.parameters():
                nn.init.zeros_(each)


class Attention(nn.Module):
    """Multi-head attention of [b, n, width] over [b, m, width]."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, queries: torch.Tensor, others: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """*mask* [b, 1, 1, m] is added to the logits of what is looked at."""
        query = self._split(self.query(queries))
        key, value = (self._split(each) for each in self.key_value(others).chunk(2, dim=-1))
        found = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)  # [b, heads, n, width/heads]
        return self.out(found.transpose(1, 2).flatten(2))

    def _split(self, features: torch.Tensor) -> torch.Tensor:
        return features.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def unseen(there: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """What attention adds to its logits [b, 1, 1, w], so that nothing looks at words that are not *there* [b, w].

    A number and not -inf: a text without words, as padding makes them, then has some answer instead of none. And not
    booleans, which torch turns into numbers in every block, after it has looked for such texts.
    """
    return torch.zeros(there.shape, dtype=dtype, device=there.device).masked_fill_(~there, _FAR)[:, None, None, :]


class Feedforward(nn.Sequential):
    """Two layers with a GELU between; twice as wide inside: the module is small beside the towers on purpose."""

    def __init__(self, given: int, width: int) -> None:
        super().__init__(nn.Linear(given, 2 * width), nn.GELU(), nn.Linear(2 * width, width))


def places(height: int, width: int, channels: int) -> torch.Tensor:
    """Sines and cosines of row and column [height * width, channels] (Vaswani et al. 2017, section 3.5, in two axes).

    Without them "left" and "above" could be read only from what padding leaves in a convolution's map.
    """
    quarter = -(-channels // 4)
    rates = torch.pi * 2.0 ** torch.linspace(0, 4, quarter)
    rows = torch.linspace(0, 1, height)[:, None, None] * rates
    columns = torch.linspace(0, 1, width)[None, :, None] * rates
    waves = [rows.sin(), rows.cos(), columns.sin(), columns.cos()]
    return torch.cat([wave.expand(height, width, quarter) for wave in waves], dim=-1)[..., :channels].flatten(0, 1)


def pool_words(tokens: torch.Tensor, word_of: torch.Tensor, words: int) -> torch.Tensor:
    """Mean of each word's token features: [b, words, width]; a word with no token is zero.

    Args:
        tokens: [b, t, width].
        word_of: [b, t] index of each token's word, -1 for none.
        words: most words of a text.
    """
    belongs = (word_of[:, None, :] == torch.arange(words, device=word_of.device)[None, :, None]).to(tokens)  # [b, w, t]
    return belongs @ tokens / belongs.sum(-1, keepdim=True).clamp(min=1)
