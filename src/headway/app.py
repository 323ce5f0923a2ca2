"""The server: the services, the contracts and everything around them, joined to one ASGI application."""

import asyncio
import gc
import inspect
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import msgspec
import structlog
from litestar import Litestar, Request, Response, get
from litestar.config.cors import CORSConfig
from litestar.exceptions import HTTPException
from litestar.types import ControllerRouterHandler

from headway import schema
from headway.contracts.activity_log import routes as activity_log
from headway.contracts.activity_tracking import routes as activity_tracking
from headway.contracts.course_room import routes as course_room
from headway.contracts.learner import routes as learner
from headway.contracts.tutorials import routes as tutorials
from headway.db.large_reads import LargeReads
from headway.db.personal_keys import make_missing
from headway.db.repeating import repeated
from headway.doctor.service import ServerDoctor
from headway.errors import Unavailable
from headway.health.series import SAMPLE_SECONDS
from headway.http.authentication import Authentication
from headway.http.connections import Connections
from headway.http.contract import Contract
from headway.http.deadline import Deadline
from headway.http.identity_provider import IdentityProvider
from headway.http.middleware import RequestMiddleware
from headway.http.openapi import document, field_names
from headway.http.operations import operations
from headway.http.problems import Problems
from headway.http.routing import Routing
from headway.http.serving import Serving
from headway.http.transport import Arrivals, HttpsOnly
from headway.ids import NewId, uuid7
from headway.importers import course_file
from headway.instants import Clock, system_clock
from headway.live.hub import Hub
from headway.live.rights import RightsWatch
from headway.live.socket import Live
from headway.live.subscriptions import LiveReads
from headway.mail.sender import MailSender
from headway.readiness import Readiness
from headway.services import Services
from headway.settings import Settings
from headway.telemetry import Metrics, configure_logging
from headway.web.docs import docs
from headway.web.pages import WebPages
from headway.web.reader import reader
from headway.web.tracker import tracker

_CONTRACTS = (activity_tracking, learner, course_room, activity_log, tutorials)
_END_WITHIN_SECONDS = 5.0

log = structlog.get_logger(__name__)


def create_app(settings: Settings, clock: Clock = system_clock, new_id: NewId = uuid7) -> RequestMiddleware:
    """Make the server. Its database, which must have this version's schema, is open from startup to shutdown."""
    metrics = Metrics()
    database = schema.database(settings, metrics)
    large_reads = LargeReads(schema.database(settings, metrics, for_large_reads=True))
    services = Services(settings, database, clock, new_id, metrics, large_reads=large_reads)
    services.health.examine = ServerDoctor(settings, database, clock, os.environ).examine
    contracts = [module.make(services, settings) for module in _CONTRACTS]
    identity_provider = IdentityProvider.from_settings(settings, clock)
    authentication = Authentication(
        services.tokens, services.accounts, services.api_keys, identity_provider, clock, cache_bytes=settings.token_cache_bytes
    )
    reads = LiveReads(database, services.feed, services.subscriptions)
    hub = Hub(reads)
    watch = RightsWatch(database, clock, services.accounts, services.revisions, authentication)
    live = Live(hub, reads, watch, metrics, origins=settings.origins)
    web_pages = WebPages(services, settings, partial(course_file.parse, limits=services.course_limits))
    problems = Problems(contracts, metrics, web_pages.error_page)
    connections = Connections(settings, metrics)
    deadline = Deadline(settings.database_timeout_seconds)
    litestar = Litestar(
        route_handlers=[
            *(contract.router for contract in contracts),
            _openapi(contracts, settings),
            *operations(Readiness(database, version=schema.head()).fault, metrics, metrics_are_public=settings.metrics_public),
            live.route(),
            *docs(),
            tracker(),
            *web_pages.routes(authentication, problems),
            *([reader(services)] if settings.demo else []),
        ],
        middleware=[deadline.middleware, authentication.middleware],
        cors_config=_cors(settings.origins),
        exception_handlers={Exception: problems.respond, HTTPException: problems.respond},
        lifespan=[_lifespan(services, large_reads, hub, watch, connections, services.mail_sender(web_pages.letter_writer))],
        openapi_config=None,
        logging_config=None,
    )
    metrics.fields = field_names(litestar.routes)
    routing = Routing(litestar, Serving(deadline, authentication, problems))
    app = Arrivals(HttpsOnly(routing, problems) if settings.require_https else routing, problems, connections)
    return RequestMiddleware(app, metrics=metrics, new_id=new_id, access_log=settings.access_log)


def app_from_environment() -> RequestMiddleware:
    """Make the server of a worker process, whose settings are all in its environment."""
    settings = Settings.load()
    configure_logging(settings.log_level)
    return create_app(settings)


def _lifespan(
    services: Services,
    large_reads: LargeReads,
    hub: Hub,
    watch: RightsWatch,
    connections: Connections,
    mail_sender: MailSender | None,
) -> Callable[[Litestar], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_app: Litestar) -> AsyncIterator[None]:
        async with AsyncExitStack() as opened:
            await services.database.open()
            opened.push_async_callback(services.database.close)
            await repeated(partial(make_missing, services.database))
            await large_reads.open()
            opened.push_async_callback(large_reads.close)
            opened.push_async_callback(services.close)
            # What exists now lives as long as the process: the garbage collector need not look at it again and again.
            gc.freeze()
            # And no longer: a process of tests starts many servers.
            opened.callback(gc.unfreeze)
            gc.set_threshold(20_000, 20, 50)
            metrics = services.metrics
            lasting = (
                repeat("look for new entries", hub.look, _seconds(2.0)),
                repeat("watch rights", watch.look, watch.news),
                repeat("sweep connections", connections.sweep, _seconds(0.5)),
                repeat("expire enrollments", partial(_expire, services), _seconds(60.0)),
                services.webhook_sender.run(),
                *([] if mail_sender is None else [mail_sender.run()]),
                repeat("purge mails", partial(services.mail.purge, services.database), _seconds(600.0)),
                repeat("purge links", services.recovery.purge, _seconds(600.0)),
                repeat("purge registrations", services.registering.purge, _seconds(600.0)),
                repeat("purge deliveries", partial(services.webhooks.purge, services.database), _seconds(600.0)),
                repeat("write the uses of API keys", services.api_keys.write_uses, _seconds(60.0)),
                repeat("write the counts of disclosures", services.disclosures.write_counts, _seconds(60.0)),
                repeat("write the uses of accounts", services.accounts.last_seen.write, _seconds(60.0)),
                repeat("apply retention", services.retention.apply_daily, _seconds(600.0)),
                repeat("verify the audit log", services.log_verification.look, _seconds(600.0)),
                repeat("sample metrics", metrics.sample, _seconds(1.0)),
                repeat("sample health", services.health.series.sample, _seconds(SAMPLE_SECONDS)),
                metrics.stalls.watch(),
            )
            await opened.enter_async_context(run_beside(lasting))
            yield

    return lifespan


@asynccontextmanager
async def run_beside(lasting: Iterable[Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Run coroutines as tasks, which end with the block: before what they use is closed."""
    tasks = [asyncio.create_task(each) for each in lasting]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        # A cancellation can be lost in a library; the server stops nevertheless.
        await asyncio.wait(tasks, timeout=_END_WITHIN_SECONDS)


async def repeat(name: str, act: Callable[[], Awaitable[None] | None], pause: Callable[[], Awaitable[None]]) -> None:
    """Do something for ever, with a pause after each time: a failure is logged, but for an outage of the database."""
    while True:
        try:
            acting = act()
            if inspect.isawaitable(acting):
                await acting
        except Unavailable:
            # The database has counted the transaction as failed, and requests log the outage.
            pass
        except Exception:
            log.exception("A task of the server failed; it goes on.", task=name)
        await pause()


def _seconds(seconds: float) -> Callable[[], Awaitable[None]]:
    return partial(asyncio.sleep, seconds)


async def _expire(services: Services) -> None:
    # A call expires a limited number: where there were any there may be more.
    while await services.enrollments.expire(services.database):
        pass


def _cors(origins: list[str]) -> CORSConfig | None:
    """Allow pages of these origins to call, with the headers that they send and read."""
    if not origins:
        return None
    return CORSConfig(
        allow_origins=origins,
        allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "X-Request-Id"],
        expose_headers=[
            "Date",
            "ETag",
            "Idempotency-Replayed",
            "RateLimit",
            "RateLimit-Policy",
            "Retry-After",
            "X-Request-Id",
        ],
        max_age=86_400,
    )


def _openapi(contracts: Sequence[Contract], settings: Settings) -> ControllerRouterHandler:
    made: list[bytes] = []

    @get("/openapi.json", opt={"public": True}, include_in_schema=False)
    async def openapi(request: Request[Any, Any, Any]) -> Response[bytes]:
        # Made once, of the first request: it takes longer the more routes there are.
        if not made:
            described = await asyncio.to_thread(document, request.app.routes, contracts, settings)
            made.append(msgspec.json.encode(described))
        return Response(made[0], media_type="application/json")

    return openapi
