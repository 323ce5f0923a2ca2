"""Filters of pages by days, which are those of the viewer's time zone."""

import pytest

from headway.web.sessions import ZONE
from tests.contract.rights.conftest import School
from tests.pages.conftest import BOTH_DATABASES, Visit


@BOTH_DATABASES
@pytest.mark.parametrize("path", ["/app/admin/log", "/app/admin/disclosures"])
async def test_both_days_are_included_and_those_of_the_viewer(school: School, visit: Visit, path: str) -> None:
    """The clock says noon of 1 January 2026, which is 2 January on Kiritimati."""
    await visit("tutor").open(school.filled("/app/courses/{course}/learners/{learner_id}"))
    admin = visit("admin")

    async def has_entries(query: str) -> bool:
        shown = await admin.open(f"{path}?{query}")
        assert shown.status == 200
        return "No entry matches." not in shown.text

    assert await has_entries("since=2026-01-01&until=2026-01-01")
    admin.client.cookies.set(ZONE, "Pacific/Kiritimati")
    assert not await has_entries("until=2026-01-01")
    assert await has_entries("since=2026-01-02&until=2026-01-02")
    assert await has_entries("since=0001-01-01&until=9999-12-31")


@pytest.mark.parametrize("path", ["/app/admin/log", "/app/admin/disclosures"])
async def test_a_period_that_ends_before_it_begins_is_refused(visit: Visit, path: str) -> None:
    refused = await visit("admin").open(f"{path}?since=2026-01-02&until=2026-01-01")

    assert refused.status == 400
    assert "must not be before the first day" in refused.text
