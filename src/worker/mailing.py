"""What the environment says of mail: the platform's relay, and where links lead."""

from runtime.errors import OperatorError
from runtime.settings import Settings
from worker.context import Mailing
from worker.outbound.smtp import MailServer

PORTS = {"tls": 465, "starttls": 587, "none": 25}


def mailing(settings: Settings) -> Mailing:
    """Raises OperatorError naming the variable that is missing."""
    if settings.smtp_host is None:
        return Mailing(settings.public_url)
    if settings.smtp_from is None:
        raise OperatorError("GESTA_SMTP_FROM is not set: it is the address that mail by GESTA_SMTP_HOST is from.")
    password = None if settings.smtp_password is None else settings.smtp_password.get_secret_value()
    if (settings.smtp_username is None) != (password is None):
        raise OperatorError("GESTA_SMTP_USERNAME and GESTA_SMTP_PASSWORD go together.")
    port = settings.smtp_port or PORTS[settings.smtp_tls]
    relay = MailServer(
        settings.smtp_host, port, settings.smtp_tls, settings.smtp_from, settings.smtp_username, password, trusted=True
    )
    return Mailing(settings.public_url, relay)
