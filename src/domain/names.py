"""The forms of what people choose: slugs, keys, e-mail and web addresses. A wrong one is Invalid and names its field."""

import re
from collections.abc import Iterable

from email_validator import EmailNotValidError, validate_email

from domain.facts import FieldError, Invalid

SLUG = re.compile(r"[a-z][a-z0-9-]{0,62}")
ROLE_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}")
HOST = r"(?:\[[0-9a-f:.]+\]|[^\x00-\x20\x7f/?#\\@:\[\]]+)"
WITH_LOGIN = re.compile("https?://[^/?#]*@")
WEB_ADDRESS = re.compile(rf"https?://{HOST}(?::(?P<port>[0-9]{{1,5}}))?(?:[/?#][^\x00-\x20\x7f\\]*)?", re.IGNORECASE)
HEXADECIMAL = re.compile(r"[0-9a-f]{32}")
MAX_NAME = 200
LONGEST_LABEL = 255
"""Characters of a label's value."""
RESERVED_SLUGS = frozenset({"platform"})
"""What a tenant's slug would be mistaken for."""


def require_slug(value: str, path: str) -> None:
    if not SLUG.fullmatch(value):
        raise Invalid(
            "A key must start with a lower-case letter, followed by letters, digits or hyphens; at most 63 characters.",
            path,
        )


def require_tenant_slug(value: str, path: str) -> None:
    """A tenant is named by its slug or its id, and the platform by its name."""
    require_slug(value, path)
    if value in RESERVED_SLUGS:
        raise Invalid(f"The slug {value} is reserved.", path)
    _refuse_ids(value, path)


def require_role_key(value: str, path: str, what: str = "A role's key") -> None:
    """`what`: what the value is, where it is no role's key. Where a rule names somebody, it is by a role's key or a user's id."""
    if not ROLE_KEY.fullmatch(value):
        raise Invalid(
            f"{what} must start with a lower-case letter, followed by letters, digits, - or _; at most 63 characters.",
            path,
        )
    _refuse_ids(value, path)


def require_label(key: str, value: str, path: str) -> None:
    if not ROLE_KEY.fullmatch(key):
        raise Invalid(
            "A label's key starts with a lower-case letter; letters, digits, - and _ follow; at most 63 characters.", path
        )
    require_text(value, path, LONGEST_LABEL)


def _refuse_ids(value: str, path: str) -> None:
    if HEXADECIMAL.fullmatch(value.replace("-", "")):
        raise Invalid("A slug must not look like an id.", path)


def require_email(value: str, path: str) -> str:
    """The address in its normal form: the domain in lower case. Nobody is asked whether it is there."""
    try:
        return validate_email(value, check_deliverability=False, strict=True).normalized
    except EmailNotValidError as error:
        raise Invalid(f"This is not an e-mail address. {error}", path) from None


def require_domain(value: str, path: str) -> None:
    try:
        validate_email(f"postmaster@{value}", check_deliverability=False)
    except EmailNotValidError:
        raise Invalid("This is not a domain name such as acme.example.", path) from None


def require_web_address(value: str, path: str) -> None:
    """What browsers may be shown: nothing that they would run."""
    found = WEB_ADDRESS.fullmatch(value)
    if not found and WITH_LOGIN.match(value):
        raise Invalid("A URL must not have a user name or password in it.", path)
    if not found:
        raise Invalid("This is not a URL that begins with https:// or http://.", path)
    if found["port"] is not None and not 1 <= int(found["port"]) <= 65_535:
        raise Invalid("There is no such port: it is a number from 1 to 65535.", path)


def require_text(value: str, path: str, most: int = MAX_NAME) -> None:
    if not value.strip() or len(value) > most:
        raise Invalid(f"Must have between 1 and {most} characters, not only blanks.", path)


def require_known(values: Iterable[str], known: Iterable[str], path: str, what: str) -> None:
    """Raises Invalid naming each value (by index below `path`) that is not among the known ones."""
    known = frozenset(known)
    faults = tuple(
        FieldError(f"{path}/{index}", "unknown", f"There is no {what} {value!r}.")
        for index, value in enumerate(values)
        if value not in known
    )
    if faults:
        raise Invalid(f"Unknown {what}.", path, faults)
