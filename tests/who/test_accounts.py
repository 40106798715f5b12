"""Accounts of simulated installations: one answer to all that is wrong, and an end to guessing."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, select

from kwartier.database import reading
from kwartier.errors import Denied, InputError, KwartierError, SecurityError
from kwartier.tables import accounts as table
from kwartier.who.accounts import COST, LOCK_S, MAX_ACCOUNTS, MAX_PASSWORD, MAX_TRIES, Accounts, Cost

NOW = 1_780_000_000
PASSWORD = "correct horse battery"
CHEAP = Cost(n=2, r=1, p=1)
"""So that a test of the bookkeeping does not wait for scrypt."""


@pytest.fixture
def accounts(engine: Engine) -> Accounts:
    return Accounts(engine, simulated=lambda: True, cost=CHEAP)


def answer(accounts: Accounts, name: str, password: str, at: int = NOW) -> str:
    """What a login comes to: the name, or the whole answer."""
    try:
        return accounts.log_in(name, password, at=at).name
    except SecurityError as error:
        return error.sentence()


def test_the_parameters_are_no_less_than_they_should_be() -> None:
    assert COST.n >= 2**15
    assert (COST.r, COST.p) == (8, 3)


def test_an_account_is_made_used_listed_and_removed(engine: Engine) -> None:
    """With the real parameters, once."""
    accounts = Accounts(engine, simulated=lambda: True)
    accounts.add("demo", PASSWORD, by="os:eva", at=NOW)
    assert answer(accounts, "demo", PASSWORD, NOW + 5) == "account:demo"
    assert "bad-login" in answer(accounts, "demo", PASSWORD + "x")
    (one,) = accounts.known()
    assert (one.name, one.made_at, one.made_by, one.used_at) == ("demo", NOW, "os:eva", NOW + 5)
    with reading(engine) as connection:
        row = connection.execute(select(table)).mappings().one()
    assert row["cost"] == "32768,8,3"
    assert PASSWORD not in repr(dict(row)) + repr(one)
    accounts.remove("demo")
    assert accounts.known() == []
    for name in ("demo", "a\0b", "x" * 1000):
        with pytest.raises(InputError) as caught:
            accounts.remove(name)
        assert caught.value.code == "unknown-account"


def test_an_account_keeps_the_parameters_that_it_was_made_with(engine: Engine, accounts: Accounts) -> None:
    accounts.add("demo", PASSWORD, by="os:eva", at=NOW)
    later = Accounts(engine, simulated=lambda: True, cost=Cost(n=4, r=2, p=2))
    assert answer(later, "demo", PASSWORD) == "account:demo"


def test_two_accounts_with_one_password_have_nothing_in_common(engine: Engine, accounts: Accounts) -> None:
    for name in ("one", "two"):
        accounts.add(name, PASSWORD, by="os:eva", at=NOW)
    with reading(engine) as connection:
        rows = connection.execute(select(table.c.salt, table.c.hash)).all()
    assert len({bytes(row.salt) for row in rows}) == len({bytes(row.hash) for row in rows}) == 2


def test_letters_that_look_the_same_are_the_same(accounts: Accounts) -> None:
    accounts.add("demo", "caf\u00e9 au lait, s'il", by="os:eva", at=NOW)
    assert answer(accounts, "demo", "cafe\u0301 au lait, s'il") == "account:demo"


def test_whatever_is_wrong_gets_one_answer_and_costs_the_same_work(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts.add("demo", PASSWORD, by="os:eva", at=NOW)
    work: list[int] = []
    real = Cost.hash

    def counted(self: Cost, password: str, salt: bytes) -> bytes:
        work.append(self.n)
        return real(self, password, salt)

    monkeypatch.setattr(Cost, "hash", counted)
    tries = [("demo", "wrong"), ("nobody", PASSWORD), ("", ""), ("a\0b", PASSWORD), ("demo", PASSWORD * 100)]
    tries += [("demo", "wrong")] * MAX_TRIES + [("demo", PASSWORD)]  # which is locked by now
    answers = {answer(accounts, *one) for one in tries}
    assert len(answers) == 1
    assert work == [CHEAP.n] * len(tries)
    assert PASSWORD not in answers.pop()


def test_after_some_wrong_tries_none_is_looked_at_for_a_time(accounts: Accounts) -> None:
    accounts.add("demo", PASSWORD, by="os:eva", at=NOW)
    for number in range(MAX_TRIES):
        assert "bad-login" in answer(accounts, "demo", "wrong", NOW + number)
    last = NOW + MAX_TRIES - 1
    assert "bad-login" in answer(accounts, "demo", PASSWORD, last + LOCK_S - 1)
    assert answer(accounts, "demo", PASSWORD, last + LOCK_S) == "account:demo"


def test_a_good_try_forgets_the_wrong_ones_before_it(accounts: Accounts) -> None:
    accounts.add("demo", PASSWORD, by="os:eva", at=NOW)
    for _ in range(3):
        for _ in range(MAX_TRIES - 1):
            assert "bad-login" in answer(accounts, "demo", "wrong")
        assert answer(accounts, "demo", PASSWORD) == "account:demo"


def test_guesses_at_once_are_not_more_than_one_after_another(
    engine: Engine, accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts.add("demo", PASSWORD, by="os:eva", at=NOW)
    looked: list[bytes] = []
    real = Cost.hash

    def seen(self: Cost, password: str, salt: bytes) -> bytes:
        looked.append(salt)
        return real(self, password, salt)

    monkeypatch.setattr(Cost, "hash", seen)
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda number: answer(accounts, "demo", f"guess {number}"), range(24)))
    assert all("bad-login" in one for one in answers)
    with reading(engine) as connection:
        salt = connection.execute(select(table.c.salt)).scalar_one()
    assert looked.count(salt) == MAX_TRIES, "the others were held against nothing"


def test_where_a_connection_is_somebodys_there_are_no_accounts(engine: Engine, accounts: Accounts) -> None:
    accounts.add("demo", PASSWORD, by="os:eva", at=NOW)
    real = Accounts(engine, simulated=lambda: False, cost=CHEAP)
    with pytest.raises(Denied) as caught:
        real.add("other", PASSWORD, by="os:eva", at=NOW)
    assert caught.value.code == "no-accounts"
    with pytest.raises(Denied):
        real.log_in("demo", PASSWORD, at=NOW)
    real.remove("demo")


@pytest.mark.parametrize(
    ("name", "password", "code"),
    [
        ("demo", "short", "bad-password"),
        ("demo", "x" * (MAX_PASSWORD + 1), "bad-password"),
        ("demo", "", "bad-password"),
        ("Demo", PASSWORD, "bad-account"),
        ("", PASSWORD, "bad-account"),
        ("a:b", PASSWORD, "bad-account"),
        ("demo\n", PASSWORD, "bad-account"),
        ("taken", PASSWORD, "bad-account"),
    ],
)
def test_an_account_that_cannot_be_is_refused(name: str, password: str, code: str, accounts: Accounts) -> None:
    accounts.add("taken", PASSWORD, by="os:eva", at=NOW)
    with pytest.raises(KwartierError) as caught:
        accounts.add(name, password, by="os:eva", at=NOW)
    assert caught.value.code == code
    assert not password or password not in caught.value.sentence()


def test_there_are_so_many_accounts_and_no_more(accounts: Accounts) -> None:
    for number in range(MAX_ACCOUNTS):
        accounts.add(f"a{number}", PASSWORD, by="os:eva", at=NOW)
    with pytest.raises(InputError) as caught:
        accounts.add("one-more", PASSWORD, by="os:eva", at=NOW)
    assert caught.value.code == "bad-account"
