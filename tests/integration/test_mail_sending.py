"""Mail is sent by a real mail server's rules: taken, refused, put off, hanging, dying, encrypted."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select, text, update

from headway.db.database import Database
from headway.db.keyring import Keyring
from headway.mail import store
from headway.mail.model import LIFETIME, Letter, Mail, MailKind, MailStatus, Outcome, Written
from headway.mail.sender import MailSender
from headway.mail.tables import mails
from headway.mail.transport import MailTransport, read_address
from headway.settings import Settings
from headway.smtp_url import parse_smtp_url
from tests.databases import SECRET_KEY
from tests.mail_server import MailServer, make_certificate, run_mail_server
from tests.mailing import mailing, make_sender
from tests.world import FakeClock, World

ADA = "ada@example.org"
WRITTEN = Written("Hello", "Hello\n", "<p>Hello</p>\n", "en")
SENDER = read_address("Ézra's School <no-reply@school.example>")


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with run_mail_server() as made:
        yield made


@pytest.fixture
def settings(database_url: str, server: MailServer) -> Settings:
    return mailing(Settings(database_url=database_url, secret_key=SECRET_KEY, postgres_pool_size=4), server)


@pytest.fixture
def sender(world: World) -> MailSender:
    return make_sender(world)


def changed(to: str = ADA, **given: object) -> Letter:
    return msgspec.structs.replace(Letter(MailKind.PASSWORD_CHANGED, to, "en", {"name": "Ada"}), **given)


async def stored(world: World) -> list[Mail]:
    async with world.database.read() as tx:
        return await store._mails(tx, await tx.all(select(mails).order_by(mails.c.id)))


async def test_a_letter_is_delivered_after_the_commit_and_forgotten(
    world: World, sender: MailSender, server: MailServer
) -> None:
    await world.write(world.services.mail.write, changed())
    assert server.received == []
    await sender.drain()

    (mail,) = server.received
    (row,) = await stored(world)
    assert (mail.sender, mail.to) == ("no-reply@school.example", [ADA])
    assert (mail.message["From"], mail.message["To"]) == ("School <no-reply@school.example>", ADA)
    assert mail.message["Subject"] == "Your password was changed"
    assert mail.message["Auto-Submitted"] == "auto-generated"
    assert mail.message["Message-ID"] == f"<{row.message_id}@school.example>"
    assert "Hello Ada," in mail.text
    assert "https://learn.school.example/app/forgot-password" in mail.html
    assert (row.status, row.tries, row.letter, row.to, row.answer) == (
        *(MailStatus.SENT, 1, None, None),
        "2.0.0 Queued as 12345",
    )


async def test_nothing_is_sent_of_a_transaction_that_is_rolled_back(
    world: World, sender: MailSender, server: MailServer
) -> None:
    async def fail() -> None:
        async with world.database.write() as tx:
            await world.services.mail.write(tx, changed())
            raise KeyError

    with pytest.raises(KeyError):
        await fail()
    await sender.drain()

    assert server.received == []
    assert await stored(world) == []


async def test_nothing_readable_lies_in_the_outbox(world: World) -> None:
    await world.write(world.services.mail.write, changed(values={"name": "Ada", "token": "secret"}))

    (row,) = await world.rows(text("SELECT * FROM mails"))
    assert ADA not in str(row)
    assert "Ada" not in str(row)
    assert "secret" not in str(row)


async def test_a_letter_whose_key_is_missing_holds_up_no_other(
    world: World, sender: MailSender, server: MailServer, clock: FakeClock
) -> None:
    other = Keyring(lambda: ["another-key-that-is-only-for-tests-too"])
    await world.write(world.services.mail.write, *(changed(f"lost{number}@example.org") for number in range(5)))
    async with world.database.write() as tx:
        await tx.run(update(mails).values(letter=other.encrypt("{}"), recipient=other.encrypt("lost@example.org")))
    await world.write(world.services.mail.write, changed())
    clock.advance(seconds=600)
    await sender.drain()
    facts = await world.read(world.services.mail.read_facts)
    clock.advance(seconds=LIFETIME / 1_000)
    await sender.drain()

    assert [each.to for each in server.received] == [[ADA]]
    assert (facts.pending, facts.unreadable) == (5, 5)
    # They are kept until then, in case that the key comes back.
    assert [each.status for each in await stored(world)] == [MailStatus.FAILED] * 5 + [MailStatus.SENT]


async def test_without_a_mail_server_nothing_is_stored(database: Database, clock: FakeClock, settings: Settings) -> None:
    world = World(database, msgspec.structs.replace(settings, smtp_url=None, mail_from=None, public_url=None), clock)
    await world.write(world.services.mail.write, changed())

    assert await stored(world) == []
    assert world.services.mail_sender(lambda _letter: WRITTEN) is None


@pytest.mark.parametrize(
    ("mode", "answer"),
    [
        ("refuse", "550 5.1.1 <ada@example.org>: there is no such mailbox"),
        ("refuse data", "554 5.7.1 This looks like spam"),
    ],
)
async def test_what_is_refused_for_good_is_given_up_with_the_reason(
    world: World, sender: MailSender, server: MailServer, mode: str, answer: str
) -> None:
    server.mode = mode
    await world.write(world.services.mail.write, changed())
    await sender.drain()

    (row,) = await stored(world)
    assert (row.status, row.answer, row.letter, row.to) == (MailStatus.FAILED, answer, None, ADA)
    facts = await world.read(world.services.mail.read_facts)
    assert (facts.pending, facts.failed) == (0, 1)
    assert [each.answer for each in facts.failures] == [answer]


@pytest.mark.parametrize("mode", ["grey", "hang", "die"])
async def test_what_may_be_taken_later_is_tried_again_with_the_same_id(
    world: World, sender: MailSender, server: MailServer, clock: FakeClock, mode: str
) -> None:
    server.mode = mode
    await world.write(world.services.mail.write, changed())
    await sender.drain()
    (row,) = await stored(world)
    assert (row.status, row.tries) == (MailStatus.PENDING, 1)
    assert row.answer
    assert [each.id for each in (await world.read(world.services.mail.read_facts)).retried] == [row.id]

    server.mode = "take"
    clock.advance(seconds=9)
    await sender.drain()
    assert server.received == []
    clock.advance(seconds=1)
    await sender.drain()

    assert [each.message["Message-ID"] for each in server.received] == [f"<{row.message_id}@school.example>"]
    (row,) = await stored(world)
    assert (row.status, row.tries) == (MailStatus.SENT, 2)


async def test_a_server_that_dies_after_taking_it_gets_the_same_mail_again(
    world: World, sender: MailSender, server: MailServer, clock: FakeClock
) -> None:
    server.mode = "die after taking"
    await world.write(world.services.mail.write, changed())
    await sender.drain()
    server.mode = "take"
    clock.advance(seconds=10)
    await sender.drain()

    assert len(server.received) == 2
    assert len({each.message["Message-ID"] for each in server.received}) == 1


async def test_a_server_that_is_away_is_waited_for_until_the_letter_is_too_old(
    world: World, sender: MailSender, server: MailServer, clock: FakeClock
) -> None:
    server.mode = "grey"
    await world.write(world.services.mail.write, changed())
    passed = 0
    while (await stored(world))[0].status is MailStatus.PENDING:
        await sender.drain()
        clock.advance(seconds=60)
        passed += 60
        assert passed < LIFETIME

    (row,) = await stored(world)
    assert (row.status, row.answer) == (MailStatus.FAILED, "451 4.7.1 Greylisted, please try again")
    assert 10 <= row.tries <= 14
    assert server.received == []


async def test_a_letter_whose_link_has_ended_is_not_sent(
    world: World, sender: MailSender, server: MailServer, clock: FakeClock
) -> None:
    await world.write(world.services.mail.write, changed(lifetime=60_000))
    clock.advance(seconds=60)
    await sender.drain()

    (row,) = await stored(world)
    assert (row.status, row.answer, row.letter) == (MailStatus.FAILED, "It could not be sent in time.", None)
    assert server.received == []


async def test_one_address_that_hangs_holds_up_no_other(world: World, sender: MailSender, server: MailServer) -> None:
    server.by_address = {"slow@example.org": "hang"}
    await world.write(world.services.mail.write, changed("slow@example.org"), *(changed(f"u{i}@example.org") for i in range(8)))
    await sender.drain()

    assert sorted(each.to[0] for each in server.received) == [f"u{i}@example.org" for i in range(8)]


async def test_two_senders_send_each_letter_once(world: World, sender: MailSender, server: MailServer) -> None:
    await world.write(world.services.mail.write, *(changed(f"u{i}@example.org") for i in range(20)))
    await asyncio.gather(sender.drain(), make_sender(world).drain())

    assert sorted(each.to[0] for each in server.received) == sorted(f"u{i}@example.org" for i in range(20))


async def test_what_a_killed_process_claimed_is_sent_when_its_claim_ends(
    world: World, sender: MailSender, server: MailServer, clock: FakeClock
) -> None:
    await world.write(world.services.mail.write, changed())
    async with world.database.write() as tx:
        (claimed,) = await store.claim(tx, clock(), limit=4, until=clock() + 16_000)
    await sender.drain()
    assert server.received == []
    clock.advance(seconds=16)
    await sender.drain()

    assert [each.message["Message-ID"] for each in server.received] == [f"<{claimed.message_id}@school.example>"]


async def test_ending_waits_a_moment_and_gives_back_what_is_not_done(
    world: World, sender: MailSender, server: MailServer, clock: FakeClock
) -> None:
    server.by_address = {"slow@example.org": "hang"}
    sender.finish_within_seconds = 0.05
    task = asyncio.create_task(sender.run())
    await world.write(world.services.mail.write, changed("slow@example.org"))
    async with asyncio.timeout(30):
        await server.arrived.wait()
    task.cancel()
    await asyncio.wait([task])

    (row,) = await stored(world)
    assert (row.status, row.next_at, row.tries) == (MailStatus.PENDING, clock(), 0)


async def test_old_mails_are_deleted(world: World, sender: MailSender, clock: FakeClock) -> None:
    await world.write(world.services.mail.write, changed())
    await sender.drain()
    clock.advance(seconds=30 * 86_400)
    await world.services.mail.purge(world.database)
    assert len(await stored(world)) == 1
    clock.advance(seconds=1)
    await world.services.mail.purge(world.database)

    assert await stored(world) == []


@pytest.mark.parametrize(
    "name",
    ["Ada\r\nBcc: eve@example.org", "Ada\nX: y", "Ada\u2028Bcc: x", "<b>Ada</b>", 'Ada" <eve@example.org>', "Ada\x00\x1b"],
)
async def test_no_name_adds_a_header_a_receiver_or_markup(
    world: World, sender: MailSender, server: MailServer, name: str
) -> None:
    values = {"name": name, "course": name, "token": "t", "days": "60"}
    letter = Letter(MailKind.COURSE_INVITATION, ADA, "en", values)
    await world.write(world.services.mail.write, letter)
    await sender.drain()

    (mail,) = server.received
    assert mail.to == [ADA]
    assert set(mail.message.keys()) == {
        *("From", "To", "Subject", "Date", "Message-ID", "Content-Language", "Auto-Submitted"),
        *("MIME-Version", "Content-Type"),
    }
    assert mail.message["To"] == ADA
    assert "\n" not in mail.message["Subject"]
    assert "<b>" not in mail.html


@pytest.mark.parametrize(
    "address", ["a,b@example.org", "a>b@example.org", '"a b"@example.org', "a@b", "a@-.example", "(x)a@example.org"]
)
async def test_an_address_with_other_signs_is_given_up_without_asking(
    world: World, sender: MailSender, server: MailServer, address: str
) -> None:
    await world.write(world.services.mail.write, changed(address))
    await sender.drain()

    (row,) = await stored(world)
    assert (row.status, row.answer) == (MailStatus.FAILED, "No mail can be sent to this address.")
    assert server.attempts == 0


async def test_a_letter_is_in_the_language_that_was_asked_for(world: World, sender: MailSender, server: MailServer) -> None:
    await world.write(world.services.mail.write, changed(languages="de-CH,de;q=0.9,en;q=0.5"))
    await sender.drain()

    assert server.received[0].message["Content-Language"] == "de"
    assert '<html lang="de">' in server.received[0].html


async def test_a_connection_is_encrypted_and_the_server_proves_who_it_is(tmp_path: Path) -> None:
    context, authority = make_certificate(tmp_path)
    async with run_mail_server(tls=context, needs_password=True) as server:
        host = f"mailer:p%40ss%3Aword@127.0.0.1:{server.port}"
        trusting = MailTransport(parse_smtp_url(f"smtp://{host}?ca={authority}"), SENDER, timeout_seconds=5)
        doubting = MailTransport(parse_smtp_url(f"smtp://{host}"), SENDER, timeout_seconds=5)
        plain = MailTransport(parse_smtp_url(f"smtp://127.0.0.1:{server.port}?tls=none"), SENDER, timeout_seconds=5)

        taken = await trusting.send("1", ADA, WRITTEN, 0)
        refused = await doubting.send("1", ADA, WRITTEN, 0)
        unencrypted = await plain.send("1", ADA, WRITTEN, 0)

    assert taken.outcome is Outcome.SENT
    assert (server.secure, server.users) == ([True], ["mailer"])
    assert refused.outcome is Outcome.RETRIED
    assert "certificate verify failed" in refused.answer
    assert unencrypted.outcome is not Outcome.SENT
    assert server.received[0].message["From"].addresses[0].display_name == "Ézra's School"


async def test_tls_from_the_first_byte(tmp_path: Path) -> None:
    context, authority = make_certificate(tmp_path)
    async with run_mail_server(tls=context, is_tls_from_start=True) as server:
        transport = MailTransport(parse_smtp_url(f"smtps://127.0.0.1:{server.port}?ca={authority}"), SENDER, timeout_seconds=5)
        attempt = await transport.send("1", ADA, WRITTEN, 0)

    assert attempt.outcome is Outcome.SENT
    assert [each.to for each in server.received] == [[ADA]]


async def test_a_certificate_of_another_host_is_not_trusted(tmp_path: Path) -> None:
    context, authority = make_certificate(tmp_path, "elsewhere.example")
    async with run_mail_server(tls=context) as server:
        transport = MailTransport(parse_smtp_url(f"smtp://127.0.0.1:{server.port}?ca={authority}"), SENDER, timeout_seconds=5)
        attempt = await transport.send("1", ADA, WRITTEN, 0)

    assert attempt.outcome is Outcome.RETRIED
    assert server.received == []


async def test_a_server_without_encryption_gets_no_letter_and_no_password() -> None:
    async with run_mail_server() as server:
        transport = MailTransport(parse_smtp_url(f"smtp://u:p@127.0.0.1:{server.port}"), SENDER, timeout_seconds=5)
        attempt = await transport.send("1", ADA, WRITTEN, 0)

    assert attempt.outcome is Outcome.RETRIED
    assert server.attempts == 0


async def test_a_wrong_password_is_for_the_operator_to_mend_and_loses_no_letter(tmp_path: Path) -> None:
    context, authority = make_certificate(tmp_path)
    async with run_mail_server(tls=context, needs_password=True) as server:
        url = f"smtp://mailer:wrong@127.0.0.1:{server.port}?ca={authority}"
        transport = MailTransport(parse_smtp_url(url), SENDER, timeout_seconds=20)
        attempt = await transport.send("1", ADA, WRITTEN, 0)

    assert attempt.outcome is Outcome.RETRIED
    assert attempt.answer.startswith("535 ")


async def test_a_sender_that_is_refused_is_for_the_operator_to_mend_and_loses_no_letter(tmp_path: Path) -> None:
    context, authority = make_certificate(tmp_path)
    async with run_mail_server(tls=context, needs_password=True) as server:
        url = f"smtp://127.0.0.1:{server.port}?ca={authority}"
        without_password = await MailTransport(parse_smtp_url(url), SENDER, timeout_seconds=20).send("1", ADA, WRITTEN, 0)
    async with run_mail_server() as server:
        server.mode = "refuse sender"
        transport = MailTransport(parse_smtp_url(server.url), SENDER, timeout_seconds=20)
        of_others = await transport.send("1", ADA, WRITTEN, 0)

    assert (without_password.outcome, of_others.outcome) == (Outcome.RETRIED, Outcome.RETRIED)
    assert without_password.answer.startswith("530 ")
    assert of_others.answer.startswith("553 ")


def test_the_letter_of_a_row_is_json_that_is_read_again() -> None:
    letter = changed()

    assert msgspec.json.decode(json.dumps(msgspec.to_builtins(letter)), type=Letter) == letter
