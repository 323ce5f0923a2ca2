"""Enrolling by the staff of a course: many at once, invitations, and the waiting list."""

from headway.contracts.learner import account_wire, mapping, roster_mapping, roster_wire, wire
from headway.db.database import ReadTransaction, WriteTransaction
from headway.enrollments.status import EnrollmentStatus, StatusChange
from headway.http.pages import Pages
from headway.http.params import parse_id
from headway.http.request import READ_LARGE, WRITE, Request, Response
from headway.http.routes import delete, get, patch, post
from headway.identity import Scope
from headway.services import Services

_COURSE = "/courses/{course_id:str}"
_ENROLLMENTS, _INVITATIONS, _WAITLIST = f"{_COURSE}/enrollments", f"{_COURSE}/invitations", f"{_COURSE}/waitlist"


class RosterRoutes:
    """Enroll others, and keep the waiting list."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._enrolling = services.enrolling
        self._enrollments = services.enrollments
        self._invitations = services.invitations
        self._learning = services.learning
        self._renewing = services.renewing
        self._waiting_lists = services.waiting_lists
        self._pages = pages

    @post(
        _ENROLLMENTS,
        body=roster_wire.EnrollmentsBody,
        responses={200: roster_wire.EnrollmentVerdicts},
        idempotent=True,
        transaction=WRITE,
        scope=Scope.ROSTER_WRITE,
    )
    async def enroll(self, request: Request[None, roster_wire.EnrollmentsBody], tx: WriteTransaction) -> Response:
        """Enroll up to 500 users, or invite addresses without an account: for the course's staff. Each has a verdict."""
        items = roster_mapping.wanted(request.body.items)
        course_id = parse_id(request.path["course_id"])
        verdicts = await self._enrolling.enroll(tx, request.caller, course_id, items, client=request.client)
        return Response(200, roster_mapping.verdicts(verdicts))

    @patch(
        f"{_ENROLLMENTS}/{{user_id:str}}",
        body=wire.EnrollmentChangeBody,
        responses={200: wire.One[wire.CourseEnrollment]},
        transaction=WRITE,
        scope=Scope.ROSTER_WRITE,
    )
    async def change(self, request: Request[None, wire.EnrollmentChangeBody], tx: WriteTransaction) -> Response:
        """Certify, expire or drop a learner, or extend or renew the access: for the course's staff."""
        course_id, user_id = parse_id(request.path["course_id"]), parse_id(request.path["user_id"])
        change, client = roster_mapping.change(request.body), request.client
        if isinstance(change, StatusChange):
            changed = await self._enrollments.set_status(tx, request.caller, course_id, user_id, change, client=client)
        else:
            changed = await self._renewing.change(tx, request.caller, course_id, user_id, change, client=client)
        name = await self._learning.find_name(tx, changed.user_id)
        return Response(200, wire.One(data=mapping.course_enrollment(changed, name)))

    @delete(f"{_ENROLLMENTS}/{{user_id:str}}", responses={204: ()}, transaction=WRITE, scope=Scope.ROSTER_WRITE)
    async def remove(self, request: Request[None, None], tx: WriteTransaction) -> Response:
        """Remove a learner from the course: for its staff. The enrollment is dropped, and its progress is kept."""
        course_id, user_id = parse_id(request.path["course_id"]), parse_id(request.path["user_id"])
        dropped = StatusChange(EnrollmentStatus.DROPPED)
        await self._enrollments.set_status(tx, request.caller, course_id, user_id, dropped, client=request.client)
        return Response(204)

    @get(
        _INVITATIONS,
        query=wire.PageQuery,
        responses={200: wire.Many[roster_wire.Invitation]},
        transaction=READ_LARGE,
        scope=Scope.ROSTER_READ,
    )
    async def list_invitations(self, request: Request[wire.PageQuery, None], tx: ReadTransaction) -> Response:
        """List the invited addresses that have no account yet, the newest first: for the course's staff."""
        walk = self._pages.walk(request)
        found, total = await self._invitations.list(tx, request.caller, parse_id(request.path["course_id"]), walk)
        return Response(200, mapping.many([roster_mapping.invitation(each) for each in found], walk, total))

    @delete(f"{_INVITATIONS}/{{invitation_id:str}}", responses={204: ()}, transaction=WRITE, scope=Scope.ROSTER_WRITE)
    async def withdraw(self, request: Request[None, None], tx: WriteTransaction) -> Response:
        """Withdraw an invitation: for the course's staff."""
        course_id, invitation_id = parse_id(request.path["course_id"]), parse_id(request.path["invitation_id"])
        await self._invitations.withdraw(tx, request.caller, course_id, invitation_id, client=request.client)
        return Response(204)

    @post(
        f"{_INVITATIONS}/{{invitation_id:str}}/resend",
        responses={202: wire.One[account_wire.Asked]},
        transaction=WRITE,
        scope=Scope.ROSTER_WRITE,
    )
    async def resend(self, request: Request[None, None], tx: WriteTransaction) -> Response:
        """Mail an invitation again, at most every ten minutes: for the course's staff."""
        course_id, invitation_id = parse_id(request.path["course_id"]), parse_id(request.path["invitation_id"])
        await self._invitations.resend(tx, request.caller, course_id, invitation_id, client=request.client)
        return Response(202, wire.One(data=account_wire.Asked("A mail is on its way.")))

    @get(
        _WAITLIST,
        query=wire.PageQuery,
        responses={200: wire.Many[roster_wire.WaitingLearner]},
        transaction=READ_LARGE,
        scope=Scope.ROSTER_READ,
    )
    async def list_waiting(self, request: Request[wire.PageQuery, None], tx: ReadTransaction) -> Response:
        """List who waits for a seat, in order: for the course's staff."""
        walk, course_id = self._pages.walk(request), parse_id(request.path["course_id"])
        found, total = await self._waiting_lists.list(tx, request.caller, course_id, walk)
        return Response(200, mapping.many([roster_mapping.waiting_learner(course_id, each) for each in found], walk, total))

    @get(f"{_WAITLIST}/me", responses={200: wire.One[roster_wire.OwnPlace]}, transaction=READ_LARGE)
    async def own_place(self, request: Request[None, None], tx: ReadTransaction) -> Response:
        """Read the caller's own place on the waiting list."""
        course_id = parse_id(request.path["course_id"])
        own = await self._waiting_lists.find_own(tx, request.caller, course_id)
        return Response(200, wire.One(data=roster_mapping.own_place(course_id, own)))

    @patch(
        f"{_WAITLIST}/{{user_id:str}}",
        body=roster_wire.PositionBody,
        responses={200: wire.One[roster_wire.WaitingLearner]},
        transaction=WRITE,
        scope=Scope.ROSTER_WRITE,
    )
    async def move(self, request: Request[None, roster_wire.PositionBody], tx: WriteTransaction) -> Response:
        """Move a learner to another place on the waiting list: for the course's staff."""
        course_id, user_id = parse_id(request.path["course_id"]), parse_id(request.path["user_id"])
        position = request.body.position
        moved = await self._waiting_lists.move(tx, request.caller, course_id, user_id, position, client=request.client)
        return Response(200, wire.One(data=roster_mapping.waiting_learner(course_id, moved)))

    @delete(f"{_WAITLIST}/{{user_id:str}}", responses={204: ()}, transaction=WRITE, scope=Scope.ROSTER_WRITE)
    async def remove_waiting(self, request: Request[None, None], tx: WriteTransaction) -> Response:
        """Remove a learner from the waiting list: for the course's staff."""
        course_id, user_id = parse_id(request.path["course_id"]), parse_id(request.path["user_id"])
        await self._waiting_lists.remove(tx, request.caller, course_id, user_id, client=request.client)
        return Response(204)

    @post(
        f"{_WAITLIST}/{{user_id:str}}/admit",
        body=roster_wire.AdmitBody,
        optional_body=True,
        responses={201: wire.One[wire.Enrollment]},
        idempotent=True,
        transaction=WRITE,
        scope=Scope.ROSTER_WRITE,
    )
    async def admit(self, request: Request[None, roster_wire.AdmitBody], tx: WriteTransaction) -> Response:
        """Seat a learner who waits at once, whoever else waits: for the course's staff."""
        course_id, user_id = parse_id(request.path["course_id"]), parse_id(request.path["user_id"])
        seated = await self._waiting_lists.admit(
            tx, request.caller, course_id, user_id, add_seat=request.body.add_seat, client=request.client
        )
        return Response(201, wire.One(data=mapping.enrollment(seated)))
