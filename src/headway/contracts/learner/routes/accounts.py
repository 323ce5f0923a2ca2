"""Accounts: registering, signing in and out, and one's own profile."""

from typing import Any

from litestar.handlers import HTTPRouteHandler
from msgspec import UNSET

from headway.accounts.model import Session
from headway.accounts.service import Accounts
from headway.accounts.sign_in import SignIn
from headway.contracts.learner import mapping, wire
from headway.errors import Conflict
from headway.http.routing import Answer, Asked, Routes
from headway.http.tokens import Tokens
from headway.learning.profiles import Profiles


def account_routes(
    routes: Routes, accounts: Accounts, profiles: Profiles, sign_in: SignIn, tokens: Tokens
) -> list[HTTPRouteHandler]:
    """Make the routes."""

    async def register(asked: Asked[Any, wire.RegisterBody]) -> Answer:
        """Make a learner's account.

        The password has 8 to 128 characters, an upper-case letter and a special one, and is not a common one.
        """
        body = asked.body
        new = await sign_in.prepare(
            name=body.name, email=body.email, password=body.password, interests=body.interests, client=asked.client
        )

        async def make() -> Answer:
            account = await accounts.find_account((await accounts.add(new)).id)
            return Answer(201, wire.One(data=mapping.account(account)))

        return await make() if asked.key is None else await routes.once(asked, make)

    async def login(asked: Asked[Any, wire.LoginBody]) -> Answer:
        """Sign in: an access token for an hour, and a refresh token for seven days."""
        session = await sign_in.sign_in(email=asked.body.email, password=asked.body.password, client=asked.client)
        return await _signed_in(session)

    async def refresh(asked: Asked[Any, wire.RefreshBody]) -> Answer:
        """Go on with a session. A refresh token is good for one use; using it again later ends the session."""
        claims = tokens.read_refresh(asked.body.refresh_token)
        session = await sign_in.refresh(
            user_id=claims.user_id, session_id=claims.session_id, generation=claims.generation, client=asked.client
        )
        return await _signed_in(session)

    async def logout(asked: Asked[Any, Any]) -> Answer:
        """End the session that the token came from, with all its tokens."""
        if asked.caller.session_id is None:
            raise Conflict("This token did not come from signing in.", code="NO_SESSION")
        await sign_in.sign_out(asked.caller.user_id, asked.caller.session_id)
        return Answer(204)

    async def password(asked: Asked[Any, wire.PasswordBody]) -> Answer:
        """Change the password, which ends all tokens of the account."""
        body = asked.body
        await sign_in.change_password(
            asked.caller.user_id, current=body.current_password, new=body.new_password, client=asked.client
        )
        return Answer(204)

    async def me(asked: Asked[Any, Any]) -> Answer:
        """Read one's own profile, with study time and points.

        Points: 10 for a completed unit, 20 for a passed quiz unit or tutorial quiz, 100 for a completed course, each counted
        once.
        """
        return Answer(200, wire.One(data=mapping.profile(await profiles.read(asked.caller.user_id))))

    async def change_me(asked: Asked[Any, wire.ProfileBody]) -> Answer:
        """Change one's own name, interests or learning goals."""
        body = asked.body
        await accounts.change_profile(
            asked.caller.user_id,
            name=None if body.name is UNSET else body.name,
            interests=None if body.interests is UNSET else body.interests,
            learning_goals=None if body.learning_goals is UNSET else body.learning_goals,
        )
        return Answer(200, wire.One(data=mapping.profile(await profiles.read(asked.caller.user_id))))

    async def _signed_in(session: Session) -> Answer:
        account = await accounts.find_account(session.user.id)
        answer = wire.SignedIn(
            token=tokens.issue(session.user, session_id=session.id),
            refresh_token=tokens.issue_refresh(session),
            expires_in=tokens.lifetime_seconds,
            user=mapping.account(account),
        )
        return Answer(201, answer)

    auth, own = "/learner/auth", {200: wire.One[wire.Profile]}
    return [
        routes.add(
            "POST",
            f"{auth}/register",
            register,
            body=wire.RegisterBody,
            answers={201: wire.One[wire.Account]},
            is_public=True,
            is_kept=False,
            takes_key=True,
        ),
        routes.add(
            "POST",
            f"{auth}/login",
            login,
            body=wire.LoginBody,
            answers={201: wire.SignedIn},
            is_public=True,
            is_kept=False,
        ),
        routes.add(
            "POST",
            f"{auth}/refresh",
            refresh,
            body=wire.RefreshBody,
            answers={201: wire.SignedIn},
            is_public=True,
            is_kept=False,
        ),
        routes.add("POST", f"{auth}/logout", logout, answers={204: ()}, is_kept=False),
        routes.add("POST", f"{auth}/password", password, body=wire.PasswordBody, answers={204: ()}, is_kept=False),
        routes.add("GET", "/learner/me", me, answers=own, has_etag=True),
        routes.add("PATCH", "/learner/me", change_me, body=wire.ProfileBody, answers=own),
    ]
