"""The routes of progress in courses."""

from collections.abc import Sequence
from math import ceil
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import msgspec

from headway.contracts.course_room import mapping, wire
from headway.contracts.course_room.errors import render_error
from headway.db.database import ReadTransaction, WriteTransaction
from headway.enrollments.model import NamedEnrollment
from headway.errors import Invalid
from headway.http.cache import Cache
from headway.http.contract import Contract
from headway.http.pages import Pages
from headway.http.params import NamedId, require_id
from headway.http.path_names import PathNames
from headway.http.problems import status_of
from headway.http.request import READ_LARGE, EncodedRows, Request, Response, encode
from headway.http.routes import get, make_router, post
from headway.identity import Scope
from headway.learning import updates
from headway.learning.model import Refusal, Verdict
from headway.services import Services
from headway.settings import Settings

PREFIX = "/user-progress"
_ONE, _COURSE = "/{course_id:str}/{user_id:str}", "/course/{course_id:str}"


def make(services: Services, settings: Settings) -> Contract:
    """Make the contract."""
    groups = [LearnerRoutes(services, settings), CourseRoutes(services, settings)]
    names = PathNames({"course_id": services.courses.find_id, "user_id": services.accounts.find_id})
    shared: dict[str, Any] = {"transactions": services.transactions, "settings": settings, "path_names": names}
    return Contract(
        prefixes=(PREFIX,),
        router=make_router(PREFIX, "Course room", groups, **shared),
        status_of=status_of,
        render_error=render_error,
        error_schema=wire.ProgressFailure,
        error_statuses=(400, 401, 403, 404, 409, 413, 415, 422, 500, 503),
    )


class LearnerRoutes:
    """Read and update the progress of one learner in a course."""

    path_types: ClassVar = {"course_id": NamedId, "user_id": NamedId}

    def __init__(self, services: Services, settings: Settings) -> None:
        self._progress = services.progress
        self._ingest = services.ingest
        self._clock = services.clock
        self._cache = Cache(services.cache_store, services.metrics, kind="progress", seconds=settings.progress_cache_seconds)
        self._zone = ZoneInfo(settings.display_timezone)
        self._date_bounds = mapping.date_bounds(self._zone)
        self._max_metadata_bytes = settings.max_event_bytes

    @get(_ONE, query=wire.ProgressQuery, responses={200: wire.Found[wire.UserProgress]}, etag=True, scope=Scope.PROGRESS_READ)
    async def read(self, request: Request[wire.ProgressQuery, None]) -> Response:
        """Read a learner's enrollment and progress in a course: for the learner and the course's staff."""
        course_id, user_id = _learner(request)
        include = request.query.include
        async with request.read(single_statement=True) as tx:
            access = await self._progress.authorize(tx, request.caller, course_id, user_id)

        async def render(tx: ReadTransaction) -> bytes:
            found = await self._progress.progress(tx, access, is_whole=include == "all", is_explained=include == "why")
            message = "User progress retrieved successfully"
            return encode(wire.Found(message=message, results=mapping.user_progress(found, self._zone)))

        async def read() -> bytes:
            if not self._progress.is_short(course_id):
                return await request.read_large(render)
            async with request.read() as tx:
                return await render(tx)

        if access.version is None:
            return Response(200, msgspec.Raw(await read()))
        kind = f"{include}.{access.phase}" if include else ""
        key = f"{course_id}.{user_id}.{access.version}.{kind}{'' if access.sees_hidden else '.shown'}"
        return Response(200, msgspec.Raw(await self._cache.get(key, read)))

    @get(
        f"{_ONE}/activities",
        query=wire.ActivitiesQuery,
        responses={200: wire.Found[list[wire.ActivityRow]]},
        etag=True,
        transaction=READ_LARGE,
        scope=Scope.PROGRESS_READ,
    )
    async def list_activities(self, request: Request[wire.ActivitiesQuery, None], tx: ReadTransaction) -> Response:
        """List a learner's progress in contents, the newest change first, filtered by status and date of change."""
        course_id, user_id = _learner(request)
        query = request.query
        dates = self._date_bounds.parse(query.start_date, query.end_date)
        access = await self._progress.authorize(tx, request.caller, course_id, user_id)
        found = await self._progress.progress(tx, access)
        rows = mapping.activities(found.units, dates, query.status, self._zone)
        return Response(200, wire.Found(message="Activity logs retrieved successfully", results=rows))

    @post("/update", body=wire.UpdateBody, responses={200: wire.Found[wire.Updated]}, idempotent=True)
    async def update(self, request: Request[None, wire.UpdateBody]) -> Response:
        """Set one's own progress in a content; services and administrators set anybody's."""
        body = request.body
        update = mapping.update(body, max_metadata_bytes=self._max_metadata_bytes)
        user_id = request.caller.user_id if body.user_id is None else body.user_id
        report = updates.make_report(request.caller, user_id, update, self._clock(), client=request.client)

        async def record(tx: WriteTransaction) -> Response:
            (verdict,) = await self._ingest.record_in(tx, report)
            if verdict.refusal is Refusal.FORBIDDEN:
                await updates.check_target(tx, request.caller, report)
            return _updated(verdict)

        if request.idempotency_key is not None:
            return await request.transact(record)
        (verdict,) = await self._ingest.record(report)
        if verdict.refusal is Refusal.FORBIDDEN:
            async with request.read() as tx:
                await updates.check_target(tx, request.caller, report)
        return _updated(verdict)


class CourseRoutes:
    """Read the progress of several learners of a course, and its statistics."""

    path_types: ClassVar = {"course_id": NamedId}

    def __init__(self, services: Services, settings: Settings) -> None:
        self._progress = services.progress
        self._cache = Cache(services.cache_store, services.metrics, kind="analytics", seconds=settings.analytics_cache_seconds)
        self._zone = ZoneInfo(settings.display_timezone)
        self._pages = Pages(services.paging, settings)
        self._max_bulk_ids = settings.max_bulk_ids
        self._max_response_bytes = settings.max_response_bytes

    @get(
        f"{_COURSE}/all",
        query=wire.LearnersQuery,
        responses={200: wire.FoundPage[list[wire.LearnerRow]]},
        etag=True,
        transaction=READ_LARGE,
        scope=Scope.PROGRESS_READ,
    )
    async def list_learners(self, request: Request[wire.LearnersQuery, None], tx: ReadTransaction) -> Response:
        """List the progress of all learners of a course: for its staff."""
        course_id, query = require_id("courseId", request.path["course_id"]), request.query
        walk = self._pages.walk(request)
        found = await self._progress.list_progress(tx, request.caller, course_id, mapping.order(query), walk, name=query.q)
        pages = ceil(found.total / walk.limit)
        return Response(
            200,
            wire.FoundPage(
                message="All users progress retrieved successfully",
                results=await self._rows(tx, course_id, found.learners, field="limit"),
                pagination=wire.Pagination(walk.page, walk.limit, found.total, pages, walk.next_cursor),
            ),
        )

    @get(f"{_COURSE}/analytics", responses={200: wire.Found[wire.Analytics]}, etag=True, scope=Scope.PROGRESS_READ)
    async def read_analytics(self, request: Request[None, None]) -> Response:
        """Read the statistics of a course: for its staff. They reveal nothing about a single learner."""
        course_id = require_id("courseId", request.path["course_id"])
        async with request.read() as tx:
            version = await self._progress.analytics_version(tx, request.caller, course_id)

        async def render(tx: ReadTransaction) -> bytes:
            found = await self._progress.analytics(tx, course_id)
            message = "Course analytics retrieved successfully"
            return encode(wire.Found(message=message, results=mapping.analytics(found)))

        return Response(200, msgspec.Raw(await self._cache.get(f"{course_id}.{version}", lambda: request.read_large(render))))

    @post(
        "/bulk",
        body=wire.BulkBody,
        responses={200: wire.FoundSome[list[wire.LearnerRow]]},
        transaction=READ_LARGE,
        scope=Scope.PROGRESS_READ,
    )
    async def read_bulk(self, request: Request[None, wire.BulkBody], tx: ReadTransaction) -> Response:
        """Read the progress of some learners, in the order of the request: for the course's staff, or one's own."""
        body = request.body
        if not 1 <= len(body.user_ids) <= self._max_bulk_ids:
            raise Invalid.field("userIds", f"must have 1 to {self._max_bulk_ids} items")
        found, missing, sees_hidden = await self._progress.read_some(tx, request.caller, body.course_id, body.user_ids)
        rows = await self._rows(tx, body.course_id, found, field="userIds", sees_hidden=sees_hidden)
        return Response(200, wire.FoundSome(message="Users progress retrieved successfully", results=rows, missing=missing))

    async def _rows(
        self, tx: ReadTransaction, course_id: int, learners: Sequence[NamedEnrollment], *, field: str, sees_hidden: bool = True
    ) -> list[wire.LearnerRow]:
        """Read and encode the progress of these learners, as many at once as are worth it. Raises Invalid naming the field."""
        encoded = EncodedRows(max_bytes=self._max_response_bytes, field=field)
        async for each in self._progress.with_units(tx, course_id, learners, sees_hidden=sees_hidden):
            encoded.add(mapping.learner_row(each, self._zone))
        return encoded.rows


def _learner(request: Request[Any, Any]) -> tuple[int, int]:
    """Return the course and the user in the path. Raises Invalid."""
    return require_id("courseId", request.path["course_id"]), require_id("userId", request.path["user_id"])


def _updated(verdict: Verdict) -> Response:
    progress = updates.accepted_progress(verdict)
    return Response(200, wire.Found(message="Progress updated successfully", results=mapping.updated(progress)))
