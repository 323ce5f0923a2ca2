"""Resets of progress, their undo, and attempts."""

from headway.contracts.learner import mapping, reset_mapping, reset_wire, wire
from headway.db.database import ReadTransaction, WriteTransaction
from headway.http.pages import Pages
from headway.http.params import parse_id
from headway.http.request import READ_LARGE, WRITE, Request, Response
from headway.http.routes import get, post
from headway.identity import Scope
from headway.learning.reset_model import ResetRequest
from headway.services import Services

_LEARNER = "/courses/{course_id:str}/enrollments/{user_id:str}"
_OWN = "/learner/me/progress/{course_id:str}"


class ResetRoutes:
    """Reset progress of learners and undo it, and read what was reached before."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._resetting = services.resetting
        self._resets = services.resets
        self._pages = pages

    @post(
        f"{_LEARNER}/resets",
        body=reset_wire.ResetBody,
        optional_body=True,
        responses={201: wire.One[reset_wire.Reset]},
        idempotent=True,
        transaction=WRITE,
    )
    async def reset(self, request: Request[None, reset_wire.ResetBody], tx: WriteTransaction) -> Response:
        """Reset a learner's progress in a unit, a module or the course: for the course's staff. Events are kept."""
        return await self._reset(request, tx, reset_mapping.reset_request(request.body))

    @post(
        f"{_LEARNER}/attempts",
        body=reset_wire.AttemptBody,
        optional_body=True,
        responses={201: wire.One[reset_wire.Reset]},
        idempotent=True,
        transaction=WRITE,
    )
    async def begin_anew(self, request: Request[None, reset_wire.AttemptBody], tx: WriteTransaction) -> Response:
        """Begin a new attempt at the course for a learner: for its staff. The earlier one stays readable."""
        return await self._reset(request, tx, reset_mapping.attempt_request(request.body))

    @post(
        f"{_LEARNER}/resets/{{reset_id:str}}/undo",
        responses={200: wire.One[reset_wire.Reset]},
        idempotent=True,
        transaction=WRITE,
    )
    async def undo(self, request: Request[None, None], tx: WriteTransaction) -> Response:
        """Undo the last reset of a learner: for the course's staff. What was reached since counts too."""
        course_id, user_id = parse_id(request.path["course_id"]), parse_id(request.path["user_id"])
        reset_id = parse_id(request.path["reset_id"])
        await self._resetting.undo(tx, request.caller, course_id, user_id, reset_id, client=request.client)
        return await self._show(request, tx, reset_id, status=200)

    @get(
        f"{_LEARNER}/resets",
        query=wire.PageQuery,
        responses={200: wire.Many[reset_wire.Reset]},
        transaction=READ_LARGE,
        scope=Scope.PROGRESS_READ,
    )
    async def list_resets(self, request: Request[wire.PageQuery, None], tx: ReadTransaction) -> Response:
        """List the resets of a learner, undone ones too, the newest first: for the course's staff, and the learner."""
        return await self._list_resets(request, tx, parse_id(request.path["user_id"]))

    @get(
        f"{_LEARNER}/attempts",
        query=wire.PageQuery,
        responses={200: wire.Many[reset_wire.Attempt]},
        transaction=READ_LARGE,
        scope=Scope.PROGRESS_READ,
    )
    async def list_attempts(self, request: Request[wire.PageQuery, None], tx: ReadTransaction) -> Response:
        """List the attempts of a learner with their progress, the newest first: for the course's staff, and the learner."""
        return await self._list_attempts(request, tx, parse_id(request.path["user_id"]))

    @get(f"{_OWN}/resets", query=wire.PageQuery, responses={200: wire.Many[reset_wire.Reset]}, transaction=READ_LARGE)
    async def list_own_resets(self, request: Request[wire.PageQuery, None], tx: ReadTransaction) -> Response:
        """List the resets of one's own progress, the newest first."""
        return await self._list_resets(request, tx, request.caller.user_id)

    @get(f"{_OWN}/attempts", query=wire.PageQuery, responses={200: wire.Many[reset_wire.Attempt]}, transaction=READ_LARGE)
    async def list_own_attempts(self, request: Request[wire.PageQuery, None], tx: ReadTransaction) -> Response:
        """List one's own attempts at a course with their progress, the newest first."""
        return await self._list_attempts(request, tx, request.caller.user_id)

    async def _reset(
        self,
        request: Request[None, reset_wire.ResetBody] | Request[None, reset_wire.AttemptBody],
        tx: WriteTransaction,
        asked: ResetRequest,
    ) -> Response:
        course_id, user_id = parse_id(request.path["course_id"]), parse_id(request.path["user_id"])
        made = await self._resetting.reset(tx, request.caller, course_id, user_id, asked, client=request.client)
        return await self._show(request, tx, made.id, status=201)

    async def _show(
        self,
        request: Request[None, reset_wire.ResetBody] | Request[None, reset_wire.AttemptBody] | Request[None, None],
        tx: WriteTransaction,
        reset_id: int,
        *,
        status: int,
    ) -> Response:
        course_id, user_id = parse_id(request.path["course_id"]), parse_id(request.path["user_id"])
        shown = await self._resets.find_reset(tx, request.caller, course_id, user_id, reset_id)
        return Response(status, wire.One(data=reset_mapping.reset(shown)))

    async def _list_resets(self, request: Request[wire.PageQuery, None], tx: ReadTransaction, user_id: int) -> Response:
        walk = self._pages.walk(request)
        course_id = parse_id(request.path["course_id"])
        found, total = await self._resets.list_resets(tx, request.caller, course_id, user_id, walk)
        return Response(200, mapping.many([reset_mapping.reset(each) for each in found], walk, total))

    async def _list_attempts(self, request: Request[wire.PageQuery, None], tx: ReadTransaction, user_id: int) -> Response:
        walk = self._pages.walk(request)
        course_id = parse_id(request.path["course_id"])
        found, total = await self._resets.list_attempts(tx, request.caller, course_id, user_id, walk)
        return Response(200, mapping.many([reset_mapping.attempt(each) for each in found], walk, total))
