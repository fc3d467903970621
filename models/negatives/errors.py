"""What can be wrong with a source of edits.

NegativesError             is a ModelError
├── MaskedLmInvalid        a folder or a hub name that gives no masked language model
├── CorpusTooSmall         captions that nothing can be learnt from
└── EditsInvalid           a shard of stored edits that was damaged or is of another format
"""

from models.errors import ModelError


class NegativesError(ModelError):
    """Base of what this package raises on purpose."""


class MaskedLmInvalid(NegativesError):
    """A masked language model cannot be loaded."""


class CorpusTooSmall(NegativesError):
    """There are too few captions to learn from."""


class EditsInvalid(NegativesError):
    """Stored edits cannot be read."""
