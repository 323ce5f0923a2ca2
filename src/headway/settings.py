"""The settings: one frozen struct, loaded from `HEADWAY_*` environment variables and command-line flags, which win."""

import os
import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_type_hints
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from headway.errors import OperatorError
from headway.smtp_url import parse_smtp_url

_VALKEY_SCHEMES = ("valkey://", "valkeys://", "redis://", "rediss://", "unix://")
SHORTEST_KEY = 32
"""The fewest bytes of a key: as many as an HMAC-SHA256 has (RFC 7518, section 3.2)."""

SECRETS = frozenset({"secret_key", "encryption_keys", "oidc_client_secret"})
"""Settings that nobody is shown."""
URLS = frozenset({"database_url", "valkey_url", "smtp_url"})
"""Settings whose values may hold the name and password of an account."""

_ADDRESS = re.compile(r"(?:[^<>\"\r\n]{0,100}<)?[\w.+-]{1,64}@[\w.-]{1,253}>?")
_LARGEST_NUMBER = 2**31 - 1
"""As seconds, 68 years: a time that lies so far back or ahead can still be stored."""


class SettingsError(OperatorError):
    """A setting has an invalid value; the message names its variable."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Each field is set by the variable `HEADWAY_<FIELD>`. See `docs/settings.md`."""

    database_url: str = "sqlite:///headway.db"
    valkey_url: str | None = None
    secret_key: str | None = None
    encryption_keys: str | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    log_level: str = "info"
    access_log: bool = False
    metrics_public: bool = True
    demo: bool = False
    tls_certificate: str | None = None
    tls_key: str | None = None
    require_https: bool = False
    trusted_proxies: str | None = None
    allowed_origins: str | None = None

    disclosure_log: bool = True
    retention_events_days: int | None = None
    retention_messages_days: int | None = None
    retention_audit_days: int | None = None
    retention_disclosures_days: int | None = None
    retention_feed_days: int | None = None
    retention_daily: bool = False

    access_token_seconds: int = 3_600
    failed_sign_ins_per_address: int = 10
    failed_sign_ins_per_client: int = 100
    registrations_per_client: int = 100
    tutorial_reads_per_minute: int = 60
    tutorial_chapters_per_minute: int = 30
    tutorial_quizzes_per_minute: int = 10
    tutorial_completions_per_minute: int = 5
    tutorial_resets_per_minute: int = 5
    idp_issuer: str | None = None
    idp_audience: str | None = None
    idp_keys: str | None = None
    oidc_issuer: str | None = None
    oidc_client_id: str | None = None
    oidc_client_secret: str | None = None
    oidc_name: str = "single sign-on"

    smtp_url: str | None = None
    mail_from: str | None = None
    public_url: str | None = None
    mail_timeout_seconds: int = 30
    mail_kept_days: int = 30
    mail_enrollments: bool = False
    mails_per_address: int = 5
    mails_per_client: int = 100
    reset_link_minutes: int = 60
    verify_email: bool = False

    max_connections: int = 4_096
    max_header_bytes: int = 32_768
    max_header_fields: int = 100
    header_timeout_seconds: int = 20
    transfer_timeout_seconds: int = 20
    transfer_megabytes: int = 64
    keep_alive_seconds: int = 75

    max_body_bytes: int = 1_000_000
    max_event_bytes: int = 32_000
    max_roster_bytes: int = 2_000_000
    max_roster_rows: int = 20_000
    max_batch_events: int = 500
    heartbeat_interval_seconds: int = 30
    max_claim_seconds: int = 14_400
    max_travel_seconds: int = 120
    late_work_days: int = 30
    undo_reset_days: int = 30
    create_reported_learners: bool = False

    display_timezone: str = "UTC"
    progress_cache_seconds: int = 300
    analytics_cache_seconds: int = 900
    cache_megabytes: int = 16
    learner_cache_megabytes: int = 150

    max_bulk_ids: int = 200
    max_course_modules: int = 200
    max_course_units: int = 2_000
    max_course_assessments: int = 500
    max_course_prerequisites: int = 50
    page_size: int = 100
    max_page_size: int = 500
    max_response_bytes: int = 32_000_000

    webhook_allow_http: bool = False
    webhook_allow_private_addresses: bool = False
    webhook_timeout_seconds: int = 15
    webhook_kept_days: int = 30

    exports_per_hour: int = 10
    export_staff_notes: bool = False
    privacy_contact: str | None = None

    ingest_queue_events: int = 10_000
    ingest_group_events: int = 1_000

    backup_folder: str | None = None
    backup_max_age_hours: int = 36

    postgres_pool_size: int = 8
    large_reads: int = 4
    database_timeout_seconds: int = 30

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None, **flags: Any) -> "Settings":
        """Load the settings from the environment; a flag that is not None overrides a variable. Raises SettingsError."""
        environ = os.environ if environ is None else environ
        values: dict[str, Any] = {}
        for name, kind in get_type_hints(cls).items():
            text = environ.get(variable(name))
            if flags.get(name) is not None:
                values[name] = flags[name]
            elif text is not None and text != "":
                values[name] = _parse(variable(name), text, kind)
        settings = cls(**values)
        settings.check()
        return settings

    def check(self) -> None:
        """Validate the values. Raises SettingsError."""
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, int) and not isinstance(value, bool):
                if value < (0 if name == "port" else 1):
                    raise SettingsError(f"{variable(name)} must be a positive number, not {value}")
                if value > _LARGEST_NUMBER:
                    raise SettingsError(f"{variable(name)} must be at most {_LARGEST_NUMBER}, not {value}")
        if self.port > 65_535:
            raise SettingsError(f"{variable('port')} must be at most 65535, not {self.port}")
        if not self.database_url.startswith(("sqlite:///", "postgresql://", "postgres://")):
            raise SettingsError(f"{variable('database_url')} must start with sqlite:/// or postgresql://")
        if self.log_level not in {"debug", "info", "warning", "error"}:
            raise SettingsError(f"{variable('log_level')} must be debug, info, warning or error")
        if self.valkey_url is not None and not self.valkey_url.startswith(_VALKEY_SCHEMES):
            raise SettingsError(f"{variable('valkey_url')} must start with {' or '.join(_VALKEY_SCHEMES)}")
        if self.valkey_url is not None and not _has_port(self.valkey_url):
            raise SettingsError(f"{variable('valkey_url')} has a port that is not a number from 0 to 65535")
        if self.valkey_url is not None and find_spec("valkey") is None:
            raise SettingsError(f"{variable('valkey_url')} requires the Valkey client: pip install 'headway[valkey]'")
        try:
            ZoneInfo(self.display_timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            message = f"{variable('display_timezone')} must be a time zone such as Asia/Kolkata, not {self.display_timezone!r}"
            raise SettingsError(message) from None
        self._check_keys()

    def _check_keys(self) -> None:
        if self.secret_key is not None and len(self.secret_key.encode()) < SHORTEST_KEY:
            raise SettingsError(f"{variable('secret_key')} must have at least {SHORTEST_KEY} bytes")
        if any(len(key.encode()) < SHORTEST_KEY for key in self.keys_of_data):
            message = f"must hold keys of at least {SHORTEST_KEY} bytes, separated by commas"
            raise SettingsError(f"{variable('encryption_keys')} {message}")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise SettingsError(f"{variable('tls_certificate')} and {variable('tls_key')} go together")
        outside = (self.idp_issuer, self.idp_audience, self.idp_keys)
        if any(outside) and not all(outside):
            raise SettingsError("HEADWAY_IDP_ISSUER, HEADWAY_IDP_AUDIENCE and HEADWAY_IDP_KEYS go together")
        self._check_oidc()
        self._check_mail()

    def _check_mail(self) -> None:
        if self.smtp_url is not None:
            try:
                parse_smtp_url(self.smtp_url)
            except ValueError as error:
                raise SettingsError(f"{variable('smtp_url')} {error}") from None
        if self.mail_from is not None and _ADDRESS.fullmatch(self.mail_from) is None:
            raise SettingsError(f"{variable('mail_from')} must be an address such as 'School <no-reply@school.example>'")
        url = urlsplit(self.public_url or "https://none")
        if url.scheme not in {"http", "https"} or not url.hostname or url.path.strip("/") or url.query or url.fragment:
            raise SettingsError(f"{variable('public_url')} must be like https://learn.school.example, without a path")
        if self.smtp_url is not None and (self.mail_from is None or self.public_url is None):
            raise SettingsError("HEADWAY_SMTP_URL, HEADWAY_MAIL_FROM and HEADWAY_PUBLIC_URL go together")

    def _check_oidc(self) -> None:
        if (self.oidc_issuer is None) != (self.oidc_client_id is None) or (self.oidc_client_secret and not self.oidc_issuer):
            raise SettingsError("HEADWAY_OIDC_ISSUER and HEADWAY_OIDC_CLIENT_ID go together")
        url = urlsplit(self.oidc_issuer or "")
        is_secure = url.scheme == "https" or (url.scheme == "http" and url.hostname in {"127.0.0.1", "localhost", "::1"})
        if self.oidc_issuer is not None and not is_secure:
            raise SettingsError(f"{variable('oidc_issuer')} must start with https://")
        if self.oidc_issuer and self.idp_issuer and self.oidc_issuer != self.idp_issuer:
            # Both find accounts by the subject alone.
            raise SettingsError("HEADWAY_OIDC_ISSUER and HEADWAY_IDP_ISSUER must be the same provider")
        if self.verify_email and self.smtp_url is None:
            raise SettingsError(f"{variable('verify_email')} requires {variable('smtp_url')}")

    @property
    def origins(self) -> list[str]:
        """The other web origins whose pages may call the server; `*` stands for any."""
        return [origin.strip().rstrip("/") for origin in (self.allowed_origins or "").split(",") if origin.strip()]

    @property
    def keys_of_data(self) -> list[str]:
        """The keys that encrypt personal data, the newest first. Without any, the secret key does."""
        return [] if self.encryption_keys is None else [key.strip() for key in self.encryption_keys.split(",")]

    @property
    def site_url(self) -> str:
        """Where people reach this installation, without a slash at the end; empty if it is not known."""
        return (self.public_url or "").rstrip("/")

    @property
    def token_cache_bytes(self) -> int:
        """The memory for verified tokens: a third of that for active learners."""
        return self.learner_cache_megabytes * 1_000_000 // 3

    @property
    def account_cache_bytes(self) -> int:
        """The memory for accounts: two fifths of that for active learners; they take more than tokens."""
        return self.learner_cache_megabytes * 1_000_000 * 2 // 5

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a SQLite file."""
        return self.database_url.startswith("sqlite:")

    @property
    def sqlite_path(self) -> Path:
        """The file of a `sqlite:///relative.db` or `sqlite:////absolute.db` URL."""
        return Path(self.database_url.removeprefix("sqlite:///"))


def variable(field: str) -> str:
    """Return the environment variable of a field."""
    return f"HEADWAY_{field.upper()}"


def _has_port(url: str) -> bool:
    """Return whether the port of a URL, if it names one, is a port."""
    try:
        _ = urlsplit(url).port
    except ValueError:
        return False
    return True


def _parse(name: str, text: str, kind: Any) -> Any:
    try:
        text.encode()
    except UnicodeEncodeError:
        # Python reads bytes that are no UTF-8 as surrogates.
        raise SettingsError(f"{name} must be UTF-8") from None
    if kind is bool:
        if text.lower() in {"1", "true", "yes", "on"}:
            return True
        if text.lower() in {"0", "false", "no", "off"}:
            return False
        raise SettingsError(f"{name} must be true or false, not {text!r}")
    if kind in (int, int | None):
        try:
            return int(text)
        except ValueError:
            raise SettingsError(f"{name} must be a whole number, not {text!r}") from None
    return text
