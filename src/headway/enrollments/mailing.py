"""Mail to those whom staff invites to a course, or enrolls in it."""

from collections.abc import Mapping, Sequence

from headway.accounts.link_model import StoredLink, hash_secret, is_right, new_token, read_token
from headway.accounts.model import User
from headway.db.database import ReadTransaction, WriteTransaction
from headway.enrollments import invitations_store as invitations
from headway.enrollments.enrolling_model import INVITATION_LIFETIME, Invitation
from headway.errors import Invalid
from headway.identity import Client, settle_email
from headway.instants import DAY, Clock
from headway.mail.model import Letter, MailKind
from headway.mail.outbox import Outbox


class CourseMail:
    """Stores letters about courses. Without a mail server, or where nobody is to be told, it stores nothing."""

    def __init__(self, clock: Clock, outbox: Outbox, *, tells_enrolled: bool) -> None:
        self._clock = clock
        self._outbox = outbox
        self._tells_enrolled = tells_enrolled

    @property
    def is_on(self) -> bool:
        """Whether this server sends mail."""
        return self._outbox.is_on

    async def invite(self, tx: WriteTransaction, title: str, invited: Sequence[Invitation], client: Client | None) -> None:
        """Mail invited addresses a link to create an account; older links end."""
        if not self._outbox.is_on or not invited:
            return
        tokens = {each.id: new_token(each.id) for each in invited}
        hashes = {each.id: hash_secret(tokens[each.id].secret, each.email) for each in invited}
        await invitations.set_links(tx, hashes, self._clock())
        common = {"course": title, "days": str(INVITATION_LIFETIME // DAY)}
        letters = [
            _letter(MailKind.COURSE_INVITATION, each.email, client, {**common, "token": str(tokens[each.id])})
            for each in invited
        ]
        await self._outbox.write(tx, *letters)

    async def tell_enrolled(
        self, tx: WriteTransaction, course_id: int, title: str, enrolled: Sequence[User], client: Client | None
    ) -> None:
        """Mail learners that they are enrolled, if the settings say so."""
        if not self._tells_enrolled:
            return
        course = {"course": title, "course_id": str(course_id)}
        letters = [
            _letter(MailKind.COURSE_ENROLLMENT, user.email, client, {**course, "name": user.name}, user.id)
            for user in enrolled
            if user.email is not None
        ]
        await self._outbox.write(tx, *letters)

    async def proves(self, tx: ReadTransaction, text: str, email: str) -> bool:
        """Return whether the token of an invitation proves that somebody has got mail to an address."""
        try:
            token = read_token(text)
        except Invalid:
            return False
        found = await invitations.find_linked(tx, token.number)
        invitation, hashed = found or (None, None)
        if invitation is None or hashed is None:
            return False
        link = StoredLink(hashed, None, invitation.ends_at)
        is_its_own = is_right(link, token.secret, (invitation.email,), self._clock())
        return is_its_own and invitation.email == settle_email(email)


def _letter(kind: MailKind, to: str, client: Client | None, values: Mapping[str, str], user_id: int | None = None) -> Letter:
    return Letter(kind, to, None if client is None else client.languages, values, user_id)
