"""The environment is read once, and a mistake in it is named by its variable."""

import os
from pathlib import Path
from urllib.parse import quote

import pytest

from runtime.addresses import resolve
from runtime.errors import OperatorError
from runtime.settings import load_settings


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("GESTA_") or name == "DATABASE_URL"]:
        monkeypatch.delenv(name)


def test_nothing_set_means_the_embedded_server_in_the_current_directory() -> None:
    settings = load_settings()
    assert settings.is_embedded
    assert settings.data_dir == Path(".gesta")
    assert settings.base_url == "http://127.0.0.1:8080"


def test_empty_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.setenv("GESTA_PORT", "")
    assert load_settings().is_embedded
    assert load_settings().port == 8080


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GESTA_PORT", "eighty"),
        ("GESTA_PORT", "70000"),
        ("GESTA_POOL_SIZE", "0"),
        ("GESTA_LOG_LEVEL", "LOUD"),
        ("DATABASE_URL", "postgresql://u:secret word@host/db"),
        ("GESTA_API_DATABASE_URL", "nonsense"),
        ("DATABASE_URL", "postgresql://u:my@secret@host/db"),
        ("DATABASE_URL", "postgresql://u:secret/word@host/db"),
        ("DATABASE_URL", "postgresql://u:secret%word@host/db"),
        ("GESTA_TRUSTED_PROXIES", "10.0.0.1, everybody"),
        ("GESTA_TRUSTED_PROXIES", "10.0.0.1/24"),
        ("GESTA_PROXY_HEADER", "x-real-ip"),
    ],
)
def test_a_mistake_names_its_variable_and_keeps_secrets(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(OperatorError, match=f"^{variable}: ") as caught:
        load_settings()
    assert "secret" not in str(caught.value)


def test_trusted_proxies_are_addresses_and_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().trusted_proxies == ()
    monkeypatch.setenv("GESTA_TRUSTED_PROXIES", "10.0.0.7, 192.168.0.0/16,2001:db8::/32")
    assert [str(each) for each in load_settings().trusted_proxies] == ["10.0.0.7/32", "192.168.0.0/16", "2001:db8::/32"]


def test_passwords_do_not_show_in_what_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:secret@host/db")
    monkeypatch.setenv("GESTA_API_KEY", "gk_secret")
    assert "secret" not in repr(load_settings())


def test_named_servers_are_used_and_a_missing_one_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GESTA_SYSTEM_DATABASE_URL", "postgresql://gesta_system@host/db")
    with resolve(load_settings()) as addresses:
        assert addresses.system == addresses.listen == "postgresql://gesta_system@host/db"
        with pytest.raises(OperatorError, match=r"GESTA_API_DATABASE_URL is not set: .* gesta_api"):
            _ = addresses.api
        with pytest.raises(OperatorError, match=r"^DATABASE_URL is not set: .* gesta_owner"):
            _ = addresses.owner


@pytest.mark.parametrize("password", ["my@secret", "secret/word", "secret%word"])
def test_a_password_that_is_not_encoded_is_explained(monkeypatch: pytest.MonkeyPatch, password: str) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgresql://u:{password}@host/db")
    with pytest.raises(OperatorError, match="write @ in a password as %40"):
        load_settings()
    monkeypatch.setenv("DATABASE_URL", f"postgresql://u:{quote(password, safe='')}@host/db")
    assert load_settings().database_url is not None


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("::1", "http://[::1]:8080"),
        ("::", "http://[::1]:8080"),
        ("0.0.0.0", "http://127.0.0.1:8080"),
        ("a.example", "http://a.example:8080"),
    ],
)
def test_a_client_finds_the_api_on_whatever_it_listens(monkeypatch: pytest.MonkeyPatch, host: str, url: str) -> None:
    monkeypatch.setenv("GESTA_HOST", host)
    assert load_settings().base_url == url
