"""One's own progress, and the feed."""

from typing import Any

from litestar.handlers import HTTPRouteHandler

from headway.contracts.learner import mapping, wire
from headway.contracts.learner.routes.paging import Pages
from headway.http.routing import Answer, Asked, Routes
from headway.learning.learner_courses import LearnerCourses
from headway.live.subscriptions import Subscriptions


def progress_routes(routes: Routes, learning: LearnerCourses, changes: Subscriptions, pages: Pages) -> list[HTTPRouteHandler]:
    """Make the routes."""

    async def read(asked: Asked[wire.PageQuery, Any]) -> Answer:
        """Read how far one is in all one's courses, those left too, the newest enrollment first."""
        query, limit = asked.query, pages.limit(asked.query.limit)
        found, total = await learning.progress(asked.caller.user_id, page=query.page, limit=limit)
        return Answer(200, pages.answer([mapping.progress(each) for each in found], query, total))

    async def complete(asked: Asked[Any, wire.ProgressBody]) -> Answer:
        """Declare all units of a module complete."""
        course_id, module_id = mapping.id_of(asked.path["course_id"]), mapping.id_of(asked.body.module_id)
        moved = await learning.complete_module(asked.caller, course_id, module_id)
        return Answer(200, wire.One(data=mapping.progress(moved)))

    async def follow(asked: Asked[wire.FeedQuery, Any]) -> Answer:
        """Read what happened in a topic after a number, in order: all that `/ws` tells, for those who do not listen."""
        query, limit = asked.query, pages.limit(asked.query.limit)
        topic = f"user:{asked.caller.user_id}" if query.topic is None else query.topic
        found, position = await changes.read(asked.caller, topic, after=query.after, limit=limit)
        told = wire.FeedPosition(newest=position.newest, oldest=position.oldest)
        return Answer(200, wire.Feed(data=[mapping.change(entry) for entry in found], metadata=told))

    return [
        routes.add(
            "GET",
            "/learner/me/progress",
            read,
            query=wire.PageQuery,
            answers={200: wire.Many[wire.Progress]},
            has_etag=True,
        ),
        routes.add(
            "PATCH",
            "/learner/me/progress/{course_id:str}",
            complete,
            body=wire.ProgressBody,
            answers={200: wire.One[wire.Progress]},
        ),
        routes.add("GET", "/learner/feed", follow, query=wire.FeedQuery, answers={200: wire.Feed}),
    ]
