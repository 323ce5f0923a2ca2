"""The composition root: everything the server is made of is made and joined here."""

import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, NamedTuple

import msgspec
from litestar import Litestar, Request, Response, get
from litestar.exceptions import HTTPException

from headway.contracts.activity_tracking.mapping import Limits
from headway.contracts.activity_tracking.routes import activity_tracking
from headway.domain.ids import NewId, uuid7
from headway.domain.instants import SECOND, Clock
from headway.domain.study_time import StudyRules
from headway.http.authentication import Authentication
from headway.http.contract import Contract
from headway.http.edge import Edge
from headway.http.identity_provider import IdentityProvider
from headway.http.openapi import document
from headway.http.operations import operations
from headway.http.problems import Problems
from headway.http.tokens import Tokens, signing_key
from headway.settings import Settings
from headway.storage import schema
from headway.storage.database import Database
from headway.telemetry import Metrics, configure_logging
from headway.usecases.accounts import Accounts
from headway.usecases.assessments import Assessments
from headway.usecases.catalogue import Catalogue
from headway.usecases.enrollment import Enrollments
from headway.usecases.ingest import Ingest
from headway.usecases.outlines import Outlines
from headway.usecases.tracking import Tracking
from headway.web.docs import docs


def system_clock() -> int:
    """Tell the present instant."""
    return time.time_ns() // 1_000_000


class UseCases(NamedTuple):
    """What the system does, on an open database."""

    accounts: Accounts
    catalogue: Catalogue
    enrollments: Enrollments
    tracking: Tracking
    assessments: Assessments


def use_cases(database: Database, settings: Settings, clock: Clock) -> UseCases:
    """Join the use cases; the server and the commands beside it use the same ones."""
    rules = StudyRules(
        heartbeat_interval=settings.heartbeat_interval_seconds * SECOND,
        longest_claim=settings.max_claim_seconds * SECOND,
    )
    return UseCases(
        accounts=Accounts(database, clock),
        catalogue=Catalogue(database, clock),
        enrollments=Enrollments(database, clock),
        tracking=Tracking(database, Outlines(), rules),
        assessments=Assessments(database),
    )


def create_app(settings: Settings, clock: Clock = system_clock, new_id: NewId = uuid7) -> Edge:
    """Make the server. Its database, which has to be migrated, is opened when it starts and closed when it stops."""
    metrics = Metrics()
    database = schema.database(settings)
    does = use_cases(database, settings, clock)
    ingest = Ingest(
        does.tracking,
        clock=clock,
        capacity=settings.ingest_queue_events,
        group_weight=settings.ingest_group_events,
        writers=database.useful_writers,
        metrics=metrics,
    )
    tokens = Tokens(signing_key(settings), clock, lifetime_seconds=settings.access_token_seconds)
    authentication = Authentication(tokens, does.accounts, IdentityProvider.from_settings(settings, clock))
    contracts = [
        activity_tracking(
            ingest,
            clock=clock,
            new_id=new_id,
            limits=Limits(settings.max_body_bytes, settings.max_event_bytes, settings.max_batch_events),
            heartbeat_interval_seconds=settings.heartbeat_interval_seconds,
        ),
    ]

    @asynccontextmanager
    async def lifespan(_app: Litestar) -> AsyncIterator[None]:
        await database.open()
        # What is there now stays: the collector of garbage need not look at it again and again.
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        try:
            yield
        finally:
            await ingest.close()
            await database.close()

    litestar = _litestar(contracts, authentication, _is_ready(database), metrics, settings, lifespan)
    return Edge(litestar, metrics=metrics, new_id=new_id, access_log=settings.access_log)


def app_from_environment() -> Edge:
    """Make the server of a worker process, whose settings are all in its environment."""
    settings = Settings.load()
    configure_logging(settings.log_level)
    return create_app(settings)


def _is_ready(database: Database) -> Callable[[], Awaitable[bool]]:
    wanted = schema.head()
    return lambda: schema.is_current(database, wanted)


def _litestar(
    contracts: Sequence[Contract],
    authentication: Authentication,
    is_ready: Callable[[], Awaitable[bool]],
    metrics: Metrics,
    settings: Settings,
    lifespan: Callable[[Litestar], AbstractAsyncContextManager[None]],
) -> Litestar:
    problems = Problems(contracts, metrics)

    @get("/openapi.json", opt={"public": True}, include_in_schema=False)
    async def openapi(request: Request[Any, Any, Any]) -> Response[bytes]:
        described = document(request.app.routes, contracts)
        return Response(msgspec.json.encode(described), media_type="application/json")

    return Litestar(
        route_handlers=[
            *(contract.router for contract in contracts),
            *operations(is_ready, metrics, metrics_are_public=settings.metrics_public),
            openapi,
            *docs(),
        ],
        middleware=[authentication.middleware],
        exception_handlers={Exception: problems.answer, HTTPException: problems.answer},
        request_max_body_size=settings.max_body_bytes,
        lifespan=[lifespan],
        openapi_config=None,
        logging_config=None,
    )
