"""The composition root: everything the server is made of is made and joined here."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import structlog
from litestar import Litestar, Request, Response, get
from litestar.config.cors import CORSConfig
from litestar.exceptions import HTTPException
from litestar.types import ControllerRouterHandler, Middleware

from headway import schema
from headway.accounts.service import Accounts
from headway.accounts.sign_in import SignIn, SignInLimits
from headway.assessments.service import Assessments
from headway.audit.recorder import AuditRecorder
from headway.audit.service import AuditLog
from headway.contracts.activity_log.routes import LogLimits, activity_log
from headway.contracts.activity_tracking.mapping import Limits
from headway.contracts.activity_tracking.routes import activity_tracking
from headway.contracts.course_room.routes import RoomLimits, course_room
from headway.contracts.learner.routes import learner
from headway.contracts.learner.routes.paging import Pages
from headway.contracts.tutorials.routes import TutorialLimits, tutorials
from headway.courses.service import Courses
from headway.courses.structure import CourseStructures
from headway.db.database import Database
from headway.db.keyring import signing_key
from headway.enrollments.service import Enrollments
from headway.errors import Unavailable
from headway.feed.service import Feed
from headway.http.authentication import Authentication
from headway.http.cache import Cache, Store, open_store
from headway.http.contract import Contract
from headway.http.edge import Edge
from headway.http.identity_provider import IdentityProvider
from headway.http.openapi import document
from headway.http.operations import operations
from headway.http.problems import Problems
from headway.http.rate_limits import RateLimits, open_windows
from headway.http.tokens import Tokens
from headway.http.transport import HttpsOnly
from headway.idempotency.service import Idempotency
from headway.ids import NewId, uuid7
from headway.instants import SECOND, Clock
from headway.learning.course_editing import CourseEditing
from headway.learning.ingest import Ingest
from headway.learning.learner_courses import LearnerCourses
from headway.learning.profiles import Profiles
from headway.learning.reads import ProgressReads
from headway.learning.recording import Tracking
from headway.learning.study_time import StudyRules
from headway.live.hub import Hub
from headway.live.socket import Live
from headway.live.subscriptions import Subscriptions
from headway.messaging.service import Messaging
from headway.settings import Settings
from headway.telemetry import Metrics, configure_logging
from headway.tutorials.service import Tutorials
from headway.tutorials.store import count_passed_quizzes
from headway.web.docs import docs

_EXPIRE_EVERY_SECONDS = 60

log = structlog.get_logger(__name__)


def system_clock() -> int:
    """Tell the present instant."""
    return time.time_ns() // 1_000_000


class Services(NamedTuple):
    """What the system does, on an open database."""

    accounts: Accounts
    courses: Courses
    course_editing: CourseEditing
    enrollments: Enrollments
    tracking: Tracking
    learning: LearnerCourses
    profiles: Profiles
    assessments: Assessments
    messaging: Messaging
    tutorials: Tutorials
    sign_in: SignIn
    structures: CourseStructures


def make_services(database: Database, settings: Settings, clock: Clock, new_id: NewId = uuid7) -> Services:
    """Join the use cases; the server and the commands beside it use the same ones."""
    rules = StudyRules(
        heartbeat_interval=settings.heartbeat_interval_seconds * SECOND,
        longest_claim=settings.max_claim_seconds * SECOND,
    )
    structures = CourseStructures()
    audit = AuditRecorder(clock, new_id)
    accounts = Accounts(database, clock, audit, token_lifetime=settings.access_token_seconds * SECOND)
    limits = SignInLimits(
        settings.failed_sign_ins_per_address, settings.failed_sign_ins_per_client, settings.registrations_per_client
    )
    return Services(
        accounts=accounts,
        courses=Courses(database),
        course_editing=CourseEditing(database, clock),
        enrollments=Enrollments(database, clock),
        tracking=Tracking(database, structures, rules, max_metadata_bytes=settings.max_event_bytes),
        learning=LearnerCourses(database, clock, structures),
        profiles=Profiles(database, count_passed_quizzes),
        assessments=Assessments(database, clock, new_id, audit),
        messaging=Messaging(database, clock, new_id),
        tutorials=Tutorials(database, clock, audit),
        sign_in=SignIn(database, clock, new_id, accounts, audit, limits),
        structures=structures,
    )


class _Parts(NamedTuple):
    """What a server is made of, before anything of it is opened."""

    settings: Settings
    clock: Clock
    new_id: NewId
    metrics: Metrics
    database: Database
    services: Services
    ingest: Ingest
    activity_log: AuditLog
    changes: Subscriptions
    idempotency: Idempotency
    tokens: Tokens
    authentication: Authentication
    store: Store
    limits: RateLimits
    hub: Hub


def create_app(settings: Settings, clock: Clock = system_clock, new_id: NewId = uuid7) -> Edge:
    """Make the server. Its database, which has to be migrated, is opened when it starts and closed when it stops."""
    parts = _parts(settings, clock, new_id)
    contracts = _contracts(parts)
    live = Live(parts.hub, parts.changes, parts.authentication, parts.metrics, origins=settings.origins)
    beside: list[ControllerRouterHandler] = [
        *operations(_is_ready(parts.database), parts.metrics, metrics_are_public=settings.metrics_public),
        live.route(),
        *docs(),
    ]
    problems = Problems(contracts, parts.metrics)
    middleware = [parts.authentication.middleware, parts.limits.middleware]
    litestar = _litestar(contracts, beside, middleware, problems, settings, _lifespan(parts))
    served = HttpsOnly(litestar, problems) if settings.require_https else litestar
    return Edge(served, metrics=parts.metrics, new_id=new_id, access_log=settings.access_log)


def _parts(settings: Settings, clock: Clock, new_id: NewId) -> _Parts:
    metrics = Metrics()
    database = schema.database(settings, metrics)
    services = make_services(database, settings, clock, new_id)
    secret_key = signing_key(settings)
    tokens = Tokens(secret_key, clock, lifetime_seconds=settings.access_token_seconds)
    feed = Feed(database)
    changes = Subscriptions(database, feed)
    return _Parts(
        settings=settings,
        clock=clock,
        new_id=new_id,
        metrics=metrics,
        database=database,
        services=services,
        ingest=Ingest(
            services.tracking,
            clock=clock,
            capacity=settings.ingest_queue_events,
            group_weight=settings.ingest_group_events,
            writers=database.useful_writers,
            metrics=metrics,
        ),
        activity_log=AuditLog(database, clock, new_id, metrics),
        changes=changes,
        idempotency=Idempotency(database, clock, secret_key=secret_key),
        tokens=tokens,
        authentication=Authentication(tokens, services.accounts, IdentityProvider.from_settings(settings, clock)),
        store=open_store(settings),
        limits=RateLimits(open_windows(settings, database, clock, metrics)),
        hub=Hub(feed),
    )


def _contracts(parts: _Parts) -> list[Contract]:
    settings, services = parts.settings, parts.services
    return [
        activity_tracking(
            parts.ingest,
            clock=parts.clock,
            new_id=parts.new_id,
            limits=Limits(settings.max_body_bytes, settings.max_event_bytes, settings.max_batch_events),
            heartbeat_interval_seconds=settings.heartbeat_interval_seconds,
        ),
        learner(
            accounts=services.accounts,
            sign_in=services.sign_in,
            courses=services.courses,
            course_editing=services.course_editing,
            enrollments=services.enrollments,
            learning=services.learning,
            profiles=services.profiles,
            assessments=services.assessments,
            messaging=services.messaging,
            changes=parts.changes,
            idempotency=parts.idempotency,
            tokens=parts.tokens,
            pages=Pages(settings.page_size, settings.max_page_size),
            clock=parts.clock,
        ),
        course_room(
            ProgressReads(parts.database, parts.clock, services.structures, parts.ingest),
            parts.idempotency,
            progress=Cache(parts.store, parts.metrics, kind="progress", seconds=settings.progress_cache_seconds),
            analytics=Cache(parts.store, parts.metrics, kind="analytics", seconds=settings.analytics_cache_seconds),
            zone=ZoneInfo(settings.display_timezone),
            limits=RoomLimits(settings.page_size, settings.max_page_size, settings.max_bulk_ids, settings.max_event_bytes),
        ),
        activity_log(
            parts.activity_log,
            parts.idempotency,
            LogLimits(settings.page_size, settings.max_page_size, settings.max_event_bytes),
        ),
        tutorials(
            services.tutorials,
            parts.idempotency,
            limits=TutorialLimits(
                settings.tutorial_reads_per_minute,
                settings.tutorial_chapters_per_minute,
                settings.tutorial_quizzes_per_minute,
                settings.tutorial_completions_per_minute,
                settings.tutorial_resets_per_minute,
            ),
        ),
    ]


def _lifespan(parts: _Parts) -> Callable[[Litestar], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_app: Litestar) -> AsyncIterator[None]:
        await parts.database.open()
        # What is there now stays: the collector of garbage need not look at it again and again.
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        lasting = parts.hub.look(), _expire_for_ever(parts.services.enrollments), parts.metrics.sample_for_ever()
        chores = [asyncio.create_task(each) for each in lasting]
        try:
            yield
        finally:
            for chore in chores:
                chore.cancel()
            await parts.ingest.close()
            await parts.activity_log.close()
            await parts.database.close()
            await parts.store.close()
            await parts.limits.close()

    return lifespan


def app_from_environment() -> Edge:
    """Make the server of a worker process, whose settings are all in its environment."""
    settings = Settings.load()
    configure_logging(settings.log_level)
    return create_app(settings)


async def _expire_for_ever(enrollments: Enrollments) -> None:
    while True:
        try:
            # Some at a time: where there were any there may be more.
            while await enrollments.expire():
                pass
        except Unavailable:
            pass
        except Exception:
            log.exception("Enrollments could not be expired.")
        await asyncio.sleep(_EXPIRE_EVERY_SECONDS)


def _cors(origins: list[str]) -> CORSConfig | None:
    """Let pages of these origins call, with the headers that they need and may read."""
    if not origins:
        return None
    return CORSConfig(
        allow_origins=origins,
        allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "X-Request-Id"],
        expose_headers=["ETag", "Idempotency-Replayed", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-Id"],
        max_age=86_400,
    )


def _is_ready(database: Database) -> Callable[[], Awaitable[bool]]:
    wanted = schema.head()
    return lambda: schema.is_current(database, wanted)


def _litestar(
    contracts: Sequence[Contract],
    beside: Sequence[ControllerRouterHandler],
    middleware: Sequence[Middleware],
    problems: Problems,
    settings: Settings,
    lifespan: Callable[[Litestar], AbstractAsyncContextManager[None]],
) -> Litestar:
    @get("/openapi.json", opt={"public": True}, include_in_schema=False)
    async def openapi(request: Request[Any, Any, Any]) -> Response[bytes]:
        described = document(request.app.routes, contracts)
        return Response(msgspec.json.encode(described), media_type="application/json")

    return Litestar(
        route_handlers=[
            *(contract.router for contract in contracts),
            openapi,
            *beside,
        ],
        middleware=middleware,
        cors_config=_cors(settings.origins),
        exception_handlers={Exception: problems.answer, HTTPException: problems.answer},
        request_max_body_size=settings.max_body_bytes,
        lifespan=[lifespan],
        openapi_config=None,
        logging_config=None,
    )
