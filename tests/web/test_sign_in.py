"""Who is let in, and as whom: by an account or through an issuer; and every way to be somebody else that is known."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from kwartier.web.limits import SIGNING_IN
from kwartier.web.sessions import ASIDE_S, IDLE_S, LASTING_S, SESSION, START
from kwartier.who.accounts import MAX_TRIES
from tests.service.settling.village import DAY, noon_after
from tests.web.browser import Browser
from tests.web.installation import PASSWORD, Served, served
from tests.who.tokens import AUDIENCE, CLAIMS, ISSUER, key_set, token

WRONG = "wrong horse battery"
ISSUERS_PAGE = "https://login.example.org/authorize"
OIDC = f"""
[oidc.corp]
issuer = "{ISSUER}"
audience = "{AUDIENCE}"
algorithms = ["RS256", "ES256"]
jwks = "keys.json"
roles_claim = "groups"
sign_in = "{ISSUERS_PAGE}"
"""


def test_the_first_page_answers_itself_and_lets_somebody_sign_in(here: Served) -> None:
    page = here.browser.get("/")
    assert (page.status, page.header("content-type")) == (200, "text/html; charset=utf-8")
    assert '<form class="sign-in"' in page.text
    answer = here.browser.sign_in("operator", PASSWORD)
    assert (answer.status, answer.header("location")) == (303, "/")
    page = here.browser.get("/")
    assert "account:operator" in page.text
    assert '<form class="sign-in"' not in page.text


def test_cookies_are_for_this_server_alone(here: Served) -> None:
    said = [
        value
        for answer in (here.browser.get("/"), here.browser.sign_in("operator", PASSWORD))
        for name, value in answer.headers
        if name == "set-cookie" and "Max-Age=0" not in value
    ]
    assert len(said) == 2
    for one in said:
        assert "HttpOnly" in one
        assert "SameSite=strict" in one
        assert "Domain" not in one


def test_with_tls_before_it_cookies_need_it(home: Path) -> None:
    toml = home / "kwartier.toml"
    toml.write_text(f'serve_address = "https://meters.example.org"\n{toml.read_text()}')
    with served(home, noon_after(DAY)) as here:
        answer = here.browser.get("/", host="meters.example.org")
        assert answer.status == 200
        assert "Secure" in answer.header("set-cookie")
        assert answer.header("strict-transport-security")


def test_signing_in_gives_a_new_id_and_takes_none_that_was_brought_along(here: Served) -> None:
    """Session fixation: an id that somebody planted is nobody's, before and after."""
    planted = "A" * 43
    here.browser.cookies[SESSION] = planted
    assert here.browser.sign_in("operator", PASSWORD).status == 303
    first = here.browser.cookies[SESSION]
    assert first != planted
    assert START not in here.browser.cookies
    here.browser.cookies[START] = "B" * 43
    thief = here.another()
    thief.cookies[SESSION] = planted
    assert thief.get("/api/v1/meters").status == 401
    # Signed in again, the session from before is over.
    page = here.browser.get("/sign-in")
    fields = {"csrf": page.token, "name": "operator", "password": PASSWORD}
    assert here.browser.post("/sign-in", fields).status == 303
    thief.cookies[SESSION] = first
    assert thief.get("/api/v1/meters").status == 401
    assert here.browser.get("/api/v1/meters").status == 200


def test_signed_out_is_signed_out_for_whoever_has_the_cookie(here: Served) -> None:
    browser = here.signed_in("operator")
    copied = dict(browser.cookies)
    answer = browser.post("/sign-out", {"csrf": browser.get("/").token})
    assert answer.status == 303
    assert SESSION not in browser.cookies
    browser.cookies = copied
    assert browser.get("/api/v1/meters").status == 401


@pytest.mark.parametrize("step_s", [IDLE_S + 1, IDLE_S - 1])
def test_a_session_ends_when_it_rests_and_when_it_is_old(here: Served, step_s: int) -> None:
    browser, began = here.signed_in("operator"), here.clock.at
    lasted = 0.0
    while browser.get("/api/v1/meters").status == 200:
        lasted = here.clock.at - began
        here.clock.at += step_s
        assert lasted < LASTING_S
    assert lasted == (0 if step_s > IDLE_S else (LASTING_S - 1) // step_s * step_s)


@pytest.mark.parametrize(("name", "password"), [("operator", WRONG), ("no-such", PASSWORD), ("", ""), ("x" * 500, "y")])
def test_whatever_is_wrong_gets_the_same_answer(here: Served, name: str, password: str) -> None:
    answer = here.browser.sign_in(name, password)
    assert answer.status == 401
    assert 'role="alert"' in answer.text
    assert SESSION not in here.browser.cookies
    assert "no-such" not in answer.text


def test_an_account_is_locked_after_some_tries_wherever_they_come_from(here: Served) -> None:
    for number in range(MAX_TRIES):
        assert here.another(f"10.0.0.{number}").sign_in("operator", WRONG).status == 401
    assert here.another("10.0.1.1").sign_in("operator", PASSWORD).status == 401
    assert here.another("10.0.1.2").sign_in("settler", PASSWORD).status == 303


def test_one_address_tries_only_so_often(here: Served) -> None:
    """Whatever names it tries; and it may again, later."""
    browser = here.another("10.0.0.9")
    found = [
        browser.sign_in("customer" if one % 2 else "settler", PASSWORD).status for one in range(SIGNING_IN.burst + 1)
    ]
    assert found == [303] * SIGNING_IN.burst + [429]
    here.clock.at += 1 / SIGNING_IN.per_s
    assert browser.sign_in("settler", PASSWORD).status == 303


@pytest.mark.parametrize(
    "back", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", "/a\nb", ""]
)
def test_nobody_is_sent_elsewhere_after_signing_in(here: Served, back: str) -> None:
    assert here.browser.sign_in("operator", PASSWORD, back).header("location") == "/"


def test_who_is_not_signed_in_is_led_to_the_form_and_back(here: Served) -> None:
    assert here.browser.sign_in("operator", PASSWORD, "/meters?x=1").header("location") == "/meters?x=1"


# A token that is missing or another's.


@pytest.mark.parametrize("path", ["/sign-out", "/preferences", "/sign-in"])
def test_what_changes_something_needs_the_token_of_its_browser(here: Served, path: str) -> None:
    browser, other = here.signed_in("operator"), here.signed_in("settler")
    for token_given in ("", "0" * 64, other.get("/").token, "\N{LATIN SMALL LETTER E WITH ACUTE}"):
        answer = browser.post(path, {"csrf": token_given, "language": "en"})
        assert (answer.status, answer.json["code"]) == (403, "stale-form")
    assert browser.get("/api/v1/meters").status == 200
    assert browser.post("/preferences", {"csrf": browser.get("/").token, "language": "en"}).status == 303
    given = browser.get("/").token
    assert browser.ask("POST", "/sign-out", {"x-csrf-token": given}).status == 303


def test_a_form_from_another_site_is_refused_whatever_it_carries(here: Served) -> None:
    browser = here.signed_in("operator")
    fields = {"csrf": browser.get("/").token, "language": "en"}
    assert browser.post("/preferences", fields, origin="https://evil.example").status == 403
    assert browser.post("/preferences", fields, origin="null").status == 403
    assert browser.post("/preferences", fields, origin="http://127.0.0.1:8447").status == 303


# Through an issuer.


@pytest.fixture
def there(home: Path) -> Iterator[Served]:
    """A server that takes tokens of an issuer; its groups have roles."""
    (home / "keys.json").write_bytes(key_set("rsa", "ec"))
    toml = home / "kwartier.toml"
    toml.write_text(f'{toml.read_text()}"group:corp:ops" = ["operator"]\n{OIDC}')
    with served(home, noon_after(DAY)) as found:
        yield found


def fresh_token(there: Served, **more: object) -> str:
    now = int(there.clock.at)
    return token({**CLAIMS, "iat": now - 10, "nbf": now - 10, "exp": now + 600, **more})


def begun(browser: Browser) -> str:
    """The browser goes to the issuer; what the token has to repeat."""
    answer = browser.get("/sign-in/corp")
    assert answer.status == 303
    asked = parse_qs(urlsplit(answer.header("location")).query)
    assert answer.header("location").startswith(f"{ISSUERS_PAGE}?")
    assert (asked["response_mode"], asked["client_id"]) == (["form_post"], [AUDIENCE])
    assert asked["redirect_uri"] == ["http://127.0.0.1:8447/signed-in"]
    return asked["nonce"][0]


def sent(there: Served, given: str) -> str:
    """The issuer's form comes without a cookie; where the browser goes on."""
    answer = there.another().post("/signed-in", {"id_token": given}, origin="https://login.example.org")
    assert answer.status == 200, answer.text
    return answer.text.partition("url=")[2].partition('"')[0]


def test_a_browser_signs_in_through_its_issuer(there: Served) -> None:
    nonce = begun(there.browser)
    on = sent(there, fresh_token(there, nonce=nonce))
    answer = there.browser.get(on)
    assert (answer.status, answer.header("location")) == (303, "/")
    assert "oidc:corp:u-123" in there.browser.get("/").text
    assert there.browser.get("/api/v1/meters").status == 200


def test_a_token_serves_the_browser_that_it_was_asked_for_and_once(there: Served) -> None:
    thief, nonce = there.another(), begun(there.browser)
    begun(thief)
    given = fresh_token(there, nonce=nonce)
    assert thief.get(sent(there, given)).status == 401
    assert there.another().get(sent(there, given)).status == 401
    on = sent(there, given)
    there.clock.at += ASIDE_S + 1
    assert there.browser.get(on).status == 401
    on = sent(there, given)
    assert there.browser.get(on).status == 303
    assert there.browser.get(on).status == 401
    # Signed in, the browser has another cookie: the same token is of no use any more.
    assert there.browser.get(sent(there, given)).status == 401


@pytest.mark.parametrize("more", [{"aud": "other"}, {"exp": 1}, {"iss": "https://evil.example/"}])
def test_a_token_that_is_not_good_is_not_even_put_aside(there: Served, more: dict[str, object]) -> None:
    answer = there.another().post("/signed-in", {"id_token": fresh_token(there, **more)})
    assert answer.status == 401
    assert "u-123" not in answer.text


def test_a_program_sends_a_token_and_no_cookie(there: Served) -> None:
    good, other = fresh_token(there), fresh_token(there, aud="other")
    browser = there.another()
    assert browser.get("/api/v1/meters", authorization=f"Bearer {good}").status == 200
    assert browser.get("/api/v1/meters", authorization=f"Bearer {other}").status == 401
    assert browser.get("/api/v1/meters", authorization="Basic b3BlcmF0b3I6").status == 401
    assert browser.cookies == {}
    # A token that is bad is not made good by a session beside it.
    signed_in = there.signed_in("operator")
    assert signed_in.get("/api/v1/meters", authorization=f"Bearer {other}").status == 401


def test_an_issuer_that_there_is_not_is_no_page(there: Served) -> None:
    assert there.browser.get("/sign-in/other").status == 404


def test_no_token_password_or_cookie_comes_into_the_log(there: Served) -> None:
    given = fresh_token(there, nonce=begun(there.browser))
    there.browser.get(sent(there, given))
    there.another().sign_in("operator", WRONG)
    lines = [json.loads(line) for line in there.log.getvalue().splitlines()]
    assert {"/sign-in/{alias}", "/signed-in"} <= {line["route"] for line in lines}
    for secret in (given, WRONG, *there.browser.cookies.values(), "u-123", "operator"):
        assert secret not in there.log.getvalue()
