"""A small OpenID Connect provider: its configuration, its page of signing in, its tokens and its keys, on a port of its own."""

import base64
import hashlib
import json
import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from headway.instants import SECOND, Clock
from tests.unit.provider import SigningKey, rsa_key

CLIENT_ID, CLIENT_SECRET = "headway", "the provider's secret +/="


class OpenIdProvider:
    """Signs `subject` in at once. What a test sets in `claims` goes into the ID token; None leaves a claim out."""

    def __init__(self, clock: Clock, key: SigningKey | None = None) -> None:
        self.clock = clock
        self.key = key or rsa_key("one")
        self.subject = "8f14e45f-ada"
        self.claims: dict[str, Any] = {}
        self.configuration: dict[str, Any] = {}
        self.answer: dict[str, str] = {}
        """Set in the query of the answer, in place of what belongs there."""
        self.codes: dict[str, dict[str, str]] = {}
        self.requests: list[str] = []
        self.is_down = False
        self.redirect_to: str | None = None
        """Where all requests are redirected."""
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.serve(self, {})

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                provider.serve(self, {name: values[0] for name, values in parse_qs(body).items()})

            def log_message(self, *_args: object) -> None:
                """Write nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self.issuer = f"http://127.0.0.1:{self._server.server_port}/realm"

    def __enter__(self) -> "OpenIdProvider":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def serve(self, request: BaseHTTPRequestHandler, form: dict[str, str]) -> None:
        url = urlsplit(request.path)
        name = url.path.removeprefix("/realm/")
        self.requests.append(name)
        if self.is_down:
            return _send(request, 503, b"down")
        if self.redirect_to is not None:
            return _send(request, 302, b"", self.redirect_to)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        if name == ".well-known/openid-configuration":
            return _send(request, 200, json.dumps(self.discovery()).encode())
        if name == "keys":
            return _send(request, 200, json.dumps({"keys": [self.key.jwk]}).encode())
        if name == "authorize":
            return _send(request, 302, b"", self.authorize(query))
        status, tokens = self.redeem(form, request.headers.get("Authorization"))
        return _send(request, status, json.dumps(tokens).encode())

    def discovery(self) -> dict[str, Any]:
        endpoints = {name: f"{self.issuer}/{path}" for name, path in _ENDPOINTS.items()}
        return {"issuer": self.issuer, **endpoints, **self.configuration}

    def authorize(self, query: dict[str, str]) -> str:
        """Return where the browser goes after it has signed in."""
        assert query["response_type"] == "code"
        assert query["client_id"] == CLIENT_ID
        assert "openid" in query["scope"].split()
        assert query["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(8)
        self.codes[code] = query
        answer = {"code": code, "state": query["state"], "iss": self.issuer, **self.answer}
        return f"{query['redirect_uri']}?{urlencode({name: value for name, value in answer.items() if value})}"

    def redeem(self, form: dict[str, str], authorization: str | None) -> tuple[int, dict[str, Any]]:
        """Return the tokens for a code, once."""
        account = base64.b64encode(urlencode({CLIENT_ID: CLIENT_SECRET}).replace("=", ":", 1).encode()).decode()
        if authorization != f"Basic {account}":
            return 401, {"error": "invalid_client"}
        asked = self.codes.pop(form["code"], None)
        if asked is None or form["redirect_uri"] != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        if challenge != asked["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        now = self.clock() // SECOND
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "sub": self.subject, "iat": now, "exp": now + 300}
        token = self.key.token(**{"name": "Ada Lovelace", "nonce": asked["nonce"], **claims, **self.claims})
        return 200, {"id_token": token, "access_token": "opaque", "token_type": "Bearer"}


_ENDPOINTS = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}


def _send(request: BaseHTTPRequestHandler, status: int, body: bytes, location: str | None = None) -> None:
    request.send_response(status)
    request.send_header("Content-Length", str(len(body)))
    if location is not None:
        request.send_header("Location", location)
    request.end_headers()
    request.wfile.write(body)
