"""open_clip models, loaded with what it takes to feed them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from models.errors import ExportError
from models.pretrained import load
from models.pretrained.load import load_open_clip
from tests.models.export.folders import WEIGHTS, make_folder, reference_model


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"size": (224, 160)}, "must be square"),
        ({"resize_mode": "longest"}, "resize 'longest'"),
        ({"interpolation": "random"}, "interpolation 'random'"),
    ],
)
def test_other_ways_to_prepare_images_are_refused(wrong: dict[str, object], said: str) -> None:
    """What the runtime cannot do to a picture is refused, by its name."""
    config = {"size": 32, "resize_mode": "shortest", "interpolation": "bicubic", "mean": (0, 0, 0), "std": (1, 1, 1)}
    model: Any = SimpleNamespace(visual=SimpleNamespace(preprocess_cfg={**config, **wrong}))

    with pytest.raises(ExportError, match=said):
        load._preprocess(model)


def test_a_folder_is_loaded_with_all_it_says(tmp_path: Path) -> None:
    """Weights are the file's, the tokenizer and the way of preparing images the folder's, the record says which."""
    folder = make_folder("siglip", tmp_path / "tiny")

    loaded = load_open_clip(f"local-dir:{folder}", str(folder / WEIGHTS))

    for name, value in reference_model(folder).state_dict().items():
        torch.testing.assert_close(loaded.model.state_dict()[name], value, msg=name)
    assert ("squash", 160) == (loaded.preprocess.resize, loaded.preprocess.size)
    assert (16, "canonicalize", False) == (loaded.text.context_length, loaded.text.clean, loaded.text.causal)
    assert b'"Unigram"' in loaded.tokenizer_json
    assert "local-dir:tiny" == loaded.architecture
    assert loaded.source.startswith(f"{WEIGHTS} (sha256 ")


def test_random_weights_are_said_to_be_random(tmp_path: Path) -> None:
    """Without weights the record says none."""
    assert "none" == load_open_clip(f"local-dir:{make_folder('resnet', tmp_path / 'tiny')}", "none").source
