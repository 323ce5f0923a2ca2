"""Rendering of pages: Jinja2 templates, in the language of the viewer, with the headers of all pages."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from litestar.types import Scope

from headway.http.request import read_header
from headway.instants import Clock, iso
from headway.web.assets import Assets
from headway.web.refusals import said
from headway.web.sessions import LANGUAGE, ZONE, read_cookie
from headway.web.texts import Catalogues, Viewer

_TEMPLATES = Path(__file__).parent / "templates"
_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class Pages:
    """Renders the pages."""

    MEDIA_TYPE: Final = "text/html; charset=utf-8"
    headers: Final[list[tuple[bytes, bytes]]] = [
        (b"content-security-policy", _CONTENT_SECURITY_POLICY.encode()),
        # Forms of a page without a referrer have the origin `null`, by which `check_origin` could not know them.
        (b"referrer-policy", b"same-origin"),
        (b"cache-control", b"no-store"),
        (b"vary", b"Accept-Language, Cookie"),
    ]

    def __init__(self, catalogues: Catalogues, assets: Assets, clock: Clock) -> None:
        self._catalogues = catalogues
        self._environments = {code: self._environment(code, assets, clock) for code in catalogues.languages}

    def viewer(self, scope: Scope) -> Viewer:
        """Return the viewer who sends a request."""
        return self._catalogues.viewer(
            language=read_cookie(scope, LANGUAGE),
            accept_language=read_header(scope, b"accept-language"),
            zone=read_cookie(scope, ZONE),
        )

    def viewer_of(self, accept_language: str | None) -> Viewer:
        """Return the viewer who sends an Accept-Language, in the time zone of the settings."""
        return self._catalogues.viewer(language=None, accept_language=accept_language, zone=None)

    def render(self, template: str, viewer: Viewer, values: Mapping[str, Any]) -> str:
        """Render a template. Raises UndefinedError where it uses a value that is missing."""
        return self._environments[viewer.language].get_template(template).render({**values, "viewer": viewer})

    def _environment(self, language: str, assets: Assets, clock: Clock) -> Environment:
        """Make the environment of a language: texts are looked up as templates are rendered, and numbers by the viewer."""
        environment = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            extensions=["jinja2.ext.i18n"],
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        environment.install_gettext_translations(self._catalogues.translations(language), newstyle=True)  # type: ignore[attr-defined]
        environment.globals |= {"asset": assets.url, "languages": self._catalogues.languages}
        environment.filters |= {
            "number": _by_viewer(Viewer.number),
            "percent": _by_viewer(Viewer.percent),
            "duration": _by_viewer(Viewer.duration),
            "date": _by_viewer(Viewer.date),
            "datetime": _by_viewer(Viewer.datetime),
            "time": _by_viewer(Viewer.time),
            "said": _by_viewer(said),
            "unless_erased": _by_viewer(Viewer.unless_erased),
            "ago": pass_context(lambda context, instant: context["viewer"].ago(instant, clock())),
            "iso": iso,
        }
        return environment


def _by_viewer(method: Callable[..., str]) -> Callable[..., str]:
    """Return a filter that calls a method of the viewer."""

    @pass_context
    def shown(context: Context, value: Any, *arguments: Any) -> str:
        return method(context["viewer"], value, *arguments)

    return shown
