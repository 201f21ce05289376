"""What the environment says. Every process reads it once, here, and nowhere else."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from runtime.errors import OperatorError

PREFIX = "GESTA_"


ENCODE = "in a URL, write @ in a password as %40, / as %2F, : as %3A and % as %25"


def _parsable(url: SecretStr) -> SecretStr:
    """Its errors cite nothing: a part of the password may stand anywhere in an address that is not read as it was meant."""
    text = url.get_secret_value()
    try:
        parts = conninfo_to_dict(text)
    except ProgrammingError:
        hint = f"; {ENCODE}" if "://" in text else ""
        raise ValueError(f"is not a connection string that PostgreSQL's client library can read{hint}") from None
    ports = str(parts.get("port") or "").split(",")
    if "://" in text and (
        any("@" in str(parts.get(name) or "") for name in ("host", "dbname", "port"))
        or not all(port.isdigit() or not port for port in ports)
    ):
        raise ValueError(f"would be read differently from what is meant: {ENCODE}")
    return url


DatabaseUrl = Annotated[SecretStr, AfterValidator(_parsable)]


def _networks(text: object) -> object:
    """From a list with commas. Raises ValueError naming what is no address or network."""
    if not isinstance(text, str):
        return text
    found = []
    for one in filter(None, (part.strip() for part in text.split(","))):
        try:
            found.append(ip_network(one))
        except ValueError:
            raise ValueError(f"{one!r} is not an address or network such as 10.0.0.7 or 10.0.0.0/24") from None
    return tuple(found)


Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_networks)]


def _address(text: str) -> str:
    """Where links begin: without a slash at the end."""
    parts = urlsplit(text)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.fragment or parts.username is not None:
        raise ValueError("is not an address such as https://gesta.example.com")
    if not text.isascii() or any(character.isspace() or character in "<>\"'" for character in text):
        raise ValueError("has characters that an address does not have")
    return text.rstrip("/")


def _mail_address(text: str) -> str:
    local, _, domain = text.rpartition("@")
    if not local or not domain or not text.isascii() or any(not each.isprintable() or each in ' <>",' for each in text):
        raise ValueError("is not an e-mail address such as gesta@example.com, without a name")
    return text


PublicUrl = Annotated[str, AfterValidator(_address)]
MailAddress = Annotated[str, AfterValidator(_mail_address)]


class Settings(BaseSettings):
    """The variables of the environment; those without an alias are written GESTA_<NAME>. Empty counts as unset."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, hide_input_in_errors=True, populate_by_name=True, extra="ignore"
    )

    database_url: DatabaseUrl | None = Field(default=None, validation_alias="DATABASE_URL")  # as the owner; none at all: embedded
    api_database_url: DatabaseUrl | None = None
    system_database_url: DatabaseUrl | None = None
    listen_database_url: DatabaseUrl | None = None  # direct, not through a pooler; unset: the system's

    data_dir: Path = Path(".gesta")
    postgres_bin: Path | None = None  # PostgreSQL's programs; unset: the wheel's, else the system's newest

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    pool_size: Annotated[int, Field(ge=1, le=1000)] = 8  # connections of one pool
    trusted_proxies: Networks = ()  # addresses or networks, by commas, whose word on where a request came from counts
    proxy_header: Literal["x-forwarded-for", "forwarded"] = "x-forwarded-for"  # the one that they write
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["auto", "plain", "json"] = "auto"  # auto: plain at a terminal, else JSON

    url: str | None = None  # where a client finds the API; unset: host and port
    public_url: PublicUrl | None = None  # where people reach the API: links in mail begin with it; unset: there are none
    api_key: SecretStr | None = None  # a client's

    master_key: SecretStr | None = None
    master_key_file: Path | None = None

    outbound_networks: Networks = ()  # by commas; what tenants' requests may reach though it is not public

    smtp_host: str | None = None  # the platform's mail relay; unset: mail goes by servers of tenants alone
    smtp_port: Annotated[int | None, Field(ge=1, le=65535)] = None  # unset: 465 with tls, 587 with starttls, else 25
    smtp_tls: Literal["tls", "starttls", "none"] = "starttls"  # from the beginning, before anything is said, or not at all
    smtp_username: str | None = None
    smtp_password: SecretStr | None = None
    smtp_from: MailAddress | None = None  # whom its mail is from

    ai_base_url: str | None = None
    ai_api_key: SecretStr | None = None
    ai_model: str | None = None
    ai_concurrency: Annotated[int | None, Field(ge=1)] = None  # calls of that endpoint at a time; tenants share them
    ai_requests_per_minute: Annotated[int | None, Field(ge=1)] = None
    ai_tokens_per_minute: Annotated[int | None, Field(ge=1)] = None
    ai_timeout: Annotated[float, Field(ge=1, le=3600)] = 120.0  # seconds for the whole answer to one call of a model

    @property
    def base_url(self) -> str:
        return (self.url or f"http://{_reachable(self.host)}:{self.port}").rstrip("/")

    @property
    def is_embedded(self) -> bool:
        """Whether no server is named: then we run our own."""
        named = (self.database_url, self.api_database_url, self.system_database_url, self.listen_database_url)
        return not any(named)


class OtelSettings(BaseSettings):
    """OpenTelemetry's own variables, as far as it is not its SDK that reads them."""

    model_config = SettingsConfigDict(env_prefix="OTEL_", env_ignore_empty=True, frozen=True, extra="ignore")

    sdk_disabled: str = ""
    traces_exporter: str | None = None
    metrics_exporter: str | None = None
    exporter_otlp_endpoint: str | None = None
    exporter_otlp_traces_endpoint: str | None = None
    exporter_otlp_metrics_endpoint: str | None = None
    exporter_otlp_protocol: str | None = None
    exporter_otlp_traces_protocol: str | None = None
    exporter_otlp_metrics_protocol: str | None = None
    instrumentation_genai_capture_message_content: str = ""

    @property
    def is_wanted(self) -> bool:
        """Nothing is told where nobody says where to."""
        return self.sdk_disabled.lower() != "true" and bool(self.exporters_of("traces") or self.exporters_of("metrics"))

    @property
    def captures_content(self) -> bool:
        return self.instrumentation_genai_capture_message_content.lower() in ("true", "span_only")

    def exporters_of(self, signal: Literal["traces", "metrics"]) -> list[str]:
        """Those that are named; else OTLP, where an endpoint of it is."""
        named: str | None = getattr(self, f"{signal}_exporter")
        if named is None:
            return ["otlp"] if self.exporter_otlp_endpoint or getattr(self, f"exporter_otlp_{signal}_endpoint") else []
        return [name for name in (one.strip() for one in named.split(",")) if name and name != "none"]

    def otlp_entry(self, signal: Literal["traces", "metrics"]) -> str:
        """Under which name the exporter is registered."""
        protocol = getattr(self, f"exporter_otlp_{signal}_protocol") or self.exporter_otlp_protocol or "grpc"
        return "otlp_proto_grpc" if protocol == "grpc" else "otlp_proto_http"


def _reachable(host: str) -> str:
    """A host to call, as a URL has it, for one to listen on: "every address" is none that can be called."""
    called = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)
    return f"[{called}]" if ":" in called else called


def load_settings() -> Settings:
    """The settings of this process's environment. Raises OperatorError naming the first variable at fault."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise OperatorError(f"{_variable(str(first['loc'][0]))}: {first['msg'].removeprefix('Value error, ')}") from None


def _variable(location: str) -> str:
    return location if location.isupper() else f"{PREFIX}{location.upper()}"
