"""A new course from a course file: pasted, or read from a file by a script of the page."""

import asyncio
from collections.abc import Callable
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from headway.courses.model import NewCourse
from headway.errors import Forbidden
from headway.services import Services
from headway.web.page_routes import Page, PageRequest, Redirect, get, post

_PATH = "/app/courses/new"
_MAX_CHARACTERS = 300_000
"""YAML takes a second of processor time for so many."""

ParseCourse: TypeAlias = Callable[[str], NewCourse]
"""Reads the text of a course file. Raises Invalid naming the line, or each field, at fault."""


class CourseFileForm(msgspec.Struct):
    """The text of a course file."""

    course: Annotated[str, Meta(max_length=_MAX_CHARACTERS)]


class NewCoursePages:
    """The page that makes a course."""

    def __init__(self, services: Services, parse: ParseCourse) -> None:
        self._editing = services.course_editing
        self._parse = parse

    @get(_PATH)
    async def show(self, request: PageRequest[None, None]) -> Page:
        """Show the form."""
        if not request.caller.role.can_teach:
            raise Forbidden("Only instructors and administrators make courses.")
        return Page("course/new.html")

    @post(_PATH, form=CourseFileForm, page="show")
    async def create(self, request: PageRequest[None, CourseFileForm]) -> Redirect:
        """Make the course, whose owner is whoever sends the form."""
        if not request.caller.role.can_teach:
            raise Forbidden("Only instructors and administrators make courses.")
        course = await asyncio.to_thread(self._parse, request.form.course)
        async with request.write() as tx:
            created = await self._editing.create_for(tx, request.caller, course, client=request.client)
        notice = request.text("The course is made. Look at it, and enroll learners.")
        return Redirect(f"/app/courses/{created.id}/settings", notice=notice)
