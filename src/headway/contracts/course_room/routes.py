"""The routes of the course room: decode, ask, answer."""

from math import ceil
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from litestar import Router

from headway.contracts.course_room import mapping, wire
from headway.contracts.course_room.errors import render_error
from headway.contracts.course_room.mapping import id_of
from headway.errors import Invalid
from headway.http.cache import Cache
from headway.http.contract import Contract
from headway.http.problems import status_of
from headway.http.routing import Answer, Asked, Routes
from headway.idempotency.service import Idempotency
from headway.learning.reads import ProgressReads

PREFIX = "/user-progress"
_encode = msgspec.json.Encoder().encode


class RoomLimits(NamedTuple):
    """How much one request may ask for or bring."""

    page_size: int
    largest_page: int
    bulk_ids: int
    metadata_bytes: int


def course_room(
    room: ProgressReads, idempotency: Idempotency, *, progress: Cache, analytics: Cache, zone: ZoneInfo, limits: RoomLimits
) -> Contract:
    """Make the contract. Authentication is put in front of its router by the application."""
    routes = Routes("Course room", idempotency)

    async def read(asked: Asked[wire.ProgressQuery, Any]) -> Answer:
        """Read a learner's enrollment and progress: one's own, or of a course of whose staff one is."""
        course_id, user_id = _place(asked)
        access = await room.authorize(asked.caller, course_id, user_id)
        is_whole = asked.query.include == "all"

        async def make() -> bytes:
            found = await room.progress(access, is_whole=is_whole)
            message = "User progress retrieved successfully"
            return _encode(wire.Found(message=message, results=mapping.user_progress(found, zone)))

        if access.version is None:
            return _answer(await make())
        key = f"{course_id}.{user_id}.{access.version}.{asked.query.include or ''}"
        return _answer(await progress.get(key, make))

    async def list_activities(asked: Asked[wire.ActivitiesQuery, Any]) -> Answer:
        """Read a learner's progress in contents, the newest change first; from one time to another, and of one status."""
        course_id, user_id = _place(asked)
        within = mapping.span(asked.query, zone)
        found = await room.progress(await room.authorize(asked.caller, course_id, user_id))
        rows = mapping.activities(found.units, within, asked.query.status, zone)
        return Answer(200, wire.Found(message="Activity logs retrieved successfully", results=rows))

    async def list_learners(asked: Asked[wire.LearnersQuery, Any]) -> Answer:
        """Read the progress of all learners of a course, page by page: for its staff."""
        course_id, query = id_of("courseId", asked.path["course_id"]), asked.query
        limit = _limit(query.limit, limits)
        found = await room.list_progress(asked.caller, course_id, mapping.order(query), page=query.page, limit=limit)
        return Answer(
            200,
            wire.FoundPage(
                message="All users progress retrieved successfully",
                results=[mapping.learner_row(each, zone) for each in found.learners],
                pagination=wire.Pagination(query.page, limit, found.total, ceil(found.total / limit)),
            ),
        )

    async def read_bulk(asked: Asked[Any, wire.BulkBody]) -> Answer:
        """Read the progress of some learners, in the order asked for: for the course's staff, or one's own."""
        if not 1 <= len(asked.body.user_ids) <= limits.bulk_ids:
            raise Invalid.field("userIds", f"must have 1 to {limits.bulk_ids} items")
        found, missing = await room.read_some(asked.caller, asked.body.course_id, asked.body.user_ids)
        rows = [mapping.learner_row(each, zone) for each in found]
        return Answer(200, wire.FoundSome(message="Users progress retrieved successfully", results=rows, missing=missing))

    async def update(asked: Asked[Any, wire.UpdateBody]) -> Answer:
        """Declare how far a learner is in a content: oneself, or for services and administrators anybody."""
        declared = mapping.update(asked.body, max_metadata_bytes=limits.metadata_bytes)
        user_id = asked.caller.user_id if asked.body.user_id is None else asked.body.user_id
        # What is to be kept under a key is written with the answer, in one transaction.
        reached = await room.update(asked.caller, user_id, declared, is_alone=asked.key is not None)
        return Answer(200, wire.Found(message="Progress updated successfully", results=mapping.updated(reached)))

    async def read_analytics(asked: Asked[Any, Any]) -> Answer:
        """Read the figures of a course: for its staff. None of them tells of a single learner."""
        course_id = id_of("courseId", asked.path["course_id"])
        version = await room.analytics_version(asked.caller, course_id)

        async def make() -> bytes:
            found = await room.analytics(course_id)
            return _encode(wire.Found(message="Course analytics retrieved successfully", results=mapping.analytics(found)))

        return _answer(await analytics.get(f"{course_id}.{version}", make))

    one, course = "/{course_id:str}/{user_id:str}", "/course/{course_id:str}"
    learners = list[wire.LearnerRow]
    handlers = [
        routes.add("GET", one, read, query=wire.ProgressQuery, answers={200: wire.Found[wire.UserProgress]}, has_etag=True),
        routes.add(
            "GET",
            f"{one}/activities",
            list_activities,
            query=wire.ActivitiesQuery,
            answers={200: wire.Found[list[wire.ActivityRow]]},
            has_etag=True,
        ),
        routes.add(
            "GET",
            f"{course}/all",
            list_learners,
            query=wire.LearnersQuery,
            answers={200: wire.FoundPage[learners]},
            has_etag=True,
        ),
        routes.add("GET", f"{course}/analytics", read_analytics, answers={200: wire.Found[wire.Analytics]}, has_etag=True),
        routes.add("POST", "/bulk", read_bulk, body=wire.BulkBody, answers={200: wire.FoundSome[learners]}, is_kept=False),
        routes.add("POST", "/update", update, body=wire.UpdateBody, answers={200: wire.Found[wire.Updated]}),
    ]
    return Contract(
        name="course_room",
        prefixes=(PREFIX,),
        router=Router(PREFIX, route_handlers=handlers),
        status_of=status_of,
        render_error=render_error,
        error_schema=wire.RoomFailure,
        error_statuses=(400, 401, 403, 404, 409, 413, 415, 422, 500, 503),
    )


def _answer(content: bytes) -> Answer:
    return Answer(200, msgspec.Raw(content))


def _place(asked: Asked[Any, Any]) -> tuple[int, int]:
    """Read the course and the user of a path. Raises Invalid."""
    return id_of("courseId", asked.path["course_id"]), id_of("userId", asked.path["user_id"])


def _limit(asked: int | None, limits: RoomLimits) -> int:
    if asked is not None and asked > limits.largest_page:
        raise Invalid.field("limit", f"must be at most {limits.largest_page}")
    return limits.page_size if asked is None else asked
