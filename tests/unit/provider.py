"""An outside identity provider in the test's own hands: its keys, its tokens, and the server that publishes the keys."""

import base64
import hashlib
import hmac
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from headway.instants import SECOND
from tests.world import NOON

ISSUER, AUDIENCE = "https://id.example.org/realm", "headway-learning"
CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "aud": AUDIENCE,
    "sub": "8f14e45f-ada",
    "name": "Ada Lovelace",
    "iat": NOON // SECOND,
    "exp": NOON // SECOND + 300,
}


class SigningKey(NamedTuple):
    """A key pair of the provider."""

    private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    algorithm: str
    key_id: str | None

    def token(self, *, algorithm: str | None = None, key_id: str | None = None, **changed: Any) -> str:
        """Sign the claims; a changed claim of None is left out."""
        payload = {name: value for name, value in {**CLAIMS, **changed}.items() if value is not None}
        named = key_id or self.key_id
        return jwt.encode(payload, self.private, algorithm or self.algorithm, headers={"kid": named} if named else None)

    @property
    def jwk(self) -> dict[str, Any]:
        public: Any = self.private.public_key()
        kind: Any = RSAAlgorithm if self.algorithm.startswith("RS") else ECAlgorithm
        return {**kind.to_jwk(public, as_dict=True), **({"kid": self.key_id} if self.key_id else {})}

    @property
    def pem(self) -> bytes:
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def confused_token(self) -> str:
        """Make a token with HMAC, whose secret is the text of the public key."""
        head = {"alg": "HS256", "typ": "JWT", **({"kid": self.key_id} if self.key_id else {})}
        signed = b".".join(_base64url(json.dumps(part).encode()) for part in (head, CLAIMS))
        return b".".join([signed, _base64url(hmac.digest(self.pem, signed, hashlib.sha256))]).decode()


def rsa_key(key_id: str | None, *, bits: int = 2048) -> SigningKey:
    return SigningKey(rsa.generate_private_key(public_exponent=65537, key_size=bits), "RS256", key_id)


def ec_key(key_id: str | None) -> SigningKey:
    return SigningKey(ec.generate_private_key(ec.SECP256R1()), "ES256", key_id)


def key_set(*keys: SigningKey | dict[str, Any]) -> bytes:
    """Write a JWKS document."""
    return json.dumps({"keys": [key.jwk if isinstance(key, SigningKey) else key for key in keys]}).encode()


class KeyServer:
    """Publishes a document of keys on this machine, and counts how often it is fetched."""

    def __init__(self, document: bytes) -> None:
        self.document = document
        self.status = 200
        self.fetched = 0
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.fetched += 1
                self.send_response(server.status)
                self.send_header("Content-Length", str(len(server.document)))
                self.end_headers()
                self.wfile.write(server.document)

            def log_message(self, *_args: object) -> None:
                """Write nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/keys"

    def __enter__(self) -> "KeyServer":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()


def _base64url(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")
