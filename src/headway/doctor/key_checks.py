"""Keys: that they are there, are those of the database, cannot be guessed, and cannot be read by others."""

from collections.abc import Iterator
from pathlib import Path

from headway import schema
from headway.db import index_keys
from headway.db.keyring import WrongKeyError, fingerprint, key_file, present_keys
from headway.doctor.patient import Area, Needs, Patient
from headway.health.findings import Found, ok, problem, warning
from headway.settings import Settings, SettingsError, variable

area = Area("Keys")

_FEWEST_CHARACTERS = 12
"""A random key of 32 characters, even of hexadecimal digits, has about 14 different ones."""
_WORDS = ("secret", "changeme", "password", "headway", "example", "default", "please")


@area.check("Strength", why="Whoever guesses a key signs in as anybody and reads everything personal.")
async def strength(patient: Patient) -> list[Found]:
    """Look for keys that nobody has drawn at random."""
    return list(_weak_keys(patient.settings)) or [ok("No key looks as if somebody had made it up.")]


def _weak_keys(settings: Settings) -> Iterator[Found]:
    named = [(variable("secret_key"), settings.secret_key or "")]
    named += [(variable("encryption_keys"), key) for key in settings.keys_of_data]
    for name, key in named:
        if key and (len(set(key)) < _FEWEST_CHARACTERS or any(word in key.lower() for word in _WORDS)):
            yield warning(
                f"A key in {name} looks made up: {len(set(key))} different characters, or words.",
                "Draw one at random (python3 -c 'import secrets; print(secrets.token_urlsafe(48))') and rotate to it.",
            )


@area.check("Key file", why="Without the key nobody can read what is personal; who else has it can.")
async def stored_key(patient: Patient) -> Found | None:
    """Look at the file of the key that Headway has made."""
    settings = patient.settings
    path = key_file(settings)
    if not settings.is_sqlite or not path.exists():
        return None
    if settings.secret_key is not None and settings.secret_key != _content(path):
        return warning(
            f"{path} exists, and HEADWAY_SECRET_KEY is another key, which is used.",
            "Remove the file if its key is no longer needed, or the setting if it is.",
        )
    if settings.secret_key is None:
        try:
            present_keys(settings)
        except SettingsError as error:
            return problem(str(error), "Mend the file as the message says: no server starts.")
    return ok(f"{path} is its owner's only. Keep a copy elsewhere than the backups.")


def _content(path: Path) -> str | None:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return None


@area.check(
    "Fit", why="With other keys than the database's no server starts, and nothing personal can be read.", needs=Needs.DATABASE
)
async def fit(patient: Patient) -> Found | None:
    """Decrypt what the database was begun with."""
    if await schema.version_of(patient.database) is None:
        # The check of the schema says what it is.
        return None
    try:
        keys = present_keys(patient.settings)
    except SettingsError:
        # The check of the key file says so.
        return None
    shown = ", ".join(map(fingerprint, keys))
    try:
        async with patient.database.read() as tx:
            is_encrypted = await index_keys.prove(tx)
    except WrongKeyError:
        return problem(
            f"The keys are not those of the database (fingerprints {shown}).",
            "Set the keys that it was written with. Manifests of backups name their fingerprints.",
        )
    except SettingsError as error:
        return problem(str(error), "Restore the key; a new one cannot decrypt what is stored.")
    return ok(f"The keys are those of the database (fingerprints {shown})." if is_encrypted else "Nothing is encrypted yet.")
