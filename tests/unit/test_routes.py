"""What the declarations of all routes hold to."""

import importlib
import pkgutil

from headway import contracts
from headway.http.request import READ_LARGE
from headway.http.routes import Route


def test_what_is_read_on_the_servers_loop_is_of_a_fixed_size() -> None:
    """A route that reads on the loop is named here, with the reason why it may."""
    modules = [
        importlib.import_module(each.name)
        for each in pkgutil.walk_packages(contracts.__path__, "headway.contracts.")
        if ".routes" in each.name
    ]
    routes = [
        route
        for kind in {kind for module in modules for kind in vars(module).values() if isinstance(kind, type)}
        for function in vars(kind).values()
        if isinstance(route := getattr(function, "route", None), Route)
    ]
    on_the_loop = {route.path for route in routes if route.method == "GET" and route.transaction is not READ_LARGE}

    assert len(routes) > 30
    assert on_the_loop == {
        "/{activity_id:str}",  # a single entry of the log
        "/{course_id:str}/{user_id:str}",  # calls `read_large`, unless the course is short
        "/course/{course_id:str}/analytics",  # as well
        "/courses/{course_id:str}/export",  # each part is a large read of its own
        "/learner/me/export",  # as well
        "/users/{user_id:str}/export",  # as well
        "/erasures/key",  # one key
        "/erasures/{erasure_id:str}",  # one receipt
    }
