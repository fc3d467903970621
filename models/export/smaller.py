"""An int8 variant for a bundle that is there: the same model, quicker on CPUs that multiply bytes."""

import shutil
from pathlib import Path

import numpy as np
from pydantic import JsonValue

from models.bundle import Bundle
from models.errors import ExportError
from models.export.parity import least_cosine
from models.export.quantize import to_int8
from models.export.seal import sample_ids
from models.export.sharing import share_weights
from models.manifest import MANIFEST_NAME, BundleManifest, Variant, is_bundle_name, verify_bundle
from models.sealed import seal_files, staged

# half of them tell scales, the other half how near the vectors come
LEAST_PICTURES = 16
_FP32, _INT8 = "fp32", "int8"


def export_int8(bundle: Bundle, output: Path, pictures: np.ndarray) -> BundleManifest:
    """Copy *bundle* into folder *output*, which must not exist, with graphs in int8 beside its own.

    The folder's name is the new bundle's. Its other files stay byte for byte, so both bundles are of one space: an index of one's vectors is an index of the other's.
    Graphs in int8 that it has are made anew: of those that training or an export wrote no convolution is in int8.

    Args:
        bundle: of any precision that has fp32.
        output: the folder.
        pictures: (N, S, S, 3) uint8, of the kind that it will see, N at least `LEAST_PICTURES`.

    Raises:
        ExportError: its name is none of a bundle, or too few pictures.
        BundleAltered: a file of the bundle is not what it sealed.
        FileExistsError: *output* exists.
    """
    old = bundle.manifest
    if not is_bundle_name(output.name):
        raise ExportError(f"{output}: the folder names the bundle; use letters, digits, dot, dash and underscore")
    if len(pictures) < LEAST_PICTURES:
        raise ExportError(
            f"{len(pictures)} pictures tell no scales: give at least {LEAST_PICTURES}, some hundred are good"
        )
    shown, held_back = pictures[::2], pictures[1::2]
    made_anew = (f"image.{_INT8}", f"text.{_INT8}")
    with staged(output) as folder:
        for file in old.files:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(bundle.path / file, folder / file)
        # of the copies: what is altered while they are made is found too
        verify_bundle(folder, old)
        for file in old.files:
            if file.partition(".onnx")[0] in made_anew:
                (folder / file).unlink()
        fp32 = old.variants[_FP32]
        image, text = folder / "image.int8.onnx", folder / "text.int8.onnx"
        to_int8(folder / fp32.image, image, shown)
        to_int8(folder / fp32.text, text)
        # embedding tables are as they were
        share_weights(text, [folder / fp32.text])
        made = Variant(
            image=image.name,
            text=text.name,
            image_cosine=least_cosine(folder / fp32.image, image, "pixels", [held_back]),
            text_cosine=least_cosine(folder / fp32.text, text, "ids", sample_ids(bundle.tokenizer, old.text)),
        )
        notes: dict[str, JsonValue] = {**old.provenance.notes, _INT8: {"pictures": len(shown), "of": bundle.digest}}
        manifest = old.model_copy(
            update={
                "name": output.name,
                "variants": {**old.variants, _INT8: made},
                "provenance": old.provenance.model_copy(update={"notes": notes}),
                "files": seal_files(folder),
            }
        )
        (folder / MANIFEST_NAME).write_bytes(manifest.to_bytes())
    return manifest
