"""How tests are spread over the processes of `pytest -n`."""

import re

from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]  # it has none

from tests.databases import KINDS


class PartScheduling(LoadScopeScheduling):  # type: ignore[misc]  # a base without types
    """Gives a process the tests of one file on one database at a time, and of case files those of one contract."""

    def _split_scope(self, nodeid: str) -> str:
        return part_of(nodeid)


def part_of(nodeid: str) -> str:
    """Return the name of the part to which a test belongs: what is in one part may share a server."""
    file, _, test = nodeid.partition("::")
    words = re.split(r"[\[\]/-]", test)
    contract = words[1:2] if file.endswith("test_cases.py") else []
    return " ".join([file, *contract, *(kind for kind in KINDS if kind in words)])
