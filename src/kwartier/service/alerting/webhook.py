"""Notices sent to an address of the operator's, each signed, so that whoever gets one knows whom it is from.

The headers are those of the Standard Webhooks convention: an id that is the same at each try, the moment of the try, and
HMAC-SHA256 over id, moment and body under a secret that both sides know. The secret lies beside the master key, or comes from
the environment; the address is https, or http on this machine alone. No redirect is followed.
"""

import base64
import binascii
import hashlib
import hmac
import os
import ssl
import stat
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from kwartier.errors import InputError
from kwartier.keys.vault import OTHERS

ENVIRONMENT = "KWARTIER_WEBHOOK_SECRET"
FILE_NAME = "webhook.secret"
SECRET_PREFIX = "whsec_"
LEAST_SECRET_BYTES, MOST_SECRET_BYTES = 24, 64
MAX_FILE_BYTES = 1_024
ANSWER_S = 10.0
"""How long the other side may take for each step of a delivery."""
LEAST_PAUSE_S, MOST_PAUSE_S = 2.0, 300.0
"""After a delivery that failed nothing is sent for so long: at first, and at most."""
TAKEN = range(200, 300)


def signature(secret: bytes, number: str, moment: str, body: bytes) -> str:
    """What the header `webhook-signature` says."""
    mac = hmac.new(secret, f"{number}.{moment}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(mac).decode()}"


def secret_of(folder: Path) -> bytes:
    """The secret that both sides know: from the environment, else from a file that nobody else may read.

    Raises ``InputError`` no-webhook-secret, open-webhook-secret, bad-webhook-secret.
    """
    text, where = os.environ.get(ENVIRONMENT), f"the environment variable {ENVIRONMENT}"
    if text is None:
        path = folder / FILE_NAME
        text, where = _private_text(path), f"{path}"
    try:
        secret = base64.b64decode(text.strip().removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if not LEAST_SECRET_BYTES <= len(secret) <= MOST_SECRET_BYTES:
        size = f"{LEAST_SECRET_BYTES} to {MOST_SECRET_BYTES} bytes"
        raise InputError("bad-webhook-secret", f"{where} does not hold {SECRET_PREFIX} and {size} in base64")
    return secret


def _private_text(path: Path) -> str:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & OTHERS:
            raise InputError("open-webhook-secret", f"{path} has mode {mode:04o}")
        return path.read_bytes()[:MAX_FILE_BYTES].decode("ascii", "replace")
    except OSError as error:
        raise InputError("no-webhook-secret", f"{path} cannot be read: {error.strerror}") from None


def address_of(url: str) -> SplitResult:
    """The address, taken apart. Raises ``InputError`` bad-webhook where notices may not be sent there."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise InputError("bad-webhook", "`alert_webhook` is no address") from None
    if not host or port == 0 or parts.username is not None or parts.fragment or not url.isascii() or " " in url:
        raise InputError("bad-webhook", "`alert_webhook` is no address such as https://host/path")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_here(host)):
        raise InputError("bad-webhook", f"`alert_webhook` has to be https, since {host} is not this machine")
    return parts


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Webhook:
    """One address. ``wall`` gives UTC seconds."""

    def __init__(self, url: str, secret: bytes, *, wall: Callable[[], float]) -> None:
        self._address = address_of(url)
        self._secret = secret
        self._wall = wall

    @property
    def host(self) -> str:
        """Where it leads; path and query may hold what is secret and are never shown."""
        return self._address.hostname or ""

    def post(self, number: str, body: str) -> str:
        """Try to deliver once; why it was not taken, empty where it was."""
        octets, moment = body.encode(), f"{int(self._wall())}"
        headers = {
            "content-type": "application/json",
            "user-agent": "kwartier",
            "webhook-id": number,
            "webhook-timestamp": moment,
            "webhook-signature": signature(self._secret, number, moment, octets),
        }
        address = self._address
        target = (address.path or "/") + (f"?{address.query}" if address.query else "")
        line = self._open()
        try:
            line.request("POST", target, octets, headers)
            status = line.getresponse().status
        except (OSError, HTTPException) as error:
            return f"{type(error).__name__} with {self.host}"
        finally:
            line.close()
        return "" if status in TAKEN else f"{self.host} answered {status}"

    def _open(self) -> HTTPConnection:
        if self._address.scheme == "http":
            return HTTPConnection(self.host, self._address.port, timeout=ANSWER_S)
        return HTTPSConnection(self.host, self._address.port, timeout=ANSWER_S, context=ssl.create_default_context())


class Pause:
    """How long nothing is sent after deliveries that failed, twice as long after each."""

    def __init__(self) -> None:
        self._next_s = 0.0
        self._pause_s = LEAST_PAUSE_S

    def left_s(self, now_s: float) -> float:
        """How long to wait yet."""
        return max(0.0, self._next_s - now_s)

    def failed(self, now_s: float) -> None:
        """A delivery failed."""
        self._next_s = now_s + self._pause_s
        self._pause_s = min(2 * self._pause_s, MOST_PAUSE_S)

    def worked(self) -> None:
        """A delivery was taken."""
        self._next_s, self._pause_s = 0.0, LEAST_PAUSE_S
