"""`vilem train-mlm` on the command line."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from models.negatives.masked_lm import load_masked_lm
from models.scenes.corpus import example
from vilem.cli.main import app

SMALL = ["--steps", "3", "--batch", "8", "--width", "16", "--layers", "1", "--vocabulary", "100"]


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    """A text file of scene captions."""
    texts = [text for number in range(10) for text in example("train", number, 0, 32).captions]
    (tmp_path / "captions.txt").write_text("\n".join(texts))
    return tmp_path / "captions.txt"


def train_mlm(*arguments: str | Path) -> Result:
    """Run the command."""
    return CliRunner().invoke(app, ["train-mlm", *map(str, arguments)], env={"COLUMNS": "250"})


def test_captions_become_a_model(captions: Path, tmp_path: Path) -> None:
    """The folder opens, and the output tells accuracy and perplexity against the words' frequencies."""
    result = train_mlm(captions, "-o", tmp_path / "mlm", *SMALL)

    assert 0 == result.exit_code, result.output
    assert load_masked_lm(tmp_path / "mlm").knows("circle")
    assert "perplexity" in result.output and "by frequency alone" in result.output


def test_equal_seeds_make_equal_models(captions: Path, tmp_path: Path) -> None:
    """The seed decides."""
    for name, seed in (("one", "1"), ("two", "1"), ("other", "2")):
        assert 0 == train_mlm(captions, "-o", tmp_path / name, "--seed", seed, *SMALL).exit_code

    one, two, other = (load_masked_lm(tmp_path / name).version for name in ("one", "two", "other"))
    assert one == two != other


def test_nothing_is_overwritten(captions: Path, tmp_path: Path) -> None:
    """A folder that is there is refused before anything is trained."""
    result = train_mlm(captions, "-o", tmp_path, *SMALL)

    assert 2 == result.exit_code
    assert "never overwritten" in " ".join(result.output.split())


def test_a_width_that_heads_do_not_divide_is_refused(captions: Path, tmp_path: Path) -> None:
    """The option is named."""
    result = train_mlm(captions, "-o", tmp_path / "mlm", *SMALL, "--width", "18")

    assert 2 == result.exit_code
    assert "--width 18" in result.output
