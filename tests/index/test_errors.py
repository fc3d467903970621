"""index.errors: the tree of what can go wrong."""

import inspect

from index import errors


def _classes() -> list[type[BaseException]]:
    return [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, BaseException)]


def test_every_error_is_one_family() -> None:
    """Whoever catches CollectionError catches all that this package raises on purpose."""
    assert [] == [each.__name__ for each in _classes() if not issubclass(each, errors.CollectionError)]


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    """The module's docstring names every error."""
    assert errors.__doc__
    assert [] == [each.__name__ for each in _classes() if each.__name__ not in errors.__doc__]


def test_an_invalid_item_carries_the_reason_for_the_rejects_table() -> None:
    """The reason is a word apart from the sentence."""
    error = errors.ItemInvalid("bad-id", "the id is empty: give each item one")
    assert ("bad-id", "the id is empty: give each item one") == (error.reason, str(error))


def test_a_missing_file_is_an_unreadable_one() -> None:
    """A caller that tells both apart catches the narrower first; others need only the wider."""
    assert issubclass(errors.UriMissing, errors.UriUnreadable)
    assert issubclass(errors.UriUnreadable, errors.SourceError)
