"""`vilem eval`, as a user types it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from models.evaluation.dataset import DatasetInvalid
from models.evaluation.layouts.sugarcrepe import TYPES
from models.evaluation.report import read_report
from models.negatives.masked_lm import save_masked_lm
from models.scenes.corpus import example, write_jsonl
from tests.models.evaluation.made import COLOURS, picture, write_karpathy, write_sugarcrepe
from tests.models.negatives.small_lm import trained
from tests.vilem.evaluating import vilem_eval, write_colours_tar
from vilem.cli.eval import app


@pytest.fixture
def colours_tar(tmp_path: Path) -> Path:
    """Pictures of one colour and their five sentences."""
    return write_colours_tar(tmp_path)


def test_a_webdataset_is_measured(tiny_bundle: Path, colours_tar: Path) -> None:
    """One command, a bundle and a tar: both directions, every K, the median rank and RSUM."""
    done = vilem_eval("retrieval", tiny_bundle, colours_tar)

    assert "8 images, 40 captions" in done.output
    for word in ("text→image", "image→text", "R@1", "R@5", "R@10", "median rank", "RSUM"):
        assert word in done.output


def test_the_short_form_is_the_long_one(tiny_bundle: Path, colours_tar: Path) -> None:
    """`vilem eval BUNDLE SOURCE` is `vilem eval retrieval BUNDLE SOURCE`."""
    assert vilem_eval("retrieval", tiny_bundle, colours_tar).output == vilem_eval(tiny_bundle, colours_tar).output


def test_json_is_one_object(tiny_bundle: Path, colours_tar: Path) -> None:
    """With --json standard output is one object of numbers, for programs."""
    found = json.loads(vilem_eval(tiny_bundle, colours_tar, "--json").stdout)

    assert (8.0, 40.0, 0) == (found["images"], found["captions"], found["truncated"])
    assert found["t2i_r1"] > 0.8
    assert (
        pytest.approx(100 * sum(found[f"{way}_r{k}"] for way in ("t2i", "i2t") for k in (1, 5, 10)), abs=0.1)
        == found["rsum"]
    )


def test_rendered_scenes_are_the_default(tiny_bundle: Path) -> None:
    """Without a data set scenes are rendered; with --edits every kind of edit is told."""
    found = json.loads(vilem_eval(tiny_bundle, "--scenes", "4", "--seed", "2", "--edits", "--json").stdout)

    assert 4.0 == found["images"]
    assert 0 <= found["edits.attribute-replaced"] <= 1
    assert {"t2i_r1.held-back", "t2i_r1.seen"} & found.keys()


def test_edits_of_a_data_set_nobody_knows(tiny_bundle: Path, colours_tar: Path) -> None:
    """--edits with a data set that has none says what is expected of it, and the option that makes some."""
    with pytest.raises(DatasetInvalid, match=r"has no false captions .*: expected `negatives` .* --edits --make-edits"):
        vilem_eval(tiny_bundle, colours_tar, "--edits", fails=DatasetInvalid)


def test_edits_are_made_where_there_are_none(tiny_bundle: Path, colours_tar: Path) -> None:
    """--make-edits puts false captions beside a data set's own: each kind has its share, and equal seeds give equal figures."""
    arguments = (tiny_bundle, colours_tar, "--edits", "--make-edits", "--json")
    one, again = (vilem_eval(*arguments, "--seed", "3").stdout for _ in range(2))

    found = json.loads(one)
    assert one == again
    assert {"edits.attribute", "edits.macro", "t2i_r1"} <= found.keys()
    assert "edits.masked" not in found


def test_edits_are_made_by_a_language_model_too(tiny_bundle: Path, tmp_path: Path) -> None:
    """--masked-lm adds edits of one word, and the report says how its edits were made."""
    save_masked_lm(trained()[0].model(), tmp_path / "mlm")
    (tmp_path / "red.png").write_bytes(picture((255, 0, 0)))
    lines = [{"path": "red.png", "id": str(n), "captions": list(example("train", n, 0, 32).captions)} for n in range(3)]
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, lines)))

    found = vilem_eval(
        tiny_bundle,
        tmp_path / "data.jsonl",
        "--edits",
        "--make-edits",
        "--masked-lm",
        tmp_path / "mlm",
        "--out",
        tmp_path,
    )

    assert "masked" in found.output
    data = read_report(tmp_path).data
    assert data is not None
    assert data.source.endswith("data.jsonl, edited by rule and language model (seed 0)")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--edits", "--make-edits"], "--make-edits would do nothing: they belong to a SOURCE"),
        (["data.jsonl", "--make-edits"], "--make-edits would do nothing: it belongs to --edits"),
        (["data.jsonl", "--edits", "--masked-lm", "mlm"], "--masked-lm would do nothing: it belongs to --make-edits"),
        (["data.jsonl", "--edits", "--seed", "1"], "--seed would do nothing"),
    ],
)
def test_options_of_made_edits_that_would_do_nothing_are_refused(arguments: list[str], said: str) -> None:
    """Edits are made of a data set's captions, for comparing; a language model and a seed are of what is made."""
    done = CliRunner().invoke(app, ["retrieval", "tiny", *arguments], env={"COLUMNS": "140"})

    assert 2 == done.exit_code
    assert said in " ".join(done.output.split())


def test_edits_of_a_data_set_that_has_them(tiny_bundle: Path, tmp_path: Path) -> None:
    """With `negatives` beside captions, retrieval and edits are told at once."""
    (tmp_path / "red.png").write_bytes(picture((255, 0, 0)))
    negatives = [{"text": "a blue picture", "kind": "colour"}]
    line = {"path": "red.png", "captions": ["a red picture"], "negatives": negatives}
    (tmp_path / "data.jsonl").write_text(json.dumps(line))

    found = json.loads(vilem_eval(tiny_bundle, str(tmp_path / "data.jsonl"), "--edits", "--json").stdout)

    assert 1.0 == found["t2i_r1"]
    assert found["edits.colour"] in (0.0, 1.0)


def test_a_report_is_written(tiny_bundle: Path, colours_tar: Path, tmp_path: Path) -> None:
    """--out writes three files and says where; the JSON holds every query's outcome."""
    done = vilem_eval(tiny_bundle, colours_tar, "--out", tmp_path / "report", "--folds", "2")

    for name in ("report.json", "report.md", "report.html"):
        assert str(tmp_path / "report" / name) in done.output.replace("\n", "")
    found = read_report(tmp_path / "report")
    assert (40, 8, 2) == (len(found.pool.tasks["t2i"].ranks), len(found.pool.tasks["i2t"].ranks), len(found.folds))


def test_what_is_rendered_is_cut_into_folds_too(tiny_bundle: Path) -> None:
    """Without a data set --folds has the same meaning; more folds than pairs of pictures are refused."""
    found = json.loads(vilem_eval(tiny_bundle, "--scenes", "6", "--folds", "2", "--json").stdout)
    refused = CliRunner().invoke(app, [str(tiny_bundle), "--scenes", "3", "--folds", "2"])

    assert {"t2i_r1", "folds2.t2i_r1", "folds2.rsum"} <= found.keys()
    assert "3 images cannot be cut into 2 folds" in str(refused.exception)


def test_karpathys_split_is_measured(tiny_bundle: Path, tmp_path: Path) -> None:
    """A split and a number of captions can be chosen."""
    source = write_karpathy(tmp_path, ["train", "val", "val"])

    found = json.loads(vilem_eval(tiny_bundle, source, "--split", "val", "--captions", "2", "--json").stdout)

    assert (2.0, 4.0) == (found["images"], found["captions"])


def test_missing_pictures_are_told_or_left_out(tiny_bundle: Path, tmp_path: Path) -> None:
    """Without their files pictures are named; --skip-missing measures the rest, and says how many are gone."""
    source = write_karpathy(tmp_path, ["test"] * 3)
    (tmp_path / "images/picture_0.jpg").unlink()

    with pytest.raises(DatasetInvalid, match=r"1 of 3 pictures are missing"):
        vilem_eval(tiny_bundle, source, fails=DatasetInvalid)

    assert "missing and left out: 1" in vilem_eval(tiny_bundle, source, "--skip-missing").output


def test_a_fine_grained_pool_is_measured(tiny_bundle: Path, tmp_path: Path) -> None:
    """Annotations, a list of further pictures and their folder: the pool is larger than what is asked for."""
    for name, colour in COLOURS.items():
        (tmp_path / f"{name}.jpg").write_bytes(picture(colour, form="JPEG"))
    (tmp_path / "ann.json").write_text(json.dumps({"red": ["red"], "blue": ["a blue circle"]}))
    (tmp_path / "pool.txt").write_text("\n".join(f"{name}.jpg" for name in COLOURS))

    done = vilem_eval(tiny_bundle, tmp_path / "ann.json", "--pool", tmp_path / "pool.txt", "--images", tmp_path)

    assert "8 images, 2 captions" in done.output
    assert "6 of 8 pictures have no captions" in done.output


def test_scenes_are_compared_with_their_edits(tiny_bundle: Path, tmp_path: Path) -> None:
    """The same scenes, rendered or from a corpus on disk, have the same shares; retrieval is not measured."""
    list(write_jsonl(tmp_path, "test", 4, seed=1))

    rendered = json.loads(vilem_eval("scenes", tiny_bundle, "--scenes", "4", "--seed", "1", "--json").stdout)
    read = json.loads(vilem_eval("scenes", tiny_bundle, tmp_path / "test.jsonl", "--json").stdout)

    assert rendered == read
    assert "edits.macro" in read
    assert not any(name.startswith(("t2i", "i2t")) for name in read)


def test_scenes_say_kinds_and_novelty(tiny_bundle: Path) -> None:
    """The table has every kind, the macro mean, and old and new combinations."""
    done = vilem_eval("scenes", tiny_bundle, "--scenes", "8", "--seed", "1")

    for words in ("attribute-replaced", "macro mean over kinds", "all pairs", "seen"):
        assert words in done.output


def test_a_corpus_without_edits_is_told(tiny_bundle: Path, colours_tar: Path) -> None:
    """Photographs have no known edits: the message says what was expected."""
    with pytest.raises(DatasetInvalid, match="no false captions"):
        vilem_eval("scenes", tiny_bundle, colours_tar, fails=DatasetInvalid)


def test_sugarcrepe_is_measured(tiny_bundle: Path, tmp_path: Path) -> None:
    """Seven types and their macro mean, from pictures in a folder of their own."""
    folder = write_sugarcrepe(tmp_path / "texts", tmp_path / "val2017", TYPES)

    found = json.loads(vilem_eval("sugarcrepe", tiny_bundle, folder, "--images", tmp_path / "val2017", "--json").stdout)

    assert {f"edits.{kind}" for kind in (*TYPES, "macro", "all")} <= found.keys()


def test_sugarcrepe_says_which_pictures_are_missing(tiny_bundle: Path, tmp_path: Path) -> None:
    """Without COCO's pictures the command counts and names them."""
    folder = write_sugarcrepe(tmp_path / "texts", tmp_path / "val2017", TYPES)
    for each in (tmp_path / "val2017").iterdir():
        each.unlink()

    with pytest.raises(DatasetInvalid, match=r"3 of 3 pictures are missing: expected .*val2017 to hold test-5-0"):
        vilem_eval("sugarcrepe", tiny_bundle, folder, "--images", tmp_path / "val2017", fails=DatasetInvalid)


@pytest.mark.parametrize("command", ["", "retrieval", "scenes", "sugarcrepe", "words", "compare", "seeds"])
def test_help_shows_an_example(command: str) -> None:
    """The help of each command says what it does and shows a line to type."""
    done = vilem_eval(*([command] if command else []), "--help")

    assert f"vilem eval {command}".strip() in done.output
    assert "Example" in done.output
