"""What a recipient says of a message: ``Acknowledgement_MarketDocument`` of IEC 62325-451-1, read with distrust.

It comes from outside. So it is small, has no document type and so no entities, and nothing that it names is fetched. Of it
are used the id of the message, the code of who answers, and the reasons: A01, fully accepted, or A02, fully rejected.
"""

from dataclasses import dataclass, field

from lxml import etree

from kwartier.errors import InputError

ROOT = "Acknowledgement_MarketDocument"
NAMESPACES = ("urn:iec62325.351:tc57wg16:451-1:acknowledgementdocument:", "urn:ediel.org:general:acknowledgement:")
"""How its namespace begins, whatever its version."""
ACCEPTED, REJECTED = "A01", "A02"
MAX_BYTES = 64 << 10
MAX_SAID = 500
"""Characters of its reasons that are kept."""
MAX_ID = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer, as it was understood."""

    message_id: str
    sender: str
    """The code of who answers."""
    accepted: bool
    said: str = field(default="", repr=False)
    """The reasons in words."""


def read_answer(octets: bytes) -> Answer:
    """The answer in ``octets``. Raises ``InputError`` bad-answer."""
    if len(octets) > MAX_BYTES:
        raise InputError("bad-answer", f"it is longer than {MAX_BYTES} bytes")
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        raise InputError("bad-answer", "it is not written in UTF-8") from None
    if "<!DOCTYPE" in text or "\0" in text:
        # Looked for before any parser sees it: where there is no document type there is no entity, however it is meant.
        raise InputError("bad-answer", "it has a document type")
    try:
        root = etree.fromstring(octets, _parser())
    except (etree.XMLSyntaxError, ValueError):
        raise InputError("bad-answer", "it is no well-formed XML") from None
    name = etree.QName(root)
    if name.localname != ROOT or not (name.namespace or "").startswith(NAMESPACES):
        raise InputError("bad-answer", f"it is no {ROOT}")
    space = f"{{{name.namespace}}}"
    codes = [_text(one) for one in root.findall(f"{space}Reason/{space}code")]
    if (ACCEPTED in codes) == (REJECTED in codes):
        raise InputError("bad-answer", f"its reasons say neither {ACCEPTED} nor {REJECTED}, or both")
    said = "; ".join(text for one in root.findall(f"{space}Reason/{space}text") if (text := _text(one)))
    return Answer(
        message_id=_only(root, f"{space}received_MarketDocument.mRID"),
        sender=_only(root, f"{space}sender_MarketParticipant.mRID"),
        accepted=ACCEPTED in codes,
        said=said[:MAX_SAID],
    )


def _parser() -> etree.XMLParser:
    """A parser that looks nothing up and is not talked into using much memory."""
    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )


def _only(root: etree._Element, name: str) -> str:
    found = root.findall(name)
    text = _text(found[0]) if len(found) == 1 else ""
    if not text or len(text) > MAX_ID:
        raise InputError(
            "bad-answer", f"it has not exactly one {etree.QName(name).localname} of 1 to {MAX_ID} characters"
        )
    return text


def _text(element: etree._Element) -> str:
    """Its own text in one line, of characters that can be shown."""
    return "".join(one if one.isprintable() else " " for one in (element.text or "").strip())
