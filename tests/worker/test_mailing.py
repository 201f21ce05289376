"""What the environment says of mail: a relay, and where links lead."""

import pytest

from runtime.errors import OperatorError
from runtime.settings import load_settings
from worker.context import Mailing
from worker.mailing import mailing

RELAY = {"GESTA_SMTP_HOST": "smtp.example", "GESTA_SMTP_FROM": "gesta@platform.example"}


def told(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Mailing:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return mailing(load_settings())


def test_without_a_relay_mail_goes_by_servers_of_tenants_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(monkeypatch, GESTA_PUBLIC_URL="https://gesta.example/") == Mailing("https://gesta.example")


@pytest.mark.parametrize(
    ("variables", "port"),
    [({}, 587), ({"GESTA_SMTP_TLS": "tls"}, 465), ({"GESTA_SMTP_TLS": "none"}, 25), ({"GESTA_SMTP_PORT": "2525"}, 2525)],
)
def test_a_relay_has_the_port_of_how_it_is_spoken_to(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], port: int
) -> None:
    relay = told(monkeypatch, **RELAY, GESTA_SMTP_USERNAME="gesta", GESTA_SMTP_PASSWORD="sesame, open", **variables).relay
    assert relay is not None
    assert (relay.host, relay.port, relay.sender, relay.trusted) == ("smtp.example", port, "gesta@platform.example", True)
    assert relay.security == variables.get("GESTA_SMTP_TLS", "starttls")
    assert (relay.password, "sesame" in repr(relay)) == ("sesame, open", False)


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"GESTA_SMTP_HOST": "smtp.example"}, "GESTA_SMTP_FROM"),
        ({**RELAY, "GESTA_SMTP_USERNAME": "gesta"}, "GESTA_SMTP_PASSWORD"),
        ({**RELAY, "GESTA_SMTP_FROM": "Gesta <gesta@platform.example>"}, "GESTA_SMTP_FROM"),
        ({**RELAY, "GESTA_SMTP_TLS": "ssl"}, "GESTA_SMTP_TLS"),
        ({"GESTA_PUBLIC_URL": "gesta.example"}, "GESTA_PUBLIC_URL"),
        ({"GESTA_PUBLIC_URL": "https://gesta.example/?a=b"}, "GESTA_PUBLIC_URL"),
        ({"GESTA_PUBLIC_URL": "https://gesta.example/<x>"}, "GESTA_PUBLIC_URL"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], named: str) -> None:
    with pytest.raises(OperatorError, match=named):
        told(monkeypatch, **variables)
