"""The routes of tutorials: decode, ask, answer."""

from typing import Any, NamedTuple

from litestar import Router

from headway.contracts.tutorials import mapping, wire
from headway.contracts.tutorials.errors import render_error, status_of
from headway.http.contract import Contract
from headway.http.routing import Answer, Asked, Routes
from headway.idempotency.service import Idempotency
from headway.limits.model import RateLimit
from headway.tutorials.service import Tutorials

PREFIX = "/v1/tutorials/progress"


class TutorialLimits(NamedTuple):
    """How often a caller may ask each route in a minute."""

    reads: int
    chapters: int
    quizzes: int
    completions: int
    resets: int


def tutorials(services: Tutorials, idempotency: Idempotency, *, limits: TutorialLimits) -> Contract:
    """Make the contract. Authentication and limits are put in front of its router by the application."""
    routes = Routes("Tutorials", idempotency)

    async def read(asked: Asked[wire.UserQuery, Any]) -> Answer:
        """Read a learner's progress in a tutorial; zeros and empty lists where it was never begun."""
        found = await services.read(asked.caller, asked.path["tutorial_id"], asked.query.user_id)
        return Answer(200, mapping.tutorial_progress(found))

    async def report_chapter(asked: Asked[Any, wire.ChapterBody]) -> Answer:
        """Say what a learner reached in a chapter; a field that is left out keeps what is stored."""
        body = asked.body
        report = mapping.chapter_report(body)
        reached = await services.report_chapter(asked.caller, asked.path["tutorial_id"], body.user_id, report)
        return Answer(200, mapping.tutorial_progress(reached))

    async def report_attempt(asked: Asked[Any, wire.QuizBody]) -> Answer:
        """Say how an attempt at a quiz went; the best one counts, and every one is counted."""
        body = asked.body
        attempt = mapping.quiz_attempt(body)
        reached = await services.report_attempt(asked.caller, asked.path["tutorial_id"], body.user_id, attempt)
        return Answer(200, mapping.tutorial_progress(reached))

    async def complete(asked: Asked[Any, wire.CompleteBody]) -> Answer:
        """Earn the certificate of a tutorial: with 95 percent, and every quiz that was tried passed."""
        reached = await services.complete(asked.caller, asked.path["tutorial_id"], asked.body.user_id)
        return Answer(200, mapping.tutorial_progress(reached))

    async def reset(asked: Asked[wire.UserQuery, Any]) -> Answer:
        """Forget a learner's progress in a tutorial, the certificate too."""
        await services.reset(asked.caller, asked.path["tutorial_id"], asked.query.user_id, asked.client)
        return Answer(200, wire.TutorialReset())

    one = "/{tutorial_id:str}"
    progress = {200: wire.TutorialProgress}
    handlers = [
        routes.add(
            "GET", one, read, query=wire.UserQuery, answers=progress, has_etag=True, limit=RateLimit("read", limits.reads)
        ),
        routes.add(
            "POST",
            f"{one}/chapter",
            report_chapter,
            body=wire.ChapterBody,
            answers=progress,
            limit=RateLimit("chapter", limits.chapters),
        ),
        routes.add(
            "POST",
            f"{one}/quiz",
            report_attempt,
            body=wire.QuizBody,
            answers=progress,
            limit=RateLimit("quiz", limits.quizzes),
        ),
        routes.add(
            "POST",
            f"{one}/complete",
            complete,
            body=wire.CompleteBody,
            is_body_optional=True,
            answers=progress,
            limit=RateLimit("complete", limits.completions),
        ),
        routes.add(
            "DELETE",
            one,
            reset,
            query=wire.UserQuery,
            answers={200: wire.TutorialReset},
            limit=RateLimit("reset", limits.resets),
        ),
    ]
    return Contract(
        name="tutorials",
        prefixes=(PREFIX,),
        router=Router(PREFIX, route_handlers=handlers),
        status_of=status_of,
        render_error=render_error,
        error_schema=wire.TutorialFailure,
        error_statuses=(400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 503),
    )
