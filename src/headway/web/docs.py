"""`/docs`: an interactive API reference, served without external assets."""

from pathlib import Path

from litestar import Response, Router, get
from litestar.datastructures import CacheControlHeader
from litestar.static_files import create_static_files_router

_ASSETS = Path(__file__).parent / "swagger-ui"

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Headway API reference</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/assets/swagger-ui.css">
</head>
<body>
<div id="docs"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
_SCRIPT = """\
SwaggerUIBundle({url: "/openapi.json", dom_id: "#docs", deepLinking: true, persistAuthorization: true, validatorUrl: null});
"""
# Swagger UI adds inline styles and data URLs to its page, and calls this server only.
_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def docs() -> list[Router]:
    """Return the routes of the page and its assets."""

    @get("/", opt={"public": True}, include_in_schema=False)
    async def page() -> Response[str]:
        return Response(_PAGE, media_type="text/html", headers={"Content-Security-Policy": _CONTENT_SECURITY_POLICY})

    @get("/start.js", opt={"public": True}, include_in_schema=False)
    async def script() -> Response[str]:
        return Response(_SCRIPT, media_type="text/javascript")

    assets = create_static_files_router(
        "/docs/assets",
        directories=[_ASSETS],
        opt={"public": True},
        include_in_schema=False,
        name="docs-assets",
        cache_control=CacheControlHeader(max_age=3600),
    )
    return [Router("/docs", route_handlers=[page, script]), assets]
