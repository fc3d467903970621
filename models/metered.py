"""A file in memory that tires of being read: what a reader builds while it looks for the pixels is bounded by its reads.

Pillow's readers are Python. They keep an object for every marker, chunk or comment before a picture's size is known, so that
30 MB of empty JPEG markers took 1 GB and 12 s, and hold the interpreter's lock meanwhile. None of it can be done
without reading, whatever the format.
"""

import io

from models.errors import ImageTooLarge

# Of a sound picture: four for each chunk of a PNG, which has 4,000 in 32 MB, or marker of a JPEG; a second's work at most.
READS = 2**19
# A header is read before the pixels, and perhaps again for EXIF; nothing is read four times.
_TIMES = 3
_SPARE_BYTES = 2**20


class Metered(io.BytesIO):
    """The bytes of a picture's file, which may be read so often, and three times over in all.

    Args:
        data: the file.
        reads: most calls of `read`.
    """

    def __init__(self, data: bytes, reads: int = READS) -> None:
        super().__init__(data)
        self._reads = reads
        self._bytes = _TIMES * len(data) + _SPARE_BYTES

    def read(self, size: int | None = -1, /) -> bytes:
        """As `io.BytesIO.read`.

        Raises:
            ImageTooLarge: it was read too often, or too much of it was.
        """
        found = super().read(size)
        self._reads -= 1
        self._bytes -= len(found)
        # for ever after, should a reader take the first one for damage that it can pass over
        if self._reads < 0 or self._bytes < 0:
            raise ImageTooLarge("the image file is in too many parts beside its pixels: save it again without metadata")
        return found
