"""Servers that speak HTTPS themselves or behind a proxy, and want nothing else."""

import signal
import socket
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.databases import SECRET_KEY, Templates
from tests.processes import HeadwayProcess, run_headway

STRICT = "max-age=31536000"
EVENT = {"activity_type": "search", "course_id": 1}


class Certificate(NamedTuple):
    certificate: Path
    key: Path

    @property
    def flags(self) -> tuple[str, ...]:
        return ("--tls-certificate", str(self.certificate), "--tls-key", str(self.key))

    @property
    def trusted(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))


def make_certificate(folder: Path, name: str, *, password: bytes | None = None) -> Certificate:
    """Make a certificate for 127.0.0.1 that has signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    made = Certificate(folder / f"{name}.pem", folder / f"{name}.key")
    made.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    sealed = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealed)
    made.key.touch(mode=0o600)
    made.key.write_bytes(pem)
    return made


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"), "server")


class TlsProcess(HeadwayProcess):
    """A server that has a certificate."""

    def __init__(self, certificate: Certificate, *given: Any, **environment: str) -> None:
        url, folder, key, *flags = given
        super().__init__(url, folder, key, *flags, *certificate.flags, **environment)
        self.url = self.url.replace("http:", "https:")
        self.verify = certificate.trusted


@pytest.fixture(scope="module")
def direct(
    certificate: Certificate, tmp_path_factory: pytest.TempPathFactory, templates: Templates
) -> Iterator[HeadwayProcess]:
    """Two workers that speak HTTPS themselves."""
    folder = tmp_path_factory.mktemp("direct")
    url = templates.copy("postgresql", folder)
    with TlsProcess(certificate, url, folder, SECRET_KEY, "--workers", "2", "--require-https") as started:
        yield started
        assert started.stop() == 0


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory, templates: Templates) -> Iterator[HeadwayProcess]:
    """A server that trusts a proxy at 127.0.0.1, and requires HTTPS."""
    folder = tmp_path_factory.mktemp("behind")
    url = templates.copy("sqlite", folder)
    with HeadwayProcess(
        url, folder, SECRET_KEY, "--require-https", HEADWAY_TRUSTED_PROXIES="127.0.0.1", HEADWAY_ALLOWED_ORIGINS="*"
    ) as started:
        yield started


def from_proxy(server: HeadwayProcess) -> httpx.Client:
    """Ask as the trusted proxy does for a client that came by HTTPS."""
    return httpx.Client(base_url=server.url, headers={"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"})


def from_elsewhere(server: HeadwayProcess) -> httpx.Client:
    """Ask from an address that is not trusted, whatever it says."""
    return httpx.Client(
        base_url=server.url,
        headers={"X-Forwarded-Proto": "https"},
        transport=httpx.HTTPTransport(local_address="127.0.0.2"),
    )


class TestItsOwnCertificate:
    def test_answers_come_by_https_and_ask_for_it_ever_after(self, direct: HeadwayProcess, certificate: Certificate) -> None:
        with httpx.Client(base_url=direct.url, verify=certificate.trusted) as client:
            answers = [client.get("/livez"), client.get("/docs"), client.post("/api/courses/activity/track"), client.get("/x")]

        assert [answer.status_code for answer in answers] == [200, 200, 401, 404]
        assert {answer.headers["Strict-Transport-Security"] for answer in answers} == {STRICT}

    async def test_a_live_client_connects(self, direct: HeadwayProcess, certificate: Certificate) -> None:
        async with connect(direct.url.replace("https", "wss") + "/ws", ssl=certificate.trusted) as client:
            await client.send('{"type": "auth", "token": "nobody\'s"}')
            await client.wait_closed()

        assert client.close_code == 4401

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    def test_what_is_sealed_is_sealed_well(
        self, direct: HeadwayProcess, certificate: Certificate, version: ssl.TLSVersion
    ) -> None:
        trusted = certificate.trusted
        trusted.maximum_version = version
        with httpx.Client(base_url=direct.url, verify=trusted) as client, client.stream("GET", "/livez") as answer:
            cipher = answer.extensions["network_stream"].get_extra_info("ssl_object").cipher()[0]

        assert "GCM" in cipher or "CHACHA20" in cipher

    def test_plain_http_is_not_understood(self, direct: HeadwayProcess) -> None:
        with pytest.raises(httpx.HTTPError):
            httpx.get(direct.url.replace("https", "http") + "/livez")

    def test_a_renewed_certificate_is_taken_up_by_workers_that_are_replaced(
        self, direct: HeadwayProcess, certificate: Certificate
    ) -> None:
        renewed = make_certificate(direct.log.parent, "renewed")
        for old, new in zip(certificate, renewed, strict=True):
            old.write_bytes(new.read_bytes())

        direct.process.send_signal(signal.SIGHUP)
        direct.verify = renewed.trusted
        # They are replaced one after the other; meanwhile an old one may still answer.
        give_up = time.monotonic() + 30
        while {direct.readiness() for _ in range(20)} != {200}:
            assert time.monotonic() < give_up, direct.log.read_text()


class TestBehindAProxy:
    def test_what_the_proxy_says_came_by_https_is_served(self, behind: HeadwayProcess) -> None:
        with from_proxy(behind) as client:
            answer = client.get("/api/v1/courses")

        assert answer.status_code == 200
        assert answer.headers["Strict-Transport-Security"] == STRICT

    def test_anybody_else_may_say_so_in_vain(self, behind: HeadwayProcess) -> None:
        with from_elsewhere(behind) as client:
            answer = client.get("/api/v1/courses")
            refused = client.post("/api/v1/learner/auth/login", json={})

        assert (answer.status_code, refused.status_code) == (308, 403)

    @pytest.mark.parametrize("said", ["http", "ftp", "https, http", ""])
    def test_a_proxy_that_says_anything_else_is_one_of_plain_http(self, behind: HeadwayProcess, said: str) -> None:
        assert httpx.get(f"{behind.url}/docs", headers={"X-Forwarded-Proto": said}).status_code == 308

    @pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz"])
    def test_probes_may_come_by_plain_http(self, behind: HeadwayProcess, path: str) -> None:
        answer = httpx.get(behind.url + path)

        assert answer.status_code == 200
        assert "Strict-Transport-Security" not in answer.headers

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_a_request_without_credentials_is_led_to_https(self, behind: HeadwayProcess, method: str) -> None:
        path = "/api/v1/courses%2F../x?q=a%20b&q=%22&r=//evil.example"
        answer = httpx.request(method, behind.url + path, headers={"Host": "learn.example:8443"})

        assert answer.status_code == 308
        assert answer.headers["Location"] == f"https://learn.example:8443{path}"
        assert (answer.content, answer.headers["X-Frame-Options"]) == (b"", "DENY")

    @pytest.mark.parametrize(
        ("host", "led_to"), [("learn.example:80", "learn.example"), ("[::1]:8443", "[::1]:8443"), ("a_b", "a_b")]
    )
    def test_it_is_led_to_the_host_it_named(self, behind: HeadwayProcess, host: str, led_to: str) -> None:
        answer = httpx.get(f"{behind.url}/docs", headers={"Host": host})

        assert answer.headers["Location"] == f"https://{led_to}/docs"

    @pytest.mark.parametrize("host", ["a@evil.example", "a/b", "a b", "a\\b", "", "a:b", "a#", "a?b", "[::1", "\xe4"])
    def test_a_host_that_is_none_leads_nowhere(self, behind: HeadwayProcess, host: str) -> None:
        answer = httpx.get(f"{behind.url}/docs", headers={b"Host": host.encode("latin-1")})

        assert answer.status_code in {400, 403}
        assert "Location" not in answer.headers

    @pytest.mark.parametrize(
        "lines",
        [
            "GET /docs HTTP/1.0",
            "GET /docs HTTP/1.1\r\nHost: a.example\r\nHost: b.example",
            "GET @evil.example/ HTTP/1.1\r\nHost: a.example",
            "GET .evil.example/ HTTP/1.1\r\nHost: a.example",
        ],
    )
    def test_a_request_that_could_be_read_in_two_ways_leads_nowhere(self, behind: HeadwayProcess, lines: str) -> None:
        with socket.create_connection(("127.0.0.1", behind.port)) as plain:
            plain.sendall(lines.encode() + b"\r\nConnection: close\r\n\r\n")
            answer = b"".join(iter(lambda: plain.recv(65_536), b""))

        assert answer.split()[1] in {b"400", b"403"}
        assert b"\r\nlocation:" not in answer.lower()

    def test_credentials_are_not_led_on(self, behind: HeadwayProcess) -> None:
        answer = httpx.get(f"{behind.url}/api/v1/learner/me", headers={"Authorization": "Bearer x"})

        assert (answer.status_code, answer.json()["code"]) == (403, "HTTPS_REQUIRED")

    @pytest.mark.parametrize(
        ("method", "path", "told"),
        [
            ("POST", "/api/courses/activity/track", {"success": False, "message": "HTTPS is required.", "errors": []}),
            ("POST", "/user-progress/update", {"success": False, "message": "HTTPS is required."}),
            ("POST", "/api/v1/learner/auth/login", {"status": "error", "code": "HTTPS_REQUIRED"}),
            ("PATCH", "/api/v1/learner/me", {"status": "error", "code": "HTTPS_REQUIRED"}),
            ("OPTIONS", "/api/v1/courses", {"status": "error", "code": "HTTPS_REQUIRED"}),
            ("DELETE", "/nothing", {"status": 403, "code": "HTTPS_REQUIRED", "title": "Forbidden"}),
        ],
    )
    def test_everything_else_is_refused_in_the_words_of_its_contract(
        self, behind: HeadwayProcess, method: str, path: str, told: dict[str, Any]
    ) -> None:
        answer = httpx.request(method, behind.url + path, json=EVENT)

        assert answer.status_code == 403
        assert told.items() <= answer.json().items()
        assert answer.headers["X-Request-Id"]

    def test_what_is_refused_is_not_acted_upon(self, behind: HeadwayProcess) -> None:
        account = {"name": "Ada", "email": "ada@example.org", "password": "Difference-Engine-1"}
        plain = httpx.post(f"{behind.url}/api/v1/learner/auth/register", json=account)
        with from_proxy(behind) as client:
            again = client.post("/api/v1/learner/auth/register", json=account)

        assert (plain.status_code, again.status_code) == (403, 201)

    async def test_a_live_client_needs_https_too(self, behind: HeadwayProcess) -> None:
        address = behind.url.replace("http", "ws") + "/ws"

        with pytest.raises(InvalidStatus, match="403"):
            await connect(address)
        async with connect(address, additional_headers={"X-Forwarded-Proto": "https"}):
            pass


class TestRefusedAtTheStart:
    """What could not work is told in one line, before anything is served."""

    async def refusal(self, tmp_path: Path, *flags: str) -> str:
        refused = await run_headway("serve", "--database", f"sqlite:///{tmp_path}/x.db", "--port", "0", *flags)
        assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1), refused.stderr
        assert not (tmp_path / "x.db").exists()
        return refused.stderr

    async def test_https_that_nothing_could_come_by(self, tmp_path: Path) -> None:
        assert "HEADWAY_REQUIRE_HTTPS needs HEADWAY_TLS_CERTIFICATE" in await self.refusal(tmp_path, "--require-https")

    async def test_a_certificate_without_its_key(self, tmp_path: Path, certificate: Certificate) -> None:
        assert "go together" in await self.refusal(tmp_path, *certificate.flags[:2])

    async def test_a_file_that_is_not_there(self, tmp_path: Path, certificate: Certificate) -> None:
        told = await self.refusal(tmp_path, *certificate._replace(key=tmp_path / "none.key").flags)
        assert "none.key cannot be used" in told

    async def test_a_file_that_is_no_certificate(self, tmp_path: Path, certificate: Certificate) -> None:
        assert "cannot be used" in await self.refusal(tmp_path, *certificate._replace(certificate=Path(__file__)).flags)

    async def test_the_key_of_another_certificate(self, tmp_path: Path, certificate: Certificate) -> None:
        other = make_certificate(tmp_path, "other")
        assert "cannot be used" in await self.refusal(tmp_path, *certificate._replace(key=other.key).flags)

    async def test_a_key_that_wants_a_password(self, tmp_path: Path) -> None:
        assert "cannot be used" in await self.refusal(tmp_path, *make_certificate(tmp_path, "sealed", password=b"s").flags)

    async def test_a_key_that_others_may_read(self, tmp_path: Path) -> None:
        exposed = make_certificate(tmp_path, "exposed")
        exposed.key.chmod(0o644)
        assert f"chmod 600 {exposed.key}" in await self.refusal(tmp_path, *exposed.flags)

    async def test_a_signing_key_that_others_may_read(self, tmp_path: Path) -> None:
        key = tmp_path / "x.db.key"
        key.write_bytes(b"k" * 48)
        key.chmod(0o644)
        assert f"chmod 600 {key}" in await self.refusal(tmp_path)

    async def test_a_signing_key_that_is_too_short(self, tmp_path: Path) -> None:
        (tmp_path / "x.db.key").touch(mode=0o600)
        assert "is shorter than 32 bytes" in await self.refusal(tmp_path)
