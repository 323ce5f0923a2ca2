"""Everything that contracts, live clients, commands and importers use, made once for a database and its settings."""

from contextlib import suppress
from functools import partial
from pathlib import Path

from headway.accounts.administration import AccountAdministration
from headway.accounts.api_keys import ApiKeys
from headway.accounts.mail import AskedMail
from headway.accounts.naming import find_user
from headway.accounts.own_address import OwnAddress
from headway.accounts.recovery import PasswordRecovery
from headway.accounts.registering import Registering
from headway.accounts.service import Accounts
from headway.accounts.sign_in import SignIn
from headway.assessments.gradebook import Gradebook
from headway.assessments.service import Assessments
from headway.attention.learner_lists import LearnerLists
from headway.attention.service import Attention
from headway.audit.service import AuditLog, AuditRecorder
from headway.audit.verification import LogVerification
from headway.courses.course_names import CourseNames
from headway.courses.model import CourseLimits
from headway.courses.service import Courses
from headway.courses.verify import check_terms
from headway.db.database import Database
from headway.db.keyring import signing_key
from headway.db.large_reads import LargeReads
from headway.db.revisions import Revisions
from headway.disclosures.service import DisclosureLog
from headway.enrollments.enrolling import Enrolling
from headway.enrollments.invitations import Invitations, check_invitations
from headway.enrollments.mailing import CourseMail
from headway.enrollments.offers import Offers
from headway.enrollments.renewing import Renewing
from headway.enrollments.service import Enrollments, check_seats
from headway.enrollments.staff import CourseStaff
from headway.enrollments.waiting_lists import WaitingLists
from headway.errors import Unavailable
from headway.feed.service import Feed
from headway.feed.verify import check_topics
from headway.health.service import Health
from headway.http.authentication import Tokens
from headway.http.cache import open_store
from headway.http.openid_connect import OpenIdConnect
from headway.http.rate_limits import RateLimits, open_rate_limiter
from headway.http.request import Transactions
from headway.idempotency.service import Idempotency
from headway.ids import NewId, uuid7
from headway.instants import DAY, SECOND, Clock, system_clock
from headway.learning.course_editing import CourseEditing
from headway.learning.learner_courses import LearnerCourses
from headway.learning.marking import Marking
from headway.learning.on_behalf import ReportingForOthers
from headway.learning.presence import Presence
from headway.learning.profiles import Profiles
from headway.learning.reads import ProgressReads
from headway.learning.recording import Ingest, Tracking
from headway.learning.reset_reads import ResetReads
from headway.learning.resetting import Resetting
from headway.learning.store import CourseStructures
from headway.learning.study_time import StudyTimeSettings
from headway.learning.study_times import StudyTimes
from headway.learning.verify import Progress, ProgressCheck
from headway.live.subscriptions import Subscriptions
from headway.mail.model import MailKind
from headway.mail.outbox import Outbox as MailOutbox
from headway.mail.sender import MailSender, Resolve, Write
from headway.mail.transport import MailTransport
from headway.messaging.service import Messaging, check_unread
from headway.paging.service import Paging
from headway.privacy.disclosures import Disclosures
from headway.privacy.erasure import UserErasure
from headway.privacy.export import PersonalExports
from headway.privacy.export_sections import sections
from headway.privacy.retention import Retention
from headway.reports.exports import Exports
from headway.reports.learner_record import LearnerRecords
from headway.reports.service import Reports
from headway.rosters.run import Rooms
from headway.rosters.service import Rosters
from headway.settings import Settings
from headway.telemetry import Metrics
from headway.tutorials.service import Tutorials
from headway.tutorials.store import count_passed_quizzes
from headway.verify import Check
from headway.webhooks.outbox import Outbox
from headway.webhooks.sender import WebhookSender
from headway.webhooks.service import Webhooks
from headway.webhooks.transport import Transport


class Services:
    """What the system does, on one database. The server, the commands beside it and the tests use the same services."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        clock: Clock = system_clock,
        new_id: NewId = uuid7,
        metrics: Metrics | None = None,
        *,
        large_reads: LargeReads | None = None,
    ) -> None:
        secret_key = signing_key(settings)
        self.database = database
        self.clock = clock
        self.new_id = new_id
        self.metrics = Metrics() if metrics is None else metrics
        self.transactions = Transactions(database, Idempotency(clock, secret_key=secret_key), large_reads)
        self.paging = Paging(clock, new_id, secret_key=secret_key)
        self.tokens = Tokens(secret_key, clock, lifetime_seconds=settings.access_token_seconds)
        self.cache_store = open_store(settings)
        self._limiter = open_rate_limiter(settings, database, clock, self.metrics)
        self.rate_limits = RateLimits(self._limiter)
        self.audit = AuditRecorder(clock, new_id)
        self.audit_log = AuditLog(database, clock, new_id, self.metrics, find_user=find_user)
        self.disclosures = DisclosureLog(database, clock, new_id, is_kept=settings.disclosure_log)
        database.on_disclosed = self.disclosures.record
        if large_reads is not None:
            large_reads.on_disclosed = self.disclosures.record
        self.log_verification = LogVerification(database, clock, large_reads)
        self.health = Health(database, large_reads, self.metrics, settings, clock)
        self.revisions = _revisions_of(database, clock, large_reads)
        self._make_mail(settings)
        self._make_accounts(settings, secret_key)
        self.courses = Courses(clock)
        self.course_limits = course_limits(settings)
        self.course_editing = CourseEditing(clock, self.course_limits, self.audit)
        self.enrollments = Enrollments(clock, self.audit)
        self.offers = Offers(clock)
        self.course_mail = CourseMail(clock, self.mail, tells_enrolled=settings.mail_enrollments)
        self.registering.proves = self.course_mail.proves
        self.enrolling = Enrolling(clock, self.audit, self.course_mail)
        self.invitations = Invitations(clock, self.audit, self.course_mail)
        self.renewing = Renewing(clock, self.audit)
        self.waiting_lists = WaitingLists(clock, self.audit)
        self.accounts.on_enabled = self.enrollments.seat_waiting
        self.accounts.on_addressed = self.invitations.fulfill
        self.course_staff = CourseStaff(clock, self.revisions, self.audit)
        self._make_webhooks(settings)
        self._make_learning(settings)
        self._make_work()
        self._make_rights(settings)

    def _make_rights(self, settings: Settings) -> None:
        """Make what the law gives people."""
        self.disclosed = Disclosures()
        self.retention = Retention(self.database, self.clock, self.new_id, self.audit, settings)
        self.personal_exports = PersonalExports(
            self.database,
            self.clock,
            self.accounts,
            self.audit,
            self._limiter,
            sections(),
            most_per_hour=settings.exports_per_hour,
            gives_staff_notes=settings.export_staff_notes,
        )

    def _make_mail(self, settings: Settings) -> None:
        """Make what stores letters, and what hands them over; the texts are written by `mail_sender`'s caller."""
        is_on = settings.smtp_url is not None
        self.mail = MailOutbox(self.clock, self.new_id, is_on=is_on, kept_days=settings.mail_kept_days)
        self.mail_resolvers: dict[MailKind, Resolve] = {}
        self.mail_transport = MailTransport.from_settings(settings)

    def mail_sender(self, write: Write) -> MailSender | None:
        """Make what hands mails over, with what writes them out; None without a mail server."""
        if self.mail_transport is None:
            return None
        made = MailSender(self.database, self.clock, self.mail, self.metrics, self.mail_transport, write)
        made.resolvers = self.mail_resolvers
        return made

    def _make_accounts(self, settings: Settings, secret_key: str) -> None:
        """Make what knows people, and lets them in."""
        database, clock = self.database, self.clock
        token_lifetime = settings.access_token_seconds * SECOND
        self.accounts = Accounts(
            database, clock, self.revisions, self.audit, token_lifetime=token_lifetime, cache_bytes=settings.account_cache_bytes
        )
        self.sign_in = SignIn(database, clock, self.new_id, self.accounts, self.audit, settings)
        asked_mail = AskedMail(database, clock, self.mail, settings)
        self.recovery = PasswordRecovery(database, clock, self.sign_in, self.audit, asked_mail, settings)
        self.sign_in.on_password = self.recovery.tell_changed
        self.registering = Registering(
            database, clock, self.accounts, self.audit, asked_mail, is_on=settings.verify_email and self.mail.is_on
        )
        if self.registering.is_on:
            self.sign_in.find_unproven = self.registering.find_unproven
        self.own_address = OwnAddress(database, clock, self.accounts, self.sign_in, asked_mail)
        self.mail_resolvers |= {
            MailKind.PASSWORD_ASKED: self.recovery.resolve,
            MailKind.REGISTRATION_ASKED: self.registering.resolve,
            MailKind.ADDRESS_CHANGE_ASKED: self.own_address.resolve,
        }
        self.open_id = OpenIdConnect.from_settings(settings, secret_key, clock)
        self.administration = AccountAdministration(clock, self.accounts, self.sign_in)
        self.api_keys = ApiKeys(database, clock, self.accounts, self.audit)

    def _make_webhooks(self, settings: Settings) -> None:
        """Make what stores announcements of all transactions, and what sends them."""
        clock = self.clock
        outbox = self.outbox = Outbox(clock, self.new_id)
        self.database.outbox = outbox.write
        self.webhooks = Webhooks(clock, self.new_id, self.audit, outbox, settings)
        timeout, allows_private = settings.webhook_timeout_seconds, settings.webhook_allow_private_addresses
        transport = Transport(timeout_seconds=timeout, allows_private=allows_private)
        self.webhook_sender = WebhookSender(
            self.database, clock, outbox, self.audit, self.metrics, transport, disclosures=self.disclosures
        )

    def _make_learning(self, settings: Settings) -> None:
        """Make what records and reads progress; its parts share the course structures."""
        database, clock = self.database, self.clock
        structures = self.structures = CourseStructures()
        late_work = settings.late_work_days * DAY
        self.tracking = Tracking(
            structures,
            CourseNames(clock),
            _study_time(settings),
            self.audit,
            late_work=late_work,
            max_metadata_bytes=settings.max_event_bytes,
        )
        self.ingest = Ingest(
            self.tracking,
            database=database,
            clock=clock,
            capacity=settings.ingest_queue_events,
            group_weight=settings.ingest_group_events,
            metrics=self.metrics,
        )
        self.reporting = ReportingForOthers(
            database, self.ingest, self.accounts, self.audit, creates_learners=settings.create_reported_learners
        )
        self.learning = LearnerCourses(clock, structures)
        self.progress = ProgressReads(clock, structures)
        self.marking = Marking(clock, self.new_id, structures, self.ingest)
        undo_for = settings.undo_reset_days * DAY
        self.resetting = Resetting(clock, structures, self.audit, undo_for=undo_for)
        self.resets = ResetReads(structures, undo_for=undo_for)
        self.study_times = StudyTimes(clock)
        self.presence = Presence(clock)
        self.reports = Reports(clock, structures)
        self.exports = Exports(structures)
        self.profiles = Profiles(count_passed_quizzes)

    def _make_work(self) -> None:
        """Make what learners and staff do beside studying, and what tells of it."""
        clock, new_id = self.clock, self.new_id
        self.assessments = Assessments(clock, new_id, self.audit)
        self.gradebook = Gradebook(clock)
        self.messaging = Messaging(clock, new_id)
        self.attention = Attention(clock, new_id, self.structures, self.messaging)
        self.learner_lists = LearnerLists(clock, self.attention)
        self.learner_records = LearnerRecords(self.progress, self.attention)
        self.tutorials = Tutorials(clock, self.audit)
        self.rosters = Rosters(
            Rooms(
                self.database,
                clock,
                self.accounts,
                self.course_editing,
                self.course_staff,
                self.enrollments,
                self.enrolling,
                self.audit,
            )
        )
        self.feed = Feed()
        self.subscriptions = Subscriptions(self.feed)
        self.erasure = UserErasure(clock, new_id, self.accounts, self.enrollments, self.course_staff, self.audit)

    async def close(self) -> None:
        """Write what waits to be written, and release connections to the cache. The database stays open."""
        await self.ingest.close()
        with suppress(Unavailable):
            await self.api_keys.write_uses()
            await self.disclosures.write_counts()
            await self.accounts.last_seen.write()
        await self.log_verification.close()
        await self.audit_log.close()
        await self.cache_store.close()
        await self.rate_limits.close()


def _revisions_of(database: Database, clock: Clock, large_reads: LargeReads | None) -> Revisions:
    """Return the changes of accounts, with which personal keys are forgotten."""
    revisions = Revisions(database, clock)
    for each in (database, large_reads):
        if each is not None:
            revisions.listen(each.known_keys.forget)
    return revisions


def _study_time(settings: Settings) -> StudyTimeSettings:
    return StudyTimeSettings(
        heartbeat_interval=settings.heartbeat_interval_seconds * SECOND,
        longest_claim=settings.max_claim_seconds * SECOND,
        longest_travel=settings.max_travel_seconds * SECOND,
    )


def course_limits(settings: Settings) -> CourseLimits:
    """Return the limits of courses."""
    return CourseLimits(
        settings.max_course_modules,
        settings.max_course_units,
        settings.max_course_assessments,
        settings.max_course_prerequisites,
    )


def make_checks(
    progress: Progress = lambda _checked, _all: None, clock: Clock = system_clock, *, archives_folder: Path | None = None
) -> list[Check]:
    """Return the checks of all rooms for `Verify`; `progress` is called as events are checked.

    Archives are in `archives_folder`, or else where they were written.
    """
    progress_check = ProgressCheck(progress, archives_folder=archives_folder)
    return [partial(check_seats, clock), check_invitations, check_terms, check_unread, check_topics, progress_check]
