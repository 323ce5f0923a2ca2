"""Accounts, for administrators."""

from headway.accounts.model import NewUser, Operator
from headway.contracts.learner import account_wire, wire
from headway.db.database import WriteTransaction
from headway.http.params import parse_id
from headway.http.request import WRITE, Request, Response
from headway.http.routes import post
from headway.instants import iso
from headway.services import Services
from headway.settings import Settings

_ONE = "/users/{user_id:str}"


class UserRoutes:
    """Create accounts, and give their owners links to choose a password."""

    def __init__(self, services: Services, settings: Settings) -> None:
        self._administration = services.administration
        self._recovery = services.recovery
        self._site_url = settings.site_url

    @post(
        "/users",
        body=account_wire.NewUserBody,
        responses={201: wire.One[account_wire.CreatedUser]},
        idempotent=True,
        transaction=WRITE,
    )
    async def create(self, request: Request[None, account_wire.NewUserBody], tx: WriteTransaction) -> Response:
        """Create an account without a password, and mail its owner a link to choose one: for administrators.

        With `"invite": false` no mail is sent. 409 `MAIL_NOT_SET_UP` where the server sends none.
        """
        body, operator = request.body, Operator(request.caller, request.client)
        new = NewUser(body.role, body.name, body.email, body.external_id)
        user = await self._administration.create(tx, request.caller, new, request.client)
        if body.invite:
            await self._recovery.invite(tx, user.id, operator)
        created = account_wire.CreatedUser(str(user.id), user.name, user.email, user.role.value, user.external_id)
        return Response(201, wire.One(data=created))

    @post(f"{_ONE}/invite", responses={202: wire.One[account_wire.Asked]}, transaction=WRITE)
    async def invite(self, request: Request[None, None], tx: WriteTransaction) -> Response:
        """Mail the owner of an account a link to choose a password, for seven days: for administrators.

        An older link ends. 409 `MAIL_NOT_SET_UP`, `ADDRESS_MISSING` or `USER_DISABLED` say why there is no mail.
        """
        await self._recovery.invite(tx, parse_id(request.path["user_id"]), Operator(request.caller, request.client))
        return Response(202, wire.One(data=account_wire.Asked("A mail is on its way.")))

    @post(f"{_ONE}/password-link", responses={201: wire.One[account_wire.PasswordLink]}, transaction=WRITE)
    async def make_password_link(self, request: Request[None, None], tx: WriteTransaction) -> Response:
        """Make a link to choose a password, to be handed over, for seven days: for administrators.

        It works once, and is shown this once; an older link ends.
        """
        operator = Operator(request.caller, request.client)
        link = await self._recovery.make_link(tx, parse_id(request.path["user_id"]), operator)
        url = f"{self._site_url}{link.path}" if self._site_url else None
        return Response(201, wire.One(data=account_wire.PasswordLink(link.path, url, iso(link.expires_at))))
