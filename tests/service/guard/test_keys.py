"""API keys: made, held, kept, revoked."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from index.errors import CollectionInvalid, CollectionTooNew
from service.errors import KeyRefused
from service.guard.keys import SCOPES, ApiKey, Scope, add_key, holder, make_key, read_keys, revoke_key

KEY, KEPT = make_key("shop", ["search"])
OTHER = make_key("other", ["admin"])[1]
KNOWN = {each.id: each for each in (KEPT, OTHER)}


def test_a_key_is_held_by_what_was_kept_of_it() -> None:
    """What was handed out is found among others by its hash."""
    assert KEPT == holder(KNOWN, KEY)


def test_a_key_cannot_be_guessed() -> None:
    """Beside its id a key has 256 bits, and no two are equal."""
    secrets = {make_key("a", ["search"])[0].split("_")[2] for _ in range(50)}

    assert 50 == len(secrets)
    assert {256} == {4 * len(each) for each in secrets}


@settings(max_examples=50)
@given(place=st.integers(0, len(KEY) - 1), character=st.characters(codec="latin-1"))
def test_no_other_key_is_held(place: int, character: str) -> None:
    """A key with any one character changed is nobody's, unless it is the same character."""
    changed = KEY[:place] + character + KEY[place + 1 :]

    assert (changed == KEY) == (holder(KNOWN, changed) is not None)


@settings(max_examples=30)
@given(key=st.text(max_size=100))
def test_whatever_is_sent_is_no_error(key: str) -> None:
    """Any text, half surrogates and megabytes too, is a key of nobody."""
    assert holder(KNOWN, key) is None
    assert holder(KNOWN, key * 20) is None


def test_the_secret_of_one_does_not_go_with_the_id_of_another() -> None:
    """An id and a secret that are both ours, of two keys, are nobody's."""
    mark, _, secret = KEY.split("_")

    assert holder(KNOWN, f"{mark}_{OTHER.id}_{secret}") is None


@given(scopes=st.lists(st.sampled_from(SCOPES), min_size=1))
def test_scopes_are_those_that_were_given(scopes: list[Scope]) -> None:
    """Each once, in one order; none brings another along."""
    kept = make_key("a", scopes)[1]

    assert set(scopes) == set(kept.scopes)
    assert sorted(kept.scopes, key=SCOPES.index) == list(kept.scopes)


@pytest.mark.parametrize(
    "given",
    [
        {"name": ""},
        {"name": "a b"},
        {"name": "a" * 65},
        {"name": "a\nb"},
        {"scopes": []},
        {"rate": 0},
        {"rate": float("inf")},
        {"rate": float("nan")},
        {"concurrency": 0},
    ],
)
def test_senseless_keys_are_refused(given: dict[str, object]) -> None:
    """A name for no log line, no scope at all, a limit that lets nothing in."""
    with pytest.raises(ValidationError):
        make_key(**({"name": "a", "scopes": ["search"]} | given))  # type: ignore[arg-type]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Keys are in the file in their order, with their limits; a file that is not there has none."""
    file = tmp_path / "made" / "keys.json"
    limited = make_key("limited", ["write"], rate=2.5, concurrency=3)[1]

    assert read_keys(file) is None
    add_key(file, KEPT)
    add_key(file, limited)

    assert [KEPT, limited] == list((read_keys(file) or {}).values())


def test_the_file_does_not_hold_the_key(tmp_path: Path) -> None:
    """Neither the key nor its secret stands in the file: who reads it cannot ask."""
    add_key(tmp_path / "keys.json", KEPT)

    assert KEY.split("_")[2] not in (tmp_path / "keys.json").read_text()


def test_a_name_is_of_one_key(tmp_path: Path) -> None:
    """A second key of a name is refused, and the first stays."""
    file = tmp_path / "keys.json"
    add_key(file, KEPT)

    with pytest.raises(KeyRefused, match="revoke that one first"):
        add_key(file, make_key(KEPT.name, ["admin"])[1])
    assert [KEPT] == list((read_keys(file) or {}).values())


@pytest.mark.parametrize("named", [KEPT.name, KEPT.id], ids=["name", "id"])
def test_a_revoked_key_is_gone(tmp_path: Path, named: str) -> None:
    """By name or id, the others stay; the last leaves a file without keys, which is not the same as no file."""
    file = tmp_path / "keys.json"
    add_key(file, KEPT)
    add_key(file, OTHER)

    assert KEPT == revoke_key(file, named)
    assert {OTHER.id: OTHER} == read_keys(file)
    revoke_key(file, OTHER.id)
    assert {} == read_keys(file)


def test_a_key_that_is_not_there_is_told(tmp_path: Path) -> None:
    """Revoking nothing is an error that says how to look."""
    with pytest.raises(KeyRefused, match="vilem keys list"):
        revoke_key(tmp_path / "keys.json", "none")


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """Where no file can be made, that is one sentence and no traceback."""
    (tmp_path / "taken").write_text("a file")

    with pytest.raises(KeyRefused, match="cannot be written"):
        add_key(tmp_path / "taken" / "keys.json", KEPT)


def test_keys_made_at_one_time_are_all_kept(tmp_path: Path) -> None:
    """Of commands that run side by side none overwrites what another wrote."""
    file = tmp_path / "keys.json"
    made = [make_key(f"key-{number}", ["search"])[1] for number in range(12)]

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda key: add_key(file, key), made))

    assert {each.id for each in made} == (read_keys(file) or {}).keys()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(data=st.data())
def test_a_damaged_file_is_refused(tmp_path: Path, data: st.DataObject) -> None:
    """A file with any one byte changed, or cut anywhere, says the same as before or is an error: never anything else."""
    file = tmp_path / "keys.json"
    if not file.exists():
        add_key(file, KEPT)
        add_key(file, OTHER)
    whole = file.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.one_of(st.none(), st.integers(0, 255)))
    file.write_bytes(whole[:place] + (b"" if byte is None else bytes([byte]) + whole[place + 1 :]))

    try:
        assert KNOWN == read_keys(file)
    except (CollectionInvalid, CollectionTooNew) as error:
        assert str(file) in str(error)
    finally:
        file.write_bytes(whole)


def test_a_wider_scope_by_hand_is_refused(tmp_path: Path) -> None:
    """A file that was edited is damaged: scopes are given by making a key."""
    file = tmp_path / "keys.json"
    add_key(file, KEPT)
    content = json.loads(file.read_text())
    content["keys"][0]["scopes"] = ["search", "admin"]
    file.write_text(json.dumps(content))

    with pytest.raises(CollectionInvalid, match="nobody is let in"):
        read_keys(file)


def test_what_is_shown_of_a_key_is_no_secret() -> None:
    """An id in a log leads to no key: it is not made of the secret."""
    assert isinstance(KEPT, ApiKey)
    assert KEPT.id not in KEY.split("_")[2]
    assert KEPT.sha256 not in KEY
