"""The routes of the learner contract, by noun."""

from litestar import Router

from headway.accounts.service import Accounts
from headway.accounts.sign_in import SignIn
from headway.assessments.service import Assessments
from headway.contracts.learner import wire
from headway.contracts.learner.errors import error_renderer
from headway.contracts.learner.routes.accounts import account_routes
from headway.contracts.learner.routes.assessments import assessment_routes
from headway.contracts.learner.routes.courses import course_routes
from headway.contracts.learner.routes.paging import Pages
from headway.contracts.learner.routes.peers import peer_routes
from headway.contracts.learner.routes.progress import progress_routes
from headway.courses.service import Courses
from headway.enrollments.service import Enrollments
from headway.http.contract import Contract
from headway.http.problems import status_of
from headway.http.routing import Routes
from headway.http.tokens import Tokens
from headway.idempotency.service import Idempotency
from headway.instants import Clock
from headway.learning.course_editing import CourseEditing
from headway.learning.learner_courses import LearnerCourses
from headway.learning.profiles import Profiles
from headway.live.subscriptions import Subscriptions
from headway.messaging.service import Messaging

PREFIX = "/api/v1"


def learner(  # noqa: PLR0913 - one for each noun
    *,
    accounts: Accounts,
    sign_in: SignIn,
    courses: Courses,
    course_editing: CourseEditing,
    enrollments: Enrollments,
    learning: LearnerCourses,
    profiles: Profiles,
    assessments: Assessments,
    messaging: Messaging,
    changes: Subscriptions,
    idempotency: Idempotency,
    tokens: Tokens,
    pages: Pages,
    clock: Clock,
) -> Contract:
    """Make the contract. Authentication is put in front of its router by the application."""
    routes = Routes("Learner", idempotency)
    handlers = [
        *account_routes(routes, accounts, profiles, sign_in, tokens),
        *course_routes(routes, courses, course_editing, enrollments, learning, pages),
        *progress_routes(routes, learning, changes, pages),
        *assessment_routes(routes, assessments, pages),
        *peer_routes(routes, messaging, pages),
    ]
    return Contract(
        name="learner",
        prefixes=tuple(f"{PREFIX}/{noun}" for noun in ("learner", "courses", "assessments", "submissions")),
        router=Router(PREFIX, route_handlers=handlers),
        status_of=status_of,
        render_error=error_renderer(clock),
        error_schema=wire.LearnerFailure,
        error_statuses=(400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 503),
    )
