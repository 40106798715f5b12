"""Signed notes and keys: another program's note, forms that are refused, and nothing secret that is shown."""

import base64

import pytest

from kwartier.audit.checkpoint import Checkpoint
from kwartier.audit.note import COSIGNATURE, ED25519, Note, Signature, Signer, VerifierKey, new_key
from kwartier.errors import InputError, SecurityError
from tests.audit.making import KEY, LOG, WITNESS

# The example in the documentation of Go's golang.org/x/mod/sumdb/note.
FOREIGN_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
FOREIGN_SIGNER = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
FOREIGN_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
FOREIGN_LINE = (
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
ROOT = base64.b64encode(bytes(32)).decode()
TEXT = f"{KEY.name}\n7\n{ROOT}\n"


def code(octets: bytes) -> str:
    """Why a note is refused; empty: it is none that is refused."""
    try:
        Checkpoint.parse(octets, KEY)
    except SecurityError as error:
        return error.code
    return ""


def test_a_note_of_another_program_is_read_and_written_alike() -> None:
    key = VerifierKey.parse(FOREIGN_KEY)
    note = Note.parse(f"{FOREIGN_TEXT}\n{FOREIGN_LINE}".encode())
    note.check(key)
    assert str(key) == FOREIGN_KEY
    assert str(note) == f"{FOREIGN_TEXT}\n{FOREIGN_LINE}"
    assert str(Signer(FOREIGN_SIGNER).sign(FOREIGN_TEXT)) == FOREIGN_LINE


@pytest.mark.parametrize("kind", [ED25519, COSIGNATURE])
def test_a_fresh_key_signs_what_its_verifier_key_checks(kind: int) -> None:
    signer = Signer(new_key("somebody", kind))
    key = VerifierKey.parse(str(signer.verifier))
    assert key == signer.verifier
    note = Note(text=TEXT, signatures=(signer.sign(TEXT, at=1_772_582_400),))
    assert Note.parse(str(note).encode()) == note
    assert note.check(key) == (1_772_582_400 if kind == COSIGNATURE else None)


def test_a_private_key_is_not_shown() -> None:
    text = new_key("somebody")
    secret = text.rsplit("+", 1)[1]
    shown = f"{Signer(text)!r} {Signer(text)!s}"
    assert shown == "Signer(somebody) Signer(somebody)"
    with pytest.raises(InputError) as caught:
        Signer(text.replace("somebody", "another"))
    assert secret not in caught.value.sentence()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        FOREIGN_KEY.replace("c74f20a3", "c74f20a4"),
        FOREIGN_KEY.replace("PeterNeumann", "Peter Neumann"),
        FOREIGN_KEY.replace("PeterNeumann", ""),
        FOREIGN_KEY[:-1],
        FOREIGN_KEY.replace("+AR", "+BR"),
        FOREIGN_KEY[:-1] + "\u00fc",
    ],
)
def test_a_key_that_is_not_written_right_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        VerifierKey.parse(text)
    assert caught.value.code == "bad-audit-key"


def test_a_private_key_is_no_verifier_key_and_the_other_way_round() -> None:
    for parse, text in ((VerifierKey.parse, FOREIGN_SIGNER), (Signer, FOREIGN_KEY)):
        with pytest.raises(InputError):
            parse(text)


def test_a_checkpoint_counts_only_with_the_signature_of_its_log() -> None:
    signed = f"{TEXT}\n{LOG.sign(TEXT)}"
    assert code(signed.encode()) == ""
    other = Signer(new_key(KEY.name))
    assert code(f"{TEXT}\n{other.sign(TEXT)}".encode()) == "not-signed"
    assert code(f"{TEXT}\n{WITNESS.sign(TEXT)}".encode()) == "not-signed"
    forged = Signature(name=KEY.name, key_id=KEY.key_id, octets=bytes(64))
    assert code(f"{TEXT}\n{forged}".encode()) == "bad-signature"
    assert code(f"{TEXT}\n{forged}{LOG.sign(TEXT)}".encode()) == "bad-signature"
    elsewhere = TEXT.replace(KEY.name, "kwartier/other")
    assert code(f"{elsewhere}\n{LOG.sign(elsewhere)}".encode()) == "bad-checkpoint"


@pytest.mark.parametrize(
    "text",
    [
        f"{KEY.name}\n07\n{ROOT}\n",
        f"{KEY.name}\n-7\n{ROOT}\n",
        f"{KEY.name}\n\u0667\n{ROOT}\n",
        f"{KEY.name}\n{1 << 63}\n{ROOT}\n",
        f"{KEY.name}\n7\n{ROOT[:-4]}\n",
        f"{KEY.name}\n7\n{ROOT[:-2]}B=\n",
        f"{KEY.name}\n7\n{ROOT}\nmore\n",
        f"{KEY.name}\n7\n",
        "\n",
    ],
)
def test_a_checkpoint_says_origin_size_and_root_in_one_form(text: str) -> None:
    assert code(f"{text}\n{LOG.sign(text)}".encode()) in ("bad-checkpoint", "bad-note")


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"text\n",
        b"text\n\n",
        b"text\n\nno signature\n",
        f"{TEXT}\n{LOG.sign(TEXT)}"[:-1].encode(),
        f"{TEXT}\n{LOG.sign(TEXT)}".encode().replace(b"7", b"\xff", 1),
        f"{TEXT}\n{LOG.sign(TEXT)}".encode().replace(b"7", b"\r", 1),
        f"{TEXT}\n\u2014 {KEY.name} AAAA\n".encode(),
        f"{TEXT}\n{str(LOG.sign(TEXT)) * 33}".encode(),
        b"x" * 70_000 + b"\n\n\n",
    ],
)
def test_what_is_no_note_is_refused(octets: bytes) -> None:
    assert code(octets) == "bad-note"


def test_no_byte_of_a_checkpoint_can_be_changed() -> None:
    made = Checkpoint(origin=KEY.name, size=7, root=bytes(32)).signed([LOG.sign(TEXT), WITNESS.sign(TEXT, at=1_000)])
    octets = str(made).encode()
    Checkpoint.parse(octets, KEY).check([WITNESS.verifier])
    for at in range(len(octets)):
        for change in (1, 0x80, 0xFF):
            changed = bytearray(octets)
            changed[at] ^= change
            with pytest.raises(SecurityError):
                Checkpoint.parse(bytes(changed), KEY).check([WITNESS.verifier])


def test_the_moment_of_a_cosignature_is_signed() -> None:
    line = WITNESS.sign(TEXT, at=1_000)
    moved = Signature(name=line.name, key_id=line.key_id, octets=(1_001).to_bytes(8, "big") + line.octets[8:])
    with pytest.raises(SecurityError) as caught:
        Note(text=TEXT, signatures=(moved,)).check(WITNESS.verifier)
    assert caught.value.code == "bad-signature"
