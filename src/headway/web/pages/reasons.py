"""The words for why a learner needs attention, for the rules that find it, and for what staff may write."""

from collections.abc import Sequence
from typing import NamedTuple

from headway.attention.model import NAME_FIELD, FailedResult, Finding, Rule, RuleName
from headway.attention.service import CourseFindings, ListedLearner
from headway.web.texts import Viewer


class Reason(NamedTuple):
    """Why a learner is listed: the name of the rule, and what was found."""

    rule: RuleName
    text: str


class RuleCard(NamedTuple):
    """A rule in words, with how many learners it lists."""

    rule: Rule
    name: str
    sentence: str
    unit: str
    """What its threshold is in."""
    listed: int
    has_plan: bool
    """False for the rule about the plan of a course that has none."""


def rule_name(viewer: Viewer, name: RuleName) -> str:
    """Return the name of a rule."""
    return {
        RuleName.NOT_SEEN: viewer.text("Not seen"),
        RuleName.BEHIND_PLAN: viewer.text("Behind the plan"),
        RuleName.STUCK: viewer.text("Stuck"),
        RuleName.FAILED_TWICE: viewer.text("Failed twice"),
    }[name]


def rule_cards(viewer: Viewer, found: CourseFindings) -> list[RuleCard]:
    """Return all rules of a course."""
    counts = found.counts
    return [
        RuleCard(
            rule,
            rule_name(viewer, name),
            _sentence(viewer, rule),
            _unit(viewer, name),
            counts.get(name, 0),
            name is not RuleName.BEHIND_PLAN or found.judge.run.has_plan(),
        )
        for name, rule in found.rules.items()
    ]


def reasons(viewer: Viewer, found: CourseFindings, learner: ListedLearner) -> list[Reason]:
    """Return why a learner is listed, with the evidence."""
    return [Reason(each.rule, _evidence(viewer, found, learner, each)) for each in learner.findings]


def suggested_message(viewer: Viewer, course_title: str, sender: str, rule: RuleName | None) -> str:
    """Return what to write to learners who are listed, or listed by a rule; `{name}` stands for the name of each."""
    middle = {
        RuleName.NOT_SEEN: viewer.text("I have not seen you in “%(course)s” for a while. Is everything all right?"),
        RuleName.BEHIND_PLAN: viewer.text("you are behind the plan of “%(course)s”. Which part takes you longest?"),
        RuleName.STUCK: viewer.text(
            "you have been at the same unit of “%(course)s” for some time. What is difficult about it?"
        ),
        RuleName.FAILED_TWICE: viewer.text(
            "some of your results in “%(course)s” do not pass yet. Shall we look at them together?"
        ),
        None: viewer.text("how are you getting on with “%(course)s”?"),
    }[rule] % {"course": course_title}
    greeting, offer = viewer.text("Hello %(name)s,", name=NAME_FIELD), viewer.text("Write to me: I am glad to help.")
    return f"{greeting}\n\n{middle} {offer}\n\n{sender}"


def _sentence(viewer: Viewer, rule: Rule) -> str:
    number = rule.threshold
    match rule.name:
        case RuleName.NOT_SEEN:
            return viewer.ngettext(
                "No activity for %(count)s day or longer", "No activity for %(count)s days or longer", number
            )
        case RuleName.BEHIND_PLAN:
            return viewer.ngettext(
                "More than %(count)s point behind the share of the course's time that has passed",
                "More than %(count)s points behind the share of the course's time that has passed",
                number,
            )
        case RuleName.STUCK:
            days = viewer.ngettext("%(count)s day", "%(count)s days", number)
            hours = viewer.ngettext("%(count)s hour of study", "%(count)s hours of study", rule.hours or 0)
            return viewer.text("Active, but the unit is not complete after %(days)s or %(hours)s", days=days, hours=hours)
        case RuleName.FAILED_TWICE:
            return viewer.text(
                "Two or more results that do not pass: grades below %(percent)s, quizzes whose best score is too low",
                percent=viewer.percent(number * 100),
            )


def _unit(viewer: Viewer, name: RuleName) -> str:
    return {
        RuleName.NOT_SEEN: viewer.text("Days without activity"),
        RuleName.BEHIND_PLAN: viewer.text("Points behind"),
        RuleName.STUCK: viewer.text("Days since the unit was begun"),
        RuleName.FAILED_TWICE: viewer.text("Percent that a grade needs"),
    }[name]


def _evidence(viewer: Viewer, found: CourseFindings, learner: ListedLearner, finding: Finding) -> str:
    count = finding.value
    match finding.rule:
        case RuleName.NOT_SEEN if finding.is_never_seen:
            return viewer.ngettext(
                "never seen, %(count)s day after the course began", "never seen, %(count)s days after the course began", count
            )
        case RuleName.NOT_SEEN:
            return viewer.ngettext("not seen for %(count)s day", "not seen for %(count)s days", count)
        case RuleName.BEHIND_PLAN:
            at, plan = viewer.percent(learner.enrollment.percent), viewer.percent(finding.expected)
            return viewer.ngettext(
                "%(count)s point behind: at %(at)s of %(plan)s",
                "%(count)s points behind: at %(at)s of %(plan)s",
                count,
                at=at,
                plan=plan,
            )
        case RuleName.STUCK:
            unit = found.course.structure.units[finding.mark].title
            study = viewer.duration(finding.unit.study_ms if finding.unit else 0)
            return viewer.ngettext(
                "at “%(unit)s” for %(count)s day, %(study)s of study",
                "at “%(unit)s” for %(count)s days, %(study)s of study",
                count,
                unit=unit,
                study=study,
            )
        case RuleName.FAILED_TWICE:
            return _failed(viewer, found, learner.failed, count)


def _failed(viewer: Viewer, found: CourseFindings, failed: Sequence[FailedResult], count: int) -> str:
    results = [
        viewer.text(
            "“%(title)s” %(percent)s",
            title=found.course.structure.units[each.unit_id].title
            if each.unit_id is not None
            else found.course.assessments[each.assessment_id or 0][0],
            percent=viewer.percent(each.percent * 100),
        )
        for each in failed
    ]
    counted = viewer.ngettext("%(count)s result does not pass", "%(count)s results do not pass", count)
    return f"{counted}: {', '.join(results)}" if results else counted
