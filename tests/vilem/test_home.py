"""Which folder a command works in."""

from pathlib import Path

import pytest

from vilem.cli.home import home_of


def test_what_is_given_comes_before_the_service_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--home` wins over VILEM_HOME, which is the service's setting and stands in where it is left out."""
    monkeypatch.setenv("VILEM_HOME", str(tmp_path / "service"))

    assert tmp_path / "given" == home_of(tmp_path / "given")
    assert tmp_path / "service" == home_of(None)
