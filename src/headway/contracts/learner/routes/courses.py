"""Courses, and enrollment in them."""

from headway.contracts.learner import course_wire, mapping, wire
from headway.courses.model import CourseTree, NewCourse
from headway.db.database import ReadTransaction, WriteTransaction
from headway.enrollments.seating import Waiting
from headway.http.pages import Pages
from headway.http.params import parse_id
from headway.http.request import READ_LARGE, WRITE, Request, Response
from headway.http.routes import delete, get, patch, post
from headway.identity import Scope
from headway.services import Services

_ONE = "/courses/{course_id:str}"


class CourseRoutes:
    """Browse, read, create and change courses."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._courses = services.courses
        self._limits = services.course_limits
        self._course_editing = services.course_editing
        self._learning = services.learning
        self._pages = pages

    @get(
        "/courses",
        query=course_wire.CourseQuery,
        responses={200: wire.Many[course_wire.CourseListing]},
        public=True,
        scope=Scope.COURSES_READ,
        transaction=READ_LARGE,
    )
    async def browse(self, request: Request[course_wire.CourseQuery, None], tx: ReadTransaction) -> Response:
        """Browse courses without their modules, the newest first. No token is needed."""
        walk = self._pages.walk(request)
        found = await self._courses.search(tx, request.optional_caller, mapping.search(request.query), walk)
        return Response(200, mapping.many([mapping.listing(each) for each in found.courses], walk, found.total))

    @get(_ONE, responses={200: wire.One[course_wire.Course]}, public=True, transaction=READ_LARGE, scope=Scope.COURSES_READ)
    async def read(self, request: Request[None, None], tx: ReadTransaction) -> Response:
        """Read a course with its modules, units and assessments. No token is needed."""
        found = await self._learning.find_course(tx, request.optional_caller, parse_id(request.path["course_id"]))
        return Response(200, wire.One(data=mapping.course(found)))

    @post(
        "/courses",
        body=course_wire.CourseBody,
        responses={201: wire.One[course_wire.Course]},
        idempotent=True,
        transaction=WRITE,
    )
    async def create(self, request: Request[None, course_wire.CourseBody], tx: WriteTransaction) -> Response:
        """Create a course with its modules, units and assessments: for instructors and administrators."""
        course = mapping.new_course(request.body, self._limits)
        created = await self._course_editing.create_for(tx, request.caller, course, client=request.client)
        return Response(201, wire.One(data=mapping.course(created)))

    @patch(
        _ONE,
        body=course_wire.CourseChangeBody,
        responses={200: wire.One[course_wire.Course]},
        transaction=WRITE,
        scope=Scope.COURSES_WRITE,
    )
    async def change(self, request: Request[None, course_wire.CourseChangeBody], tx: WriteTransaction) -> Response:
        """Change a course: for its staff. Learners are regraded in the same transaction."""
        mapping.require_size(request.body, self._limits)

        def edit(stored: CourseTree) -> NewCourse:
            return mapping.changed_course(request.body, stored)

        course_id = parse_id(request.path["course_id"])
        changed = await self._course_editing.change(tx, request.caller, course_id, edit, client=request.client)
        return Response(200, wire.One(data=mapping.course(changed)))


class EnrollmentRoutes:
    """Enroll in and leave courses; list learners."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._enrollments = services.enrollments
        self._learning = services.learning
        self._pages = pages

    @post(
        f"{_ONE}/enroll",
        query=wire.EnrollQuery,
        responses={201: wire.One[wire.Enrollment], 202: wire.One[wire.Waiting]},
        idempotent=True,
        transaction=WRITE,
    )
    async def enroll(self, request: Request[wire.EnrollQuery, None], tx: WriteTransaction) -> Response:
        """Enroll in a course; with `waitlist=true`, join the waiting list if the course is full (202)."""
        user_id, course_id = request.caller.user_id, parse_id(request.path["course_id"])
        if not request.query.waitlist:
            enrolled = await self._enrollments.enroll(tx, user_id, course_id)
            return Response(201, wire.One(data=mapping.enrollment(enrolled)))
        place = await self._enrollments.enroll_or_wait(tx, user_id, course_id)
        if isinstance(place, Waiting):
            return Response(202, wire.One(data=mapping.waiting(place)))
        return Response(201, wire.One(data=mapping.enrollment(place)))

    @delete(f"{_ONE}/enroll", responses={204: ()}, transaction=WRITE)
    async def leave(self, request: Request[None, None], tx: WriteTransaction) -> Response:
        """Leave a course or its waiting list. Progress is kept."""
        await self._enrollments.leave(tx, request.caller.user_id, parse_id(request.path["course_id"]))
        return Response(204)

    @get(
        f"{_ONE}/enrollments",
        query=course_wire.EnrollmentsQuery,
        responses={200: wire.Many[wire.CourseEnrollment]},
        transaction=READ_LARGE,
        scope=Scope.ROSTER_READ,
    )
    async def list_learners(self, request: Request[course_wire.EnrollmentsQuery, None], tx: ReadTransaction) -> Response:
        """List the learners of a course with their progress: for its staff."""
        walk = self._pages.walk(request)
        course_id, listed = parse_id(request.path["course_id"]), mapping.listed(request.query)
        found, total = await self._learning.list_enrollments(tx, request.caller, course_id, walk, listed)
        return Response(200, mapping.many([mapping.course_enrollment(*each) for each in found], walk, total))
