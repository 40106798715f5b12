"""Certificates of services: real handshakes on loopback, and names that can be taken only one way."""

import socket
import ssl
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from kwartier.errors import InputError, SecurityError
from kwartier.who.mtls import MAX_CERTIFICATE_BYTES, identity_of, server_context

NOW = datetime.now(UTC)  # TLS looks at the clock of the machine, and nothing else does
DAY = timedelta(days=1)
WAIT_S = 10


class Authority:
    """A CA of the test's own."""

    def __init__(self, name: str) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._sign(self.name, self.key.public_key(), [], is_ca=True)

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        names: Sequence[x509.GeneralName],
        *,
        is_ca: bool = False,
        ends: datetime = NOW + DAY,
    ) -> x509.Certificate:
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key)
        made = made.serial_number(x509.random_serial_number()).not_valid_before(NOW - 9 * DAY).not_valid_after(ends)
        made = made.add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        usage = {"digital_signature": not is_ca, "key_cert_sign": is_ca, "crl_sign": is_ca}
        others = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
        rest = dict.fromkeys((*others, "encipher_only", "decipher_only"), False)
        made = made.add_extension(x509.KeyUsage(**usage, **rest), critical=True)
        made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        made = made.add_extension(issuer, critical=False)
        if names:
            made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return made.sign(self.key, hashes.SHA256())

    def issue(
        self, folder: Path, file: str, *names: x509.GeneralName, common: str = "a service", ends: datetime = NOW + DAY
    ) -> tuple[Path, Path]:
        """A certificate and its key, as PEM files."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
        certificate = self._sign(subject, key.public_key(), names, ends=ends)
        paths = (folder / f"{file}.pem", folder / f"{file}.key")
        paths[0].write_bytes(certificate.public_bytes(Encoding.PEM))
        paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return paths

    def der(self, *names: x509.GeneralName, ends: datetime = NOW + DAY) -> bytes:
        """A certificate with these names."""
        key = ec.generate_private_key(ec.SECP256R1())
        return self._sign(self.name, key.public_key(), names, ends=ends).public_bytes(Encoding.DER)

    def write(self, path: Path) -> Path:
        path.write_bytes(self.certificate.public_bytes(Encoding.PEM))
        return path


OURS, THEIRS = Authority("ours"), Authority("theirs")
HOST = x509.DNSName("export.example.org")
URI = x509.UniformResourceIdentifier("spiffe://example.org/export")


def served(context: ssl.SSLContext, client: ssl.SSLContext) -> bytes | None:
    """A handshake and one byte each way; what the server saw of the client, None: it saw nothing that it would take."""
    seen: list[bytes | None] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(WAIT_S)

        def serve() -> None:
            line, _ = listening.accept()
            line.settimeout(WAIT_S)
            try:
                with context.wrap_socket(line, server_side=True) as secured:
                    seen.append(secured.getpeercert(binary_form=True))
                    secured.sendall(secured.recv(1))
            except OSError:
                line.close()

        server = threading.Thread(target=serve)
        server.start()
        try:
            with (
                socket.create_connection(listening.getsockname(), WAIT_S) as line,
                client.wrap_socket(line, server_hostname="localhost") as secured,
            ):
                secured.sendall(b"x")
                assert secured.recv(1) == b"x"
        except (OSError, AssertionError):
            seen.clear()
        finally:
            server.join(WAIT_S)
    return seen[0] if seen else None


@pytest.fixture
def server(tmp_path: Path) -> ssl.SSLContext:
    certificate, key = OURS.issue(tmp_path, "server", x509.DNSName("localhost"))
    return server_context(certificate, key, OURS.write(tmp_path / "ca.pem"))


def client(tmp_path: Path, files: tuple[Path, Path] | None, newest: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(OURS.write(tmp_path / "ca.pem")))
    if files is not None:
        context.load_cert_chain(*files)
    if newest is not None:
        context.maximum_version = newest
    return context


def test_a_service_of_our_ca_is_who_its_certificate_says(server: ssl.SSLContext, tmp_path: Path) -> None:
    seen = served(server, client(tmp_path, OURS.issue(tmp_path, "one", HOST)))
    assert seen is not None
    found = identity_of(seen, at=NOW.timestamp())
    assert (found.name, found.via) == ("mtls:export.example.org", "mtls")


def test_another_ca_no_certificate_an_expired_one_and_old_tls_come_to_nothing(
    server: ssl.SSLContext, tmp_path: Path
) -> None:
    assert served(server, client(tmp_path, THEIRS.issue(tmp_path, "two", HOST))) is None
    assert served(server, client(tmp_path, None)) is None
    assert served(server, client(tmp_path, OURS.issue(tmp_path, "old", HOST, ends=NOW - DAY))) is None
    good = OURS.issue(tmp_path, "good", HOST)
    assert served(server, client(tmp_path, good, ssl.TLSVersion.TLSv1_2)) is None
    assert served(server, client(tmp_path, good)) is not None, "the control"


def test_the_context_trusts_no_ca_but_the_pinned_one(server: ssl.SSLContext) -> None:
    assert server.verify_mode is ssl.CERT_REQUIRED
    assert server.minimum_version is ssl.TLSVersion.TLSv1_3
    assert len(server.get_ca_certs()) == 1


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((URI,), "mtls:spiffe://example.org/export"),
        ((URI, HOST), "mtls:spiffe://example.org/export"),
        ((URI, HOST, x509.DNSName("b.example.org")), "mtls:spiffe://example.org/export"),
        ((HOST, x509.RFC822Name("eva@example.org")), "mtls:export.example.org"),
        ((x509.DNSName("EXPORT.Example.ORG"),), "mtls:export.example.org"),
    ],
)
def test_the_name_is_the_one_address_or_the_one_host(names: tuple[x509.GeneralName, ...], expected: str) -> None:
    assert identity_of(OURS.der(*names), at=NOW.timestamp()).name == expected


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ((), "common name does not count"),
        ((x509.RFC822Name("eva@example.org"),), "0 addresses and 0 host names"),
        ((HOST, x509.DNSName("b.example.org")), "0 addresses and 2 host names"),
        ((URI, x509.UniformResourceIdentifier("spiffe://b"), HOST), "2 addresses and 1 host names"),
        ((x509.DNSName("*.example.org"),), "a name with a star"),
        ((x509.UniformResourceIdentifier("a.example.org"),), "without a scheme"),
        ((x509.UniformResourceIdentifier("spiffe://a b"),), "visible characters"),
        ((x509.UniformResourceIdentifier("spiffe://" + "x" * 200),), "visible characters"),
    ],
)
def test_a_certificate_that_does_not_say_who_it_is_is_refused(names: tuple[x509.GeneralName, ...], said: str) -> None:
    with pytest.raises(SecurityError) as caught:
        identity_of(OURS.der(*names), at=NOW.timestamp())
    assert caught.value.code == "bad-certificate"
    assert said in caught.value.detail


def test_a_certificate_that_ended_since_the_line_was_opened_is_refused() -> None:
    der = OURS.der(HOST)
    assert identity_of(der, at=(NOW + DAY).timestamp() - 1).via == "mtls"
    for at in (NOW + 2 * DAY, NOW - 10 * DAY):
        with pytest.raises(SecurityError):
            identity_of(der, at=at.timestamp())


GOOD = OURS.der(HOST)


@given(st.binary(max_size=100) | st.integers(0, len(GOOD) - 1).map(lambda cut: GOOD[:cut]))
def test_bytes_that_are_no_certificate_are_refused(octets: bytes) -> None:
    with pytest.raises(SecurityError) as caught:
        identity_of(octets, at=NOW.timestamp())
    assert caught.value.code == "bad-certificate"


# The library warns of what RFC 5280 forbids and it still reads, such as a negative serial number; TLS itself refuses it.
@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_a_certificate_with_one_byte_changed_does_no_worse_than_be_refused(place: int, flip: int) -> None:
    octets = GOOD[:place] + bytes([GOOD[place] ^ flip]) + GOOD[place + 1 :]
    try:
        found = identity_of(octets, at=NOW.timestamp())
    except SecurityError:
        return
    assert found.name.startswith("mtls:")


def test_a_certificate_has_a_bound() -> None:
    with pytest.raises(SecurityError) as caught:
        identity_of(bytes(MAX_CERTIFICATE_BYTES + 1), at=NOW.timestamp())
    assert "longer than" in caught.value.detail


def test_files_that_do_not_fit_together_are_named(tmp_path: Path) -> None:
    certificate, key = OURS.issue(tmp_path, "one", HOST)
    _, other = OURS.issue(tmp_path, "two", HOST)
    ca = OURS.write(tmp_path / "ca.pem")
    locked = tmp_path / "locked.key"
    private = ec.generate_private_key(ec.SECP256R1())
    locked.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")))
    empty = tmp_path / "empty.pem"
    empty.touch()
    for files in ((certificate, other, ca), (certificate, key, empty), (certificate, locked, ca), (empty, key, ca)):
        with pytest.raises(InputError) as caught:
            server_context(*files)
        assert caught.value.code == "bad-tls-files"
        assert all(path.name in caught.value.detail for path in files)
    with pytest.raises(InputError) as caught:
        server_context(certificate, key, tmp_path / "none.pem")
    assert caught.value.detail.endswith("No such file or directory")
