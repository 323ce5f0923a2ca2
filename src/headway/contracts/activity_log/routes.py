"""The routes of the activity log: decode, ask, answer."""

from typing import Any, NamedTuple

from litestar import Router

from headway.audit.service import AuditLog
from headway.contracts.activity_log import mapping, wire
from headway.contracts.activity_log.errors import render_error
from headway.errors import Invalid
from headway.http.contract import Contract
from headway.http.problems import status_of
from headway.http.routing import Answer, Asked, Routes
from headway.idempotency.service import Idempotency

PREFIX = "/api/v1/activities"


class LogLimits(NamedTuple):
    """How much one request may ask for or bring."""

    page_size: int
    largest_page: int
    metadata_bytes: int


def activity_log(log: AuditLog, idempotency: Idempotency, limits: LogLimits) -> Contract:
    """Make the contract. Authentication is put in front of its router by the application."""
    routes = Routes("Activity log", idempotency)

    async def create(asked: Asked[Any, wire.ActivityBody]) -> Answer:
        """Log an activity. Anybody may name an actor; who logged it, and whether the actor is verified, is kept with it."""
        draft = mapping.entry_draft(asked.body, max_bytes=limits.metadata_bytes)
        # What is to be kept under a key is written with the answer, in one transaction.
        made = await log.record(asked.caller, draft, asked.client, is_alone=asked.key is not None)
        return Answer(201, wire.One(data=mapping.activity(made), message="Activity created successfully"))

    async def list_activities(asked: Asked[wire.ActivitiesQuery, Any]) -> Answer:
        """List activities, the newest first: all for administrators, for others those they did or logged."""
        query = asked.query
        entry_filter = mapping.entry_filter(query)
        limit = limits.page_size if query.limit is None else query.limit
        if limit > limits.largest_page:
            raise Invalid.field("limit", f"must be at most {limits.largest_page}")
        before = None if query.cursor is None else int(query.cursor)
        page, rest = await log.read(asked.caller, entry_filter, before=before, limit=limit)
        return Answer(
            200,
            wire.Page(
                data=[mapping.activity(each) for each in page],
                next_cursor=None if rest is None else str(rest),
                message="Activities retrieved successfully",
            ),
        )

    async def read(asked: Asked[Any, Any]) -> Answer:
        """Read one activity, of those that the list gives."""
        found = await log.find(asked.caller, mapping.entry_id(asked.path["activity_id"]))
        return Answer(200, wire.One(data=mapping.activity(found), message="Activity retrieved successfully"))

    one, page = wire.One[wire.Activity], wire.Page[list[wire.Activity]]
    handlers = [
        routes.add("POST", "/", create, body=wire.ActivityBody, answers={201: one}),
        routes.add("GET", "/", list_activities, query=wire.ActivitiesQuery, answers={200: page}),
        routes.add("GET", "/{activity_id:str}", read, answers={200: one}),
    ]
    return Contract(
        name="activity_log",
        prefixes=(PREFIX,),
        router=Router(PREFIX, route_handlers=handlers),
        status_of=status_of,
        render_error=render_error,
        error_schema=wire.LogFailure,
        error_statuses=(400, 401, 404, 409, 413, 415, 422, 500, 503),
    )
