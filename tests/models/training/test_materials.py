"""All that goes into a run, gathered from a recipe."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from models.bundle import Bundle
from models.negatives.masked_lm import save_masked_lm
from models.negatives.masked_training import MlmSettings, train_masked_lm
from models.scenes.clips import FRAMES, clip_example
from models.scenes.corpus import example
from models.training.backbones import Backbone
from models.training.data import SceneArrays
from models.training.materials import CaptionsCut, Materials, gather
from models.training.recipe import RecipeError
from models.training.session import open_session
from models.training.sources import open_pairs
from models.training.teachers import BundleTeacher
from models.video.sampling import central_positions
from tests.models.export.folders import TEXT, VIT
from tests.models.training.small import small_recipe
from tests.models.training.test_sources import write_jsonl

PROOFREADING = ('precision = "fp32"', 'precision = "fp32"\n\n[proofreading]\nwidth = 16\nvocabulary = 50')
SCENES = "train = 8\nval = 4\ntest = 6\nseed = 2"


def from_jsonl(folder: Path, *changes: tuple[str, str], data: str = "") -> Materials:
    """The small recipe on three pictures in JSON lines."""
    part = write_jsonl(folder / "data")
    text = f'source = "jsonl"\npath = "{part.path}"\ntrain = ["train", "restval"]\n{data}'
    return gather(small_recipe(folder, (SCENES, text), ("batch = 8", "batch = 2"), *changes), folder / "work")


def test_scenes_go_in_as_before(tmp_path: Path) -> None:
    """Without more in the recipe: scenes, no views, no edits, and towers that its seed decides."""
    recipe = small_recipe(tmp_path)
    first, again = gather(recipe, tmp_path / "cache"), gather(recipe, tmp_path / "cache")

    assert isinstance(first.batches.pairs, SceneArrays)
    assert (None, None, None) == (first.batches.view, first.batches.edits, first.vocabulary)
    for name, value in first.backbone.towers.state_dict().items():
        torch.testing.assert_close(value, again.backbone.towers.state_dict()[name], rtol=0, atol=0)


def test_splits_are_opened_once(tmp_path: Path) -> None:
    """Training pairs are those of the batches; another split is at the input's side, and the same the next time."""
    made = gather(small_recipe(tmp_path), tmp_path / "cache")

    assert made.batches.pairs is made.pairs("train")
    assert (4, 64, 64, 3) == made.pairs("val").pixels(np.arange(4)).shape
    assert made.pairs("val") is made.pairs("val")


def test_splits_can_be_opened_ahead(tmp_path: Path) -> None:
    """What is asked for ahead is there when all else is gathered; what is not asked for may be missing until it is needed."""
    part = write_jsonl(tmp_path / "data")
    source = f'source = "jsonl"\npath = "{part.path}"\nval = ["dev"]'
    recipe = small_recipe(tmp_path, (SCENES, source), ("batch = 8", "batch = 2"))

    made = gather(recipe, tmp_path / "work", ahead=("test",))
    part.path.unlink()

    assert [("fourth",)] == list(made.pairs("test").captions)
    with pytest.raises(RecipeError, match=r"^data\.val: "):
        made.pairs("val")


def test_pictures_are_trained_on_with_views_and_edits(tmp_path: Path) -> None:
    """The recipe's pictures, clean captions, views and several edits of each caption come in one batch."""
    edits = ("[optim]", "[augment]\ncrop = 0.9\n\n[edits]\nper_caption = 2\nexchanges = false\n\n[optim]")

    made = from_jsonl(tmp_path, PROOFREADING, edits)
    batch = made.batches.batch(0)

    assert (2, 64, 64, 3) == tuple(batch.pixels.shape)
    assert batch.edited is not None
    assert [0, 0, 1, 1] == batch.edited.owner.tolist()
    assert made.vocabulary is not None
    assert "red" in made.vocabulary.words


@pytest.mark.parametrize("augment", ["", "[augment]\ncrop = 1.0\nmirror = 0.0\njitter = 0.0\n\n"])
def test_clips_are_trained_on_at_other_moments(tmp_path: Path, augment: str) -> None:
    """With views or without, the frames of a clip are drawn anew each time it comes, and are its middles in evaluation."""
    recipe = small_recipe(tmp_path, ("seed = 2", 'source = "clips"\nframes = 2'), ("[optim]", f"{augment}[optim]"))
    made = gather(recipe, tmp_path / "cache")

    # all eight clips are in each batch
    one, other = (made.batches.batch(step) for step in (0, 1))

    assert (8, 2, 64, 64, 3) == tuple(one.pixels.shape)
    assert one.rows is not None and other.rows is not None
    assert not torch.equal(one.pixels[one.rows.argsort()], other.pixels[other.rows.argsort()])
    middles = clip_example("val", 1, 0, 64).frames[central_positions(FRAMES, 2)]
    np.testing.assert_array_equal(middles, made.pairs("val").pixels(np.array([1]))[0])


def test_held_out_captions_are_edited_once_and_in_any_word(tmp_path: Path) -> None:
    """Training may put many wrong words into a text, and of one kind; a text to judge by has one edit, of any kind."""
    made = gather(
        small_recipe(tmp_path, PROOFREADING, ("[optim]", "[edits]\nagain = 1.0\nkinds = {attribute = 1.0}\n\n[optim]")),
        tmp_path / "cache",
    )
    judging, captions = made.judging, [made.pairs("val").caption(row, 0) for row in range(4)] * 20
    assert judging is not None
    assert made.batches.edits is not None

    judged, taught = (maker.draw(captions, np.random.default_rng(0)) for maker in (judging, made.batches.edits))

    assert {"attribute", "none", "several"} >= {edit.kind for edit in taught}
    assert {"attribute", "none"} < {edit.kind for edit in judged}
    once, often = (max(sum(edit.wrong) for edit in each if edit.kind != "swap") for each in (judged, taught))
    assert 1 == once
    assert 1 < often


def test_long_captions_of_pictures_are_cut_and_counted(tmp_path: Path) -> None:
    """People write long captions: the end is lost, the end marker is kept, and how many is told once."""
    with pytest.warns(CaptionsCut, match=r"4 of 4 captions \(100\.0%\) are longer than the context"):
        made = from_jsonl(
            tmp_path, ("context_length = 64", "context_length = 3"), ("vocabulary = 512", "vocabulary = 259")
        )

    ids = made.backbone.tokenizer.encode("a red square").ids
    assert 3 == len(ids)
    assert made.backbone.text.eot_id == ids[-1]


def test_long_captions_of_scenes_are_refused(tmp_path: Path) -> None:
    """A scene's caption that does not fit is a fault of the recipe, told with both lengths."""
    recipe = small_recipe(tmp_path, ("context_length = 64", "context_length = 20"))

    with pytest.raises(RecipeError, match=r"text\.context_length 20 is less than the longest caption's \d\d tokens"):
        gather(recipe, tmp_path / "cache")


def test_a_batch_needs_as_many_pictures(tmp_path: Path) -> None:
    """Fewer pictures than a batch is an error that names the field."""
    with pytest.raises(RecipeError, match=r"optim\.batch: a batch of 5 needs"):
        from_jsonl(tmp_path, ("batch = 2", "batch = 5"))


@pytest.mark.parametrize("reader", ["[proofreading]\nvocabulary = 50", "[late]", "[tagging]"])
def test_what_reads_all_patches_refuses_towers_that_drop_some(tmp_path: Path, reader: str) -> None:
    """A named model with patch_dropout trains alone; beside what reads its patches the recipe says what to change."""
    config = {"embed_dim": 16, "vision_cfg": {**VIT, "patch_dropout": 0.5}, "text_cfg": TEXT}
    (tmp_path / "dropping.json").write_text(json.dumps(config))
    own = "[image]\nlayers = [1, 1, 1, 1]\nwidth = 4\nsize = 64\n\n[text]\ncontext_length = 64\nvocabulary = 512\nwidth = 16\nheads = 2\nlayers = 1\n"
    model = ("dim = 16\n", ""), (own, f'[model]\nopen_clip = "{tmp_path / "dropping.json"}"\npretrained = "none"\n')

    gather(small_recipe(tmp_path, *model), tmp_path / "cache")
    with pytest.raises(RecipeError, match=r"reads all patches, and open_clip dropping leaves out 50%"):
        gather(small_recipe(tmp_path, *model, ("[optim]", f"{reader}\n\n[optim]")), tmp_path / "cache")


def test_a_teacher_speaks_of_the_training_scenes(tmp_path: Path, tiny_bundle: Path) -> None:
    """It sees the towers' own scenes, scaled; the run's towers are those that they are without a teacher."""
    part = ("[optim]", f'[teacher]\nbundle = "{tiny_bundle}"\n\n[optim]')
    plain, taught = (gather(small_recipe(tmp_path, *more), tmp_path / "cache") for more in ((), (part,)))
    assert plain.lessons is None and taught.lessons is not None
    rows, choices = torch.tensor([3, 0]), torch.tensor([4, 1])
    teacher = BundleTeacher(Bundle.open(tiny_bundle))
    seen = plain.pairs("train")

    found = taught.lessons.of(rows, choices).taught

    torch.testing.assert_close(teacher.images(seen.pixels(rows.numpy())), found.images)
    torch.testing.assert_close(teacher.texts([seen.captions[3][4], seen.captions[0][1]]), found.texts)
    gather(small_recipe(tmp_path, part, ("size = 64", "size = 32")), tmp_path / "cache")
    assert 2 == len(list((tmp_path / "cache").glob("lessons-*")))
    for name, value in plain.backbone.towers.state_dict().items():
        torch.testing.assert_close(value, taught.backbone.towers.state_dict()[name], rtol=0, atol=0)


def test_a_teacher_sees_pictures_in_its_own_way(tmp_path: Path, tiny_bundle: Path) -> None:
    """Pictures on disk are decoded again for it, at its size and by its rules, and not scaled from what the towers see."""
    made = from_jsonl(tmp_path, ("[optim]", f'[teacher]\nbundle = "{tiny_bundle}"\n\n[optim]'))
    assert made.lessons is not None
    teacher, cache = BundleTeacher(Bundle.open(tiny_bundle)), tmp_path / "again"
    seen = open_pairs(made.recipe.data, "train", teacher.preprocess, cache, "lower")
    rows, first = np.arange(len(seen)), torch.zeros(len(seen), dtype=torch.long)

    found = made.lessons.of(torch.arange(len(seen)), first).taught

    assert (32, 64) == (seen.pixels(rows).shape[1], made.pairs("train").pixels(rows).shape[1])
    torch.testing.assert_close(teacher.images(seen.pixels(rows)), found.images)
    torch.testing.assert_close(teacher.texts([texts[0] for texts in seen.captions]), found.texts)


def test_a_teacher_that_cannot_be_had_is_told(tmp_path: Path) -> None:
    """A missing bundle and unknown weights are faults of the recipe, by the name of the part."""
    for part in ('bundle = "nowhere"', 'open_clip = "ViT-B-16"\npretrained = "nobody"'):
        with pytest.raises(RecipeError, match=r"^teacher: .*no(where|body)"):
            gather(small_recipe(tmp_path, ("[optim]", f"[teacher]\n{part}\n\n[optim]")), tmp_path / "cache")


def test_the_backbone_is_told_for_the_record(tmp_path: Path) -> None:
    """What a bundle's manifest says of the towers is what was built."""
    made: Backbone = gather(small_recipe(tmp_path), tmp_path / "cache").backbone

    assert made.architecture.startswith("open_clip ModifiedResNet (1, 1, 1, 1) x 4 at 64 px, causal text transformer 1")
    assert "none" == made.source
    assert b'"truncation":null' in made.tokenizer_json.replace(b" ", b"")


def test_workers_edit_as_this_process_does(tmp_path: Path) -> None:
    """A language model that has run here runs on in workers, and edits, views and pixels are the same there."""
    texts = [text for number in range(8) for text in example("train", number, 2, 32).captions]
    training = train_masked_lm(texts, MlmSettings(steps=1, batch=8, width=16, layers=1, vocabulary=100))
    list(training.run())
    save_masked_lm(training.model(), tmp_path / "mlm")
    edits = f'masked = 1\nmasked_lm = "{tmp_path / "mlm"}"\nlikelihood = 100\nper_caption = 2'
    recipe = small_recipe(tmp_path, PROOFREADING, ("[optim]", f"[augment]\n\n[edits]\n{edits}\n\n[optim]"))
    batches = gather(recipe, tmp_path / "cache").batches
    here = [batches.batch(step) for step in range(3)]

    there = list(batches.loader(0, 3, workers=2))

    for one, other in zip(here, there, strict=True):
        assert one.edited is not None
        assert other.edited is not None
        assert one.edited.changed.any()
        for name in ("ids", "wrong", "places", "words", "owner"):
            assert torch.equal(getattr(one.edited, name), getattr(other.edited, name)), name
        assert torch.equal(one.pixels, other.pixels)


def test_a_run_on_pictures_ends_in_figures(tmp_path: Path) -> None:
    """From JSON lines to a report: steps are taken with views, and the test split is measured without groups."""
    part = write_jsonl(tmp_path / "data")
    text = f'source = "jsonl"\npath = "{part.path}"\ntrain = ["train", "restval"]\nval = ["val", "test"]\ntest = ["val", "test"]'
    recipe = small_recipe(
        tmp_path,
        (SCENES, text),
        ("batch = 8", "batch = 2"),
        ("steps = 20", "steps = 2"),
        ("[optim]", "[augment]\n\n[optim]"),
    )
    session = open_session(recipe, tmp_path / "work")

    losses = [step.loss for step in session.run()]
    found = session.measure()

    assert 2 == len(losses)
    assert np.isfinite(losses).all()
    assert (2, 2) == (found.images, found.captions)
    assert not found.groups
    assert b'"truncation":null' in session.tokenizer_json().replace(b" ", b"")
