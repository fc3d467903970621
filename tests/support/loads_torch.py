"""What a process that trains loads first: `tests.support.forked` begins every process with it."""

import models.export.proofreader
import models.export.seal
import models.training.session  # noqa: F401
from models.open_clip_import import import_open_clip

import_open_clip()
