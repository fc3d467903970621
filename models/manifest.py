"""`bundle.json`: what a sealed dual encoder says of itself.

The manifest is the contract between training and serving. Its digest (SHA-256 of the file's bytes) names the bundle: it
covers the hash of every other file, so two bundles with one digest are the same model. One field is left out of it: from
which P(wrong) on a word is called wrong. That changes neither a vector nor a probability, and may be chosen anew for a
bundle that collections were built with.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, PrivateAttr, ValidationError

from models.errors import BundleAltered, BundleInvalid, BundleMissing, BundleTooNew
from models.sealed import FileSeal, SealBroken, verify

SCHEMA_VERSION = 1
MANIFEST_NAME = "bundle.json"
TOKENIZER_NAME = "tokenizer.json"
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"

Triple = tuple[float, float, float]


def is_bundle_name(name: str) -> bool:
    """Whether a bundle may have that name, which its folder has too."""
    return re.fullmatch(NAME_PATTERN, name) is not None


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Preprocess(_Part):
    """How an RGB image becomes the image graph's input; mean and std are folded into the graph and kept for the record.

    `shortest` scales the shorter side to `size` and crops the centre; `squash` scales both sides to `size`.
    """

    size: int = Field(gt=0, description="side of the square input, pixels")
    resize: Literal["shortest", "squash"] = "shortest"
    interpolation: Literal["bicubic", "bilinear"] = "bicubic"
    mean: Triple
    std: Triple


class TextSpec(_Part):
    """How a string becomes token ids.

    `causal` promises that a token's features do not depend on later tokens and that the text is pooled at its
    end-of-text token, so the sequence may be cut to the longest real length in a batch.
    """

    context_length: int = Field(gt=0, description="most tokens a text may have, markers included")
    causal: bool
    clean: Literal["lower", "whitespace", "canonicalize", "none"] = "lower"
    pad_id: int = 0
    eot_id: int | None = Field(default=None, description="end-of-text marker; kept as the last id when a text is cut")


class Variant(_Part):
    """One precision of the two graphs: file names, and how close its embeddings come to fp32's."""

    image: str
    text: str
    image_cosine: float = Field(default=1.0, description="least cosine to fp32 over the checked images")
    text_cosine: float = Field(default=1.0, description="least cosine to fp32 over the checked texts")


class Calibration(_Part):
    """What was fitted on held-out data: P(wrong) = sigmoid(slope x logit + intercept), and the weight of re-ranking."""

    slope: float = Field(ge=0)
    intercept: float
    alpha: float = Field(ge=0, description="re-ranked score = cosine + alpha x sum over words of log(1 - P(wrong))")
    threshold: float = Field(default=0.5, gt=0, lt=1, description="a word is called wrong where P(wrong) is above it")
    words: int = Field(ge=0, description="editable words that it was fitted on")
    ece_before: float = Field(description="expected calibration error of the bare sigmoid, 15 bins")
    ece_after: float = Field(description="the same as calibrated, on words that it was not fitted on")
    r1_before: float = Field(description="text→image R@1 of the cosines alone, on the data of the fit")
    r1_after: float = Field(description="the same after re-ranking")


class Proofreading(_Part):
    """The second stage: graphs and vocabulary of the proofreader, and their sizes."""

    image: str = Field(description="graph: pixels to embedding and patches")
    text: str = Field(description="graph: token ids to token features")
    reading: str = Field(description="graph: words and patches to what is wrong and what belongs there")
    vocabulary: str = Field(description="the words that correction can answer, a JSON list")
    words: int = Field(gt=0, description="of the vocabulary")
    features: int = Field(gt=0, description="width of the token features")
    patches: int = Field(ge=0, description="kept of an image")
    channels: int = Field(gt=0, description="of each patch")
    calibration: Calibration


class Provenance(_Part):
    """Where the weights come from."""

    architecture: str
    pretrained: str = Field(description="tag, checkpoint file name with its SHA-256, or 'none' (random weights)")
    recipe: str | None = None
    data_digest: str | None = None
    metrics: dict[str, float] = {}
    notes: dict[str, JsonValue] = {}


class BundleManifest(_Part):
    """The whole of `bundle.json`."""

    schema_version: int = SCHEMA_VERSION
    name: str = Field(pattern=NAME_PATTERN)
    dim: int = Field(gt=0, description="embedding dimension d")
    logit_scale: float = Field(gt=0, description="factor on the cosine in the training loss (already exponentiated)")
    logit_bias: float = Field(default=0.0, description="SigLIP's bias; 0 for softmax models")
    preprocess: Preprocess
    text: TextSpec
    variants: dict[str, Variant] = Field(description="by precision: fp32 always, fp16 and int8 where exported")
    provenance: Provenance
    files: dict[str, FileSeal]
    proofreader: Proofreading | None = None

    # Set by `read_manifest`: only the fields that the file had count then. A newer ViLEM, which knows more fields, must
    # not give every bundle another identity, and so orphan every collection.
    _read: bool = PrivateAttr(default=False)

    def to_bytes(self) -> bytes:
        """The bytes of `bundle.json`, in the one form that ViLEM writes."""
        return _written(self._fields())

    def digest(self) -> str:
        """SHA-256 (hex) of `bundle.json` in that form, without the threshold: the bundle's identity."""
        fields = self._fields()
        if self.proofreader is not None:
            fields["proofreader"]["calibration"].pop("threshold", None)
        return hashlib.sha256(_written(fields)).hexdigest()

    def with_threshold(self, threshold: float) -> "BundleManifest":
        """The same bundle, of the same digest, whose proofreader calls a word wrong where P(wrong) is above *threshold*.

        Raises:
            ValueError: it has no proofreader, or that is no probability between 0 and 1.
        """
        reading = self.proofreader
        if reading is None:
            raise ValueError(f"bundle {self.name!r} has no proofreader: there is no word that it calls wrong")
        fitted = Calibration.model_validate({**reading.calibration.model_dump(), "threshold": threshold})
        return self.model_copy(update={"proofreader": reading.model_copy(update={"calibration": fitted})})

    def _fields(self) -> dict[str, Any]:
        fields = self.model_dump(mode="json", exclude_unset=self._read)
        if self.proofreader is None:
            # as bundles were written before there were proofreaders
            fields.pop("proofreader", None)
        return fields

    def space_digest(self) -> str:
        """SHA-256 (hex) of what makes an image's vector: preparation, dimension, and the sealed fp32 image graph.

        Bundles of one space give every image the same vector, so an index of one's vectors is an index of the other's.
        Derived from the seals each time and stored nowhere: no manifest can claim a space that its files do not make.

        Raises:
            BundleInvalid: the manifest has no fp32 variant, or does not seal its image graph.
        """
        fp32 = self.variants.get("fp32")
        if fp32 is None or fp32.image not in self.files:
            raise BundleInvalid(f"bundle {self.name!r} seals no fp32 image graph: export the bundle again")
        # a field that a newer ViLEM adds to Preprocess leaves the spaces of older bundles as they are
        prepared = self.preprocess.model_dump(mode="json", exclude_defaults=True)
        seals = [self.files[name].sha256 for name in image_files(self, "fp32")]
        made_of = json.dumps([prepared, self.dim, seals], sort_keys=True)
        return hashlib.sha256(made_of.encode()).hexdigest()

    @classmethod
    def from_fields(cls, fields: object) -> "BundleManifest":
        """Validate what a file holds; raises `pydantic.ValidationError`."""
        manifest = cls.model_validate(fields)
        manifest._read = True  # noqa: SLF001 # its own
        return manifest


def _written(fields: dict[str, Any]) -> bytes:
    return (json.dumps(fields, indent=2, ensure_ascii=False) + "\n").encode()


def image_files(manifest: BundleManifest, variant: str) -> list[str]:
    """The image graph of a variant, and its weights where they lie beside it."""
    graph = manifest.variants[variant].image
    return [name for name in (graph, f"{graph}.data") if name in manifest.files]


def read_manifest(folder: Path) -> BundleManifest:
    """Read and validate `bundle.json` in *folder*; the other files are not looked at.

    Raises:
        BundleMissing: no folder or no manifest there.
        BundleTooNew: its schema version is above `SCHEMA_VERSION`.
        BundleInvalid: not JSON, or fields missing, unknown or out of range.
    """
    path = folder / MANIFEST_NAME
    if not path.is_file():
        raise BundleMissing(
            f"no bundle at {folder}: it has no {MANIFEST_NAME}; `vilem model list` shows the bundles found"
        )
    try:
        fields = json.loads(path.read_bytes())
        version = fields["schema_version"]
    except OSError as error:
        raise BundleInvalid(f"{path} cannot be read ({error.strerror}): check its permissions and its disk") from error
    except (ValueError, KeyError, TypeError) as error:
        raise BundleInvalid(f"{path} is not a bundle manifest ({error}): copy or export the bundle again") from error
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise BundleTooNew(f"{path} has schema {version}, this ViLEM reads up to {SCHEMA_VERSION}: upgrade ViLEM")
    try:
        return BundleManifest.from_fields(fields)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BundleInvalid(f"{path}: {where}: {first['msg']}: export the bundle again") from error


def verify_bundle(folder: Path, manifest: BundleManifest, *, contents: bool = True) -> None:
    """Check the bundle's files against its manifest.

    Raises:
        BundleAltered: a file is missing, truncated or changed.
    """
    try:
        verify(folder, manifest.files, contents=contents)
    except SealBroken as error:
        raise BundleAltered(str(error)) from error
