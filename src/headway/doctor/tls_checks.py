"""The certificate of the server: whether it can be used, for which names, and until when."""

from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from headway.doctor.patient import Area, Patient
from headway.health.findings import Found, ok, problem, warning
from headway.http.connections import tls_context
from headway.settings import SettingsError

area = Area("Certificate")

_RENEW_DAYS = 21


@area.check("Files", why="With a certificate or key that cannot be used no server starts.")
async def files(patient: Patient) -> Found | None:
    """Load the certificate and its key, as the server does."""
    try:
        context = tls_context(patient.settings)
    except SettingsError as error:
        return problem(str(error), "Correct the files; a renewal may have written only one of them.")
    return None if context is None else ok("The certificate and its key can be used.")


@area.check("Validity", why="With an expired certificate, or one of another name, no client connects.")
async def validity(patient: Patient) -> Found | None:
    """Read for which names and until when the certificate is valid."""
    file = patient.settings.tls_certificate
    if file is None:
        return None
    try:
        certificate = _load(file)
    except (OSError, ValueError):
        # The check of the files says so.
        return None
    return _validity_of(certificate, file, datetime.fromtimestamp(patient.clock() / 1_000, UTC))


def _validity_of(certificate: x509.Certificate, file: str, now: datetime) -> Found:
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    names = _names(certificate)
    if now < begins:
        return problem(f"{file} is valid only from {begins:%Y-%m-%d %H:%M} UTC.", "Check the clock, or use an earlier one.")
    if now >= ends:
        return problem(f"{file} has expired on {ends:%Y-%m-%d}.", "Renew it, and restart the server.")
    if not names:
        return problem(f"{file} names no host (subjectAltName): clients refuse it.", "Get one that names the host.")
    days = (ends - now).days
    if days < _RENEW_DAYS:
        return warning(f"{file} expires in {days} days, on {ends:%Y-%m-%d}.", "Renew it, and restart the server.")
    return ok(f"It is valid until {ends:%Y-%m-%d} for {', '.join(names[:5])}.")


def _load(file: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(Path(file).read_bytes())


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for name in extension.value]
