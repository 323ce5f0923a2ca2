"""`/docs`: the interface of all contracts, to read and to try. Everything it needs comes from this server."""

from pathlib import Path

from litestar import Response, Router, get
from litestar.static_files import create_static_files_router

_ASSETS = Path(__file__).parent / "swagger-ui"

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Headway: interface</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/assets/swagger-ui.css">
</head>
<body>
<div id="docs"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script>
SwaggerUIBundle({url: "/openapi.json", dom_id: "#docs", deepLinking: true, persistAuthorization: true, validatorUrl: null});
</script>
</body>
</html>
"""


def docs() -> list[Router]:
    """Make the routes of the page and its assets."""

    @get("/", opt={"public": True}, include_in_schema=False)
    async def page() -> Response[str]:
        return Response(_PAGE, media_type="text/html")

    assets = create_static_files_router(
        "/docs/assets", directories=[_ASSETS], opt={"public": True}, include_in_schema=False, name="docs-assets"
    )
    return [Router("/docs", route_handlers=[page]), assets]
