"""The routes of progress in tutorials."""

from typing import ClassVar

from headway.contracts.tutorials import mapping, wire
from headway.contracts.tutorials.errors import render_error, status_of
from headway.db.database import ReadTransaction, WriteTransaction
from headway.http.contract import Contract
from headway.http.request import READ_LARGE, WRITE, Request, Response
from headway.http.routes import delete, get, make_router, patch, post
from headway.identity import Scope
from headway.limits.model import RateLimit
from headway.services import Services
from headway.settings import Settings

PREFIX = "/v1/tutorials/progress"
_ONE = "/{tutorial_id:str}"


def make(services: Services, settings: Settings) -> Contract:
    """Make the contract."""
    groups = [TutorialRoutes(services)]
    return Contract(
        prefixes=(PREFIX,),
        router=make_router(
            PREFIX, "Tutorials", groups, transactions=services.transactions, settings=settings, rate_limits=services.rate_limits
        ),
        status_of=status_of,
        render_error=render_error,
        error_schema=wire.TutorialFailure,
        error_statuses=(400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 503),
    )


class TutorialRoutes:
    """Read, report and reset progress in a tutorial."""

    path_types: ClassVar = {"tutorial_id": wire.Id}

    def __init__(self, services: Services) -> None:
        self._tutorials = services.tutorials

    @get(
        _ONE,
        query=wire.UserQuery,
        responses={200: wire.TutorialProgress},
        etag=True,
        scope=Scope.PROGRESS_READ,
        rate_limit=lambda settings: RateLimit("read", settings.tutorial_reads_per_minute),
        transaction=READ_LARGE,
    )
    async def read(self, request: Request[wire.UserQuery, None], tx: ReadTransaction) -> Response:
        """Read a learner's progress in a tutorial. A learner who never started it has zeros and empty lists."""
        tutorial_id, user_id = request.path["tutorial_id"], request.query.user_id
        progress = await self._tutorials.read(tx, request.caller, tutorial_id, user_id)
        return Response(200, mapping.tutorial_progress(progress))

    @post(
        f"{_ONE}/chapter",
        body=wire.ChapterBody,
        responses={200: wire.TutorialProgress},
        rate_limit=lambda settings: RateLimit("chapter", settings.tutorial_chapters_per_minute),
        idempotent=True,
        transaction=WRITE,
    )
    async def report_chapter(self, request: Request[None, wire.ChapterBody], tx: WriteTransaction) -> Response:
        """Report a learner's progress in a chapter. Fields that are left out keep their stored values."""
        tutorial_id, user_id = request.path["tutorial_id"], request.body.user_id
        report = mapping.chapter_report(request.body)
        progress = await self._tutorials.report_chapter(tx, request.caller, tutorial_id, user_id, report, request.client)
        return Response(200, mapping.tutorial_progress(progress))

    @post(
        f"{_ONE}/quiz",
        body=wire.QuizBody,
        responses={200: wire.TutorialProgress},
        rate_limit=lambda settings: RateLimit("quiz", settings.tutorial_quizzes_per_minute),
        idempotent=True,
        transaction=WRITE,
    )
    async def report_attempt(self, request: Request[None, wire.QuizBody], tx: WriteTransaction) -> Response:
        """Report an attempt at a quiz. The best score is kept, and attempts are counted."""
        tutorial_id, user_id = request.path["tutorial_id"], request.body.user_id
        attempt = mapping.quiz_attempt(request.body)
        progress = await self._tutorials.report_attempt(tx, request.caller, tutorial_id, user_id, attempt, request.client)
        return Response(200, mapping.tutorial_progress(progress))

    @post(
        f"{_ONE}/complete",
        body=wire.CompleteBody,
        optional_body=True,
        responses={200: wire.TutorialProgress},
        rate_limit=lambda settings: RateLimit("complete", settings.tutorial_completions_per_minute),
        idempotent=True,
        transaction=WRITE,
    )
    async def complete(self, request: Request[None, wire.CompleteBody], tx: WriteTransaction) -> Response:
        """Issue the certificate of a tutorial. It takes 95 percent, and every quiz that was attempted must be passed."""
        tutorial_id, user_id = request.path["tutorial_id"], request.body.user_id
        progress = await self._tutorials.complete(tx, request.caller, tutorial_id, user_id, request.client)
        return Response(200, mapping.tutorial_progress(progress))

    @delete(
        _ONE,
        query=wire.UserQuery,
        responses={200: wire.TutorialReset},
        rate_limit=lambda settings: RateLimit("reset", settings.tutorial_resets_per_minute),
        transaction=WRITE,
    )
    async def reset(self, request: Request[wire.UserQuery, None], tx: WriteTransaction) -> Response:
        """Delete a learner's progress in a tutorial, including the certificate."""
        tutorial_id, user_id = request.path["tutorial_id"], request.query.user_id
        await self._tutorials.reset(tx, request.caller, tutorial_id, user_id, request.client)
        return Response(200, wire.TutorialReset())

    @patch(f"{_ONE}/chapters", body=wire.TutorialBody, responses={200: wire.Tutorial}, transaction=WRITE)
    async def settle(self, request: Request[None, wire.TutorialBody], tx: WriteTransaction) -> Response:
        """Settle the number of chapters, and which are retired, for all learners. For administrators and services."""
        tutorial_id, body = request.path["tutorial_id"], request.body
        settled = await self._tutorials.settle(
            tx,
            request.caller,
            tutorial_id,
            total_chapters=body.total_chapters,
            retired_chapters=body.retired_chapters,
            client=request.client,
        )
        return Response(200, mapping.tutorial(tutorial_id, settled))
