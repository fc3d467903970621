"""`vilem train` and `vilem eval`, as a user types them: a tiny recipe becomes a bundle that can be measured."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
import typer
from typer.testing import CliRunner, Result

from models.bundle import Bundle
from models.errors import ExportError
from models.manifest import read_manifest
from models.proofreader import Proofreader
from models.scenes.corpus import write_jsonl
from models.training.checkpoint import checkpoint_path, read_state
from tests.models.training.small import TRANSFORMER, recipe_file
from vilem.cli.eval import app as eval_app
from vilem.cli.eval import evaluate
from vilem.cli.train import train

SHORT = ("steps = 20", "steps = 2")
PROOFREADING = (
    'precision = "fp32"',
    'precision = "fp32"\n[proofreading]\nwidth = 8\nheads = 2\nlevels = 2\nside = 2\nblocks = 1',
)
ALONE = "\n[proofreading.alone]\nsteps = 3\nlearning_rate = 1e-2\nblocks = 2"


def _app() -> typer.Typer:
    app = typer.Typer()
    app.command("train")(train)
    app.command("eval")(evaluate)
    return app


def _vilem(*arguments: str | Path) -> Result:
    return CliRunner().invoke(_app(), [str(each) for each in arguments], env={"COLUMNS": "250"})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home where `vilem train` has made the bundle `small`."""
    folder = tmp_path_factory.mktemp("home")
    recipe = recipe_file(folder, SHORT, TRANSFORMER, (PROOFREADING[0], PROOFREADING[1] + ALONE))
    done = _vilem("train", recipe, "--home", folder)
    assert 0 == done.exit_code, done.output
    yield folder


def test_one_command_makes_a_bundle(home: Path) -> None:
    """The bundle opens by its name's folder, is named as the recipe, and embeds in the recipe's dimension."""
    bundle = Bundle.open(home / "bundles" / "small")

    assert ("small", 16) == (bundle.manifest.name, bundle.manifest.dim)
    assert (1, 16) == bundle.embed_texts(["a red circle"]).vectors.shape


def test_what_it_learnt_to_proofread_is_kept(home: Path) -> None:
    """A recipe with proofreading leaves a proofreader, calibrated on the validation scenes, that reads any picture."""
    reader = Proofreader.open(Bundle.open(home / "bundles" / "small"))
    images = reader.encode_images(np.zeros((2, 64, 64, 3), np.uint8))

    assert reader.spec.calibration.words > 0
    assert "circle" in reader.vocabulary
    assert [3, 3] == [len(proof.words) for proof in reader.check("a red circle", images)]


@pytest.mark.parametrize("untaught", ["detection", "correction"])
def test_what_learnt_nothing_is_no_proofreader(tmp_path: Path, untaught: str) -> None:
    """A head that no loss has taught would answer at random: the bundle has no proofreader, and the run says why."""
    recipe = recipe_file(tmp_path, SHORT, TRANSFORMER, (PROOFREADING[0], f"{PROOFREADING[1]}\n{untaught} = 0.0"))

    done = _vilem("train", recipe, "--home", tmp_path)

    assert 0 == done.exit_code, done.output
    assert f"no proofreader, for its {untaught} had weight 0" in done.output
    assert read_manifest(tmp_path / "bundles" / "small").proofreader is None


def test_the_second_stage_is_part_of_the_run(home: Path) -> None:
    """After the towers the module is trained on by itself: both stages keep a state, and the deeper module is exported."""
    states = sorted((home / "training" / "small").glob("small-*.pt"))
    provenance = read_manifest(home / "bundles" / "small").provenance

    assert provenance.recipe is not None
    assert [1, 2] == sorted(_blocks(path) for path in states)
    assert provenance.data_digest is not None
    named = checkpoint_path(states[0].parent, "small", provenance.recipe, provenance.data_digest)
    assert named in states
    assert 2 == _blocks(named)
    recipe = provenance.notes["recipe"]
    assert isinstance(recipe, dict)
    assert isinstance(recipe["proofreading"], dict)
    assert {"steps": 3, "learning_rate": 0.01, "blocks": 2, "edits": None} == recipe["proofreading"]["alone"]
    assert 2 == _blocks_of(onnx.load(home / "bundles" / "small" / "proofreader.onnx", load_external_data=False))


def _blocks(path: Path) -> int:
    weights: dict[str, object] = read_state(path)["model"]
    return len({name.split(".")[2] for name in weights if name.startswith("module.blocks.")})


def _blocks_of(graph: onnx.ModelProto) -> int:
    return len(
        {number for weight in graph.graph.initializer for number in re.findall(r"blocks\.(\d+)\.think", weight.name)}
    )


def test_the_manifest_tells_how_it_was_made(home: Path) -> None:
    """The manifest holds the recipe, the figures over all test scenes and what the run cost."""
    provenance = read_manifest(home / "bundles" / "small").provenance

    assert 6.0 == provenance.metrics["images"]
    assert 0 <= provenance.metrics["t2i_r1"] <= 1
    recipe, cost = provenance.notes["recipe"], provenance.notes["cost"]
    assert isinstance(recipe, dict)
    assert isinstance(cost, dict)
    assert 5 == recipe["seed"]
    assert {"seconds", "cpu_seconds", "first_step"} == set(cost)


def test_the_runtime_confirms_the_figures(home: Path) -> None:
    """Measured through the bundle, the recalls are those that training wrote into the manifest, give or take a tie."""
    done = _vilem("eval", "small", "--scenes", "6", "--seed", "2", "--home", home, "--json")

    found = json.loads(done.output)
    told = read_manifest(home / "bundles" / "small").provenance.metrics
    assert 6.0 == found["images"]
    for name in ("t2i_r1", "t2i_r5", "i2t_r5"):
        # trained and measured here at 64 pixels, evaluated from pictures of 128: close, not equal
        assert told[name] == pytest.approx(found[name], abs=0.4)


def test_a_bundle_is_never_overwritten(home: Path) -> None:
    """When the bundle's folder exists the command says so before it renders or trains anything."""
    done = _vilem("train", recipe_file(home, SHORT), "--home", home)

    assert 2 == done.exit_code
    assert "never overwritten" in " ".join(done.output.split())


def test_a_jsonl_is_measured_too(home: Path, tmp_path: Path) -> None:
    """Any JSONL of pictures and captions can be evaluated; the table shows both directions."""
    list(write_jsonl(tmp_path, "test", 4, seed=9))

    done = _vilem("eval", home / "bundles" / "small", tmp_path / "test.jsonl")

    assert 0 == done.exit_code, done.output
    assert "4 images, 20 captions" in done.output
    assert "text→image" in done.output
    assert "image→text" in done.output


def test_edits_are_for_rendered_scenes(home: Path) -> None:
    """With rendered scenes the share for each kind of edit is told."""
    done = _vilem("eval", "small", "--scenes", "4", "--home", home, "--edits", "--json")

    assert 0 <= json.loads(done.output)["edits.attribute-replaced"] <= 1


def test_what_cannot_be_exported_is_not_trained(tmp_path: Path) -> None:
    """A proofreader that would keep too much of each picture is refused before the first step, with what to lower."""
    large = (PROOFREADING[0], PROOFREADING[1].replace("width = 8", "width = 2048"))

    done = _vilem("train", recipe_file(tmp_path, SHORT, large), "--home", tmp_path)

    assert isinstance(done.exception, ExportError)
    assert "proofreading.width" in str(done.exception)
    assert [] == [
        path for path in (tmp_path / "training").rglob("*") if "checkpoint" in path.name or path.suffix == ".pt"
    ]


@pytest.mark.parametrize("command", ["train", "eval"])
def test_help_shows_an_example(command: str) -> None:
    """The help of each command says what it does and shows a line to type."""
    done = _vilem(command, "--help")

    assert 0 == done.exit_code
    assert f"vilem {command} " in done.output


def test_clips_make_a_bundle_that_finds_videos(tmp_path: Path) -> None:
    """Trained on frames of moving scenes, with everything that reads patches beside it; `vilem eval video` takes what comes out."""
    beside = "\n[late]\nwidth = 8\n\n[tagging]\n"
    recipe = recipe_file(
        tmp_path,
        SHORT,
        TRANSFORMER,
        ("seed = 2", 'source = "clips"\nframes = 2'),
        (PROOFREADING[0], PROOFREADING[1] + beside),
    )

    done = _vilem("train", recipe, "--home", tmp_path)

    assert 0 == done.exit_code, done.output
    bundle = tmp_path / "bundles" / "small"
    assert {"t2i_r1", "t2i_r1.seen", "words_auroc"} <= read_manifest(bundle).provenance.metrics.keys()
    assert Proofreader.open(Bundle.open(bundle))
    shown = CliRunner().invoke(eval_app, ["video", str(bundle), "--clips", "4", "--frames", "2"])
    assert 0 == shown.exit_code, shown.output
    assert "text→video" in shown.output
