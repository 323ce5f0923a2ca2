"""Records of Moodle's logs: which event each is, or why it is none."""

import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from headway.importers.date_texts import DateForm, DateOrder
from headway.importers.log_model import LogEvent, Parsed, Place, Reason, Refusal
from headway.importers.log_site import Site
from headway.importers.moodle_log import parse_log_row, parse_statement
from headway.importers.moodle_report import parse_row
from headway.instants import SECOND
from tests.unit.moodle_lines import NOT_TAKEN, OTHER, PARTICIPATING, SITE, TAKEN, TEACHING, TIME, report_row, row, statement

NORTH = Site(SITE)
BERLIN = DateForm(ZoneInfo("Europe/Berlin"), DateOrder.DAY)
UNIT = (Place(f"{SITE}/mod/quiz/view.php?id=51"), Place("51"))


def event(parsed: Parsed) -> LogEvent:
    assert isinstance(parsed, LogEvent), parsed
    return parsed


def reason(parsed: Parsed) -> Reason:
    assert isinstance(parsed, Refusal), parsed
    return parsed.reason


@pytest.mark.parametrize(("name", "activity_type"), TAKEN.items(), ids=TAKEN)
@pytest.mark.parametrize("form", ["row", "statement"])
def test_every_type_that_tells_of_learning_is_taken(form: str, name: str, activity_type: str) -> None:
    found = event(parse_log_row(row(name), NORTH) if form == "row" else parse_statement(statement(name), NORTH))

    assert found.activity_type == activity_type
    assert found.at == TIME * SECOND
    assert found.courses == (f"{SITE}/course/view.php?id=8", "8")
    assert found.user.external_ids == (f"{SITE}:31", "31")
    assert [place.external_id for place in found.places][-1:] == (
        ["51"] if name.startswith(("mod_", "core_h5p")) or "completion_u" in name else []
    )


@pytest.mark.parametrize(("name", "why"), NOT_TAKEN.items(), ids=NOT_TAKEN)
@pytest.mark.parametrize("form", ["row", "statement"])
def test_what_is_not_taken_has_a_reason(form: str, name: str, why: str) -> None:
    refused = parse_log_row(row(name), NORTH) if form == "row" else parse_statement(statement(name), NORTH)

    assert reason(refused) is Reason[why]


def test_an_activity_is_found_by_the_address_of_its_page_and_by_its_number() -> None:
    assert event(parse_log_row(row("mod_quiz\\attempt_started"), NORTH)).places == UNIT
    assert event(parse_log_row(row("mod_quiz\\attempt_started"), Site())).places == UNIT[1:]
    assert event(parse_statement(statement("mod_quiz\\attempt_started"), Site())).places == UNIT


def test_an_attempt_is_of_the_quiz() -> None:
    attempt = {"id": f"{SITE}/mod/quiz/attempt.php?attempt=4&cmid=51"}

    assert event(parse_statement(statement("mod_quiz\\attempt_submitted", "completed", object=attempt), NORTH)).places == UNIT


def test_a_statement_tells_its_score_and_how_long_the_attempt_took() -> None:
    result = {"score": {"raw": 7, "min": 1, "max": 11, "scaled": 0.6}, "duration": "PT10M5.5S", "success": True}

    found = event(parse_statement(statement("mod_quiz\\attempt_submitted", "completed", result=result), NORTH))

    assert found.score == (6.0, 10.0)
    assert found.started_at == found.at - 605_500


def test_the_answers_of_an_attempt_are_stored_beside_it_without_its_score() -> None:
    result = {"score": {"raw": 1, "max": 1}, "duration": "PT5M"}

    found = event(parse_statement(statement("mod_quiz\\attempt_submitted", "answered", result=result), NORTH))

    assert found.activity_type == "moodle.question_answered"
    assert (found.score, found.started_at) == (None, None)


def test_who_attended_is_the_actor_of_a_statement_and_not_of_a_row() -> None:
    name = "mod_facetoface\\take_attendance"

    assert event(parse_statement(statement(name, "attended", result={"duration": "PT1H"}), NORTH)).started_at is not None
    assert reason(parse_log_row(row(name), NORTH)) is Reason.STAFF


@pytest.mark.parametrize(("state", "why"), [(0, Reason.UNDONE), (1, None), (2, None), (3, None), (None, Reason.UNKNOWN_TYPE)])
@pytest.mark.parametrize("form", ["serialised", "JSON", "object"])
def test_a_completion_is_one_if_its_state_says_so(form: str, state: int | None, why: Reason | None) -> None:
    other: Any = {
        "serialised": f's:15:"completionstate";{"N" if state is None else f"i:{state}"};',
        "JSON": json.dumps({"completionstate": None if state is None else str(state)}),
        "object": {"completionstate": state},
    }[form]

    parsed = parse_log_row(row("core\\course_module_completion_updated", other=other, relateduserid=44, userid=2), NORTH)

    if why is None:
        assert event(parsed).user.external_ids[-1] == "44"
    else:
        assert reason(parsed) is why


def test_a_completion_that_is_taken_back_is_refused() -> None:
    assert reason(parse_statement(statement("core\\course_module_completion_updated", "uncompleted"), NORTH)) is Reason.UNDONE


def test_what_staff_do_with_a_learners_work_is_not_the_learners() -> None:
    assert reason(parse_log_row(row("mod_quiz\\attempt_reviewed", userid=2, relateduserid=31), NORTH)) is Reason.STAFF


def test_a_task_of_the_platform_hands_in_for_the_learner() -> None:
    found = event(parse_log_row(row("mod_quiz\\attempt_submitted", userid="-1", relateduserid="31"), NORTH))

    assert found.user.external_ids[-1] == "31"


@pytest.mark.parametrize(
    ("level", "activity_type"), [(PARTICIPATING, "moodle.level_finished"), (TEACHING, None), (OTHER, None), (None, None)]
)
def test_moodle_says_of_other_events_whether_they_tell_of_learning(level: int | None, activity_type: str | None) -> None:
    parsed = parse_log_row(row("local_game\\level_finished", edulevel=level), NORTH)

    assert (parsed.activity_type if isinstance(parsed, LogEvent) else None) == activity_type


def test_the_cells_of_a_table_are_texts() -> None:
    cells = {key: "" if value is None else str(value) for key, value in row("mod_quiz\\attempt_started").items()}

    assert event(parse_log_row(cells, NORTH)) == event(parse_log_row(row("mod_quiz\\attempt_started"), NORTH))


@pytest.mark.parametrize(
    ("actor", "external_ids", "email"),
    [
        ({"mbox": "mailto:ines@north.example"}, (), "ines@north.example"),
        (
            {"account": {"homePage": SITE, "name": "ines@north.example"}},
            (f"{SITE}:ines@north.example", "ines@north.example"),
            "ines@north.example",
        ),
        ({"openid": "https://id.example/ines"}, (f"{SITE}:https://id.example/ines", "https://id.example/ines"), None),
    ],
)
def test_an_actor_is_named_in_the_ways_of_statements(
    actor: dict[str, Any], external_ids: tuple[str, ...], email: str | None
) -> None:
    user = event(parse_statement(statement("mod_quiz\\attempt_started", actor=actor), NORTH)).user

    assert (user.external_ids, user.email) == (external_ids, email)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"actor": {"mbox_sha1sum": "0a"}}, Reason.NO_USER),
        ({"timestamp": "soon"}, Reason.NO_TIME),
        (
            {"object": {"id": SITE}, "context": {"extensions": statement("core\\course_viewed")["context"]["extensions"]}},
            Reason.NO_COURSE,
        ),
        ({"context": {}}, Reason.NOT_AN_EVENT),
        ({"context": []}, Reason.NOT_AN_EVENT),
    ],
)
def test_a_statement_without_what_an_event_needs_is_refused(changes: dict[str, Any], why: Reason) -> None:
    assert reason(parse_statement(statement("mod_quiz\\attempt_started", **changes), NORTH)) is why


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"userid": 0}, Reason.NO_USER),
        ({"timecreated": "now"}, Reason.NO_TIME),
        ({"courseid": 0}, Reason.NO_COURSE),
        ({"courseid": 1}, Reason.NO_COURSE),
        ({"eventname": "quiz"}, Reason.NOT_AN_EVENT),
    ],
)
def test_a_row_without_what_an_event_needs_is_refused(changes: dict[str, Any], why: Reason) -> None:
    assert reason(parse_log_row(row("mod_quiz\\attempt_started", **changes), NORTH)) is why


def test_a_statement_is_the_same_event_by_its_id() -> None:
    first = event(parse_statement(statement("mod_quiz\\attempt_started"), NORTH))
    again = event(parse_statement(statement("mod_quiz\\attempt_started", timestamp="2026-11-05T09:30:00Z"), Site()))
    other = event(parse_statement(statement("mod_quiz\\attempt_started", id="other"), NORTH))
    unnamed = event(parse_statement(statement("mod_quiz\\attempt_started", id=None), NORTH))

    assert first.event_id == again.event_id
    assert len({first.event_id, other.event_id, unnamed.event_id}) == 3


INES = "The user with id '31'"
QUIZ = "the quiz with course module id '51'."
FOR_OTHER = f"{INES} has had their attempt with id '4' reviewed by the user with id '2' for {QUIZ}"
POSTED = f"{INES} has created the post with id '6' in the discussion with id '7' in the forum with course module id '51'."
NOTED = "The user with id '2' updated the completion state for the course module with id '51' for the user with id '31'."
VIEWED = f"{INES} viewed the 'quiz' activity with course module id '51'."
REPORTED: dict[str, tuple[list[str], str, bool]] = {
    "a view": (report_row("Course module viewed", VIEWED), "unit_view", True),
    "a view in German": (report_row("Kursmodul angezeigt", VIEWED, component="Test"), "unit_view", True),
    "a course": (
        report_row("Course viewed", f"{INES} viewed the course with id '8'.", component="System"), "course_view", False,
    ),
    "a course in German": (
        report_row("Kurs angezeigt", f"{INES} viewed the course with id '8'.", component="System"), "course_view", False,
    ),
    "an attempt": (
        report_row("Quiz attempt started",
                   f"{INES} has started the attempt with id '4' for {QUIZ}"),
        "quiz_start", True,
    ),
    "an attempt in French": (
        report_row("Tentative de test terminée",
                   f"{INES} has submitted the attempt with id '4' for {QUIZ}"),
        "quiz_submit", True,
    ),
    "a submission": (
        report_row("A submission has been submitted.",
                   f"{INES} has submitted the submission with id '5' for the assignment with course module id '51'.",
                   component="Assignment"),
        "assessment_submit", True,
    ),
    "a post": (
        report_row("Post created", POSTED, component="Forum"),
        "discussion_post", True,
    ),
    "a completion, of which the report does not say whether it was taken back": (
        report_row("Course activity completion updated", NOTED, component="System"),
        "moodle.course_module_completion_updated", True,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("cells", "activity_type", "has_unit"), REPORTED.values(), ids=REPORTED)
@pytest.mark.parametrize("is_of_site", [False, True])
def test_a_report_is_read_in_every_language(cells: list[str], activity_type: str, *, has_unit: bool, is_of_site: bool) -> None:
    found = event(parse_row(["BIO1", *cells] if is_of_site else cells, Site(SITE, "8"), BERLIN))

    assert found.activity_type == activity_type
    assert found.at == TIME * SECOND
    assert found.user.external_ids == (f"{SITE}:31", "31")
    assert found.courses == ("8",)
    assert (found.places[-1:] == UNIT[1:]) is has_unit


@pytest.mark.parametrize(
    ("cells", "site", "why"),
    [
        (report_row("Course module viewed", VIEWED), NORTH, Reason.NO_COURSE),
        (report_row("Course module viewed", VIEWED, time="5 Nov, 10:30"), Site(course="8"), Reason.NO_TIME),
        (report_row("Course module viewed", "Somebody viewed something."), Site(course="8"), Reason.NO_USER),
        (report_row("Etwas ist geschehen", "Etwas.", component="Anderes"), Site(course="8"), Reason.UNKNOWN_TYPE),
        (report_row("User enrolled in course", "", component="System"), Site(course="8"), Reason.ENROLLMENT),
        (report_row("Log report viewed", "", component="Logs"), Site(course="8"), Reason.REPORT),
        (["5/11/26, 10:30", "Ines"], Site(course="8"), Reason.NOT_AN_EVENT),
        ([1, 2, 3, 4, 5, 6, 7, 8, 9], Site(course="8"), Reason.NOT_AN_EVENT),
        (
            report_row("Quiz attempt reviewed", FOR_OTHER),
            Site(course="8"),
            Reason.STAFF,
        ),
    ],
)  # fmt: skip
def test_a_row_of_a_report_that_is_not_taken_has_a_reason(cells: list[str], site: Site, why: Reason) -> None:
    assert reason(parse_row(cells, site, BERLIN)) is why


def test_rows_of_a_report_that_are_alike_are_told_apart_by_their_count() -> None:
    cells = report_row("Course module viewed", VIEWED)
    ids = [event(parse_row(cells, Site(course="8"), BERLIN, count)).event_id for count in (0, 1, 0)]

    assert ids[0] == ids[2] != ids[1]
