"""The formats, one function each: whoever adds one writes a function and a line here."""

from collections.abc import Mapping

from kwartier.export.account import account
from kwartier.export.aggregated import aggregated
from kwartier.export.document import Format
from kwartier.export.validated import validated

FORMATS: Mapping[str, Format] = {"validated": validated, "aggregated": aggregated, "account": account}
"""By the word that `kwartier export` takes."""
