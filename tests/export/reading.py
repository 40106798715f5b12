"""Messages read back by lxml, and held against the public schemas where these lie beside the checkout."""

from functools import cache

from lxml import etree

from kwartier.export.document import Document, Header
from tests.conftest import SHARED, skip_unless
from tests.export.days import CODES, header

SCHEMAS = SHARED / "xsd"


def text_of(document: Document, told: Header | None = None) -> str:
    """The whole message."""
    return "".join(document.pieces(told or header(), CODES))


def parsed(text: str) -> etree._Element:
    """Its root."""
    return etree.fromstring(text.encode("utf-8"))


def texts(element: etree._Element, name: str) -> list[str]:
    """The texts of all elements called ``name``, wherever they are, in their order."""
    return [one.text or "" for one in element.iter(f"{{*}}{name}")]


def names(element: etree._Element) -> list[str]:
    """The names of an element's children, in their order."""
    return [etree.QName(one).localname for one in element]


def watt_hours(element: etree._Element, name: str = "quantity") -> list[int]:
    """Quantities as whole watt-hours; each has exactly three decimals."""
    found = []
    for text in texts(element, name):
        whole, decimals = text.split(".")
        assert len(decimals) == 3, text
        found.append(int(whole + decimals))
    return found


def check_schema(text: str, kind: str) -> None:
    """Skip where the schema is not here; fail where the message is not valid."""
    skip_unless(SCHEMAS.is_dir(), "../shared/xsd is not beside this checkout")
    complaints = complaints_of(text, kind)
    assert complaints == []


def complaints_of(text: str, kind: str) -> list[str]:
    """What the schema of ``kind`` says against a message."""
    try:
        _schema(kind).assertValid(parsed(text))
    except etree.DocumentInvalid as error:
        return [str(error)]
    return []


@cache
def _schema(kind: str) -> etree.XMLSchema:
    (path,) = SCHEMAS.glob(f"*notify{kind}measuredata*.xsd")
    return etree.XMLSchema(etree.parse(str(path)))
