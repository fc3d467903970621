"""Tests mirror the code."""

from tests.architecture.measures import PACKAGES, ROOT, code_lines, sources

# below this a module only gathers names or starts another
SMALL = 15

# modules whose behaviour is seen through something larger, and where
ELSEWHERE = {
    "models/proof.py": "tests/models/test_proofreader.py",
    "models/training/losses/__init__.py": "tests/models/training/losses/test_contrastive.py",
    "service/catalogue.py": "tests/service/test_runtime.py",
    "service/dependencies.py": "tests/service/routes/test_collections.py",
    "service/served.py": "tests/service/test_runtime.py",
    "vilem/cli/demo.py": "tests/e2e/test_demo.py",
    "vilem/cli/train.py": "tests/models/training/test_train_command.py",
}


def test_every_module_has_its_tests() -> None:
    """A source file `a/b/c.py` has a test file `tests/a/b/test_c.py`, or `tests/a/test_b.py` for its folder."""
    missing: list[str] = []
    for path in sources(*PACKAGES):
        relative = path.relative_to(ROOT)
        if len(code_lines(path)) < SMALL:
            continue
        parent = relative.parent
        name = path.parent.name if path.stem == "__init__" else path.stem
        twin = ROOT / "tests" / parent / f"test_{name}.py"
        folder_test = ROOT / "tests" / parent.parent / f"test_{parent.name}.py"
        cli_twin = ROOT / "tests" / parent.parts[0] / f"test_{name}.py"
        elsewhere = ROOT / ELSEWHERE.get(str(relative), "nowhere")
        if not (elsewhere.exists() or twin.exists() or folder_test.exists() or cli_twin.exists()):
            missing.append(str(relative))

    assert [] == missing
