"""Parts of a recipe that say what goes into training: data, augmentation, towers, edits."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from models.negatives.rules import RuleKind
from models.scenes.clips import FRAMES


class Part(BaseModel):
    """A table of the file: no unknown fields, and none of it changes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def said(self, exclude: set[str] | dict[str, Any] | None = None) -> str:
        """Its values as JSON, in one order however the fields are declared, without those that *exclude* names."""
        return json.dumps(self.model_dump(mode="json", exclude=exclude), sort_keys=True)


def check_multiple(value: int, of: int, names: str) -> None:
    """See that *value* is a multiple of *of*.

    Raises:
        ValueError: it is not; *names* are those of the two fields.
    """
    if value % of:
        raise ValueError(f"{names}: {value} is no multiple of {of}")


class RenderedPart(Part):
    """What is drawn: how many of each split, by which seed."""

    train: int = Field(gt=0)
    val: int = Field(gt=0)
    test: int = Field(gt=0)
    seed: int = 0
    workers: int = Field(default=0, ge=0, description="processes that make batches ahead; 0 = the training process")


class ScenesPart(RenderedPart):
    """Rendered scenes."""

    source: Literal["scenes"] = "scenes"


class ClipsPart(RenderedPart):
    """Rendered clips of moving scenes."""

    source: Literal["clips"]
    frames: int = Field(default=4, gt=0, le=FRAMES, description="shown of each clip, one from each of as many segments")


class FilesPart(Part):
    """Captioned files on disk; splits are named as the source names them, several are put together."""

    path: Path = Field(
        description="folder of shards or of SPLIT.jsonl, JSONL file, Karpathy's or MSR-VTT's JSON; from the working directory"
    )
    images: tuple[Path, ...] = Field(
        default=(), description="folders with the pictures or videos; none = beside the file"
    )
    train: tuple[str, ...] = Field(default=("train",), min_length=1)
    val: tuple[str, ...] = Field(default=("val",), min_length=1)
    test: tuple[str, ...] = Field(default=("test",), min_length=1)
    captions: int = Field(default=0, ge=0, description="keep the first so many of each picture; 0 = all")
    skip_missing: bool = Field(default=False, description="leave out pictures or videos whose files are missing")
    workers: int = Field(default=0, ge=0, description="processes that make batches ahead; 0 = the training process")


class PicturesPart(FilesPart):
    """Pictures with captions on disk."""

    source: Literal["webdataset", "jsonl", "karpathy"]
    cache: bool = Field(
        default=False, description="keep the decoded pictures, S x S x 3 bytes each, in the work folder"
    )

    @model_validator(mode="after")
    def _is_read(self) -> "PicturesPart":
        if self.source == "webdataset" and (self.images or self.skip_missing):
            raise ValueError("images, skip_missing: shards hold their pictures themselves: leave them out")
        return self


class VideosPart(FilesPart):
    """Videos with captions on disk, in MSR-VTT's layout."""

    source: Literal["msr-vtt"]
    val: tuple[str, ...] = Field(default=("validate",), min_length=1)
    frames: int = Field(default=8, gt=0, description="shown of each video, one from each of as many segments")


# what is read has an axis of frames
MOVING = (ClipsPart, VideosPart)
# alternatives of the union below that are not named as their source
_ALTERNATIVES = {"webdataset": "pictures", "jsonl": "pictures", "karpathy": "pictures", "msr-vtt": "videos"}


def _source(data: object) -> str:
    # recipes had scenes only, and did not say so
    named = str(data.get("source", "scenes") if isinstance(data, Mapping) else getattr(data, "source", "scenes"))
    return _ALTERNATIVES.get(named, named)


DataPart = Annotated[
    Annotated[ScenesPart, Tag("scenes")]
    | Annotated[ClipsPart, Tag("clips")]
    | Annotated[PicturesPart, Tag("pictures")]
    | Annotated[VideosPart, Tag("videos")],
    Discriminator(
        _source,
        custom_error_type="source",
        custom_error_message="source is none of scenes, clips, webdataset, jsonl, karpathy, msr-vtt",
    ),
]


class AugmentPart(Part):
    """Views of training pictures, none of which makes a caption false. Without this part every picture is seen whole."""

    crop: float = Field(default=0.8, ge=0.8, le=1, description="least share of the area that is kept")
    mirror: float = Field(default=0.5, ge=0, le=1, description="chance, beside captions without sides or writing")
    jitter: float = Field(
        default=0.2, ge=0, lt=1, description="most change of light, contrast and colour, beside captions without them"
    )


class ResNetPart(Part):
    """open_clip's ModifiedResNet: stages, width, side of the input in pixels."""

    layers: tuple[int, int, int, int]
    width: int = Field(gt=0)
    size: int = Field(gt=0, multiple_of=32)


class TransformerPart(Part):
    """open_clip's vision transformer."""

    patch: int = Field(gt=0, description="side of a patch in pixels")
    layers: int = Field(gt=0)
    width: int = Field(gt=0)
    head_width: int = Field(default=64, gt=0)
    size: int = Field(gt=0)

    @model_validator(mode="after")
    def _divides(self) -> "TransformerPart":
        check_multiple(self.size, self.patch, "size, patch")
        check_multiple(self.width, self.head_width, "width, head_width")
        return self


class ResidualPart(Part):
    """Basic residual blocks (He et al. 2016), one a stage that halves the map, built by timm: for small pictures."""

    channels: tuple[int, ...] = Field(min_length=1, description="of the stages")
    stem: int = Field(gt=0, description="channels of the first convolution, which halves the picture")
    size: int = Field(gt=0)
    pool: Literal["max", "avg"] = Field(default="max", description="of the last map")

    @model_validator(mode="after")
    def _divides(self) -> "ResidualPart":
        times = len(self.channels) + 1
        if self.size % 2**times:
            raise ValueError(f"size, channels: {self.size} cannot be halved {times} times")
        return self


class TimmPart(Part):
    """An image tower of timm's, such as "convnext_atto", with fresh weights."""

    timm: str
    size: int = Field(gt=0, multiple_of=32)


def _tower(data: object) -> str:
    has = (lambda name: name in data) if isinstance(data, Mapping) else (lambda name: hasattr(data, name))
    if has("channels"):
        return "residual"
    return "timm" if has("timm") else "transformer" if has("patch") else "resnet"


ImageTower = Annotated[
    Annotated[ResNetPart, Tag("resnet")]
    | Annotated[ResidualPart, Tag("residual")]
    | Annotated[TransformerPart, Tag("transformer")]
    | Annotated[TimmPart, Tag("timm")],
    Discriminator(_tower),
]


class TextTower(Part):
    """open_clip's causal text transformer, on a tokenizer trained on the captions."""

    context_length: int = Field(gt=2)
    vocabulary: int = Field(gt=258, description="byte-level BPE entries, the two markers included")
    width: int = Field(gt=0)
    heads: int = Field(gt=0)
    layers: int = Field(gt=0)

    @model_validator(mode="after")
    def _divides(self) -> "TextTower":
        check_multiple(self.width, self.heads, "width, heads")
        return self


class ModelPart(Part):
    """Both towers and the tokenizer of an open_clip model, in place of towers of one's own."""

    open_clip: str = Field(description="its name, a configuration file NAME.json, or local-dir:FOLDER")
    pretrained: str = Field(default="", description='a tag, a weights file, or "none" for random weights')
    text_files: Path | None = Field(default=None, description="folder with the Hugging Face files of the text tower")
    like: str | None = Field(
        default=None, description="prepare images as the weights of this tag do; for a file's weights"
    )

    @model_validator(mode="after")
    def _has_weights(self) -> "ModelPart":
        if not self.pretrained:
            # a folder's weights are not taken by themselves, and from random ones a run would look like a bad recipe
            raise ValueError(
                'pretrained is missing: give a tag, a weights file (of a local-dir that in its folder), or "none" to begin with random weights'
            )
        return self


class TeacherPart(Part):
    """A model whose choices within a batch the towers learn beside their data: a bundle, or a model of open_clip's."""

    bundle: Path | None = Field(default=None, description="its folder, or the name of one that ships with the code")
    open_clip: str | None = Field(default=None, description="as in the part model")
    pretrained: str | None = Field(default=None, description="a tag, or a weights file")
    text_files: Path | None = Field(default=None, description="as in the part model")
    like: str | None = Field(default=None, description="as in the part model")
    weight: float = Field(default=1.0, gt=0, description="of the loss beside the contrastive one")
    temperature: float = Field(default=1.0, gt=0, description="above 1 the teacher's lesser choices count for more")

    @model_validator(mode="after")
    def _is_one(self) -> "TeacherPart":
        if (self.bundle is None) == (self.open_clip is None):
            raise ValueError("teacher: give its bundle, or open_clip and pretrained, and not both")
        if self.bundle is not None and (self.pretrained or self.text_files or self.like):
            raise ValueError("teacher: pretrained, text_files and like are a model of open_clip's: leave them out")
        if self.open_clip is not None and self.pretrained in (None, "none"):
            raise ValueError("teacher: pretrained is missing: random weights have nothing to teach")
        return self


# fields that a language model's edits alone read
_OF_MASKED = ("least", "most", "top", "temperature", "likelihood", "cached")


class EditsPart(Part):
    """Where edited captions come from: by rule, by a masked language model, or both by weight."""

    rules: float = Field(default=1.0, ge=0, description="weight")
    kinds: dict[RuleKind, float] = Field(
        default={}, description="weights of the rules' kinds; empty = by word, not by kind"
    )
    plausible: bool = Field(
        default=False, description="rules give things only attributes that the corpus gives such things"
    )
    again: float = Field(default=0.0, ge=0, le=1, description="share of captions that the rules edit several times")
    errors: int = Field(default=8, ge=2, description="most edits of such a caption")
    masked: float = Field(default=0.0, ge=0, description="weight")
    masked_lm: Path | None = Field(default=None, description="folder of `vilem train-mlm`")
    hugging_face: str | None = Field(default=None, description="folder or hub name of a masked language model")
    own_lm: bool = Field(
        default=False, description="train a small one on the training captions first, into the work folder"
    )
    least: float = Field(default=0.15, gt=0, le=1, description="least share of content words that is masked")
    most: float = Field(default=0.40, gt=0, le=1, description="most")
    top: int = Field(default=50, gt=0, description="of the language model's words so many are candidates")
    temperature: tuple[float, float] = Field(default=(1.0, 1.5), description="drawn from this range for each caption")
    likelihood: float = Field(default=1.0, gt=0, description="refuse words so many times as likely as the original")
    refuted: float | None = Field(
        default=None, description="let the image judge such words instead: margin of the cosine, see training.refuted"
    )
    exchanges: bool = Field(default=True, description="refuse words that captions of one picture use for each other")
    per_caption: int = Field(default=1, gt=0, description="edited texts of each caption in a step")
    cache: Path | None = Field(
        default=None, description="folder that keeps the language model's edits; made beforehand"
    )
    cached: int = Field(default=4, gt=0, description="edits of each caption that the folder keeps")

    @model_validator(mode="after")
    def _can_be_made(self) -> "EditsPart":
        given = (self.masked_lm is not None) + (self.hugging_face is not None) + self.own_lm
        if not self.rules and not self.masked:
            raise ValueError("rules, masked: one of the weights must be above 0")
        if self.masked and given != 1:
            raise ValueError("masked: give its language model: exactly one of masked_lm, hugging_face, own_lm")
        if not self.masked and (given or self.cache):
            raise ValueError("masked: with weight 0 its language model and cache do nothing: leave them out")
        if not self.masked and self.refuted is not None:
            raise ValueError(
                "refuted: a language model says which edits the image is asked about: give masked a weight"
            )
        if not self.rules and (self.again or self.plausible or self.kinds):
            raise ValueError("again, plausible, kinds: rules have weight 0, and these are theirs: leave them out")
        if self.least > self.most or not 0 < self.temperature[0] <= self.temperature[1]:
            raise ValueError("least, temperature: a range goes from its lesser to its greater end, above 0")
        idle = [] if self.masked else [name for name in _OF_MASKED if getattr(self, name) != _default(self, name)]
        if idle:
            raise ValueError(f"{', '.join(idle)}: masked has weight 0, and this is the language model's: leave it out")
        if self.masked and self.cache is None and self.cached != _default(self, "cached"):
            raise ValueError("cached: no folder keeps edits: give cache, or leave cached out")
        if not self.again and self.errors != _default(self, "errors"):
            raise ValueError("errors: no caption is edited several times: give again a share, or leave errors out")
        if any(not weight > 0 for weight in self.kinds.values()):
            raise ValueError("kinds: a weight is not positive: leave a kind out to never use it")
        return self


def _default(part: Part, name: str) -> object:
    return type(part).model_fields[name].default


def whole(fields: Mapping[str, Any]) -> None:
    """See that a recipe has towers of its own or those of a model, and not both.

    Raises:
        ValueError: naming what is missing or too much.
    """
    own = {name: fields.get(name) is not None for name in ("dim", "image", "text")}
    if fields.get("model") is None:
        missing = [name for name, there in own.items() if not there]
        if missing:
            raise ValueError(f"{missing[0]}: missing; give dim, image and text, or a model")
    elif any(own.values()):
        raise ValueError("model: has towers and dimension already: leave dim, image and text out")
