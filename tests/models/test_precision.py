"""The precision that suits a machine."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.manifest import Variant
from models.precision import AUTO, CLOSE, choose_variant, cpu_features

NAMES = ("fp32", "fp16", "int8")
VNNI = frozenset(("avx2", "avx512_vnni"))
cosines = st.floats(-1, 1)
bundles = st.dictionaries(st.sampled_from(NAMES), st.tuples(cosines, cosines)).map(
    lambda found: {
        name: Variant(image="i", text="t", image_cosine=image, text_cosine=text)
        for name, (image, text) in found.items()
    }
)


def variants(*names: str, cosine: float = 0.999) -> dict[str, Variant]:
    """A bundle's variants, all that near to fp32."""
    return {name: Variant(image="i", text="t", image_cosine=cosine, text_cosine=cosine) for name in names}


@given(wanted=st.sampled_from(NAMES), there=bundles, on_gpu=st.booleans())
def test_what_is_named_is_kept(wanted: str, there: dict[str, Variant], *, on_gpu: bool) -> None:
    """Who names a variant gets that one, or the error that it is not there: never another."""
    assert wanted == choose_variant(wanted, there, on_gpu=on_gpu, features=VNNI)


@given(there=bundles, on_gpu=st.booleans(), features=st.sampled_from((VNNI, frozenset[str]())))
def test_what_is_chosen_is_there_and_near(there: dict[str, Variant], features: frozenset[str], *, on_gpu: bool) -> None:
    """`auto` is fp32, or a variant that the bundle has and whose vectors are nearly fp32's."""
    chosen = choose_variant(AUTO, there, on_gpu=on_gpu, features=features)

    assert chosen == "fp32" or min(there[chosen].image_cosine, there[chosen].text_cosine) >= CLOSE


@pytest.mark.parametrize(
    ("there", "on_gpu", "features", "expected"),
    [
        (variants(*NAMES), False, VNNI, "int8"),
        (variants(*NAMES), False, frozenset(("avx_vnni",)), "int8"),
        (variants(*NAMES), False, frozenset(("avx2",)), "fp32"),
        (variants(*NAMES), True, VNNI, "fp16"),
        (variants("fp32"), True, VNNI, "fp32"),
        (variants("fp32", "fp16"), False, VNNI, "fp32"),
        (variants(*NAMES, cosine=0.9), False, VNNI, "fp32"),
    ],
)
def test_each_machine_has_its_precision(
    there: dict[str, Variant], features: frozenset[str], expected: str, *, on_gpu: bool
) -> None:
    """Bytes on a CPU that has units for them, half precision on a GPU, else fp32."""
    assert expected == choose_variant(AUTO, there, on_gpu=on_gpu, features=features)


def test_the_features_of_a_cpu_are_read(tmp_path: Path) -> None:
    """They are those of the first processor; a machine that tells none has none."""
    (tmp_path / "cpuinfo").write_text(
        "processor\t: 0\nflags\t\t: fpu avx2 avx512_vnni\n\nprocessor\t: 1\nflags\t\t: fpu\n"
    )
    (tmp_path / "arm").write_text("processor\t: 0\nFeatures\t: fp asimd\n")

    assert {"fpu", "avx2", "avx512_vnni"} == cpu_features(tmp_path / "cpuinfo")
    assert frozenset() == cpu_features(tmp_path / "arm") == cpu_features(tmp_path / "none")
