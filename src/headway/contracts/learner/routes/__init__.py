"""The routes of the learner contract, by noun."""

from litestar import Router

from headway.contracts.learner import wire
from headway.contracts.learner.errors import error_renderer
from headway.contracts.learner.routes.accounts import account_routes
from headway.contracts.learner.routes.assessments import assessment_routes
from headway.contracts.learner.routes.courses import course_routes
from headway.contracts.learner.routes.paging import Pages
from headway.contracts.learner.routes.peers import peer_routes
from headway.contracts.learner.routes.progress import progress_routes
from headway.domain.instants import Clock
from headway.http.contract import Contract
from headway.http.problems import status_of
from headway.http.routing import Routes
from headway.http.tokens import Tokens
from headway.usecases.accounts import Accounts
from headway.usecases.assessments import Assessments
from headway.usecases.catalogue import Catalogue
from headway.usecases.changes import Changes
from headway.usecases.enrollment import Enrollments
from headway.usecases.learning import Learning
from headway.usecases.messaging import Messaging
from headway.usecases.repeats import Repeats
from headway.usecases.sign_in import SignIn

PREFIX = "/api/v1"


def learner(  # noqa: PLR0913 - one for each noun
    *,
    accounts: Accounts,
    sign_in: SignIn,
    catalogue: Catalogue,
    enrollments: Enrollments,
    learning: Learning,
    assessments: Assessments,
    messaging: Messaging,
    changes: Changes,
    repeats: Repeats,
    tokens: Tokens,
    pages: Pages,
    clock: Clock,
) -> Contract:
    """Make the contract. Authentication is put in front of its router by the application."""
    routes = Routes("Learner", repeats)
    handlers = [
        *account_routes(routes, accounts, sign_in, tokens),
        *course_routes(routes, catalogue, enrollments, learning, pages),
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
