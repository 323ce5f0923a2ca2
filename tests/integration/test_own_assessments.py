"""A learner's assessments in all courses, with their states."""

import msgspec

from headway.assessments.model import AssessmentState, NewGrade
from headway.courses.model import CourseTree, NewAssessment, NewCourse, NewModule
from headway.identity import Caller, Role
from headway.instants import DAY
from tests.integration.learner_courses import caller_of, make_course
from tests.world import NOON, World


async def test_assessments_are_listed_with_their_states(world: World) -> None:
    tasks = tuple(
        NewAssessment(title, due_at=due_at)
        for title, due_at in (("Open", None), ("Due", NOON + DAY), ("Late", NOON - DAY), ("Sent", NOON - DAY), ("Graded", None))
    )
    course, other = (
        await make_course(world, assessments=tasks),
        await make_course(world, assessments=(NewAssessment("Else"),)),
    )
    learner, classmate = await world.learner(course), await world.learner(course)
    assessments = world.services.assessments
    sent, graded = course.assessments[3].id, course.assessments[4].id
    for learner_of, task, number in (
        (learner, sent, 1),
        (learner, sent, 2),
        (learner, graded, 3),
        (classmate, course.assessments[0].id, 4),
    ):
        url = f"https://github.com/a/{number}"
        submission, _ = await world.write(assessments.submit, caller_of(learner_of), task, url)
        if task == graded:
            owner = Caller(course.owner_id, Role.INSTRUCTOR)
            await world.write(assessments.grade, owner, submission.id, NewGrade(80, "Well done"))

    found = await world.read(assessments.list_own, learner.id)

    states = [(each.assessment.title, each.state(NOON)) for each in found]
    assert states == [
        ("Open", AssessmentState.TO_HAND_IN),
        ("Due", AssessmentState.TO_HAND_IN),
        ("Late", AssessmentState.LATE),
        ("Sent", AssessmentState.HANDED_IN),
        ("Graded", AssessmentState.GRADED),
    ]
    assert [each.submission_url for each in found[3].submissions] == ["https://github.com/a/2", "https://github.com/a/1"]
    assert found[3].submission is not None
    assert found[3].submission.is_late(found[3].assessment)
    assert found[4].submissions[0].feedback == "Well done"
    assert await world.read(assessments.list_own, learner.id, course.id) == found
    assert await world.read(assessments.list_own, learner.id, other.id) == []
    await world.write(world.services.enrollments.leave, learner.id, course.id)
    assert await world.read(assessments.list_own, learner.id) == []


async def test_a_retired_assessment_is_listed_where_work_was_handed_in(world: World) -> None:
    course = await make_course(world, assessments=(NewAssessment("Old"), NewAssessment("Other")))
    learner, other = await world.learner(course), await world.learner(course)
    await world.write(world.services.assessments.submit, caller_of(learner), course.assessments[0].id, "https://github.com/a/b")

    def retire(tree: CourseTree) -> NewCourse:
        modules = tuple(NewModule(each.title, id=each.id) for each in tree.modules)
        return msgspec.structs.replace(tree.course, modules=modules, assessments=())

    owner = Caller(course.owner_id, Role.INSTRUCTOR)
    await world.write(world.services.course_editing.change, owner, course.id, retire)

    listed = world.services.assessments.list_own
    assert [each.assessment.title for each in await world.read(listed, learner.id)] == ["Old"]
    assert await world.read(listed, other.id) == []
