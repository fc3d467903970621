"""What open_clip is asked to build."""

import json
from pathlib import Path

import pytest

from models.errors import ExportError
from models.open_clip_import import import_open_clip
from models.pretrained.architecture import check_tag, find_architecture, preprocess_of
from tests.models.export.folders import CONFIG, CONFIGS

OPEN_CLIP = import_open_clip()
OPENAI_MEAN = (0.48145466, 0.4578275, 0.40821073)


def write(path: Path, document: object) -> Path:
    """A JSON file."""
    path.write_text(json.dumps(document))
    return path


def test_a_name_is_open_clip_s() -> None:
    """A name that open_clip knows is found, with its activation."""
    assert not find_architecture(OPEN_CLIP, "ViT-B-32").quick_gelu
    found = find_architecture(OPEN_CLIP, "ViT-B-32-quickgelu")

    assert ("ViT-B-32-quickgelu", True, False) == (found.name, found.quick_gelu, found.in_folder)
    assert 77 == found.text["context_length"]


def test_an_unknown_name_tells_those_near_it() -> None:
    """A misspelt name is answered with names that resemble it."""
    with pytest.raises(ExportError, match=r"no architecture 'VIT-B32': near it are .*ViT-B-32"):
        find_architecture(OPEN_CLIP, "VIT-B32")


def test_a_hub_s_own_name_is_not_fetched() -> None:
    """`hf-hub:` is answered with how to export the same model from its folder."""
    with pytest.raises(ExportError, match="local-dir:FOLDER"):
        find_architecture(OPEN_CLIP, "hf-hub:laion/CLIP-ViT-B-32")


def test_a_configuration_file_is_a_name_from_then_on(tmp_path: Path) -> None:
    """`NAME.json` is known to open_clip as NAME."""
    path = write(tmp_path / "my-model.json", CONFIGS["resnet"])

    found = find_architecture(OPEN_CLIP, str(path))

    assert ("my-model", "my-model") == (found.name, found.label)
    assert "my-model" in OPEN_CLIP.list_models()


def test_folders_beside_a_configuration_stand_for_a_hub(tmp_path: Path) -> None:
    """A name that is a folder beside the file means that folder, wherever the command runs; weights are never fetched."""
    (tmp_path / "tower").mkdir()
    path = write(tmp_path / "multilingual.json", CONFIGS["huggingface"])

    text = find_architecture(OPEN_CLIP, str(path)).text

    assert str(tmp_path / "tower") == text["hf_model_name"] == text["hf_tokenizer_name"]
    assert text["hf_model_pretrained"] is False


def test_a_folder_holds_its_own_tokenizer(tmp_path: Path) -> None:
    """The tokenizer of `local-dir:` is the one in the folder, whatever its configuration names."""
    write(tmp_path / CONFIG, {"model_cfg": CONFIGS["siglip"]})

    found = find_architecture(OPEN_CLIP, f"local-dir:{tmp_path}")

    assert (True, f"local-dir:{tmp_path.name}") == (found.in_folder, found.label)
    assert str(tmp_path) == found.text["hf_tokenizer_name"]


@pytest.mark.parametrize(
    "reference", ["{}/absent.json", "{}/broken.json", "{}/list.json", "{}/partial.json", "local-dir:{}"]
)
def test_what_is_no_configuration_is_refused(reference: str, tmp_path: Path) -> None:
    """A file that is missing, broken or lacks a tower is an error that names it."""
    (tmp_path / "broken.json").write_text("{")
    write(tmp_path / "list.json", [])
    write(tmp_path / "partial.json", {"embed_dim": 8, "vision_cfg": {}})

    with pytest.raises(ExportError, match=str(tmp_path)):
        find_architecture(OPEN_CLIP, reference.format(tmp_path))


def test_text_files_replace_a_hub(tmp_path: Path) -> None:
    """With the files at hand, tokenizer and text tower of a built-in name come from their folder."""
    for name in ("config.json", "tokenizer_config.json"):
        write(tmp_path / name, {})

    text = find_architecture(OPEN_CLIP, "xlm-roberta-base-ViT-B-32", tmp_path).text

    assert str(tmp_path) == text["hf_model_name"] == text["hf_tokenizer_name"]


def test_text_files_must_be_there_and_of_use(tmp_path: Path) -> None:
    """A folder without the files says which; a model with CLIP's own vocabulary needs none."""
    with pytest.raises(ExportError, match=r"lacks config\.json, tokenizer_config\.json"):
        find_architecture(OPEN_CLIP, "roberta-ViT-B-32", tmp_path)
    with pytest.raises(ExportError, match="leave --text-files out"):
        find_architecture(OPEN_CLIP, "RN50", tmp_path)


def test_weights_without_a_tag_are_prepared_for_as_their_family() -> None:
    """SigLIP's pictures are squashed and CLIP's are not, also when weights come from a file."""
    assert "squash" == preprocess_of(OPEN_CLIP, "ViT-B-16-SigLIP", None, must_know=True)["resize_mode"]
    clip = preprocess_of(OPEN_CLIP, "ViT-B-32", None, must_know=True)
    assert ("shortest", OPENAI_MEAN) == (clip["resize_mode"], clip["mean"])
    assert {} == preprocess_of(OPEN_CLIP, "ViT-S-16", None, must_know=True)


def test_a_family_that_disagrees_needs_a_word() -> None:
    """Where published weights differ, weights from a file are refused until a tag is named; random ones need none."""
    with pytest.raises(ExportError, match=r"different ways.*--like.*laion2b_s32b_b82k"):
        preprocess_of(OPEN_CLIP, "ViT-L-14", None, must_know=True)

    assert (0.5, 0.5, 0.5) == preprocess_of(OPEN_CLIP, "ViT-L-14", "laion2b_s32b_b82k", must_know=True)["mean"]
    assert OPENAI_MEAN == preprocess_of(OPEN_CLIP, "ViT-L-14", None, must_know=False)["mean"]


def test_an_unknown_tag_tells_those_there_are() -> None:
    """A tag that an architecture has not is answered with those it has, in --pretrained and in --like."""
    with pytest.raises(ExportError, match=r"'laion3b' is neither a file .* laion2b_s34b_b79k"):
        check_tag(OPEN_CLIP, find_architecture(OPEN_CLIP, "ViT-B-32"), "laion3b")
    with pytest.raises(ExportError, match="it has no tags"):
        check_tag(OPEN_CLIP, find_architecture(OPEN_CLIP, "ViT-S-16"), "laion2b")
    with pytest.raises(ExportError, match=r"no tag 'laion3b' .* laion2b_s34b_b79k"):
        preprocess_of(OPEN_CLIP, "ViT-B-32", "laion3b", must_know=True)


def test_weights_of_another_activation_are_refused() -> None:
    """Weights trained with QuickGELU are refused in a model without it, where open_clip would only warn."""
    with pytest.raises(ExportError, match="export ViT-B-32-quickgelu instead"):
        check_tag(OPEN_CLIP, find_architecture(OPEN_CLIP, "ViT-B-32"), "openai")

    check_tag(OPEN_CLIP, find_architecture(OPEN_CLIP, "ViT-B-32-quickgelu"), "openai")
