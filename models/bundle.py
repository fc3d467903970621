"""A sealed bundle, opened: the only model file that index and service need to know."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.decode import DecodeLimits, decode_sized
from models.encoder import DualEncoder
from models.errors import BundleError, BundleInvalid, BundleMissing
from models.image import least_side, prepare
from models.manifest import MANIFEST_NAME, TOKENIZER_NAME, BundleManifest, read_manifest, verify_bundle
from models.ort import CPU, Runtime, choose_providers
from models.precision import choose_variant, cpu_features
from models.text import Tokenizer

BUILT_IN = Path(__file__).parent / "bundles"


@dataclass(frozen=True)
class TextEmbeddings:
    """(N, d) float32 unit vectors of N texts, and (N,) bool: True where a text was too long and lost its end."""

    vectors: np.ndarray
    truncated: np.ndarray


@dataclass(frozen=True)
class Prepared:
    """An image for the tower, (S, S, 3) uint8, and the width and height of its file, upright."""

    pixels: np.ndarray
    width: int
    height: int


class Bundle:
    """One opened bundle; immutable, safe to share between threads.

    Attributes:
        path: its folder.
        manifest: what the folder says of itself.
        digest: SHA-256 (hex) of the manifest: the model's identity.
        variant: the precision of its graphs.
        encoder: the two towers.
        tokenizer: text to ids.
    """

    def __init__(
        self, path: Path, manifest: BundleManifest, variant: str, encoder: DualEncoder, tokenizer: Tokenizer
    ) -> None:
        self.path = path
        self.variant = variant
        self.manifest = manifest
        self.digest = manifest.digest()
        self.encoder = encoder
        self.tokenizer = tokenizer

    @classmethod
    def open(cls, path: Path, *, variant: str = "fp32", runtime: Runtime = Runtime(), verify: bool = True) -> "Bundle":
        """Open the bundle in folder *path*.

        Args:
            path: the folder.
            variant: precision: "fp32", or "fp16" or "int8" where the bundle has them; "auto" as `choose_variant` says.
            runtime: threads and device.
            verify: compare every file with its SHA-256; False compares sizes only.

        Raises:
            BundleMissing: no bundle there.
            BundleAltered: a file is missing, truncated or changed.
            BundleTooNew: made by a newer ViLEM.
            BundleInvalid: the manifest or a graph is broken, or it has no such variant.
            ModelError: the device that was asked for is not there.
        """
        manifest = read_manifest(path)
        on_gpu = choose_providers(runtime.device)[0] != CPU
        variant = choose_variant(variant, manifest.variants, on_gpu=on_gpu, features=cpu_features())
        chosen = manifest.variants.get(variant)
        if chosen is None:
            raise BundleInvalid(
                f"{path} has no variant {variant!r}: choose one of {', '.join(manifest.variants)}, or export it again"
            )
        unsealed = {chosen.image, chosen.text, TOKENIZER_NAME} - manifest.files.keys()
        if unsealed:
            raise BundleInvalid(f"{path} does not seal {', '.join(sorted(unsealed))}: export the bundle again")
        # sizes first: a truncated graph is then reported as such, and not by what ONNX Runtime says of it
        verify_bundle(path, manifest, contents=False)
        with ThreadPoolExecutor(max_workers=3) as pool:
            sealed = pool.submit(verify_bundle, path, manifest, contents=verify)
            encoder = pool.submit(DualEncoder.open, path / chosen.image, path / chosen.text, manifest, runtime)
            tokenizer = pool.submit(Tokenizer.from_file, path / TOKENIZER_NAME, manifest.text)
            # asked first: an altered file is the cause, whatever the loaders say of it
            sealed.result()
            return cls(path, manifest, variant, encoder.result(), tokenizer.result())

    def prepare(self, data: bytes, limits: DecodeLimits = DecodeLimits()) -> np.ndarray:
        """The pixels of `prepare_sized`."""
        return self.prepare_sized(data, limits).pixels

    def prepare_sized(self, data: bytes, limits: DecodeLimits = DecodeLimits()) -> Prepared:
        """Decode and scale one image file.

        Raises:
            ImageTooLarge: beyond *limits*.
            ImageUnreadable: not an image, or damaged.
        """
        spec = self.manifest.preprocess
        decoded = decode_sized(data, limits, min_side=least_side(spec))
        return Prepared(prepare(decoded.image, spec), *decoded.size)

    def embed_texts(self, texts: Sequence[str]) -> TextEmbeddings:
        """Embed N texts in one run of the tower, whose memory grows with N: thousands are given some at a time.

        Raises:
            TextInvalid: a text holds lone surrogates.
        """
        tokens = self.tokenizer.encode(texts)
        return TextEmbeddings(self.encoder.encode_texts(tokens), tokens.truncated)

    def embed_images(self, pixels: np.ndarray) -> np.ndarray:
        """Embed prepared images (N, S, S, 3) uint8 in one run: (N, d) float32 unit vectors."""
        return self.encoder.encode_images(pixels)


def find_bundle(reference: str | Path, home: Path) -> Path:
    """The folder that *reference* means: a path, or a name in `home/bundles`, or the name of a built-in bundle.

    Raises:
        BundleMissing: it means nothing.
    """
    candidates = [Path(reference), home / "bundles" / reference, BUILT_IN / reference]
    for folder in candidates:
        if (folder / MANIFEST_NAME).is_file():
            return folder
    names = ", ".join(folder.name for folder in list_bundles(home)) or "none"
    raise BundleMissing(f"no bundle {str(reference)!r}: give a bundle's folder or one of these names: {names}")


def bundle_of(digest: str, name: str, home: Path) -> Path:
    """The folder of the bundle with that *digest*; *name* is what it was called, for the message.

    Raises:
        BundleMissing: there is none.
    """
    for folder in list_bundles(home):
        try:
            found = read_manifest(folder).digest()
        except (BundleError, OSError):
            # a broken bundle beside the right one is no reason to refuse
            continue
        if found == digest:
            return folder
    raise BundleMissing(
        f"the bundle {name!r} (digest {digest[:12]}…) of the collection is not in {home}/bundles: copy it there, or embed the "
        "collection anew by one that is: `vilem index reindex NAME --model BUNDLE`"
    )


def list_bundles(home: Path) -> list[Path]:
    """Folders of all bundles in `home/bundles`, then of the built-in ones, each sorted by name."""
    return [
        manifest.parent
        for root in (home / "bundles", BUILT_IN)
        for manifest in sorted(root.glob(f"*/{MANIFEST_NAME}"))
        if not manifest.parent.name.startswith(".")
    ]
