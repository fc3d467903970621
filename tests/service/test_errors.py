"""The tree of what the service refuses."""

from models import errors as model_errors
from service import errors, problems

# met before anything is served: they end the start, in one line
AT_START = (errors.Exposed, errors.KeyRefused, errors.TracingMissing)


def test_every_service_error_is_in_the_table() -> None:
    """No error of the service or of a caller's input is left without a status."""
    leaves = [*errors.ServiceError.__subclasses__(), *model_errors.InputError.__subclasses__()]
    # the service reads no videos; other tests of this process may have
    leaves = [each for each in leaves if not each.__module__.startswith("models.video") and each not in AT_START]
    listed = [each[0] for each in problems.TABLE]

    assert [] == [each for each in leaves if not any(issubclass(each, one) for one in listed)]


def test_the_tree_names_every_error() -> None:
    """The module's docstring draws each error below ServiceError."""
    assert errors.__doc__ is not None
    assert [] == [each.__name__ for each in errors.ServiceError.__subclasses__() if each.__name__ not in errors.__doc__]
