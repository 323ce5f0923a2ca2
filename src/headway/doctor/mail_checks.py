"""Mail: whether the mail server takes any, and what waits or has failed."""

from headway.doctor.patient import Area, Needs, Patient
from headway.health.findings import Found, ok, problem, warning
from headway.instants import DAY, HOUR
from headway.mail import store
from headway.mail.transport import MailTransport

area = Area("Mail")

_TIMEOUT_SECONDS = 10


@area.check("Mail server", why="Without mail nobody gets a new password, an invitation, or a link to verify an address.")
async def mail_server(patient: Patient) -> Found | None:
    """Connect to the mail server and sign in, without sending anything."""
    transport = MailTransport.from_settings(patient.settings)
    if transport is None:
        return None
    transport.timeout_seconds = min(transport.timeout_seconds, _TIMEOUT_SECONDS)
    fault = await transport.find_fault()
    if fault is not None:
        remedy = "Start it, or correct the setting: docs/accounts.md, at Mail, has its forms."
        return problem(f"The mail server of HEADWAY_SMTP_URL cannot be used: {fault}", remedy)
    return ok("The mail server answers, and lets Headway in.")


@area.check("Outbox", why="A mail that waits for two days is not sent any more.", needs=Needs.DATA)
async def outbox(patient: Patient) -> list[Found] | None:
    """Look for mails that wait for long, and for those that were given up of late."""
    now = patient.clock()
    async with patient.database.read() as tx:
        facts = await store.read_facts(tx)
    found = []
    if facts.unreadable:
        remedy = "Set the older keys too (HEADWAY_ENCRYPTION_KEYS); until then these mails wait."
        found.append(problem(f"Mails that no present key decrypts: {facts.unreadable} or more.", remedy))
    if facts.oldest_at is not None and facts.oldest_at < now - HOUR:
        hours = (now - facts.oldest_at) // HOUR
        if patient.settings.smtp_url is None:
            remedy = "Set HEADWAY_SMTP_URL, or leave it: they are not sent, and removed in time."
        else:
            remedy = "Look at the check of the mail server, and whether a server of Headway runs."
        found.append(warning(f"Mails that wait: {facts.pending}, one for {hours} hours.", remedy))
    late = [each for each in facts.failures if each.ended_at is not None and each.ended_at > now - DAY]
    if late:
        # The rest of an answer may name the receiver.
        code = (late[0].answer or "").partition(" ")[0]
        said = f", the latest with the answer {code}" if code.isdecimal() else ""
        found.append(warning(f"Mails given up in the last day: {len(late)} or more{said}.", "The mail server's log says why."))
    return found or ([ok("No mail waits for long.")] if patient.settings.smtp_url is not None else None)
