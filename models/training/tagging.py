"""Words that an image tower tells by itself: which of them the captions of a picture have.

What a picture shows and its own caption seldom names is slow to learn from pairs: once the pairs of a batch are told apart by
their colours, nothing asks for shapes. A word is asked of every picture, and it is there if any place of the last level says
so (Fang et al., "From captions to visual concepts and back", CVPR 2015, section 3; words of captions as classes: Huang et al.,
"Classification done right for vision-language pre-training", NeurIPS 2024). Like the interaction module, the layer is left
behind when the towers are exported.
"""

import torch
from torch import nn
from torch.nn import functional

from models.training.recipe import TaggingPart


class Tagging(nn.Module):
    """From b images to how likely each of v words is in their captions.

    Args:
        part: weight of the loss.
        channels: of the image tower's last level.
        words: v.

    Attributes:
        weight: of the loss.
    """

    def __init__(self, part: TaggingPart, channels: int, words: int) -> None:
        super().__init__()
        self.weight = part.weight
        self.read = nn.Linear(channels, words)

    def forward(self, level: torch.Tensor) -> torch.Tensor:
        """Logits [b, v] from the last level's map [b, channels, h, w]: of the greatest answer of any place."""
        return self.read(level.amax(dim=(2, 3))).float()

    def loss(self, logits: torch.Tensor, said: torch.Tensor) -> torch.Tensor:
        """Binary cross-entropy of all words, for each word that is said: it does not grow with the vocabulary.

        Args:
            logits: [b, v] of the joint batch.
            said: [b, v] bool.
        """
        each = functional.binary_cross_entropy_with_logits(logits, said.to(logits), reduction="sum")
        return each / said.sum().clamp(min=1)
