"""Somebody who uses the pages with a browser that runs no scripts: it keeps cookies, follows redirects and sends forms."""

from typing import Any

import httpx
from bs4 import BeautifulSoup, Tag

from headway.accounts.model import User
from tests.world import World

ORIGIN = "http://headway.test"


class Shown:
    """A page as it is shown."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.status = response.status_code
        self.path = response.url.path
        self.html = response.text
        self.soup = BeautifulSoup(response.text, "html.parser")

    @property
    def text(self) -> str:
        """The text of the page's content, with single spaces."""
        content = self.soup.find("main") or self.soup
        return " ".join(content.get_text(" ").split())

    def rows(self, selector: str = "tbody tr") -> list[list[str]]:
        """Return the texts of the cells of table rows."""
        return [
            [" ".join(cell.get_text(" ").split()) for cell in row.find_all(["td", "th"])] for row in self.soup.select(selector)
        ]

    def form(self, action: str) -> Tag:
        """Return the form that is sent to a path."""
        found = self.soup.find("form", action=action)
        assert isinstance(found, Tag), f"there is no form for {action}"
        return found

    def values(self, action: str) -> dict[str, list[str]]:
        """Return what a form holds as it is shown."""
        values: dict[str, list[str]] = {}
        for each in self.form(action).find_all(["input", "textarea", "select"]):
            name = each.get("name")
            if not name or (each.get("type") in {"checkbox", "radio"} and not each.has_attr("checked")):
                continue
            if each.name == "select":
                chosen = each.find("option", selected=True) or each.find("option")
                value = "" if chosen is None else str(chosen.get("value", chosen.get_text()))
            else:
                value = each.get_text() if each.name == "textarea" else str(each.get("value", ""))
            values.setdefault(str(name), []).append(value)
        return values


class Visitor:
    """A browser; `user` is who is signed in."""

    def __init__(self, client: httpx.AsyncClient, world: World, user: User | None = None) -> None:
        asgi: Any = client._transport
        self.client = httpx.AsyncClient(transport=asgi, base_url=ORIGIN, follow_redirects=True)
        if user is not None:
            self.client.cookies.set("headway-access", world.services.tokens.issue(user), domain="headway.test")

    async def open(self, path: str, **headers: str) -> Shown:
        """Open a page, and those that it redirects to."""
        return Shown(await self.client.get(path, headers=headers))

    async def submit(self, action: str, fields: dict[str, Any] | None = None, **headers: str) -> Shown:
        """Send a form as a page of the server does, and follow where that leads."""
        return Shown(await self.client.post(action, data=fields or {}, headers={"Origin": ORIGIN, **headers}))

    async def fill(self, page: Shown, action: str, **fields: Any) -> Shown:
        """Send a form of a page, with what it holds and some fields filled in."""
        return await self.submit(action, {**page.values(action), **fields})
