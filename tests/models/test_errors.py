"""The tree of errors."""

import inspect

import pytest

from models import errors
from models.errors import BundleError, InputError, ModelError

CLASSES = [each for _, each in inspect.getmembers(errors, inspect.isclass)]


@pytest.mark.parametrize("error", CLASSES)
def test_everything_is_a_model_error(error: type[Exception]) -> None:
    """One except clause catches all that this package raises on purpose, and each says in its docstring when."""
    assert issubclass(error, ModelError)
    assert error.__doc__


def test_the_drawing_names_every_class() -> None:
    """The tree in the module's docstring is complete."""
    drawing = errors.__doc__ or ""

    assert [] == [error.__name__ for error in CLASSES if error.__name__ not in drawing]


def test_the_callers_faults_and_the_bundles_are_apart() -> None:
    """No error is both an input's (HTTP 4xx) and a bundle's (the operator's)."""
    assert [] == [error for error in CLASSES if issubclass(error, InputError) and issubclass(error, BundleError)]
