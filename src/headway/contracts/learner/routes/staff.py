"""The staff of courses."""

from headway.contracts.learner import course_wire, mapping, wire
from headway.db.database import ReadTransaction, WriteTransaction
from headway.http.pages import Pages
from headway.http.params import parse_id
from headway.http.request import READ_LARGE, WRITE, Request, Response
from headway.http.routes import delete, get, put
from headway.identity import Scope
from headway.services import Services

_ALL = "/courses/{course_id:str}/staff"
_ONE = f"{_ALL}/{{user_id:str}}"


class StaffRoutes:
    """List, appoint and remove the staff of a course."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._staff = services.course_staff
        self._pages = pages

    @get(
        _ALL,
        query=wire.PageQuery,
        responses={200: wire.Many[course_wire.StaffMember]},
        transaction=READ_LARGE,
        scope=Scope.ROSTER_READ,
    )
    async def list_members(self, request: Request[wire.PageQuery, None], tx: ReadTransaction) -> Response:
        """List the staff of a course, owners first: for its staff."""
        course_id = parse_id(request.path["course_id"])
        walk = self._pages.walk(request)
        found, total = await self._staff.list_members(tx, request.caller, course_id, walk)
        return Response(200, mapping.many([mapping.staff_member(each) for each in found], walk, total))

    @put(
        _ONE,
        body=course_wire.StaffBody,
        responses={200: wire.One[course_wire.StaffMember]},
        transaction=WRITE,
        scope=Scope.ROSTER_WRITE,
    )
    async def set_role(self, request: Request[None, course_wire.StaffBody], tx: WriteTransaction) -> Response:
        """Appoint an instructor or administrator, or change the role in the course: for its owners."""
        course_id, user_id = parse_id(request.path["course_id"]), parse_id(request.path["user_id"])
        role = request.body.role
        member = await self._staff.set_role(tx, request.caller, course_id, user_id, role, client=request.client)
        return Response(200, wire.One(data=mapping.staff_member(member)))

    @delete(_ONE, responses={204: ()}, transaction=WRITE, scope=Scope.ROSTER_WRITE)
    async def remove(self, request: Request[None, None], tx: WriteTransaction) -> Response:
        """Remove somebody from the staff of a course: for its owners, and for that member. The last owner cannot go."""
        course_id, user_id = parse_id(request.path["course_id"]), parse_id(request.path["user_id"])
        await self._staff.remove(tx, request.caller, course_id, user_id, client=request.client)
        return Response(204)
