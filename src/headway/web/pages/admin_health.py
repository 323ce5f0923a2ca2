"""The health of the server and its settings, for administrators."""

from collections.abc import Callable, Sequence
from itertools import groupby

from headway.db.database import ReadTransaction
from headway.health.findings import Level
from headway.health.report import Sample
from headway.health.series import by_minute
from headway.http.request import READ
from headway.services import Services
from headway.web.page_routes import Page, PageRequest, get
from headway.web.texts import Viewer


class AdminHealthPages:
    """What the server process that answers is doing, and how it is set."""

    def __init__(self, services: Services) -> None:
        self._health = services.health
        self._retention = services.retention
        self._verification = services.log_verification
        self._mail = services.mail

    @get("/app/admin/health")
    async def show(self, request: PageRequest[None, None]) -> Page:
        """Show the health as it is now, and the last hour by minutes."""
        report = await self._health.report(request.caller)
        async with request.read() as tx:
            chain = await self._verification.state(tx)
            mail = await self._mail.read_facts(tx) if self._mail.is_on else None
        minutes = by_minute(report.samples)
        plots = {name: _rows(minutes, value, request.viewer) for name, value in _PLOTS.items()}
        return Page("admin/health.html", {"health": report, "chain": chain, "plots": plots, "mail": mail})

    @get("/app/admin/doctor")
    async def show_findings(self, request: PageRequest[None, None]) -> Page:
        """Show what is wrong with the installation, why it matters and what to do."""
        report = await self._health.findings(request.caller)
        areas = {area: list(found) for area, found in groupby(report.findings, key=lambda each: each.area)}
        counts = {level.value: report.count(level) for level in Level}
        return Page("admin/doctor.html", {"areas": areas, "counts": counts, "version": report.headway_version})

    @get("/app/admin/settings", transaction=READ)
    async def show_settings(self, request: PageRequest[None, None], tx: ReadTransaction) -> Page:
        """Show the settings of the process."""
        groups = await self._health.settings(tx, request.caller)
        return Page("admin/settings.html", {"groups": groups, "retention": await self._retention.last(tx)})


_PLOTS: dict[str, Callable[[Sample], float | None]] = {
    "requests": lambda sample: sample.requests_per_second,
    "latency": lambda sample: sample.mean_request_ms,
    "events": lambda sample: sample.events_per_second,
    "failures": lambda sample: sample.failures,
    "waiting": lambda sample: sample.waiting,
    "live": lambda sample: sample.live_clients,
    "stall": lambda sample: sample.stall_ms,
    "memory": lambda sample: sample.memory_mb,
}
_PRECISE_BELOW = 10


def _rows(
    minutes: Sequence[Sample], value: Callable[[Sample], float | None], viewer: Viewer
) -> list[tuple[str, tuple[float, str] | None]]:
    """Return the rows of a plot: the time, and the number with its text."""
    rows: list[tuple[str, tuple[float, str] | None]] = []
    for sample in minutes:
        number = value(sample)
        rounded = None if number is None else round(number, 2)
        shown = None if rounded is None else (rounded, viewer.number(rounded, 2 if rounded < _PRECISE_BELOW else 0))
        rows.append((viewer.time(sample.at), shown))
    return rows
