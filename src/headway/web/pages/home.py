"""`/` and `/app`: the way to the first page of a role."""

from headway.identity import Role
from headway.web.page_routes import PageRequest, Redirect, get

_HOMES = {
    Role.ADMIN: "/app/admin/health",
    Role.INSTRUCTOR: "/app/courses",
    Role.SYSTEM: "/app/account",
    Role.PARTICIPANT: "/app/learning",
}


class HomePages:
    """Leads everybody to their first page."""

    @get("/", public=True)
    async def root(self, _request: PageRequest[None, None]) -> Redirect:
        """Lead to the pages."""
        return Redirect("/app")

    @get("/app")
    async def home(self, request: PageRequest[None, None]) -> Redirect:
        """Lead to the first page of the caller's role."""
        return Redirect(_HOMES[request.caller.role])
