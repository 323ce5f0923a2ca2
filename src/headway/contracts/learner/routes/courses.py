"""Courses: finding, making and changing them, and the places in them."""

from typing import Any

from litestar.handlers import HTTPRouteHandler

from headway.contracts.learner import course_wire, mapping, wire
from headway.contracts.learner.routes.paging import Pages
from headway.courses.model import CourseTree, NewCourse
from headway.courses.service import Courses
from headway.enrollments.service import Enrollments, Waiting
from headway.http.routing import Answer, Asked, Routes
from headway.learning.course_editing import CourseEditing
from headway.learning.learner_courses import LearnerCourses


def course_routes(
    routes: Routes,
    courses: Courses,
    course_editing: CourseEditing,
    enrollments: Enrollments,
    learning: LearnerCourses,
    pages: Pages,
) -> list[HTTPRouteHandler]:
    """Make the routes."""

    async def browse(asked: Asked[course_wire.CourseQuery, Any]) -> Answer:
        """Browse the courses, the newest first, without their modules. No token is needed."""
        query, limit = asked.query, pages.limit(asked.query.limit)
        found = await courses.search(asked.by, mapping.search(query), page=query.page, limit=limit)
        return Answer(200, pages.answer([mapping.listing(each) for each in found.courses], query, found.total))

    async def read(asked: Asked[Any, Any]) -> Answer:
        """Read a course with its modules, units and assessments. No token is needed."""
        found = await learning.find_course(asked.by, mapping.id_of(asked.path["course_id"]))
        return Answer(200, wire.One(data=mapping.course(found)))

    async def create(asked: Asked[Any, course_wire.CourseBody]) -> Answer:
        """Make a course with its modules, units and assessments: for instructors and administrators."""
        made = await course_editing.create_for(asked.caller, mapping.new_course(asked.body))
        return Answer(201, wire.One(data=mapping.course(made)))

    async def change(asked: Asked[Any, course_wire.CourseChangeBody]) -> Answer:
        """Change a course: for its staff. What learners have reached is counted anew in the same transaction."""

        def edit(stored: CourseTree) -> NewCourse:
            return mapping.changed_course(asked.body, stored)

        changed = await course_editing.change(asked.caller, mapping.id_of(asked.path["course_id"]), edit)
        return Answer(200, wire.One(data=mapping.course(changed)))

    async def enroll(asked: Asked[wire.EnrollQuery, Any]) -> Answer:
        """Take a seat in a course; with `waitlist=true`, a place on the waiting list where none is free (202)."""
        user_id, course_id = asked.caller.user_id, mapping.id_of(asked.path["course_id"])
        if not asked.query.waitlist:
            taken = await enrollments.enroll(user_id, course_id)
            return Answer(201, wire.One(data=mapping.enrollment(taken)))
        got = await enrollments.enroll_or_wait(user_id, course_id)
        if isinstance(got, Waiting):
            return Answer(202, wire.One(data=mapping.waiting(got)))
        return Answer(201, wire.One(data=mapping.enrollment(got)))

    async def leave(asked: Asked[Any, Any]) -> Answer:
        """Leave a course or its waiting list; what was earned is kept."""
        await enrollments.leave(asked.caller.user_id, mapping.id_of(asked.path["course_id"]))
        return Answer(204)

    async def list_learners(asked: Asked[wire.EnrollmentsQuery, Any]) -> Answer:
        """List the learners of a course with their progress: for its staff."""
        query, limit = asked.query, pages.limit(asked.query.limit)
        found, total = await learning.list_enrollments(
            asked.caller,
            mapping.id_of(asked.path["course_id"]),
            status=mapping.statuses(query.status),
            page=query.page,
            limit=limit,
        )
        return Answer(200, pages.answer([mapping.course_enrollment(*each) for each in found], query, total))

    async def set_status(asked: Asked[Any, wire.StatusBody]) -> Answer:
        """Certify, expire or drop a learner, along the status machine: for the course's staff."""
        changed = await enrollments.set_status(
            asked.caller,
            mapping.id_of(asked.path["course_id"]),
            mapping.id_of(asked.path["user_id"]),
            asked.body.status,
            certificate_url=asked.body.certificate_url,
        )
        name = await learning.find_name(changed.user_id)
        return Answer(200, wire.One(data=mapping.course_enrollment(changed, name)))

    one, whole = "/courses/{course_id:str}", {200: wire.One[course_wire.Course]}
    taken = {201: wire.One[wire.Enrollment], 202: wire.One[wire.Waiting]}
    learners, learner = wire.Many[wire.CourseEnrollment], wire.One[wire.CourseEnrollment]
    return [
        routes.add(
            "GET",
            "/courses",
            browse,
            query=course_wire.CourseQuery,
            answers={200: wire.Many[course_wire.CourseListing]},
            is_public=True,
        ),
        routes.add("GET", one, read, answers=whole, is_public=True),
        routes.add("POST", "/courses", create, body=course_wire.CourseBody, answers={201: wire.One[course_wire.Course]}),
        routes.add("PATCH", one, change, body=course_wire.CourseChangeBody, answers=whole),
        routes.add("POST", f"{one}/enroll", enroll, query=wire.EnrollQuery, answers=taken),
        routes.add("DELETE", f"{one}/enroll", leave, answers={204: ()}),
        routes.add("GET", f"{one}/enrollments", list_learners, query=wire.EnrollmentsQuery, answers={200: learners}),
        routes.add("PATCH", f"{one}/enrollments/{{user_id:str}}", set_status, body=wire.StatusBody, answers={200: learner}),
    ]
