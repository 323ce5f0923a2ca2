"""Letters as they are read: in the language of their receiver, as text and as HTML."""

import re
from collections.abc import Callable, Mapping
from html import escape
from typing import NamedTuple

from headway.mail.model import Letter, MailKind, Written, one_line
from headway.web.texts import Catalogues, Viewer

_MAX_VALUE = 200
_MAX_NAME = 60
_LINK = re.compile(r"[/:@]|\w\.\w\w")
Texts = Callable[[Viewer, Mapping[str, str]], "Parts"]


class Parts(NamedTuple):
    """The parts of a letter. `path` is where its link leads to."""

    subject: str
    before: tuple[str, ...]
    link: str
    path: str
    after: tuple[str, ...] = ()


class LetterWriter:
    """Writes letters out. Links lead to `site_url`, never to what a request named as its host."""

    def __init__(self, catalogues: Catalogues, *, site_url: str, site_name: str) -> None:
        self._catalogues = catalogues
        self._site_url = site_url
        self._site_name = site_name

    def __call__(self, letter: Letter) -> Written:
        """Return a letter as it is read."""
        viewer = self._catalogues.viewer(language=None, accept_language=letter.languages, zone=None)
        values = {name: one_line(value)[:_MAX_VALUE] for name, value in letter.values.items()} | {"site": self._site_name}
        parts = _KINDS[letter.kind](viewer, values)
        name = _greeted(values.get("name", ""))
        greeting = viewer.text("Hello %(name)s,", name=name) if name else viewer.text("Hello,")
        url = f"{self._site_url}{parts.path}"
        before, after = (greeting, *parts.before), parts.after
        text = "\n\n".join([*before, f"{parts.link}:\n{url}", *after, f"-- \n{self._site_name}"]) + "\n"
        return Written(parts.subject, text, _html(viewer.language, before, (parts.link, url), after), viewer.language)


def _greeted(name: str) -> str:
    """Return a name as it is greeted: empty if it is long, or has what mail programs make a link of.

    Anybody may register anybody's address under a name that is an advertisement.
    """
    return "" if len(name) > _MAX_NAME or _LINK.search(name) else name


def _html(language: str, before: tuple[str, ...], link: tuple[str, str], after: tuple[str, ...]) -> str:
    label, url = link
    style = "display:inline-block;padding:10px 16px;background:#1d4ed8;color:#ffffff;border-radius:6px;text-decoration:none"
    paragraphs = [
        *(f"<p>{escape(each)}</p>" for each in before),
        f'<p><a href="{escape(url)}" style="{style}">{escape(label)}</a></p>',
        *(f"<p>{escape(each)}</p>" for each in after),
        f'<p style="color:#555555;font-size:13px;overflow-wrap:anywhere">{escape(url)}</p>',
    ]
    return (
        f'<!DOCTYPE html>\n<html lang="{language}"><head><meta charset="utf-8"></head>\n'
        '<body style="font-family:sans-serif;font-size:16px;line-height:1.5;color:#111111;max-width:36em">\n'
        + "\n".join(paragraphs)
        + "\n</body></html>\n"
    )


def _password_reset(viewer: Viewer, values: Mapping[str, str]) -> Parts:
    text = viewer.text
    return Parts(
        text("Choose a new password"),
        (text("Somebody, probably you, asked for a new password for your account at %(site)s.", site=values["site"]),),
        text("Choose a new password"),
        f"/app/reset-password#{values['token']}",
        (
            text("The link works once, within %(minutes)s minutes.", minutes=values["minutes"]),
            text("If it was not you, do nothing: your password stays as it is."),
        ),
    )


def _password_elsewhere(viewer: Viewer, values: Mapping[str, str]) -> Parts:
    text = viewer.text
    return Parts(
        text("Your account has no password"),
        (
            text("Somebody, probably you, asked for a new password for your account at %(site)s.", site=values["site"]),
            text("The account has no password: you sign in with %(provider)s.", provider=values["provider"]),
        ),
        text("Sign in"),
        "/app/sign-in",
    )


def _password_changed(viewer: Viewer, values: Mapping[str, str]) -> Parts:
    text = viewer.text
    return Parts(
        text("Your password was changed"),
        (
            text("The password of your account at %(site)s was changed.", site=values["site"]),
            text("You are signed out on all devices. If it was you, there is nothing else to do."),
        ),
        text("If it was not you, choose a new password"),
        "/app/forgot-password",
    )


def _account_invitation(viewer: Viewer, values: Mapping[str, str]) -> Parts:
    text = viewer.text
    return Parts(
        text("Your account at %(site)s", site=values["site"]),
        (text("An account was made for you at %(site)s. Choose a password to sign in with.", site=values["site"]),),
        text("Choose a password"),
        f"/app/reset-password#{values['token']}",
        (text("The link works once, within %(days)s days.", days=values["days"]),),
    )


def _course_invitation(viewer: Viewer, values: Mapping[str, str]) -> Parts:
    text = viewer.text
    return Parts(
        text("Invitation to the course %(course)s", course=values["course"]),
        (
            text("You are invited to the course “%(course)s” at %(site)s.", course=values["course"], site=values["site"]),
            text("Create an account with this address, and you are enrolled."),
        ),
        text("Create an account"),
        f"/app/register#{values['token']}",
        (text("The invitation is valid for %(days)s days.", days=values["days"]),),
    )


def _course_enrollment(viewer: Viewer, values: Mapping[str, str]) -> Parts:
    text = viewer.text
    return Parts(
        text("You are enrolled in %(course)s", course=values["course"]),
        (text("You are enrolled in the course “%(course)s” at %(site)s.", course=values["course"], site=values["site"]),),
        text("Open the course"),
        f"/app/learning/{values['course_id']}",
    )


def _registration(viewer: Viewer, values: Mapping[str, str]) -> Parts:
    text = viewer.text
    return Parts(
        text("Confirm your address"),
        (text("Somebody, probably you, wants to create an account with this address at %(site)s.", site=values["site"]),),
        text("Confirm the address"),
        f"/app/confirm-registration#{values['token']}",
        (
            text("The link works once, within %(hours)s hours.", hours=values["hours"]),
            text("If it was not you, do nothing: there will be no account."),
        ),
    )


def _address_known(viewer: Viewer, values: Mapping[str, str]) -> Parts:
    text = viewer.text
    return Parts(
        text("You have an account already"),
        (
            text("Somebody, probably you, wanted to use this address for an account at %(site)s.", site=values["site"]),
            text("It belongs to an account already. If you forgot your password, choose a new one."),
        ),
        text("Choose a new password"),
        "/app/forgot-password",
        (text("If it was not you, do nothing."),),
    )


def _address_change(viewer: Viewer, values: Mapping[str, str]) -> Parts:
    text = viewer.text
    return Parts(
        text("Confirm your new address"),
        (text("You asked to use this address for your account at %(site)s.", site=values["site"]),),
        text("Confirm the address"),
        f"/app/confirm-address#{values['token']}",
        (
            text("The link works once, within %(hours)s hours.", hours=values["hours"]),
            text("If it was not you, do nothing: the address of the account stays as it is."),
        ),
    )


def _address_change_note(viewer: Viewer, values: Mapping[str, str]) -> Parts:
    text = viewer.text
    return Parts(
        text("Your address is to be changed"),
        (
            text(
                "Somebody who knows your password asked to use another address for your account at %(site)s.",
                site=values["site"],
            ),
            text("It changes as soon as the new address is confirmed. If it was you, there is nothing else to do."),
        ),
        text("If it was not you, choose a new password"),
        "/app/forgot-password",
    )


def _address_changed(viewer: Viewer, values: Mapping[str, str]) -> Parts:
    text = viewer.text
    return Parts(
        text("Your address was changed"),
        (
            text("Your account at %(site)s has another address now.", site=values["site"]),
            text("If it was not you, tell your administrator."),
        ),
        text("Sign in"),
        "/app/sign-in",
    )


_KINDS: dict[MailKind, Texts] = {
    MailKind.PASSWORD_RESET: _password_reset,
    MailKind.PASSWORD_ELSEWHERE: _password_elsewhere,
    MailKind.PASSWORD_CHANGED: _password_changed,
    MailKind.ACCOUNT_INVITATION: _account_invitation,
    MailKind.COURSE_INVITATION: _course_invitation,
    MailKind.COURSE_ENROLLMENT: _course_enrollment,
    MailKind.REGISTRATION: _registration,
    MailKind.ADDRESS_KNOWN: _address_known,
    MailKind.ADDRESS_CHANGE: _address_change,
    MailKind.ADDRESS_CHANGE_NOTE: _address_change_note,
    MailKind.ADDRESS_CHANGED: _address_changed,
}
