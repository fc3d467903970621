"""Pictures for a report: small JPEGs inside the page, so that it is one file that asks nobody for anything."""

from collections.abc import Iterable

from models.evaluation.dataset import Entry
from models.page import data_uri


def pictures_of(entries: Iterable[Entry], wanted: set[str]) -> dict[str, str]:
    """The wanted entries' pictures by id."""
    return {each.id: data_uri(each.read()) for each in entries if each.id in wanted}
