"""The accounts of the installation, for administrators."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from headway.accounts.administration import require_admin
from headway.accounts.lists import UserSearch, UserSort
from headway.accounts.model import MAX_EMAIL, MAX_NAME, NewUser, Operator
from headway.accounts.passwords import LONGEST as LONGEST_PASSWORD
from headway.csv_files import csv_of
from headway.db.database import ReadTransaction, WriteTransaction
from headway.errors import NotFound
from headway.http.request import READ_LARGE, WRITE, read_header
from headway.identity import Caller, Role
from headway.ids import MAX_EXTERNAL_ID
from headway.instants import iso
from headway.paging.model import MAX_LENGTH
from headway.paging.service import Walk
from headway.services import Services
from headway.settings import Settings
from headway.web.page_routes import Download, Page, PageRequest, Redirect, get, post

_PATH = "/app/admin/users"
_LIMIT = 50
_MOST_ROWS = 100_000
_MOST_COURSES = 100
_LARGEST_ID = 10**15

Password = Annotated[str, Meta(max_length=4 * LONGEST_PASSWORD)]


class UsersQuery(msgspec.Struct):
    """The filters of the list, and the place in it."""

    q: Annotated[str, Meta(max_length=MAX_EXTERNAL_ID)] | None = None
    role: Role | None = None
    state: Literal["active", "disabled"] | None = None
    sort: UserSort | None = None
    cursor: Annotated[str, Meta(max_length=MAX_LENGTH)] | None = None

    @property
    def search(self) -> UserSearch:
        """What to list."""
        return UserSearch(self.q, self.role, None if self.state is None else self.state == "disabled")

    @property
    def order(self) -> UserSort:
        """In which order."""
        return self.sort or UserSort.NEWEST


class NewUserForm(msgspec.Struct):
    """An account to create."""

    name: Annotated[str, Meta(max_length=MAX_NAME)]
    role: Role
    email: Annotated[str, Meta(max_length=MAX_EMAIL)] | None = None
    password: Password | None = None
    external_id: Annotated[str, Meta(max_length=MAX_EXTERNAL_ID)] | None = None
    invite: bool = False


class UserForm(msgspec.Struct):
    """Changes of an account."""

    name: Annotated[str, Meta(max_length=MAX_NAME)]
    role: Role
    email: Annotated[str, Meta(max_length=MAX_EMAIL)] | None = None
    external_id: Annotated[str, Meta(max_length=MAX_EXTERNAL_ID)] | None = None


class PasswordForm(msgspec.Struct):
    """A password for an account."""

    password: Password


class AdminUsersPages:
    """The list of accounts, and the page of each."""

    def __init__(self, services: Services, settings: Settings) -> None:
        self._administration = services.administration
        self._recovery = services.recovery
        self._sends_mail = services.mail.is_on
        self._site_url = settings.site_url
        self._learning = services.learning
        self._staff = services.course_staff
        self._paging = services.paging

    @get(_PATH, query=UsersQuery, transaction=READ_LARGE)
    async def show(self, request: PageRequest[UsersQuery, None], tx: ReadTransaction) -> Page:
        """List the accounts that match."""
        query, caller = request.query, request.caller
        bound = ("admin users", *query.search, query.order)
        walk = self._paging.walk(caller.user_id, bound, cursor=query.cursor, page=1, limit=_LIMIT)
        found, total = await self._administration.list_users(tx, caller, query.search, walk, query.order)
        counts = await self._administration.count_users(tx, caller)
        context = {"users": found, "total": total, "counts": counts, "next": walk.next_cursor, "roles": list(Role)}
        context |= {"sends_mail": self._sends_mail}
        context["sorts"] = list(UserSort)
        return Page("admin/users.html", context)

    @get(f"{_PATH}.csv", query=UsersQuery, transaction=READ_LARGE)
    async def download(self, request: PageRequest[UsersQuery, None], tx: ReadTransaction) -> Download:
        """Download the accounts that match."""
        query = request.query
        found, _ = await self._administration.list_users(tx, request.caller, query.search, Walk(_MOST_ROWS, 1), query.order)
        text = request.text
        header = [
            *(text("Id"), text("Name"), text("E-mail address"), text("External id"), text("Role"), text("Disabled")),
            *(text("Created"), text("Signed in"), text("Last used")),
        ]
        rows = [
            (
                *(each.user.id, each.user.name, each.user.email, each.user.external_id, each.user.role.value),
                text("yes") if each.user.is_disabled else text("no"),
                iso(each.created_at),
                None if each.signed_in_at is None else iso(each.signed_in_at),
                None if each.seen_at is None else iso(each.seen_at),
            )
            for each in found
        ]
        return Download("users.csv", csv_of(header, rows))

    @post(_PATH, form=NewUserForm, page="show")
    async def create(self, request: PageRequest[None, NewUserForm]) -> Redirect:
        """Create an account."""
        form, caller = request.form, request.caller
        await self._require_admin(request)
        hashed = await self._administration.hash_password(form.password)
        new = NewUser(form.role, form.name, form.email, form.external_id, hashed)
        async with request.write() as tx:
            created = await self._administration.create(tx, caller, new, request.client)
            if form.invite:
                await self._recovery.invite(tx, created.id, Operator(caller, request.client))
        return Redirect(f"{_PATH}/{created.id}", notice=request.text("The account is created."))

    @get(f"{_PATH}/{{user_id:str}}", transaction=READ_LARGE)
    async def show_one(self, request: PageRequest[None, None], tx: ReadTransaction) -> Page:
        """Show an account with its sign-ins and courses."""
        user_id = _user_id(request)
        found = await self._administration.find(tx, request.caller, user_id)
        learning, total = await self._learning.progress(tx, user_id, Walk(_MOST_COURSES, 1))
        teaching = await self._staff.taught_courses(tx, Caller(user_id, found.account.user.role))
        context = {"found": found, "learning": learning, "learning_total": total, "teaching": teaching, "roles": list(Role)}
        context |= {"sends_mail": self._sends_mail}
        return Page("admin/user.html", context)

    @post(f"{_PATH}/{{user_id:str}}", form=UserForm, page="show_one", transaction=WRITE)
    async def change(self, request: PageRequest[None, UserForm], tx: WriteTransaction) -> Redirect:
        """Change the name, the address, the external id and the role."""
        form, caller = request.form, request.caller
        stored = (await self._administration.find(tx, caller, _user_id(request))).account.user
        email, external_id = form.email or stored.email, form.external_id or stored.external_id
        changed = msgspec.structs.replace(stored, name=form.name, role=form.role, email=email, external_id=external_id)
        await self._administration.change(tx, caller, changed, request.client)
        return self._back(request, request.text("The account is changed."))

    @post(f"{_PATH}/{{user_id:str}}/password", form=PasswordForm, page="show_one")
    async def set_password(self, request: PageRequest[None, PasswordForm]) -> Redirect:
        """Set a password."""
        await self._require_admin(request)
        hashed = await self._administration.hash_password(request.form.password) or ""
        async with request.write() as tx:
            await self._administration.set_password(tx, request.caller, _user_id(request), hashed, request.client)
        return self._back(request, request.text("The password is set. All sessions of the account have ended."))

    @post(f"{_PATH}/{{user_id:str}}/password-link", page="show_one", transaction=WRITE)
    async def make_password_link(self, request: PageRequest[None, None], tx: WriteTransaction) -> Page:
        """Make a link to choose a password and show it, this once: no redirection could, without keeping it somewhere."""
        operator, user_id = Operator(request.caller, request.client), _user_id(request)
        link = await self._recovery.make_link(tx, user_id, operator)
        person = (await self._administration.find(tx, request.caller, user_id)).account.user
        site_url = self._site_url or f"{request.scope['scheme']}://{read_header(request.scope, b'host')}"
        return Page("admin/password_link.html", {"person": person, "link": link, "url": f"{site_url}{link.path}"})

    @post(f"{_PATH}/{{user_id:str}}/invite", page="show_one", transaction=WRITE)
    async def invite(self, request: PageRequest[None, None], tx: WriteTransaction) -> Redirect:
        """Mail a link to choose a password."""
        await self._recovery.invite(tx, _user_id(request), Operator(request.caller, request.client))
        return self._back(request, request.text("A mail with a link is on its way."))

    @post(f"{_PATH}/{{user_id:str}}/disable", page="show_one", transaction=WRITE)
    async def disable(self, request: PageRequest[None, None], tx: WriteTransaction) -> Redirect:
        """Disable the account."""
        await self._administration.set_disabled(tx, request.caller, _user_id(request), is_disabled=True, client=request.client)
        return self._back(request, request.text("The account is disabled. All its sessions have ended."))

    @post(f"{_PATH}/{{user_id:str}}/enable", page="show_one", transaction=WRITE)
    async def enable(self, request: PageRequest[None, None], tx: WriteTransaction) -> Redirect:
        """Enable the account."""
        await self._administration.set_disabled(tx, request.caller, _user_id(request), is_disabled=False, client=request.client)
        return self._back(request, request.text("The account is enabled."))

    @post(f"{_PATH}/{{user_id:str}}/sign-out", page="show_one", transaction=WRITE)
    async def sign_out(self, request: PageRequest[None, None], tx: WriteTransaction) -> Redirect:
        """End all sessions of the account."""
        await self._administration.end_sessions(tx, request.caller, _user_id(request), request.client)
        return self._back(request, request.text("All sessions of the account have ended."))

    async def _require_admin(self, request: PageRequest[Any, Any]) -> None:
        """Check the rights before a password is hashed, which takes a while."""
        async with request.read() as tx:
            await require_admin(tx, request.caller)

    @staticmethod
    def _back(request: PageRequest[Any, Any], notice: str) -> Redirect:
        return Redirect(f"{_PATH}/{_user_id(request)}", notice=notice)


def _user_id(request: PageRequest[Any, Any]) -> int:
    """Return the account of the path. Raises NotFound USER_NOT_FOUND for what is no id."""
    text = request.path["user_id"]
    if not (text.isascii() and text.isdecimal() and int(text) < _LARGEST_ID):
        raise NotFound("There is no such user.", code="USER_NOT_FOUND")
    return int(text)
