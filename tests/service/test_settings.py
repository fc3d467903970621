"""Settings come from VILEM_* variables, once, and are checked."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from pydantic import ValidationError

from service.app import create_app
from service.settings import Settings, unknown_variables


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No VILEM_* variable of the developer's reaches these tests."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"VILEM_{name.upper()}", raising=False)


def test_the_defaults_are_local() -> None:
    """Without any variable the service binds to this machine only, has no Redis, and has bounds on everything."""
    settings = Settings()

    assert "127.0.0.1" == settings.host
    assert settings.redis_url is None
    assert 32 * 2**20 == settings.max_body_bytes
    assert 20_000 == settings.max_text_chars


def test_variables_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each field is read from VILEM_ and its name; what is given to the constructor wins."""
    monkeypatch.setenv("VILEM_HOME", str(tmp_path))
    monkeypatch.setenv("VILEM_PORT", "9000")
    monkeypatch.setenv("VILEM_MAX_BATCH", "8")

    settings = Settings(port=9001)

    assert (tmp_path, 9001, 8) == (settings.home, settings.port, settings.max_batch)


@pytest.mark.parametrize(
    ("value", "names"), [("tiny", ("tiny",)), ("tiny, vit-b-32 ,", ("tiny", "vit-b-32")), ("", ()), (" , ", ())]
)
def test_lists_are_parted_by_commas(monkeypatch: pytest.MonkeyPatch, value: str, names: tuple[str, ...]) -> None:
    """A variable that holds several names parts them by commas; empty ones are none."""
    monkeypatch.setenv("VILEM_MODELS", value)
    monkeypatch.setenv("VILEM_ALLOWED_HOSTS", value)

    settings = Settings()

    assert (names, names) == (settings.models, settings.allowed_hosts)


@pytest.mark.parametrize("address", ["redis:6379", "http://redis:6379", "6379"])
def test_what_is_no_address_of_a_redis_refuses_to_start(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """It is told at once and in words, not by every process of several when it starts; an empty one says that there is none."""
    monkeypatch.setenv("VILEM_REDIS_URL", address)
    with pytest.raises(ValidationError, match="redis://host:6379/0"):
        Settings()
    monkeypatch.setenv("VILEM_REDIS_URL", "")
    assert Settings().redis_url is None


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Compose files pass empty variables: each setting is then what it is without the variable, and no path is the folder "."."""
    without = Settings()
    monkeypatch.setenv(f"VILEM_{name.upper()}", "")

    assert without == Settings()
    assert Path() != Settings().keys_file.parent


def test_an_empty_alias_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenTelemetry's own variable counts where ours is empty."""
    monkeypatch.setenv("VILEM_OTLP", "")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")

    assert "http://collector:4318" == Settings().otlp


@pytest.mark.parametrize(
    ("network", "said"),
    [
        ("10.0.0.1/8", "write 10.0.0.0/8"),
        ("fd00::1/8", "write fd00::/8"),
        ("10.0.0.0/99", "10.1.0.0/16"),
        ("intranet", "10.1.0.0/16"),
    ],
)
def test_what_is_no_network_is_told_how_to_write_it(monkeypatch: pytest.MonkeyPatch, network: str, said: str) -> None:
    """A host's address in a network's place is told the network's; anything else, what a network looks like."""
    monkeypatch.setenv("VILEM_URL_NETWORKS", f"10.2.0.0/16,{network}")

    with pytest.raises(ValidationError, match=rf"'{network}' is no network: .*{said}"):
        Settings()


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("VILEM_REDIS_ULR", "VILEM_REDIS_URL"),
        ("VILEM_DECODER_THREADS", "VILEM_DECODE_THREADS"),
        ("vilem_worker", "VILEM_WORKERS"),
        ("VILEM_COLOUR_OF_THE_PAGE", None),
    ],
)
def test_a_variable_that_is_no_setting_is_found(name: str, near: str | None) -> None:
    """What begins as a setting and is none is named, with the one that it is nearest to; empty ones and others' are left alone."""
    others = {"PATH": "/bin", "VILEM_": "", "VILEM_PROT": "", "VILEM_PORT": "1", "vilem_host": "::1"}

    assert {name: near} == unknown_variables({**others, name: "1"})


def test_no_setting_is_unknown() -> None:
    """Every setting's own variable is known."""
    assert {} == unknown_variables({f"VILEM_{name.upper()}": "1" for name in Settings.model_fields})


def test_the_log_says_what_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A service that is started with a misspelt variable says so once, without its value, and starts."""
    monkeypatch.setenv("VILEM_REDIS_ULR", "redis://secret@host")
    with TestClient(create_app(Settings(home=tmp_path)), base_url="http://127.0.0.1") as client:
        assert 200 == client.get("/healthz").status_code

    told = capfd.readouterr().err
    assert 1 == told.count("VILEM_REDIS_ULR is no setting, and ignored: is VILEM_REDIS_URL meant?")
    assert "secret" not in told


def test_settings_do_not_change() -> None:
    """A setting cannot be assigned: what was read at the start holds."""
    settings = Settings()

    with pytest.raises(ValidationError):
        settings.port = 1  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "70000"),
        ("port", "http"),
        ("max_batch", "0"),
        ("max_queue", "-1"),
        ("deadline_s", "0"),
        ("max_body_bytes", "10"),
        ("decode_threads", "-1"),
        ("cache_bytes", "-1"),
        ("poll_s", "0"),
        ("search_device", "tpu"),
        ("variant", "int4"),
    ],
)
def test_a_value_out_of_range_refuses_to_start(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """A variable that makes no sense is an error that names the field, not a service that behaves oddly."""
    monkeypatch.setenv(f"VILEM_{name.upper()}", value)

    with pytest.raises(ValidationError, match=name):
        Settings()


def test_a_misspelt_argument_is_refused() -> None:
    """A keyword that is no setting is an error."""
    with pytest.raises(ValidationError, match="prot"):
        Settings(prot=9000)  # pyright: ignore[reportCallIssue]


def test_every_setting_says_what_it_trades() -> None:
    """Each field has a help text."""
    assert [] == [name for name, field in Settings.model_fields.items() if not field.description]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("https://Shop.Example", "https://shop.example"),
        ("HTTPS://shop.example:443", "https://shop.example"),
        ("http://shop.example:80", "http://shop.example"),
        ("http://shop.example:443", "http://shop.example:443"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://[::1]:3000", "http://[::1]:3000"),
    ],
)
def test_a_sites_origin_is_meant_as_browsers_write_it(tmp_path: Path, written: str, meant: str) -> None:
    """Browsers send an origin in lower case and without its scheme's own port: as it is written must not matter."""
    assert (meant,) == Settings(home=tmp_path, cors_origins=(written,)).cors_origins


@pytest.mark.parametrize(
    "written", ["*", "shop.example", "https://shop.example/", "ftp://shop.example", "null", "https://"]
)
def test_what_is_no_origin_is_refused(tmp_path: Path, written: str) -> None:
    """A path, another scheme, no scheme, or all sites at once: told with how one is written."""
    with pytest.raises(ValidationError, match="is no origin"):
        Settings(home=tmp_path, cors_origins=(written,))


@pytest.mark.parametrize("name", ["VILEM_OTLP", "OTEL_EXPORTER_OTLP_ENDPOINT"])
@pytest.mark.parametrize("address", ["ftp://x", "collector:4318", "http://", "http:///v1/traces"])
def test_what_is_no_collector_refuses_to_start(monkeypatch: pytest.MonkeyPatch, name: str, address: str) -> None:
    """Spans that could only be lost are told of at once, with how an address is written; by either variable."""
    monkeypatch.setenv(name, address)

    with pytest.raises(ValidationError, match="write http://collector:4318"):
        Settings()


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "HTTPS://collector.example/otlp/", "http://[::1]:4318"])
def test_a_collector_is_meant_as_it_is_written(address: str) -> None:
    """By http or https, with a path or without."""
    assert address == Settings(otlp=address).otlp


@pytest.mark.parametrize(
    "name", ["http://x", "x.example:8000", "*.x.example", "::1", "x.example/", "b\u00fccher.example", "a b", "**"]
)
def test_what_no_request_comes_under_refuses_to_start(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A name that can be no request's would have all of them refused: it is told how one is written."""
    monkeypatch.setenv("VILEM_ALLOWED_HOSTS", f"localhost,{name}")

    with pytest.raises(ValidationError, match=r"write search\.example\.com"):
        Settings()


@pytest.mark.parametrize(
    "names", ["*", "localhost,127.0.0.1,api", "[::1]", "Search.Example.com.", "my_host", "xn--bcher-kva.example"]
)
def test_names_of_ours_are_taken(monkeypatch: pytest.MonkeyPatch, names: str) -> None:
    """Names, addresses, and * alone for any."""
    monkeypatch.setenv("VILEM_ALLOWED_HOSTS", names)

    assert tuple(names.split(",")) == Settings().allowed_hosts
