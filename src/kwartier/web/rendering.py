"""From facts to a page: templates that escape whatever is put into them, in the language and the light that somebody chose.

A page gets facts and the words of its language, and nothing that it could look up itself. Every name in a template has to be
there, or the page is a mistake: nothing is left blank in silence.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import lru_cache

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from kwartier import clock
from kwartier.gate.policy import Asking
from kwartier.web import figures, loaded
from kwartier.web.desk import desk_of
from kwartier.web.sessions import SESSION, START, fresh
from kwartier.web.words import Language, Words, language_of, words_of

LANGUAGE, THEME = "kwartier-language", "kwartier-theme"
"""The cookies of what somebody chose."""
THEMES = ("auto", "light", "dark")
Facts = Mapping[str, object]


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The templates of this package."""
    made = Environment(
        loader=PackageLoader("kwartier.web", "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"number": number, "kwh": kwh, "share": share, "points": points, "moment": moment, "day": day}
    made.filters |= {"thousandths": kwh, "signed": signed, "stamp": figures.stamp}
    made.globals |= {"file": loaded.address, "drawing_styles": loaded.drawing_styles, **figures.FIGURES}
    return made


def words_for(request: Request) -> Words:
    """The words in which a request is answered."""
    chosen = request.cookies.get(LANGUAGE, "")
    return words_of(language_of(chosen, request.headers.get("accept-language", "")))


def page(request: Request, template: str, facts: Facts, *, status: int = 200) -> Response:
    """A page; a browser that comes for the first time gets the cookie that its forms need."""
    answer = HTMLResponse(rendered(request, template, facts), status_code=status)
    start = getattr(request.state, "start", None)
    if start is not None:
        secure = desk_of(request).is_secure
        answer.set_cookie(START, start, httponly=True, samesite="strict", secure=secure, path="/")
    return answer


def rendered(request: Request, template: str, facts: Facts) -> str:
    """The text of a page. ``facts`` are its own; what every page knows besides is in ``layout.html``."""
    words, desk = words_for(request), desk_of(request)
    actor: Asking | None = getattr(request.state, "actor", None)
    theme = request.cookies.get(THEME, THEMES[0])
    cookie = request.cookies.get(SESSION, "") if actor is not None else request.cookies.get(START, "")
    if not cookie:
        cookie = request.state.start = getattr(request.state, "start", None) or fresh()
    from kwartier.web.screens import NAVIGATION

    return (
        environment()
        .get_template(template)
        .render(
            {
                **facts,
                "t": words,
                "language": words.language.value,
                "languages": [one.value for one in Language],
                "theme": theme if theme in THEMES else THEMES[0],
                "themes": THEMES,
                "actor": None if actor is None else {"name": actor.name, "roles": sorted(actor.roles)},
                "csrf": desk.sessions.token(cookie),
                "here": request.url.path,
                "whole": f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path,
                "timezone": desk.home.settings.timezone,
                "navigation": [one for one in NAVIGATION if actor is not None and one.is_for(actor)],
            }
        )
    )


# How figures are written. Decimals have a comma in Dutch and a point in English; thousands stand apart in both.


def number(value: int, language: str = "nl") -> str:
    """A whole number with its thousands apart, by a space that does not break."""
    del language  # a space is right in both
    return figures.spaced(value)


def signed(value: int) -> str:
    """A difference: its sign, and a whole number."""
    return f"{'+' if value > 0 else ''}{number(value)}".replace("-", "\N{MINUS SIGN}")


def kwh(energy_wh: int, language: str = "nl") -> str:
    """Watt-hours in kWh, exactly; or milliseconds in seconds (``thousandths``)."""
    whole, rest = divmod(abs(energy_wh), 1_000)
    sign = "\N{MINUS SIGN}" if energy_wh < 0 else ""
    return f"{sign}{number(whole)}{_point(language)}{rest:03d}"


def share(part: float | None, language: str = "nl") -> str:
    """A part of the whole in per cent, rounded down to a tenth, so that 100 % is all; of nothing: a dash."""
    if part is None:
        return "\N{EN DASH}"
    whole, tenth = divmod(int(part * 1_000 + 1e-9), 10)
    return f"{whole}{_point(language)}{tenth}{figures.SPACE}%"


def points(basis_points: int | None, language: str = "nl") -> str:
    """Basis points in per cent, exactly; of nothing: a dash."""
    if basis_points is None:
        return "\N{EN DASH}"
    whole, rest = divmod(basis_points, 100)
    return f"{number(whole)}{_point(language)}{rest:02d}{figures.SPACE}%"


def moment(seconds: int, timezone: str) -> str:
    """A moment by the local clock; the offset tells the two hours of autumn apart."""
    return datetime.fromtimestamp(seconds, UTC).astimezone(clock.zone(timezone)).strftime("%Y-%m-%d %H:%M:%S%z")


def clock_time(seconds: int, timezone: str) -> str:
    """A moment of a night by the local clock; the hour that is shown twice in autumn has its offset."""
    local = datetime.fromtimestamp(seconds, UTC).astimezone(clock.zone(timezone))
    is_twice = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
    return local.strftime("%H:%M%z" if is_twice else "%H:%M")


def day(value: date) -> str:
    """A day as ISO 8601 has it, in both languages."""
    return value.isoformat()


def _point(language: str) -> str:
    return "," if language == Language.DUTCH else "."
