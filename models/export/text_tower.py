"""A new text tower beside the image side of a bundle that is there: one space, and so one index for both."""

import shutil
from pathlib import Path

from pydantic import JsonValue
from torch import nn

from models.bundle import Bundle
from models.errors import BundleAltered
from models.export.parity import least_cosine
from models.export.quantize import to_fp16, to_int8
from models.export.seal import PARITY, sample_ids, write_text
from models.manifest import MANIFEST_NAME, TOKENIZER_NAME, BundleManifest, Provenance, TextSpec, Variant, image_files
from models.sealed import seal_files, staged
from models.text import Tokenizer

_CONVERTERS = {"fp16": to_fp16, "int8": to_int8}
_NO_PROOFREADER = "left out: it reads the token features of the text tower that was replaced"


def export_text_tower(
    model: nn.Module,
    tokenizer_json: bytes,
    teacher: Bundle,
    *,
    name: str,
    output: Path,
    text: TextSpec,
    provenance: Provenance,
) -> BundleManifest:
    """Write a bundle of *teacher*'s space into folder *output*, which must not exist.

    Its image graphs are the teacher's files, byte for byte, in every precision that the teacher has; the text graph is
    made in the same ones. A proofreader of the teacher's is left out.

    Args:
        model: the text side of an open_clip model in evaluation mode, on the CPU; of the teacher's dimension.
        tokenizer_json: in the format of the `tokenizers` package.
        teacher: whose image side stays.
        name: of the bundle.
        output: its folder.
        text: how texts become token ids.
        provenance: where the weights come from.

    Raises:
        ExportError: the graph does not say what the model says.
        BundleAltered: the teacher's image files are not those that it sealed.
        FileExistsError: *output* exists.
    """
    old = teacher.manifest
    with staged(output) as folder:
        (folder / TOKENIZER_NAME).write_bytes(tokenizer_json)
        ids = sample_ids(Tokenizer.from_file(folder / TOKENIZER_NAME, text), text)
        parity: dict[str, JsonValue] = {"text": write_text(folder, model, text, ids)}
        variants: dict[str, Variant] = {}
        for precision, variant in old.variants.items():
            path, cosine = folder / "text.onnx", 1.0
            if precision in _CONVERTERS:
                path = folder / f"text.{precision}.onnx"
                _CONVERTERS[precision](folder / "text.onnx", path)
                cosine = least_cosine(folder / "text.onnx", path, "ids", ids)
            variants[precision] = variant.model_copy(update={"text": path.name, "text_cosine": cosine})
        copied = {file for precision in variants for file in image_files(old, precision)}
        for file in copied:
            shutil.copyfile(teacher.path / file, folder / file)
        notes: dict[str, JsonValue] = {**provenance.notes, PARITY: parity}
        if old.proofreader is not None:
            notes["proofreader"] = _NO_PROOFREADER
        manifest = BundleManifest(
            name=name,
            dim=old.dim,
            logit_scale=old.logit_scale,
            logit_bias=old.logit_bias,
            preprocess=old.preprocess,
            text=text,
            variants=variants,
            provenance=provenance.model_copy(update={"notes": notes}),
            files=seal_files(folder),
        )
        changed = [file for file in copied if manifest.files[file] != old.files[file]]
        if changed:
            raise BundleAltered(f"{teacher.path / changed[0]} is altered: copy the bundle again")
        (folder / MANIFEST_NAME).write_bytes(manifest.to_bytes())
    return manifest
