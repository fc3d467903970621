"""A bundle of another's space whose text tower reads other words: the tiny bundle in German."""

import json
import shutil
from pathlib import Path

from models.manifest import MANIFEST_NAME, TOKENIZER_NAME, read_manifest
from models.sealed import seal_files, staged

GERMAN = {"red": "rot", "green": "gruen", "blue": "blau", "yellow": "gelb"}


def make_german(tiny: Path, folder: Path) -> Path:
    """Write at *folder*, which must not exist, a bundle that gives "rot" the vector that *tiny* gives "red"; return it.

    Its image graph is *tiny*'s, byte for byte; what it makes of "red" is what *tiny* makes of unknown letters.
    """
    manifest = read_manifest(tiny)
    with staged(folder) as staging:
        for name in manifest.files:
            shutil.copyfile(tiny / name, staging / name)
        tokenizer = json.loads((staging / TOKENIZER_NAME).read_text())
        vocabulary = tokenizer["model"]["vocab"]
        tokenizer["model"]["vocab"] = {GERMAN.get(word, word): number for word, number in vocabulary.items()}
        (staging / TOKENIZER_NAME).write_text(json.dumps(tokenizer))
        sealed = manifest.model_copy(update={"name": folder.name, "files": seal_files(staging)})
        (staging / MANIFEST_NAME).write_bytes(sealed.to_bytes())
    return folder
