"""Settings: variables that nobody reads, and values that contradict each other."""

import difflib
from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from headway.doctor.patient import Area, Patient
from headway.health.findings import Found, ok, problem, warning
from headway.settings import Settings, SettingsError, variable

area = Area("Settings")

VALUES_MATTER = "With an invalid value no server starts."
NAMES_MATTER = "A misspelled variable changes nothing, and the default stays in force."
_LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})


def unknown_variables(environ: Mapping[str, str]) -> list[Found]:
    """Return the variables that look like settings and are none."""
    known = [variable(field) for field in Settings.__struct_fields__]
    found = []
    for name in sorted(environ):
        if name.startswith("HEADWAY_") and name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
            remedy = f"Did you mean {near[0]}?" if near else "docs/settings.md lists all variables; remove this one."
            found.append(warning(f"{name} is set, and is no setting of Headway.", remedy))
    return found


def invalid_settings(environ: Mapping[str, str], flags: Mapping[str, object]) -> tuple[Settings | None, Found]:
    """Load the settings; return them, or None with what is wrong."""
    try:
        return Settings.load(environ, **flags), ok("All values are valid.")
    except SettingsError as error:
        return None, problem(str(error), "Correct the variable, and run `headway doctor` again: the rest was not looked at.")


@area.check("Names", why=NAMES_MATTER)
async def names(patient: Patient) -> list[Found]:
    """Look for variables that nobody reads."""
    return unknown_variables(patient.environ) or [ok("Every variable that begins with HEADWAY_ is a setting.")]


@area.check("Values", why=VALUES_MATTER)
async def values(patient: Patient) -> list[Found]:
    """Look for settings that contradict each other."""
    return list(_contradictions(patient.settings)) or [ok("All values are valid, and fit together.")]


def _contradictions(settings: Settings) -> Iterator[Found]:
    if settings.is_sqlite and settings.workers > 1:
        yield problem(
            f"HEADWAY_WORKERS is {settings.workers}, and the database is a SQLite file, which one process owns.",
            "Set it to 1, or use PostgreSQL.",
        )
    if not settings.is_sqlite and settings.secret_key is None:
        yield problem(
            "HEADWAY_SECRET_KEY is not set: PostgreSQL needs it, the same for all servers.", "Set 32 bytes or more, at random."
        )
    if settings.page_size > settings.max_page_size:
        yield warning(
            f"HEADWAY_PAGE_SIZE ({settings.page_size}) is larger than HEADWAY_MAX_PAGE_SIZE ({settings.max_page_size}).",
            "Raise the maximum, or lower the other.",
        )
    if settings.max_event_bytes > settings.max_body_bytes:
        yield warning(
            f"HEADWAY_MAX_EVENT_BYTES ({settings.max_event_bytes}) is larger than a body may be "
            f"({settings.max_body_bytes}): no request can carry such an event.",
            "Raise HEADWAY_MAX_BODY_BYTES.",
        )
    if settings.ingest_group_events > settings.ingest_queue_events:
        yield warning(
            "HEADWAY_INGEST_GROUP_EVENTS is larger than HEADWAY_INGEST_QUEUE_EVENTS: no group gets so large.",
            "Raise the queue, or lower the group.",
        )
    if settings.demo and settings.host not in _LOCAL:
        yield warning("HEADWAY_DEMO is on, and others can reach the server.", "Turn it off, but for a demonstration.")


@area.check("Time zones", why="Without its data no time can be shown where learners are.")
async def time_zones(_patient: Patient) -> Found:
    """Look for the data of time zones, of the system or of the package tzdata."""
    if not available_timezones():
        return problem("There is no data of time zones.", "pip install tzdata")
    return ok("The data of time zones is there.")


@area.check("HTTPS", why="Without HTTPS, passwords and tokens can be read on the way; believing anybody forges addresses.")
async def https(patient: Patient) -> list[Found]:
    """Look at how clients reach the server."""
    return list(_ways(patient.settings)) or [ok("Clients reach the server by HTTPS, or from this machine alone.")]


def _ways(settings: Settings) -> Iterator[Found]:
    has_tls, has_proxy = settings.tls_certificate is not None, settings.trusted_proxies is not None
    if settings.require_https and not has_tls and not has_proxy:
        yield problem(
            "HEADWAY_REQUIRE_HTTPS is on, and no request can use HTTPS: there is neither a certificate nor a trusted proxy.",
            "Set HEADWAY_TLS_CERTIFICATE and HEADWAY_TLS_KEY, or HEADWAY_TRUSTED_PROXIES.",
        )
    if settings.host not in _LOCAL and not has_tls and not has_proxy:
        yield warning(
            f"The server listens on {settings.host} without HTTPS, and knows no proxy.",
            "Serve HTTPS, or name the proxy that does in HEADWAY_TRUSTED_PROXIES.",
        )
    if (has_tls or has_proxy) and not settings.require_https and settings.host not in _LOCAL:
        yield warning(
            "Requests without HTTPS are served, though HTTPS is possible.",
            "Set HEADWAY_REQUIRE_HTTPS to true, unless the proxy redirects them.",
        )
    yield from _proxies(settings)
    yield from _links(settings)
    if "*" in settings.origins:
        yield warning("Pages of any origin may call the server (HEADWAY_ALLOWED_ORIGINS is *).", "Name the origins.")


def _links(settings: Settings) -> Iterator[Found]:
    """Look at where links in mails lead."""
    url = urlsplit(settings.site_url)
    if settings.smtp_url is None:
        return
    if url.hostname in _LOCAL:
        yield warning(
            f"Links in mails lead to {settings.site_url}, where nobody else reaches the server.",
            "Set HEADWAY_PUBLIC_URL to where people reach the pages.",
        )
    elif url.scheme != "https":
        yield warning(
            f"Links in mails lead to {settings.site_url}: what they hold can be read on the way.",
            "Serve HTTPS, and set HEADWAY_PUBLIC_URL to it.",
        )


def _proxies(settings: Settings) -> Iterator[Found]:
    for each in (settings.trusted_proxies or "").split(","):
        name = each.strip()
        if not name:
            continue
        if name == "*":
            yield problem(
                "HEADWAY_TRUSTED_PROXIES is *: whoever reaches the server can choose the address and scheme it believes.",
                "Name the addresses or networks of the proxies.",
            )
            continue
        try:
            ip_network(name, strict=False)
        except ValueError:
            yield problem(
                f"HEADWAY_TRUSTED_PROXIES names {name[:100]!r}, which is no address or network.",
                "Write it as 10.0.0.5 or 10.0.0.0/24: its headers are not believed.",
            )
