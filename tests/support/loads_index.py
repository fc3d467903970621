"""What a process that writes a collection loads first: `tests.support.forked` begins such processes with it."""

import index.duplicates.find
import index.duplicates.groups
import index.publish
import index.searcher  # noqa: F401
import models.bundle  # noqa: F401
import tests.index.support
import tests.support.crash  # noqa: F401
