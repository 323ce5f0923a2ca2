"""The routes of the learner contract, by noun."""

from headway.contracts.learner import wire
from headway.contracts.learner.errors import error_renderer
from headway.contracts.learner.routes.accounts import AccountRoutes
from headway.contracts.learner.routes.assessments import AssessmentRoutes
from headway.contracts.learner.routes.courses import CourseRoutes, EnrollmentRoutes
from headway.contracts.learner.routes.disclosures import DisclosureRoutes
from headway.contracts.learner.routes.erasures import ErasureRoutes
from headway.contracts.learner.routes.events import EventRoutes
from headway.contracts.learner.routes.exports import ExportRoutes
from headway.contracts.learner.routes.keys import KeyRoutes
from headway.contracts.learner.routes.peers import PeerRoutes
from headway.contracts.learner.routes.personal_exports import PersonalExportRoutes
from headway.contracts.learner.routes.progress import ProgressRoutes
from headway.contracts.learner.routes.resets import ResetRoutes
from headway.contracts.learner.routes.roster import RosterRoutes
from headway.contracts.learner.routes.roster_files import RosterFileRoutes
from headway.contracts.learner.routes.staff import StaffRoutes
from headway.contracts.learner.routes.users import UserRoutes
from headway.contracts.learner.routes.webhooks import WebhookRoutes
from headway.http.contract import Contract
from headway.http.observations.wire import ACTIVITY_TYPE_SCHEMA
from headway.http.pages import Pages
from headway.http.path_names import PathNames
from headway.http.problems import status_of
from headway.http.routes import make_router
from headway.services import Services
from headway.settings import Settings

PREFIX = "/api/v1"
_NOUNS = (
    "learner",
    "courses",
    "assessments",
    "submissions",
    "webhooks",
    "keys",
    "events",
    "rosters",
    "users",
    "disclosures",
    "erasures",
)


def make(services: Services, settings: Settings) -> Contract:
    """Make the contract."""
    pages = Pages(services.paging, settings)
    groups = [
        AccountRoutes(services),
        CourseRoutes(services, pages),
        EnrollmentRoutes(services, pages),
        RosterRoutes(services, pages),
        ResetRoutes(services, pages),
        StaffRoutes(services, pages),
        ExportRoutes(services, settings),
        PersonalExportRoutes(services),
        ProgressRoutes(services, pages),
        AssessmentRoutes(services, pages),
        PeerRoutes(services, pages),
        RosterFileRoutes(services, settings),
        WebhookRoutes(services, pages),
        KeyRoutes(services, pages),
        ErasureRoutes(services, pages),
        EventRoutes(services, settings),
        UserRoutes(services, settings),
        DisclosureRoutes(services, pages),
    ]
    return Contract(
        prefixes=tuple(f"{PREFIX}/{noun}" for noun in _NOUNS),
        router=make_router(
            PREFIX,
            "Learner",
            groups,
            transactions=services.transactions,
            settings=settings,
            path_names=PathNames({"course_id": services.courses.find_id, "user_id": services.accounts.find_id}),
        ),
        status_of=status_of,
        render_error=error_renderer(services.clock),
        error_schema=wire.LearnerFailure,
        error_statuses=(400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 503),
        schemas={"ActivityType": ACTIVITY_TYPE_SCHEMA},
    )
