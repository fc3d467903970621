"""Any open_clip model, by architecture and weights, becomes a bundle."""

from collections.abc import Sequence
from pathlib import Path

from models.export.seal import Precision, export_bundle
from models.manifest import BundleManifest, Provenance
from models.pretrained.load import load_open_clip


def export_open_clip(
    architecture: str,
    pretrained: str,
    output: Path,
    *,
    variants: Sequence[Precision] = ("fp32",),
    name: str | None = None,
    text_files: Path | None = None,
    like: str | None = None,
) -> BundleManifest:
    """Export an open_clip model.

    Args:
        architecture: open_clip's name of it, a configuration file `NAME.json`, or `local-dir:FOLDER`.
        pretrained: a tag of open_clip's, a `.pt` or `.safetensors` file, or "none" for random weights.
        output: the bundle's folder, which must not exist.
        variants: precisions beside fp32.
        name: of the bundle; the folder's by default.
        text_files: folder with the Hugging Face files of tokenizer and text tower, in place of a hub's.
        like: prepare images as the weights of this tag do; for weights from a file.

    Raises:
        ExportError: no such architecture or weights, weights of another architecture, a hub that does not answer, or
            graphs that differ from the model.
    """
    loaded = load_open_clip(architecture, pretrained, text_files=text_files, like=like)
    return export_bundle(
        loaded.model,
        loaded.tokenizer_json,
        name=name or output.name,
        output=output,
        preprocess=loaded.preprocess,
        text=loaded.text,
        provenance=Provenance(architecture=loaded.architecture, pretrained=loaded.source),
        variants=variants,
    )
