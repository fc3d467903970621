"""What a dual encoder is trained by."""

from models.training.losses.contrastive import Keys, Targets, contrastive, momentum_targets, pair_losses, sigmoid
from models.training.losses.late import late_interaction
from models.training.losses.preference import preference
from models.training.losses.words import correction, detection, word_counts

__all__ = [
    "Keys",
    "Targets",
    "contrastive",
    "correction",
    "detection",
    "late_interaction",
    "momentum_targets",
    "pair_losses",
    "preference",
    "sigmoid",
    "word_counts",
]
