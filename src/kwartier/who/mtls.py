"""From the certificate of a service (mutual TLS) to a name.

The TLS library verifies the chain up to the one CA that is pinned; here the name is taken out of the certificate. It stands
in the subject alternative name, once: the common name is free text and is never looked at (RFC 9525, 6.3).
"""

import ssl
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from kwartier.errors import InputError, SecurityError
from kwartier.who.actor import MAX_NAME, Identity, is_name

MAX_CERTIFICATE_BYTES = 16_384


def identity_of(certificate: bytes, *, at: float) -> Identity:
    """The service that a certificate in DER names: by its one URI, or without a URI by its one DNS name.

    The TLS library has verified the certificate. ``at``, UTC seconds: it may have ended since the line was opened. Raises
    ``SecurityError`` bad-certificate.
    """
    if len(certificate) > MAX_CERTIFICATE_BYTES:
        raise _bad(f"is longer than {MAX_CERTIFICATE_BYTES} bytes")
    try:
        read = x509.load_der_x509_certificate(certificate)
        begins, ends = read.not_valid_before_utc.timestamp(), read.not_valid_after_utc.timestamp()
        names = read.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
    except x509.ExtensionNotFound:
        raise _bad("has no alternative name; its common name does not count") from None
    except (ValueError, TypeError, OverflowError, x509.DuplicateExtension):
        raise _bad("cannot be read") from None
    if not begins <= at <= ends:
        raise _bad("is not valid at this time")
    return Identity(name=_name(names), via="mtls")


def _name(names: object) -> str:
    if not isinstance(names, x509.SubjectAlternativeName):
        raise _bad("cannot be read")
    addresses = names.get_values_for_type(x509.UniformResourceIdentifier)
    hosts = [one.lower() for one in names.get_values_for_type(x509.DNSName)]
    found = addresses or hosts
    if len(found) != 1:
        raise _bad(f"has {len(addresses)} addresses and {len(hosts)} host names, of which one has to be its name")
    name = f"mtls:{found[0]}"
    if "*" in name or not is_name(found[0]) or len(name) > MAX_NAME:
        raise _bad(f"has a name with a star, or that is not at most {MAX_NAME} visible characters")
    if addresses and ":" not in found[0]:
        raise _bad("has an address without a scheme, which could pass for a host")
    return name


def _bad(why: str) -> SecurityError:
    return SecurityError("bad-certificate", f"the certificate of a service {why}")


def server_context(certificate: Path, key: Path, client_ca: Path) -> ssl.SSLContext:
    """TLS 1.3 for a server whose every client shows a certificate of ``client_ca``; the files are PEM.

    No other CA is trusted, the system's neither, and no session is taken up again without a certificate. Raises
    ``InputError`` bad-tls-files.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.num_tickets = 0
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
        context.load_verify_locations(cafile=client_ca)
    except (OSError, ValueError) as error:  # of which ssl.SSLError is one
        said = error.strerror if isinstance(error, FileNotFoundError | PermissionError) else "they do not fit together"
        raise InputError("bad-tls-files", f"{certificate.name}, {key.name}, {client_ca.name}: {said}") from None
    return context


def _no_password() -> str:
    """Instead of a question at the terminal, which nobody answers."""
    raise ValueError("the key has a password")
