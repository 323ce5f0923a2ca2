"""The course itself for its staff: details, structure, seats, waiting list, staff, and enrolling by address."""

from typing import Any

import msgspec

from headway.db.database import ReadTransaction, WriteTransaction
from headway.enrollments.addresses import read_addresses
from headway.enrollments.enrolling_model import MAX_ITEMS, EnrollVerdict, Wanted
from headway.errors import Invalid, NotFound
from headway.http.params import Page as PageNumber
from headway.http.params import parse_id
from headway.http.request import READ_LARGE, WRITE
from headway.identity import CourseRole
from headway.paging.service import Walk
from headway.services import Services
from headway.web.page_routes import Download, Page, PageRequest, Redirect, get, post
from headway.web.pages.course_forms import (
    AddressesForm,
    AppointForm,
    DetailsForm,
    PlaceForm,
    RoleForm,
    address_result,
    change_details,
    csv_of_enrollments,
    fingerprint,
    local_time,
)
from headway.web.pages.large_courses import is_large

_PATH = "/app/courses/{course_id:str}/settings"
_ROWS = 50
_EVERYBODY = 1_000_000
_MOST_STAFF = 200
_MOST_ADDRESSES = 2_000
"""How many addresses can be enrolled at once."""


class WaitingQuery(msgspec.Struct):
    """Which part of the waiting list to show."""

    page: PageNumber = 1
    invited: PageNumber = 1
    """The page of the invitations."""


class CourseSettingsPages:
    """The page of a course's settings, with its forms."""

    def __init__(self, services: Services) -> None:
        self._accounts = services.accounts
        self._courses = services.courses
        self._editing = services.course_editing
        self._enrollments = services.enrollments
        self._learning = services.learning
        self._enrolling = services.enrolling
        self._invitations = services.invitations
        self._sends_mail = services.mail.is_on
        self._waiting_lists = services.waiting_lists
        self._staff = services.course_staff

    @get(_PATH, query=WaitingQuery, transaction=READ_LARGE)
    async def show(self, request: PageRequest[WaitingQuery, None], tx: ReadTransaction) -> Page:
        """Show the course with everything about it that staff can change."""
        return Page("course/settings.html", await self._shown(request, tx, request.query))

    @get(f"{_PATH}/enrollments.csv", transaction=READ_LARGE)
    async def download(self, request: PageRequest[None, None], tx: ReadTransaction) -> Download:
        """Return all enrollments of the course, in whichever status, as CSV."""
        course_id = parse_id(request.path["course_id"])
        found, _ = await self._learning.list_enrollments(tx, request.caller, course_id, Walk(_EVERYBODY, 1))
        return Download(f"enrollments-{course_id}.csv", csv_of_enrollments(request.viewer, found))

    @post(f"{_PATH}/details", form=DetailsForm, page="show", transaction=WRITE)
    async def change(self, request: PageRequest[None, DetailsForm], tx: WriteTransaction) -> Redirect:
        """Change the details of the course, unless somebody else has changed them since the page was shown."""
        edit = change_details(request.form, request.viewer.zone)
        await self._editing.change(tx, request.caller, parse_id(request.path["course_id"]), edit, client=request.client)
        return _done(request, request.text("The course is saved."))

    @post(f"{_PATH}/enroll", form=AddressesForm, page="show", transaction=WRITE)
    async def enroll(self, request: PageRequest[None, AddressesForm], tx: WriteTransaction) -> Page:
        """Enroll the accounts with these addresses, and show what became of each; sent again, it changes nothing more."""
        form, course_id = request.form, parse_id(request.path["course_id"])
        addresses = read_addresses(form.addresses)
        if not 1 <= len(addresses) <= _MOST_ADDRESSES:
            raise Invalid.field("addresses", f"must be 1 to {_MOST_ADDRESSES} e-mail addresses")
        verdicts: list[EnrollVerdict] = []
        for start in range(0, len(addresses), MAX_ITEMS):
            wanted = [Wanted(f"email:{each}", may_wait=form.wait) for each in addresses[start : start + MAX_ITEMS]]
            verdicts += await self._enrolling.enroll(tx, request.caller, course_id, wanted, client=request.client)
        results = [address_result(request.viewer, *each) for each in zip(addresses, verdicts, strict=True)]
        left = "\n".join(each.address for each in results if not each.is_settled)
        shown = await self._shown(request, tx)
        return Page("course/settings.html", shown | {"results": results, "addresses": left, "may_wait": form.wait})

    @post(f"{_PATH}/waiting/{{user_id:str}}/remove", page="show", transaction=WRITE)
    async def remove_waiting(self, request: PageRequest[None, None], tx: WriteTransaction) -> Redirect:
        """Remove a learner from the waiting list."""
        course_id, user_id = (parse_id(request.path[name]) for name in ("course_id", "user_id"))
        await self._waiting_lists.remove(tx, request.caller, course_id, user_id, client=request.client)
        return _done(request, request.text("The learner is off the waiting list."))

    @post(f"{_PATH}/waiting/{{user_id:str}}/move", form=PlaceForm, page="show", transaction=WRITE)
    async def move(self, request: PageRequest[None, PlaceForm], tx: WriteTransaction) -> Redirect:
        """Move a learner to another place on the waiting list."""
        course_id, user_id = (parse_id(request.path[name]) for name in ("course_id", "user_id"))
        position = request.form.position
        moved = await self._waiting_lists.move(tx, request.caller, course_id, user_id, position, client=request.client)
        place = request.viewer.number(moved.position)
        return _done(request, request.text("%(name)s has place %(place)s now.", name=moved.name, place=place))

    @post(f"{_PATH}/waiting/{{user_id:str}}/admit", page="show", transaction=WRITE)
    async def admit(self, request: PageRequest[None, None], tx: WriteTransaction) -> Redirect:
        """Seat a learner who waits, on one more seat if none is free."""
        course_id, user_id = (parse_id(request.path[name]) for name in ("course_id", "user_id"))
        await self._waiting_lists.admit(tx, request.caller, course_id, user_id, add_seat=True, client=request.client)
        return _done(request, request.text("The learner is enrolled."))

    @post(f"{_PATH}/invitations/{{invitation_id:str}}/withdraw", page="show", transaction=WRITE)
    async def withdraw(self, request: PageRequest[None, None], tx: WriteTransaction) -> Redirect:
        """Withdraw an invitation."""
        course_id, invitation_id = (parse_id(request.path[name]) for name in ("course_id", "invitation_id"))
        await self._invitations.withdraw(tx, request.caller, course_id, invitation_id, client=request.client)
        return _done(request, request.text("The invitation is withdrawn."))

    @post(f"{_PATH}/invitations/{{invitation_id:str}}/resend", page="show", transaction=WRITE)
    async def resend(self, request: PageRequest[None, None], tx: WriteTransaction) -> Redirect:
        """Mail an invitation again."""
        course_id, invitation_id = (parse_id(request.path[name]) for name in ("course_id", "invitation_id"))
        await self._invitations.resend(tx, request.caller, course_id, invitation_id, client=request.client)
        return _done(request, request.text("The invitation is on its way again."))

    @post(f"{_PATH}/staff", form=AppointForm, page="show", transaction=WRITE)
    async def appoint(self, request: PageRequest[None, AppointForm], tx: WriteTransaction) -> Redirect:
        """Appoint the account with an address as a member of staff."""
        course_id, form = parse_id(request.path["course_id"]), request.form
        try:
            user = await self._accounts.find_by_email(tx, form.email)
        except NotFound as error:
            raise Invalid.field("email", "belongs to no account") from error
        member = await self._staff.set_role(tx, request.caller, course_id, user.id, form.role, client=request.client)
        return _done(request, request.text("%(name)s belongs to the staff now.", name=member.name))

    @post(f"{_PATH}/staff/{{user_id:str}}/role", form=RoleForm, page="show", transaction=WRITE)
    async def set_role(self, request: PageRequest[None, RoleForm], tx: WriteTransaction) -> Redirect:
        """Change the role of a member of staff."""
        course_id, user_id = (parse_id(request.path[name]) for name in ("course_id", "user_id"))
        await self._staff.set_role(tx, request.caller, course_id, user_id, request.form.role, client=request.client)
        return _done(request, request.text("The role is changed."))

    @post(f"{_PATH}/staff/{{user_id:str}}/remove", page="show", transaction=WRITE)
    async def remove_member(self, request: PageRequest[None, None], tx: WriteTransaction) -> Redirect:
        """Remove a member of the staff; whoever leaves comes to the list of courses."""
        course_id, user_id = (parse_id(request.path[name]) for name in ("course_id", "user_id"))
        await self._staff.remove(tx, request.caller, course_id, user_id, client=request.client)
        if user_id == request.caller.user_id and not request.caller.sees_all:
            return Redirect("/app/courses", notice=request.text("You do not belong to the staff any more."))
        return _done(request, request.text("The member of staff is removed."))

    async def _shown(
        self, request: PageRequest[Any, Any], tx: ReadTransaction, query: WaitingQuery | None = None
    ) -> dict[str, Any]:
        pages = query or WaitingQuery()
        course_id, caller = parse_id(request.path["course_id"]), request.caller
        course = await self._staff.taught_course(tx, caller, course_id)
        tree = await self._courses.find(tx, course_id)
        members, _ = await self._staff.list_members(tx, caller, course_id, Walk(_MOST_STAFF, 1))
        waiting, total = await self._waiting_lists.list(tx, caller, course_id, Walk(_ROWS, pages.page))
        invitations, invited = await self._invitations.list(tx, caller, course_id, Walk(_ROWS, pages.invited))
        times = ("starts_at", "ends_at", "enroll_from", "enroll_until")
        return {
            "course": course,
            "tree": tree,
            "is_large": is_large([unit for unit in tree.units if not unit.is_retired]),
            "details": tree.course,
            "times": {name: local_time(getattr(tree.course, name), request.viewer) for name in times},
            "seen": fingerprint(tree.course),
            "members": members,
            "is_owner": caller.sees_all or course.role is CourseRole.OWNER,
            "waiting": waiting,
            "waiting_total": total,
            "next_page": _next(pages.page, total),
            "invitations": invitations,
            "invitation_total": invited,
            "sends_mail": self._sends_mail,
            "next_invited": _next(pages.invited, invited),
            "results": (),
            "addresses": "",
            "may_wait": False,
        }


def _next(page: int, total: int) -> int | None:
    return page + 1 if page * _ROWS < total else None


def _done(request: PageRequest[Any, Any], notice: str) -> Redirect:
    return Redirect(f"/app/courses/{parse_id(request.path['course_id'])}/settings", notice=notice)
