"""The settings of an installation: ``HOME/kwartier.toml``, each of which the environment may override."""

import json
import os
import secrets
import tomllib
from collections.abc import Mapping
from datetime import time
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from kwartier import clock
from kwartier.compute.choice import master_of
from kwartier.disk import write_once
from kwartier.dlms.protection import TITLE_BYTES
from kwartier.errors import InputError
from kwartier.export.codes import Codes
from kwartier.service.exporting.parties import MAX_NAMES, AreaCode, MarketSettings, PartyCode, codes_of
from kwartier.who import roles
from kwartier.who.actor import ALIAS

FILE_NAME = "kwartier.toml"
ENV_PREFIX = "KWARTIER_"
TITLE_PREFIX = b"KWT"
"""Manufacturer letters of a client's system title (Green Book 4.3.4); the rest is random."""
FILE_ONLY = ("roles", "persons", "oidc")
"""Who may do what is told by the file alone: its owner is not whoever sets the environment of a command."""
MAX_PERSONS = 10_000
MAX_ISSUERS = 16
MAX_SKEW_S = 300


class OidcSettings(BaseModel):
    """``[oidc.<alias>]``: an issuer whose tokens are taken."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: str = Field(pattern=r"^https://[!-~]+$", max_length=2048)
    """As tokens name it in ``iss``, to the letter."""
    audience: str = Field(pattern=r"^[!-~]+$", max_length=2048)
    """As tokens name this installation in ``aud``."""
    algorithms: tuple[Literal["RS256", "PS256", "ES256", "EdDSA", "Ed25519"], ...] = Field(min_length=1)
    jwks: str = Field(min_length=1, max_length=4096)
    """The file of its public keys (a JWK set), in the home or by its whole path. Nothing is fetched."""
    skew_s: int = Field(default=60, ge=0, le=MAX_SKEW_S)
    """How far its clock and ours may be apart."""
    roles_claim: str = Field(default="", max_length=256)
    """The claim that holds groups; empty: none are looked at."""
    sign_in: str = Field(default="", pattern=r"^(https://[!-~]+)?$", max_length=2048)
    """The address at which its people sign in for our pages (OIDC's authorization endpoint); empty: they do not."""


class Settings(BaseSettings):
    """One attribute a setting. ``KWARTIER_READ_DEADLINE_S=90`` overrides ``read_deadline_s`` of the file."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, extra="forbid", frozen=True)

    client_system_title: str = Field(pattern=r"^[0-9A-Fa-f]{16}$")
    """Who we are to every meter: never shared by two installations that hold the same keys."""
    database: str = ""
    """Address of the database; empty: SQLite in the home."""
    store: str = ""
    """The folder of the readings; empty: in the home. Several hosts name the same one, on a file system that they share."""
    vault: str = ""
    """The folder of the master key; empty: the home. Several hosts name the same one, or each has the same key."""
    dso: str = Field(default="", max_length=64)
    """The grid operator whose meters and connections this installation reaches; empty: every one's in the database."""
    controller: str = Field(default="", max_length=500)
    """Who is responsible for the processing, as the register of processing names them."""
    controller_contact: str = Field(default="", max_length=500)
    """How to reach them and their data protection officer."""
    read_deadline_s: float = Field(default=60.0, gt=0, le=3600)
    """The total time of one visit by ``read``."""
    open_visits: int = Field(default=10_000, ge=2, le=100_000)
    """How many visits one process of a night may have open at once."""
    visit_deadline_s: float = Field(default=120.0, gt=0, le=3600)
    """The total time of one visit of a night."""
    hosts: int = Field(default=1, ge=1, le=1_000)
    """How many hosts carry out a night together; they share the three bounds below."""
    visits_per_s: float = Field(default=0, ge=0, le=100_000)
    """How many visits of a night may begin in a second, in all; 0: as many as there is power for."""
    cell_visits_per_s: float = Field(default=25, ge=0, le=100_000)
    """How many of them in one radio cell; 0: no bound."""
    cell_open_visits: int = Field(default=200, ge=0, le=100_000)
    """How many visits may be open in one radio cell at once; 0: no bound."""
    window_opens: time = time(0, 0)
    """From when on meters may be visited, by the clocks at the connection, on the day after the one that is read."""
    window_closes: time = time(6, 0)
    """Until when."""
    read_purpose: str = "validation"
    """What `read` reads a meter for, where the command does not say it."""
    night_purpose: str = "settlement"
    """What nights read meters for."""
    night_use_case: str = ""
    """The use case of nights, where their purpose takes one."""
    compare_purpose: str = "test"
    """What `simulate compare` looks at readings for."""
    validate_purpose: str = "validation"
    """What `validate` looks at readings for."""
    settle_purpose: str = "settlement"
    """What `settle` looks at volumes for."""
    export_purpose: str = "settlement"
    """What `export` looks at volumes for."""
    timezone: str = Field(default="Europe/Amsterdam", max_length=64, validate_default=True)
    """Whose local days are checked, settled and exported."""
    residual_share_bp: int = Field(default=1_000, ge=0, le=10_000)
    """How large the residual of a grid area may be over a day, in basis points of its infeed, before nothing is published."""
    residual_floor_wh: int = Field(default=20_000, ge=0, le=10**15)
    """How large it may be whatever the infeed is; the larger of the two counts."""
    encryption: Literal["aes-gcm", "none"] = "aes-gcm"
    """How readings lie on the disk, chosen before the first are stored. With "none" any reader of Delta tables reads them."""
    encryption_decision: str = Field(default="", max_length=500, validate_default=True)
    """Who decided on `encryption = "none"`, when and why; without that it is refused."""
    keep_days: int = Field(default=0, ge=0, le=100_000)
    """How many local days of readings `store tidy` keeps; 0: all of them."""
    erase_within_days: int = Field(default=30, ge=1, le=30)
    """Within how many days what was erased is gone from the disk; its link is ended at once."""
    backup_keep_days: int = Field(default=14, ge=1, le=3_650)
    """How long backups are kept: until then one may hold what was erased since, and the tombstone says until when."""
    synchronised_clock: bool = False
    """Whether visits wait while the kernel says that the clock of this host is not synchronised."""
    clock_correction: Literal["never", "steps"] = "never"
    """Whether the clocks of meters are set: with "steps" after the readings, if `synchronised_clock` vouches for our own."""
    clock_tolerance_s: int = Field(default=10, ge=3, le=900)
    """How far a meter's clock may be off and is left alone."""
    clock_step_s: int = Field(default=30, ge=5, le=600)
    """By how much a clock is set at most in one visit."""
    alert_webhook: str = Field(default="", max_length=2048, repr=False)
    """The address that alerts are sent to, https or http on this machine; empty: none. Its secret is no setting."""
    audit_witness: str = Field(default="", max_length=2048)
    """The address of the witness that signs checkpoints of the audit log, http on this machine; empty: none."""
    audit_witness_key: str = Field(default="", max_length=512)
    """The verifier key of that witness, as it prints it when it starts."""
    serve_address: str = Field(default="", pattern=r"^(https?://[A-Za-z0-9.:\[\]-]+)?$", max_length=300)
    """Under which address others reach `kwartier serve`, such as that of a proxy with TLS; empty: where it listens."""
    engine: str = Field(default="local", max_length=300)
    """Where settlement is computed: "local" on this host, or the cluster at spark://HOST:PORT. Its secret is no setting."""
    max_pdu: int = Field(default=0xFFFF, ge=128, le=0xFFFF)
    """The longest APDU that is asked of meters, in bytes: the largest makes for the fewest round trips."""
    roles: dict[str, tuple[str, ...]] = {}
    """Who has which roles; see ``who/roles.py``. Empty: whoever owns the home has all but those of a customer."""
    persons: dict[str, tuple[str, ...]] = Field(default={}, max_length=MAX_PERSONS)
    """Which names of actors are one person, who never makes a pair of eyes with himself: person -> names."""
    oidc: dict[str, OidcSettings] = Field(default={}, max_length=MAX_ISSUERS)
    """Whose tokens are taken, by an alias of our own."""
    market: MarketSettings = MarketSettings()
    """Who sends messages, and how long an answer is waited for; see ``parties.py`` for this and the next two."""
    parties: dict[str, PartyCode] = Field(default={}, max_length=MAX_NAMES)
    """Codes of responsible parties and suppliers, by the names of ``market.csv``."""
    areas: dict[str, AreaCode] = Field(default={}, max_length=MAX_NAMES)
    """Codes of grid areas, likewise."""

    @field_validator("engine")
    @classmethod
    def _engine_that_there_is(cls, value: str) -> str:
        try:
            master_of(value)
        except InputError as error:
            raise PydanticCustomError("engine", "{said}", {"said": error.detail}) from None
        return value

    @field_validator("timezone")
    @classmethod
    def _zone_that_there_is(cls, value: str) -> str:
        try:
            clock.zone(value)
        except InputError as error:
            raise PydanticCustomError("timezone", "{said}", {"said": error.detail}) from None
        return value

    @field_validator("roles")
    @classmethod
    def _roles_that_there_are(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        try:
            roles.check(value)
        except InputError as error:
            raise PydanticCustomError("roles", "{said}", {"said": error.detail}) from None
        return value

    @field_validator("persons")
    @classmethod
    def _one_person_a_name(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        names = [name for listed in value.values() for name in listed]
        if any(":" in person for person in value) or not all(":" in name for name in names):
            raise PydanticCustomError("persons", 'a line is person = ["os:name", ...], and no person has a colon')
        if len(names) != len(set(names)):
            raise PydanticCustomError("persons", "a name belongs to two persons")
        return value

    @field_validator("oidc")
    @classmethod
    def _aliases(cls, value: dict[str, OidcSettings]) -> dict[str, OidcSettings]:
        if not all(ALIAS.fullmatch(alias) for alias in value):
            raise PydanticCustomError("alias", "an alias is 1 to 32 small letters, digits and hyphens after a letter")
        if len({one.issuer for one in value.values()}) != len(value):
            raise PydanticCustomError("alias", "two aliases are for one issuer")
        return value

    @field_validator("encryption_decision")
    @classmethod
    def _decided(cls, value: str, told: ValidationInfo) -> str:
        """Readings lie open on the disk because somebody answers for it."""
        if told.data.get("encryption") == "none" and not value.strip():
            raise PydanticCustomError("undecided", 'encryption = "none" needs who decided it and why')
        return value

    @field_validator("clock_correction")
    @classmethod
    def _by_a_clock_that_is_right(cls, value: str, told: ValidationInfo) -> str:
        """Nobody sets other clocks by one that nobody vouches for."""
        if value != "never" and not told.data.get("synchronised_clock"):
            raise PydanticCustomError("unsynchronised", "needs synchronised_clock = true")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment before the file, whose values come as arguments."""
        return env_settings, init_settings

    @property
    def own_title(self) -> bytes:
        """The client system title as bytes."""
        return bytes.fromhex(self.client_system_title)

    @property
    def codes(self) -> Codes:
        """Who is meant in messages."""
        return codes_of(self.market, self.parties, self.areas)


def there(home: Path) -> bool:
    """Whether ``home`` has settings."""
    return (home / FILE_NAME).exists()


def defaults() -> Settings:
    """What holds before there is a file: the environment, and a title that is nobody's."""
    return _checked({"client_system_title": "00" * TITLE_BYTES}, "the environment")


def load(home: Path) -> Settings:
    """The settings of ``home``. Raises ``InputError`` no-home, bad-settings (naming file and setting)."""
    path = home / FILE_NAME
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise InputError("no-home", f"there is no {path}") from None
    except OSError as error:
        raise InputError("bad-settings", f"{path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError("bad-settings", f"{path}: {error}") from None
    return _checked(table, str(path))


def _checked(table: Mapping[str, Any], where: str) -> Settings:
    for name in FILE_ONLY:
        if any(one.upper() == ENV_PREFIX + name.upper() for one in os.environ):
            said = f"{ENV_PREFIX}{name.upper()} in the environment: only {FILE_NAME} says who may do what"
            raise InputError("bad-settings", said)
    try:
        return Settings(**table)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        what = "there is no such setting" if first["type"] == "extra_forbidden" else first["msg"]
        variable = ENV_PREFIX + name.upper()
        place = f"{variable} in the environment" if variable in os.environ else f"{where}: {name}"
        raise InputError("bad-settings", f"{place}: {what}") from None


def create(home: Path) -> bool:
    """Write settings with a random system title to ``home`` unless there are some; whether they were written."""
    title = (TITLE_PREFIX + secrets.token_bytes(TITLE_BYTES - len(TITLE_PREFIX))).hex().upper()
    return write_once(
        home / FILE_NAME,
        "# Settings of this installation. `kwartier doctor` tells whether they make sense.\n"
        "# Who we are to every meter. Never give two installations that hold the same keys the same title.\n"
        f'client_system_title = "{title}"\n',
    )


def with_database(text: str, address: str) -> str:
    """The settings in ``text`` with another database: TOML has no second value for a name, so the old line goes.

    The new one comes first, since what follows the head of a table belongs to that.
    """
    lines = [line for line in text.splitlines() if line.split("=", 1)[0].strip() != "database"]
    return "\n".join([f"database = {json.dumps(address)}", *lines, ""])
