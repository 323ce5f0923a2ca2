"""What clients post of tutorials, in order and replayed, and what must come of it, worked out without the code under test."""

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import product
from typing import Any, TypeAlias

from hypothesis import strategies as st

from headway.tutorials.model import ChapterReport, QuizAttempt, TutorialProgress

Post: TypeAlias = ChapterReport | QuizAttempt

IDS = st.sampled_from("abc")
TIMES = st.one_of(st.integers(0, 1_000), st.floats(0, 1e6, allow_nan=False))
CHAPTERS = st.builds(
    ChapterReport,
    id=IDS,
    watch_time=TIMES,
    # An explicit `false` takes a completion back, so the order of those matters.
    is_completed=st.sampled_from([None, True]),
    last_position=st.none() | TIMES,
    total_chapters=st.none() | st.sampled_from([0, 1, 2, 3, 3.5]),
)
ATTEMPTS = st.builds(
    lambda quiz, parts, scale, is_passed: QuizAttempt(
        id=quiz, score=min(parts) * scale, max_score=max(*parts, 1) * scale, is_passed=is_passed
    ),
    IDS,
    st.tuples(st.integers(0, 10), st.integers(0, 10)),
    st.sampled_from([1, 2, 0.5, 10]),
    st.booleans(),
)


@st.composite
def replays(draw: st.DrawFn) -> tuple[list[Post], list[Post]]:
    """Draw posts, and the same in another order with some of them several times."""
    posts: list[Post] = draw(st.lists(CHAPTERS | ATTEMPTS, max_size=12))
    repeated = draw(st.lists(st.sampled_from(posts), max_size=6)) if posts else []
    return posts, draw(st.permutations([*posts, *repeated]))


def lasting(progress: TutorialProgress) -> dict[str, Any]:
    """Give all of a progress that does not depend on the order of the posts or on how often they came."""
    return {
        "total": progress.total_chapters,
        "percent": progress.percent,
        "is_eligible": progress.is_eligible,
        "watch_time": progress.watch_time,
        "chapters": {
            each.id: (each.watch_time, each.is_completed, each.last_position is None) for each in progress.chapters.values()
        },
        "quizzes": {each.id: (each.score, each.max_score, each.is_passed) for each in progress.quizzes.values()},
    }


def expected(posts: Sequence[Post]) -> dict[str, Any]:
    """Work out what posts lead to."""
    chapters: dict[str, list[ChapterReport]] = defaultdict(list)
    quizzes: dict[str, list[QuizAttempt]] = defaultdict(list)
    for post in posts:
        if isinstance(post, ChapterReport):
            chapters[post.id].append(post)
        else:
            quizzes[post.id].append(post)
    total = max([0.0, *(each.total_chapters or 0 for reports in chapters.values() for each in reports)])
    reached = {
        name: (
            max(each.watch_time for each in reports),
            any(each.is_completed for each in reports),
            all(each.last_position is None for each in reports),
        )
        for name, reports in chapters.items()
    }
    done = sum(is_completed for _, is_completed, _ in reached.values())
    percent = min(100, int(Decimal(100 * done) / Decimal(total))) if total else 0
    scores = {name: (*_best(attempts), any(each.is_passed for each in attempts)) for name, attempts in quizzes.items()}
    return {
        "total": total,
        "percent": percent,
        "is_eligible": percent >= 95 and all(is_passed for *_, is_passed in scores.values()),
        "watch_time": float(sum(Fraction(time) for time, *_ in reached.values())),
        "chapters": reached,
        "quizzes": scores,
    }


def _best(attempts: Sequence[QuizAttempt]) -> tuple[float, float]:
    """Give the attempt that no other beats, by multiplying crosswise."""
    found = {(each.score, each.max_score) for each in attempts}

    def beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
        left, right = Decimal(one[0]) * Decimal(other[1]), Decimal(other[0]) * Decimal(one[1])
        return left > right or (left == right and one[1] > other[1])

    beaten = {other for one, other in product(found, found) if beats(one, other)}
    (best,) = found - beaten
    return best
