"""Accounts: registering, signing in and out, and one's own profile."""

from typing import Any

from msgspec import UNSET

from headway.accounts.model import Session
from headway.contracts.learner import account_wire, mapping, wire
from headway.db.database import ReadTransaction, WriteTransaction
from headway.errors import Conflict
from headway.http.request import READ_LARGE, WRITE, Request, Response
from headway.http.routes import get, patch, post
from headway.services import Services

_AUTH = "/learner/auth"


class AccountRoutes:
    """Register, sign in and out, read and change one's profile."""

    def __init__(self, services: Services) -> None:
        self._accounts = services.accounts
        self._sign_in = services.sign_in
        self._recovery = services.recovery
        self._registering = services.registering
        self._own_address = services.own_address
        self._tokens = services.tokens
        self._profiles = services.profiles

    @post(
        f"{_AUTH}/register",
        body=account_wire.RegisterBody,
        responses={201: wire.One[account_wire.Account], 202: wire.One[account_wire.Registered]},
        public=True,
        idempotent=True,
    )
    async def register(self, request: Request[None, account_wire.RegisterBody]) -> Response:
        """Create a learner's account.

        A password has 8 to 128 characters, an upper-case letter and a special one, and is not a common one. Where addresses
        have to be proven, the answer is 202, the same for every address; there is an account once the mailed link is confirmed.
        """
        body = request.body
        new = await self._sign_in.prepare(
            name=body.name, email=body.email, password=body.password, interests=body.interests, client=request.client
        )

        must_prove = await self._registering.must_prove(new, body.invitation, request.client)

        async def create(tx: WriteTransaction) -> Response:
            if must_prove:
                await self._registering.keep(tx, new, request.client)
                return Response(202, wire.One(data=account_wire.Registered(new.email or "")))
            account = await self._accounts.find_account(tx, (await self._accounts.add(tx, new)).id)
            return Response(201, wire.One(data=mapping.account(account)))

        return await request.transact(create)

    @post(
        f"{_AUTH}/verification",
        body=account_wire.VerificationBody,
        responses={202: wire.One[account_wire.Asked]},
        public=True,
    )
    async def ask_verification(self, request: Request[None, account_wire.VerificationBody]) -> Response:
        """Ask for another mail with the link that proves a registered address.

        The answer is the same for every address. 409 `MAIL_NOT_SET_UP` where the server sends no mail.
        """
        await self._registering.ask_again(request.body.email, request.client)
        return Response(202, wire.One(data=account_wire.Asked("If this address was registered, a mail is on its way.")))

    @post(
        f"{_AUTH}/verification/confirm",
        body=account_wire.TokenBody,
        responses={201: wire.One[account_wire.Account]},
        public=True,
        transaction=WRITE,
    )
    async def confirm_registration(self, request: Request[None, account_wire.TokenBody], tx: WriteTransaction) -> Response:
        """Create the account whose address the mailed link proves."""
        user = await self._registering.confirm(tx, request.body.token, request.client)
        return Response(201, wire.One(data=mapping.account(await self._accounts.find_account(tx, user.id))))

    @post(f"{_AUTH}/email", body=account_wire.AddressBody, responses={202: wire.One[account_wire.Asked]})
    async def change_address(self, request: Request[None, account_wire.AddressBody]) -> Response:
        """Ask for another address: it changes once the link is confirmed that is mailed to it. The old one is told.

        The answer does not tell whether the new one is taken. 409 `MAIL_NOT_SET_UP` where the server sends no mail.
        """
        body = request.body
        await self._own_address.ask(
            request.caller.user_id, password=body.current_password, email=body.new_email, client=request.client
        )
        return Response(202, wire.One(data=account_wire.Asked("A mail with a link is on its way to the new address.")))

    @post(
        f"{_AUTH}/email/confirm",
        body=account_wire.TokenBody,
        responses={204: ()},
        public=True,
        transaction=WRITE,
    )
    async def confirm_address(self, request: Request[None, account_wire.TokenBody], tx: WriteTransaction) -> Response:
        """Change the address that the mailed link proves."""
        await self._own_address.confirm(tx, request.body.token, request.client)
        return Response(204)

    @post(f"{_AUTH}/login", body=account_wire.LoginBody, responses={201: account_wire.SignedIn}, public=True)
    async def login(self, request: Request[None, account_wire.LoginBody]) -> Response:
        """Sign in. Returns an access token for an hour and a refresh token for seven days."""
        body = request.body
        session = await self._sign_in.sign_in(email=body.email, password=body.password, client=request.client)
        return await self._signed_in(request, session)

    @post(f"{_AUTH}/refresh", body=account_wire.RefreshBody, responses={201: account_wire.SignedIn}, public=True)
    async def refresh(self, request: Request[None, account_wire.RefreshBody]) -> Response:
        """Continue a session. A refresh token is valid for one use; using it again later ends the session."""
        claims = self._tokens.read_refresh(request.body.refresh_token)
        session = await self._sign_in.refresh(
            user_id=claims.user_id, session_id=claims.session_id, generation=claims.generation, client=request.client
        )
        return await self._signed_in(request, session)

    @post(f"{_AUTH}/logout", responses={204: ()}, transaction=WRITE)
    async def logout(self, request: Request[None, None], tx: WriteTransaction) -> Response:
        """End the session of the token, with all its tokens."""
        if request.caller.session_id is None:
            raise Conflict("This token did not come from signing in.", code="NO_SESSION")
        await self._sign_in.sign_out(tx, request.caller.user_id, request.caller.session_id)
        return Response(204)

    @post(f"{_AUTH}/password", body=account_wire.PasswordBody, responses={204: ()})
    async def change_password(self, request: Request[None, account_wire.PasswordBody]) -> Response:
        """Change the password. All tokens of the account end."""
        body = request.body
        await self._sign_in.change_password(
            request.caller.user_id, current=body.current_password, new=body.new_password, client=request.client
        )
        return Response(204)

    @post(
        f"{_AUTH}/password/forgot", body=account_wire.ForgottenBody, responses={202: wire.One[account_wire.Asked]}, public=True
    )
    async def forgot_password(self, request: Request[None, account_wire.ForgottenBody]) -> Response:
        """Ask for a mail with a link to choose a new password.

        The answer is the same for every address. 409 `MAIL_NOT_SET_UP` where the server sends no mail.
        """
        await self._recovery.ask(request.body.email, request.client)
        return Response(202, wire.One(data=account_wire.Asked("If an account has this address, a mail is on its way.")))

    @post(f"{_AUTH}/password/reset", body=account_wire.ResetBody, responses={204: ()}, public=True)
    async def reset_password(self, request: Request[None, account_wire.ResetBody]) -> Response:
        """Choose a new password with the link of a mail, or of an administrator. It works once; all sessions end."""
        body = request.body
        await self._recovery.reset(body.token, body.new_password, request.client)
        return Response(204)

    @get("/learner/me", responses={200: wire.One[account_wire.Profile]}, etag=True, transaction=READ_LARGE)
    async def read_profile(self, request: Request[None, None], tx: ReadTransaction) -> Response:
        """Read one's own profile, with study time and points.

        Points: 10 for a completed unit, 20 for a passed quiz unit or tutorial quiz, 100 for a completed course, each counted
        once.
        """
        profile = await self._profiles.read(tx, request.caller.user_id)
        return Response(200, wire.One(data=mapping.profile(profile)))

    @patch("/learner/me", body=account_wire.ProfileBody, responses={200: wire.One[account_wire.Profile]}, transaction=WRITE)
    async def change_profile(self, request: Request[None, account_wire.ProfileBody], tx: WriteTransaction) -> Response:
        """Change one's own name, interests or learning goals."""
        body = request.body
        await self._accounts.change_profile(
            tx,
            request.caller.user_id,
            name=None if body.name is UNSET else body.name,
            interests=None if body.interests is UNSET else body.interests,
            learning_goals=None if body.learning_goals is UNSET else body.learning_goals,
        )
        profile = await self._profiles.read(tx, request.caller.user_id)
        return Response(200, wire.One(data=mapping.profile(profile)))

    async def _signed_in(self, request: Request[Any, Any], session: Session) -> Response:
        async with request.read(single_statement=True) as tx:
            account = await self._accounts.find_account(tx, session.user.id)
        body = account_wire.SignedIn(
            token=self._tokens.issue(session.user, session_id=session.id),
            refresh_token=self._tokens.issue_refresh(session),
            expires_in=self._tokens.lifetime_seconds,
            user=mapping.account(account),
        )
        return Response(201, body)
