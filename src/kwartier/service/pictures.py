"""A picture becomes a file: whole or not there, in the form that its name asks for."""

from pathlib import Path

from kwartier.disk import write_whole
from kwartier.errors import InputError
from kwartier.export.pictures.forms import Picture, form_of, rendered
from kwartier.export.pictures.palette import Scheme


def save(picture: Picture, path: Path, scheme: Scheme = Scheme.LIGHT) -> None:
    """Write ``picture`` to ``path``, which ends in .png, .svg or .html. Raises ``InputError`` bad-picture, unwritable-file.

    Nothing is drawn for a name that is not understood.
    """
    form = form_of(path)
    octets = rendered(picture, form, scheme)
    try:
        write_whole(path, octets)
    except OSError as error:
        raise InputError("unwritable-file", f"{path}: {error.strerror}") from None
