"""What somebody chose: language and light. Both are cookies of this browser, and nothing that is kept here."""

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from kwartier.errors import InputError
from kwartier.web.desk import AtHand, FormFields
from kwartier.web.rendering import LANGUAGE, THEME, THEMES
from kwartier.web.words import Language

router = APIRouter()
A_YEAR_S = 31_536_000
CHOICES = {"language": (LANGUAGE, tuple(Language)), "theme": (THEME, THEMES)}


@router.post("/preferences", include_in_schema=False)
async def choose(desk: AtHand, fields: FormFields) -> Response:
    """Keep a choice, and go back to where it was made. Raises ``InputError`` bad-argument."""
    back = RedirectResponse(inside(fields.get("back", "/")), status_code=303)
    for name, (cookie, known) in CHOICES.items():
        if name not in fields:
            continue
        if fields[name] not in known:
            raise InputError("bad-argument", f"{name} is one of {', '.join(known)}")
        back.set_cookie(
            cookie, fields[name], max_age=A_YEAR_S, httponly=True, samesite="strict", secure=desk.is_secure, path="/"
        )
    return back


def inside(address: str) -> str:
    """An address within this server; of any other the first page."""
    is_path = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if is_path and "\\" not in address else "/"
