"""Addresses as mail servers are told them: domains of all alphabets in ASCII (RFC 5891)."""

from email.errors import MessageError
from email.headerregistry import Address

from email_validator import EmailNotValidError, validate_email


class NoAddress(ValueError):
    """The address cannot be written into a mail."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


def mailbox(address: str) -> str:
    """Raises NoAddress. What stands before the domain stays: where that is not ASCII, servers must take SMTPUTF8 (RFC 6531)."""
    local, at, domain = address.rpartition("@")
    try:
        if not domain.isascii():
            domain = validate_email(f"postmaster@{domain}", check_deliverability=False).ascii_domain
        if not address.isprintable() or not at:
            raise NoAddress
        plain = "".join(character if character.isascii() else "x" for character in local)
        if Address(addr_spec=f"{plain}@{domain}").domain != domain:
            raise NoAddress
    except (EmailNotValidError, MessageError, IndexError, ValueError):
        raise NoAddress from None  # their words repeat the address
    return f"{local}@{domain}"


def named(name: str, address: str) -> Address:
    """For a header. Raises NoAddress."""
    local, _, domain = mailbox(address).rpartition("@")
    return Address(name, addr_spec=f"{local}@{domain}") if local.isascii() else Address(name, local, domain)
