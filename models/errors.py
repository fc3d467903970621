"""What can be wrong with a model or with what it is given.

ModelError
├── BundleError              a folder that should be a bundle is not usable
│   ├── BundleMissing        no such folder, or it has no bundle.json
│   ├── BundleAltered        a file is missing, truncated or changed since it was sealed
│   ├── BundleTooNew         written by a newer ViLEM than this one
│   ├── BundleInvalid        bundle.json does not say what a bundle must say
│   └── ProofreaderMissing   the bundle has no proofreader
├── MatchingInvalid          what says how cosines are read as probabilities is damaged, or cannot be fitted
├── StoredImageInvalid       the bytes kept of an image are damaged, or of another bundle
├── InputError               the caller's input; an HTTP service answers 4xx
│   ├── ImageTooLarge        more bytes or pixels than the limits allow
│   ├── ImageUnreadable      not an image, truncated, or of no known format
│   └── TextInvalid          not encodable as text (lone surrogates)
└── ExportError              a torch model that cannot become a bundle
"""


class ModelError(Exception):
    """Base of every error this package raises on purpose."""


class BundleError(ModelError):
    """A bundle cannot be used."""


class BundleMissing(BundleError):
    """There is no bundle at the path."""


class BundleAltered(BundleError):
    """A bundle's files are not the files that were sealed."""


class BundleTooNew(BundleError):
    """A bundle's schema is newer than this program knows."""


class BundleInvalid(BundleError):
    """A bundle's manifest breaks the schema."""


class ProofreaderMissing(BundleError):
    """A bundle cannot proofread."""


class MatchingInvalid(ModelError):
    """A calibration of cosines cannot be read or made."""


class StoredImageInvalid(ModelError):
    """What was kept of an image for proofreading is not what this bundle keeps."""


class InputError(ModelError):
    """The caller's input is at fault.

    Attributes:
        field: what of the input; told by whoever knows where it came from.
    """

    field: str = ""


class ImageTooLarge(InputError):
    """An image exceeds the limit of bytes or pixels."""


class ImageUnreadable(InputError):
    """Bytes that do not decode to an image."""


class TextInvalid(InputError):
    """A string that is not Unicode text."""


class ExportError(ModelError):
    """A model cannot be exported."""
