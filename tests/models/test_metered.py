"""A file that tires of being read."""

import pytest

from models.errors import ImageTooLarge
from models.metered import Metered


def test_it_reads_as_the_file_does() -> None:
    """Within its bounds it is the file: any part of it, the rest, and nothing after the end."""
    file = Metered(b"0123456789")

    assert (b"01", b"23456789", b"") == (file.read(2), file.read(), file.read(4))
    file.seek(8)
    assert b"89" == file.read(None)
    assert b"0123456789" == file.getvalue()


def test_so_many_reads_and_no_more() -> None:
    """The reads that are allowed are answered; the next one is refused, and every one after it."""
    file = Metered(b"0123456789", reads=3)

    assert [b"0", b"1", b"2"] == [file.read(1) for _ in range(3)]
    for _ in range(2):
        with pytest.raises(ImageTooLarge, match="save it again"):
            file.read(1)


def test_three_times_over_and_no_more() -> None:
    """Whoever reads the whole again and again gets it three times, and a little; not five."""
    data = bytes(4 * 2**20)
    file = Metered(data)

    for _ in range(3):
        file.seek(0)
        assert data == file.read()
    with pytest.raises(ImageTooLarge):
        for _ in range(2):
            file.seek(0)
            file.read()
