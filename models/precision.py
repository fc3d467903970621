"""Which precision of a bundle suits this machine: `auto`."""

from collections.abc import Mapping
from pathlib import Path

from models.manifest import Variant

AUTO = "auto"
# Instructions that multiply bytes and add them up four at a time, as int8 graphs do; without them int8 is slower than fp32.
_BYTE_UNITS = frozenset(("avx512_vnni", "avx_vnni"))
# Vectors that lie further from fp32's find other neighbours: who wants them names them.
CLOSE = 0.98


def choose_variant(wanted: str, variants: Mapping[str, Variant], *, on_gpu: bool, features: frozenset[str]) -> str:
    """The variant to open.

    Args:
        wanted: a variant's name, which is kept; or `auto`: on a GPU fp16, on a CPU that has units for bytes int8, where the
            bundle has it and it embeds nearly as fp32 does; else fp32.
        variants: of the bundle.
        on_gpu: whether the graphs will run on a GPU.
        features: of the CPU, as `cpu_features` names them.
    """
    if wanted != AUTO:
        return wanted
    best = "fp16" if on_gpu else "int8" if features & _BYTE_UNITS else "fp32"
    found = variants.get(best)
    return best if found is not None and min(found.image_cosine, found.text_cosine) >= CLOSE else "fp32"


def cpu_features(info: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """The CPU's features as Linux names them; none where they are not told."""
    try:
        lines = info.read_text().splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line.partition(":")[2] for line in lines if line.startswith("flags")), "").split())
