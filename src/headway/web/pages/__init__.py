"""The pages for people, under `/app`."""

from litestar import Router
from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope

from headway.http.authentication import Authentication
from headway.http.contract import Problem
from headway.http.problems import Problems
from headway.services import Services
from headway.settings import Settings
from headway.web.assets import Assets
from headway.web.export_page import ReadableExports
from headway.web.letters import LetterWriter
from headway.web.page_routes import PageContext, error_page, page_router
from headway.web.pages.account import AccountPages
from headway.web.pages.admin_courses import AdminCoursesPages
from headway.web.pages.admin_disclosures import AdminDisclosuresPages
from headway.web.pages.admin_erasures import AdminErasuresPages
from headway.web.pages.admin_health import AdminHealthPages
from headway.web.pages.admin_keys import AdminKeysPages
from headway.web.pages.admin_log import AdminLogPages
from headway.web.pages.admin_roster import AdminRosterPages
from headway.web.pages.admin_users import AdminUsersPages
from headway.web.pages.admin_webhooks import AdminWebhooksPages
from headway.web.pages.assessments import AssessmentsPages
from headway.web.pages.attention import AttentionPages
from headway.web.pages.catalogue import CataloguePages
from headway.web.pages.confirming import ConfirmingPages
from headway.web.pages.course_settings import CourseSettingsPages
from headway.web.pages.course_units import CourseUnitsPages
from headway.web.pages.courses import CoursesPages
from headway.web.pages.exports import ExportPages
from headway.web.pages.grid import GridPages
from headway.web.pages.home import HomePages
from headway.web.pages.learner_record import LearnerRecordPages
from headway.web.pages.learners import LearnersPages
from headway.web.pages.learning import LearningPages
from headway.web.pages.messages import MessagesPages
from headway.web.pages.my_data import MyDataPages
from headway.web.pages.new_course import NewCoursePages, ParseCourse
from headway.web.pages.overview import OverviewPages
from headway.web.pages.presence import PresencePages
from headway.web.pages.recovery import RecoveryPages
from headway.web.pages.registration import RegistrationPages
from headway.web.pages.resets import ResetPages
from headway.web.pages.sign_in import SignInPages
from headway.web.pages.single_sign_on import SingleSignOnPages
from headway.web.pages.submissions import SubmissionPages
from headway.web.pages.units import UnitPages
from headway.web.rendering import Pages
from headway.web.sessions import BrowserSessions
from headway.web.texts import Catalogues


class WebPages:
    """The pages, their assets and the page of an error, made once for a server."""

    def __init__(self, services: Services, settings: Settings, parse_course: ParseCourse) -> None:
        self._services = services
        self._parse_course = parse_course
        self._settings = settings
        self._assets = Assets()
        self._catalogues = Catalogues(settings.display_timezone)
        transport = services.mail_transport
        site_name = "Headway" if transport is None else transport.sender.name
        self.letter_writer = LetterWriter(self._catalogues, site_url=settings.site_url, site_name=site_name)
        self._pages = Pages(self._catalogues, self._assets, services.clock)
        self._readable_exports = ReadableExports(self._pages)
        services.personal_exports.renderer = self._readable_exports.for_languages

    def error_page(self, scope: Scope, problem: Problem) -> tuple[bytes, dict[str, str]] | None:
        """Return the page of an error and its headers; None where the path belongs to no page."""
        return error_page(self._pages, scope, problem)

    def routes(self, authentication: Authentication, problems: Problems) -> list[Router | HTTPRouteHandler]:
        """Return the routes of the pages and their assets."""
        services = self._services
        sessions = BrowserSessions(services, authentication)
        groups = [
            HomePages(),
            SignInPages(services, sessions, self._catalogues.languages),
            RecoveryPages(services, sessions),
            ConfirmingPages(services),
            SingleSignOnPages(services, sessions),
            AccountPages(services, sessions),
            MyDataPages(services, self._settings, self._readable_exports),
            CoursesPages(services),
            NewCoursePages(services, self._parse_course),
            LearningPages(services),
            UnitPages(services, self._settings),
            SubmissionPages(services),
            MessagesPages(services),
            CataloguePages(services),
            RegistrationPages(services, sessions),
            LearnerRecordPages(services),
            ResetPages(services),
            LearnersPages(services),
            AttentionPages(services),
            AssessmentsPages(services),
            PresencePages(services),
            CourseSettingsPages(services),
            AdminHealthPages(services),
            AdminUsersPages(services, self._settings),
            AdminErasuresPages(services),
            AdminCoursesPages(services),
            AdminKeysPages(services),
            AdminLogPages(services),
            AdminDisclosuresPages(services),
            AdminWebhooksPages(services),
            AdminRosterPages(services, self._settings),
            OverviewPages(services),
            CourseUnitsPages(services),
            GridPages(services),
            ExportPages(services),
        ]
        # Beside the file, a form has a boundary and a few fields.
        largest = self._settings.max_roster_bytes + 100_000
        max_bytes = self._settings.max_body_bytes
        context = PageContext(services.transactions, sessions, self._pages, problems, max_bytes, largest)
        return [page_router(groups, context), self._assets.route()]
