"""The keys of an installation: one signs tokens, the others encrypt personal data."""

import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from headway.db.private_files import ExposedFileError, create_secret, read_secret
from headway.errors import Unavailable
from headway.settings import SHORTEST_KEY, Settings, SettingsError


class WrongKeyError(Unavailable):
    """None of the keys can decrypt what is stored."""


class Keyring:
    """Encrypts and signs with the first of its keys, decrypts and verifies with all of them.

    `keys` is called on first use: a command that reads and writes no personal data needs no key.
    """

    def __init__(self, keys: Callable[[], Sequence[str]]) -> None:
        self._load_keys = keys

    @classmethod
    def from_settings(cls, settings: Settings) -> "Keyring":
        """Return the keyring of the settings; without encryption keys it has one, the key that signs tokens."""
        return cls(lambda: settings.keys_of_data or [signing_key(settings)])

    @classmethod
    def present(cls, settings: Settings) -> "Keyring":
        """Return the keyring of the settings, which makes no key where there is none: a new one could decrypt nothing."""

        def load() -> list[str]:
            if keys := present_keys(settings):
                return keys
            place = f"{key_file(settings)} or " if settings.is_sqlite else ""
            raise SettingsError(f"The key of the database is missing: put it into {place}HEADWAY_SECRET_KEY.")

        return cls(load)

    def encrypt(self, text: str) -> str:
        """Encrypt a text with Fernet (AES-128-CBC, HMAC-SHA256); the same text gives another result each time."""
        return self._newest.encrypt(text.encode()).decode()

    def decrypt(self, token: str) -> str:
        """Decrypt a text. Raises WrongKeyError, also for a text that was tampered with."""
        try:
            return self._all.decrypt(token).decode()
        except InvalidToken as error:
            message = "What is stored was encrypted with another key than HEADWAY_ENCRYPTION_KEYS or HEADWAY_SECRET_KEY gives."
            raise WrongKeyError(message) from error

    def decrypt_if(self, token: str | None) -> str | None:
        """Decrypt a text unless it is None. Raises WrongKeyError."""
        return None if token is None else self.decrypt(token)

    def is_newest(self, token: str) -> bool:
        """Return whether a text was encrypted with the first key."""
        try:
            self._newest.decrypt(token)
        except InvalidToken:
            return False
        return True

    def sign(self, text: str) -> str:
        """Return the HMAC-SHA256 of a text under the first key, as hexadecimal digits."""
        return _keyed_hash(self._signing_keys[0], text)

    def has_signed(self, text: str, signature: str) -> bool:
        """Return whether a signature is the HMAC of this text under any of the keys."""
        return any(hmac.compare_digest(_keyed_hash(key, text), signature) for key in self._signing_keys)

    @cached_property
    def _keys(self) -> Sequence[str]:
        return self._load_keys()

    @cached_property
    def _newest(self) -> Fernet:
        return Fernet(_fernet_key(self._keys[0]))

    @cached_property
    def _all(self) -> MultiFernet:
        return MultiFernet([Fernet(_fernet_key(key)) for key in self._keys])

    @cached_property
    def _signing_keys(self) -> Sequence[bytes]:
        return [_derived(key, "headway signatures") for key in self._keys]


def signing_key(settings: Settings) -> str:
    """Return the key that signs tokens: the setting, or a key made once and stored beside the SQLite file, mode 600.

    Raises SettingsError for a stored key that is too short, or that others may read, and on PostgreSQL without the setting:
    every server needs the same key.
    """
    if settings.secret_key is not None:
        return settings.secret_key
    if not settings.is_sqlite:
        raise SettingsError("HEADWAY_SECRET_KEY is required with PostgreSQL: at least 32 bytes, the same for all servers.")
    path = key_file(settings)
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            create_secret(path, secrets.token_urlsafe(48).encode())
    except OSError as error:
        raise SettingsError(f"The key in {path} cannot be used: {error}") from error
    return _read_key(path)


def present_keys(settings: Settings) -> list[str]:
    """Return the keys that encrypt personal data, as `Keyring.from_settings` has them, but make none. Raises SettingsError."""
    if settings.keys_of_data:
        return settings.keys_of_data
    if settings.secret_key is not None:
        return [settings.secret_key]
    return [_read_key(key_file(settings))] if settings.is_sqlite and key_file(settings).exists() else []


def fingerprint(key: str) -> str:
    """Return what tells a key from others and from which nobody can compute it: 16 hexadecimal digits."""
    return _derived(key, "headway fingerprint")[:8].hex()


def key_file(settings: Settings) -> Path:
    """Return where the key of a SQLite file is that Headway has made, if no setting gives one."""
    return settings.sqlite_path.with_name(settings.sqlite_path.name + ".key")


def _read_key(path: Path) -> str:
    try:
        key = read_secret(path).decode()
    except ExposedFileError as error:
        advice = f"chmod 600 {path}, or use another key if somebody may have read it"
        raise SettingsError(f"The key in {path} is exposed: {error}. {advice}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"The key in {path} cannot be used: {error}") from error
    if len(key.strip().encode()) < SHORTEST_KEY:
        advice = "Restore it from a backup; if the database is new, delete the file"
        raise SettingsError(f"The key in {path} is shorter than {SHORTEST_KEY} bytes. {advice}.")
    return key


def _keyed_hash(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode(), "sha256").hexdigest()


def _derived(key: str, purpose: str) -> bytes:
    return HKDF(SHA256(), length=32, salt=None, info=purpose.encode()).derive(key.encode())


def _fernet_key(key: str) -> bytes:
    return urlsafe_b64encode(_derived(key, "headway encryption"))
