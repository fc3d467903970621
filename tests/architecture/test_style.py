"""The style bars: small files, small functions, everything annotated, a law in each test's docstring."""

import ast
import statistics

from tests.architecture.measures import PACKAGES, code_lines, functions, sources


def test_files_are_small() -> None:
    """Code-only lines per source file: the median is at most 100 and none has more than 300."""
    sizes = {path: len(code_lines(path)) for path in sources(*PACKAGES)}

    assert [] == [f"{path}: {size}" for path, size in sizes.items() if size > 300]
    assert statistics.median(sizes.values()) <= 100


def test_functions_are_short() -> None:
    """Nine functions in ten have at most 25 lines of code, and none has more than 60."""
    found = [each for path in sources(*PACKAGES) for each in functions(path)]
    lengths = sorted(each.code_lines for each in found)

    assert [] == [f"{each.where}: {each.code_lines}" for each in found if each.code_lines > 60]
    assert lengths[int(len(lengths) * 0.9)] <= 25


def test_everything_is_annotated() -> None:
    """Every parameter and return value has a type, in the tests and benchmarks too."""
    found = [each for path in sources(*PACKAGES, "tests", "benchmarks") for each in functions(path)]

    assert [] == [f"{each.where}: {each.unannotated()}" for each in found if each.unannotated()]


def test_every_test_states_its_law() -> None:
    """Every test function has a docstring."""
    tests = [each for path in sources("tests") for each in functions(path) if each.name.startswith("test_")]

    assert [] == [each.where for each in tests if ast.get_docstring(each.node) is None]


def test_tests_outweigh_the_source() -> None:
    """There are at least 1.2 lines of test for each line of source."""
    source = sum(len(path.read_text().splitlines()) for path in sources(*PACKAGES))
    tests = sum(len(path.read_text().splitlines()) for path in sources("tests"))

    assert tests / source >= 1.2, f"{tests} lines of test for {source} of source"
