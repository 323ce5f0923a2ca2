"""Extreme values in every field of every contract: no failure, a refused field is named, and every read still works."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import pytest
from sqlalchemy import bindparam, update

from headway.courses.tables import courses
from headway.http.openapi import operations_of
from headway.http.routes import Route
from headway.settings import Settings
from tests.app_server import litestar_of, open_server
from tests.contract.fuzz_values import DATES, NUMBERS, TEXTS, VALUES, Place, places, put, shown
from tests.contract.rates import WITHOUT_RATE_LIMITS
from tests.contract.rights.conftest import School
from tests.contract.samples import SAMPLES, Sample
from tests.databases import SECRET_KEY
from tests.mailing import UNHEARD, address_token, registration_token
from tests.world import FakeClock

PARAMETERS = (*NUMBERS, *DATES, *(text for text in TEXTS if text and len(text) < 50_000))
IDS = {"course_id": "{course}", "user_id": "{learner_id}", "assessment_id": "{assessment}", "submission_id": "{submission}"}
IDS |= {"message_id": "{message}", "webhook_id": "{webhook}", "delivery_id": "{delivery}", "key_id": "{key}"}
PASSWORD = "Corr3ct-Horse"


class Fuzz:
    """Sends extreme values to one server, and checks its responses."""

    def __init__(self, school: School) -> None:
        self.school = school
        self._made = 0

    async def prepare(self) -> None:
        """Make a new school, with a learner who can sign in and one who has completed the course."""
        before = self.school.ids.get("course", "0")
        school = self.school = School(self.school.world, self.school.client)
        world = school.world
        async with world.database.write() as tx:
            # The course of the school before has the external id that the one of this school is to have.
            await tx.run(
                update(courses).where(courses.c.id == bindparam("of_course")).values(external_id=None), of_course=int(before)
            )
        await school.build()
        self._refresh()
        known = await world.user(email=school.filled("known-{unique}@school.test"))
        await world.set_password(known.id, PASSWORD)
        school.people |= {"known": await world.find_user(known.id), "done": await world.user()}
        school.ids |= {"known_email": school.filled("known-{unique}@school.test"), "done_id": str(school.people["done"].id)}
        basics = await school.ask("tutor", "POST", "/api/v1/courses", {"title": "Basics", "modules": []})
        school.ids["basics"] = basics.json()["data"]["id"]
        full = await school.ask("tutor", "POST", "/api/v1/courses", {"title": "Full", "modules": [], "capacity": 0})
        school.ids["full"] = full.json()["data"]["id"]
        school.people["waiting"] = await world.user()
        school.ids["waiting_id"] = str(school.people["waiting"].id)
        assert (await school.ask("waiting", "POST", "/api/v1/courses/{full}/enroll?waitlist=true")).status_code == 202
        await school.ask("done", "POST", "/api/v1/courses/{course}/enroll")
        for module in ("{module}", "{second_module}"):
            answer = await school.ask("done", "PATCH", "/api/v1/learner/me/progress/{course}", {"moduleId": module})
            assert answer.status_code == 200
        chapter = {"chapterId": "one", "watchTime": 1, "completed": True, "totalChapters": 1}
        assert (await school.ask("learner", "POST", "/v1/tutorials/progress/done/chapter", chapter)).status_code == 200
        signed_in = await school.ask(
            "nobody", "POST", "/api/v1/learner/auth/login", {"email": "{known_email}", "password": PASSWORD}
        )
        school.ids["refresh_token"] = signed_in.json()["refreshToken"]
        school.ids["registration_token"] = await registration_token(world, school.filled("pending-{unique}@school.test"))
        school.ids["address_token"] = await address_token(
            world, school.people["done"].id, school.filled("proven-{unique}@school.test")
        )
        school.ids["reset_token"] = (await world.write(world.services.recovery.make_link, known.id)).path

    async def send(self, method: str, sample: Sample, place: Place, value: str | None) -> httpx.Response:
        """Send a sample, with a value at a place unless it is None."""
        school, body = self.school, self.body(sample)
        content = json.dumps(body).encode() if value is None else put(body, place, value)
        bearer = {} if sample.role == "nobody" else school.world.bearer(school.people[sample.role])
        headers = {"Content-Type": "application/json", **bearer}
        return await school.client.request(method, school.filled(sample.path), content=content, headers=headers)

    def body(self, sample: Sample) -> Any:
        """Return the valid body of a sample, which differs each time where a repetition would be refused."""
        self._refresh()
        return self._numbers(self.school.filled(sample.body))

    async def read(self, sample: Sample, written: httpx.Response) -> None:
        """Read what shows what a sample has written; `{made}` is the id of what was made."""
        if "{made}" in str(sample.reads):
            self.school.ids["made"] = written.json()["data"]["id"]
        for role, path in sample.reads:
            answer = await self.school.ask(role, "GET", path)
            assert answer.status_code == 200, f"{path} is {answer.status_code}: {answer.text[:300]}"

    async def read_catalogue(self) -> None:
        """Read all pages of the catalogue, as those who see all of it and as those who do not."""
        for role in ("nobody", "admin"):
            page, courses = 1, 1
            while courses:
                answer = await self.school.ask(role, "GET", f"/api/v1/courses?limit=500&page={page}")
                assert answer.status_code == 200, answer.text[:300]
                page, courses = page + 1, len(answer.json()["data"])

    def _refresh(self) -> None:
        self._made += 1
        self.school.ids["unique"] = str(self._made)

    def _numbers(self, value: Any) -> Any:
        """Make `#5` the integer 5."""
        if isinstance(value, dict):
            return {name: self._numbers(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self._numbers(each) for each in value]
        return int(value[1:]) if isinstance(value, str) and value.startswith("#") else value


@pytest.fixture
async def fuzz(database_url: str) -> AsyncIterator[Fuzz]:
    given: dict[str, Any] = {**WITHOUT_RATE_LIMITS, **UNHEARD}
    settings = Settings(database_url=database_url, secret_key=SECRET_KEY, postgres_pool_size=4, **given)
    async with open_server(settings, FakeClock()) as (client, world):
        made = Fuzz(School(world, client))
        await made.prepare()
        yield made


def routes(client: httpx.AsyncClient) -> Iterator[tuple[str, Route]]:
    """Yield every route by its method and path."""
    transport: Any = client._transport
    for each in litestar_of(transport.app).routes:
        for operation in operations_of(each):
            yield f"{operation.route.method} {each.path_format}", operation.route


def all_places(route: Route, sample: Sample) -> list[Place]:
    """Return the places of a route's body; those of list items that the route does not declare come from the sample."""
    found = list(places(route.body))
    if sample.items is not None:
        (name,) = sample.body
        found += [(name, 0, *place) for place in places(sample.items)]
    return found


def assert_named(answer: httpx.Response, place: Place) -> None:
    """Check that a refusal names the field at a place, or one within it; or says that the JSON or its nesting is at fault."""
    if "results" in answer.text:
        # The verdict of an item names the item's fields.
        place = place[2:]
    # A list may be named as a whole for what is wrong with an item.
    path = re.sub(r"\[\d\]$", "", shown(place).lower())
    named = re.findall(r"[\w.\[\]]+", answer.text.lower())
    is_whole = any(fault in answer.text for fault in ("is not valid JSON", "nested too deeply", "bytes", "after the start"))
    assert is_whole or not path or any(each.startswith(path) for each in named), f"not named: {answer.text[:200]}"


async def test_there_is_a_valid_request_of_every_route_with_every_field(fuzz: Fuzz) -> None:
    found = {name: route for name, route in routes(fuzz.school.client) if route.body is not None}

    assert set(SAMPLES) == set(found)
    for name, sample in SAMPLES.items():
        for place in all_places(found[name], sample):
            assert sample.having(place)
        for each in (sample, *sample.others):
            answer = await fuzz.send(name.partition(" ")[0], each, (), None)
            assert answer.status_code < 300, f"{name} is {answer.status_code}: {answer.text}"
        await fuzz.prepare()


@pytest.mark.parametrize("name", SAMPLES)
async def test_no_value_makes_a_request_or_a_later_read_fail(fuzz: Fuzz, name: str) -> None:
    route, method = dict(routes(fuzz.school.client))[name], name.partition(" ")[0]
    faults = []
    for place in all_places(route, SAMPLES[name]):
        sample = SAMPLES[name].having(place)
        for value in VALUES:
            answer = await fuzz.send(method, sample, place, value)
            try:
                assert answer.status_code < 500, f"{answer.status_code}: {answer.text[:200]}"
                if answer.status_code == 400:
                    assert_named(answer, place)
                if answer.is_success:
                    await fuzz.read(sample, answer)
            except AssertionError as fault:
                faults.append(f"{shown(place)} = {value[:40]}: {str(fault).partition(chr(10))[0]}")
            if answer.is_success and sample.is_final and not (await fuzz.send(method, sample, (), None)).is_success:
                await fuzz.prepare()

    await fuzz.read_catalogue()
    assert faults == []


async def test_no_parameter_makes_a_request_fail(fuzz: Fuzz) -> None:
    faults = []
    for name, route in routes(fuzz.school.client):
        method, path = name.split(" ")
        parts = re.findall(r"{(\w+)}", path)
        fields = [] if route.query is None else [each.encode_name for each in msgspec.structs.fields(route.query)]
        sample = SAMPLES.get(name)
        for parameter in [*parts, *fields]:
            for value in PARAMETERS:
                given = {part: IDS.get(part, "intro") for part in parts}
                query = {parameter: value} if parameter in fields else {}
                if not query:
                    given[parameter] = quote(value, safe="")
                # What takes a file is sent one; everything else is JSON.
                sent: Any = {"json": None if sample is None else fuzz.body(sample)}
                kind = {"Content-Type": route.media_types[0]} if route.media_types else {}
                answer = await fuzz.school.client.request(
                    method,
                    fuzz.school.filled(path.format_map(given)),
                    params=query,
                    headers={**fuzz.school.world.bearer(fuzz.school.people["admin"]), **kind},
                    **({"content": "email,course,role\nada@school.test,intro,student\n"} if kind else sent),
                )
                # A contract may call its own id `id` where a path says whose it is.
                is_named = re.split("_|(?=[A-Z])", parameter)[-1].lower() in answer.text.lower()
                is_named |= "Not eligible" in answer.text
                if answer.status_code >= 500 or (answer.status_code == 400 and not is_named):
                    faults.append((name, parameter, value[:40], answer.status_code, answer.text[:200]))

    assert faults == []
