"""What services say when they refuse something, in the language of the viewer.

Services know no viewer: their messages are English, and parts of the contracts. Those that people can meet are listed here, and
shown as the catalogue has them. A message that is not listed is for developers, and is shown as it is.
"""

import re
from functools import cache
from typing import Final

from headway.web.texts import Viewer

_PLACEHOLDER = re.compile(r"%\\?\((\w+)\\?\)s")


def N_(text: str) -> str:  # noqa: N802 - the name by which gettext's tools know texts that are translated later
    """Mark a text for the catalogue."""
    return text


FIELDS: Final = (
    N_("is required"),
    N_("is wrong"),
    N_("is not the same as above"),
    N_("is wrong, was used, or has expired: ask for a new link"),
    N_("is not valid"),
    N_("is nobody: select somebody first"),
    N_("is not a place in this timeline"),
    N_("is one of the most common passwords"),
    N_("belongs to no account"),
    N_("already has an account"),
    N_("belongs to another account"),
    N_("belongs to another course"),
    N_("must not contain control characters"),
    N_("was sent to this learner within the last day"),
    N_("must be UTF-8"),
    N_("must not contain NUL characters"),
    N_("must be a valid e-mail address"),
    N_("must be a cursor of this list that has not expired"),
    N_("must be one of the answers"),
    N_("must be a choice of the list"),
    N_("must be a date and a time, such as %(example)s"),
    N_("must be after the start"),
    N_("must be in the future"),
    N_("must be given, or a time, but not both"),
    N_("is over already by the course's days of access"),
    N_("must not be before the first day"),
    N_("must be on GitHub, Google Drive or S3"),
    N_("must be a valid URL"),
    N_("must begin with https://"),
    N_("must have a host name"),
    N_("must not hold credentials"),
    N_("must not have spaces, quotes, angle brackets, backslashes or invisible characters"),
    N_("must have an upper-case letter"),
    N_("must have a special character"),
    N_("must have %(least)s to %(most)s characters, none of them NUL"),
    N_("must have %(least)s to %(most)s characters"),
    N_("must have at most %(most)s characters, none of them NUL"),
    N_("must have at most %(most)s characters"),
    N_("must not have more than %(most)s values"),
    N_("must be %(least)s to %(most)s e-mail addresses"),
    N_("must be from %(least)s to %(most)s"),
    N_("must be between %(least)s and %(most)s"),
    N_("must be one of %(names)s"),
    N_("expected integer, got string"),
    N_("expected number, got string"),
    N_("expected boolean, got string"),
    N_("expected integer >= %(least)s"),
    N_("expected integer <= %(most)s"),
    N_("expected string of length <= %(most)s"),
    N_("invalid enum value '%(value)s'"),
    N_("invalid RFC3339 encoded date"),
    N_("does not exist"),
    N_("must have %(least)s to %(most)s items"),
)
"""What is wrong with a field; each goes after its name."""

MESSAGES: Final = (
    N_("The request is not valid."),
    N_("The e-mail address or the password is wrong."),
    N_("The account is disabled."),
    N_("User %(id)s was erased."),
    N_("Events are being archived: try again after that, or run `headway events archive` again if it was interrupted."),
    N_("A course has at most %(most)s invitations."),
    N_("This server sends no mail: ask an administrator for a link."),
    N_("This server sends no mail: hand a link over."),
    N_("This server sends no mail: tell people yourself."),
    N_("This server sends no mail: ask an administrator to change the address."),
    N_("The invitation was mailed within the last ten minutes."),
    N_("Confirm your e-mail address first: you got a mail."),
    N_("This server sends no mail: addresses need no proof."),
    N_("Too many passwords are being checked."),
    N_("Too many attempts; try again in %(seconds)s seconds."),
    N_("Too many exports; try again in %(seconds)s seconds."),
    N_("Too many exports are being made."),
    N_("Only administrators may do this."),
    N_("Another administrator has to disable your account or change its role."),
    N_("A password needs an address to sign in with."),
    N_("This e-mail address or external id belongs to another account."),
    N_("This e-mail address belongs to another account."),
    N_("This external id belongs to another account."),
    N_("This external id belongs to another course."),
    N_("There is no such user."),
    N_("There is no user %(id)s."),
    N_("There is no user with the address %(email)s."),
    N_("User %(id)s is disabled."),
    N_("User %(id)s is a %(role)s; a role in a course needs an INSTRUCTOR or ADMIN."),
    N_("There is no such course."),
    N_("There is no such unit in this course."),
    N_("There is no such step."),
    N_("There is no such table."),
    N_("There is no such assessment."),
    N_("There is no such assessment in this course."),
    N_("There is no such submission."),
    N_("Only those enrolled in the course have its assessments."),
    N_("The work has been graded already."),
    N_("The learner has handed in newer work."),
    N_("Somebody else has graded this work meanwhile."),
    N_("There are %(count)s saved filters: delete one first."),
    N_("A message goes to %(count)s learners at once."),
    N_("The learner is not enrolled in the course."),
    N_("There is no such note of yours."),
    N_("The log is being verified already."),
    N_("Only the staff of the course may do this."),
    N_("Only owners of the course may do this."),
    N_("Only the learner and the staff of the course may see this."),
    N_("The course needs another owner first."),
    N_("There is no such member of staff."),
    N_("Publish the course before you enroll anybody."),
    N_("This learner does not wait for a seat."),
    N_("There is no such invitation."),
    N_("The access of this learner has no end."),
    N_("Who completed the course keeps access."),
    N_("The learner has left the course: enroll the learner again."),
    N_("This course is not open for enrollment now."),
    N_("Every seat of this course is taken."),
    N_("Complete these courses first: %(names)s."),
    N_("There is no such enrollment."),
    N_("A certified enrollment cannot be dropped."),
    N_("%(count)s seats are taken already."),
    N_("Somebody else has changed the course meanwhile. Look at what is different, and save again."),
    N_("You are not enrolled in this course."),
    N_("The user is not enrolled in this course."),
    N_("User %(id)s is not enrolled in course %(course)s."),
    N_("This unit is for those enrolled in the course."),
    N_("This unit has no quiz here."),
    N_("This unit is completed in another way."),
    N_("The units before this one have to be completed first."),
    N_("There is no such user to write to."),
    N_("There is no such message."),
    N_("Messages go to peers, and between tutors and their learners."),
    N_("Messages go to learners of a course from those who teach it."),
    N_("Only its receiver marks a message as read."),
    N_("Access has ended. Name a new end to renew it."),
    N_("Every seat of this course is taken. Add a seat to let this learner in."),
    N_("Item %(number)s names the same user."),
    N_("This unit opens at %(at)s."),
    N_("This unit closed at %(at)s."),
    N_("This unit is not open."),
    N_("There is no such API key."),
    N_("There is no such file."),
    N_("There is no such page."),
    N_("This request does not come from a page of this server."),
)

IN_OTHER_WORDS: Final = {
    "Learner is already enrolled in this course.": N_("You are enrolled in this course already."),
    "Learner no longer has access to this course.": N_("Your access to this course has ended."),
}
"""What a contract words as if it spoke to somebody else, as pages say it to the learner."""


def said(viewer: Viewer, message: str) -> str:
    """Return what a service says in the language of the viewer, with the numbers and names in it."""
    for pattern, text in _patterns():
        if found := pattern.fullmatch(message):
            return viewer.text(text, **found.groupdict())
    return message


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """Return each text with the pattern of the messages that it stands for, the more exact ones first."""
    texts = {text: text for text in FIELDS + MESSAGES} | IN_OTHER_WORDS
    return [
        (re.compile(_PLACEHOLDER.sub(r"(?P<\1>.+)", re.escape(message)), re.DOTALL), texts[message])
        for message in sorted(texts, key=lambda message: (len(_PLACEHOLDER.findall(message)), -len(message)))
    ]
