"""How reports on tutorials merge: any order and repetition ends alike, and in what was worked out by other means."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.errors import Conflict, Invalid
from headway.tutorials.model import ChapterReport, QuizAttempt, TutorialProgress, check_id, settled
from tests.tutorial_reports import Post, expected, lasting, replays


def posted(posts: Sequence[Post]) -> TutorialProgress:
    progress = TutorialProgress()
    for now, post in enumerate(posts):
        add = progress.with_chapter if isinstance(post, ChapterReport) else progress.with_attempt
        progress = add(post, now)  # type: ignore[arg-type]
    return progress


@given(replay=replays())
def test_any_order_and_repetition_ends_in_the_same_state(replay: tuple[list[Post], list[Post]]) -> None:
    in_order, replayed = (posted(posts) for posts in replay)

    assert lasting(replayed) == lasting(in_order) == expected(replay[0])


@given(posts=replays())
def test_attempts_and_times_are_those_of_what_was_posted(posts: tuple[list[Post], list[Post]]) -> None:
    progress = posted(posts[1])

    for quiz in progress.quizzes.values():
        times = [now for now, post in enumerate(posts[1]) if isinstance(post, QuizAttempt) and post.id == quiz.id]
        assert (quiz.attempts, quiz.created_at, quiz.completed_at) == (len(times), times[0], times[-1])
    assert progress.last_watched_at == (len(posts[1]) - 1 if posts[1] else None)


@given(completed=st.integers(1, 60), others=st.integers(0, 60))
def test_the_percentage_is_the_largest_whole_one_that_is_reached(completed: int, others: int) -> None:
    total = completed + others
    posts = [ChapterReport(id=str(n), watch_time=0, is_completed=True, total_chapters=total) for n in range(completed)]
    progress = posted(posts)

    assert progress.percent * total <= 100 * completed < (progress.percent + 1) * total
    assert progress.is_eligible is (100 * completed >= 95 * total)


@pytest.mark.parametrize(
    ("completed", "total", "percent"),
    [(19, 20, 95), (19, 20.01, 94), (18, 19, 94), (1, 1e15, 0), (3, 2, 100), (1, 5e-324, 100)],
)
def test_the_percentage_is_cut_and_at_most_100(completed: int, total: float, percent: int) -> None:
    posts = [ChapterReport(id=str(n), watch_time=0, is_completed=True, total_chapters=total) for n in range(completed)]

    assert posted(posts).percent == percent
    assert posted(posts).is_eligible is (percent >= 95)


def test_shares_that_doubles_cannot_tell_apart_are_told_apart() -> None:
    third = QuizAttempt(id="q", score=1, max_score=3, is_passed=True)
    nearly = QuizAttempt(id="q", score=333_333_333_333_333, max_score=1_000_000_000_000_000, is_passed=True)
    above = QuizAttempt(id="q", score=333_333_333_333_333, max_score=999_999_999_999_998, is_passed=True)

    for posts, best in (([third, nearly], third), ([nearly, third], third), ([third, above], above), ([above, third], above)):
        quiz = posted(posts).quizzes["q"]
        assert (quiz.score, quiz.max_score) == (best.score, best.max_score)


def test_a_certificate_stays_whatever_comes_after_it() -> None:
    earned = posted([ChapterReport(id="a", watch_time=1, is_completed=True, total_chapters=1)]).completed(5)
    after = earned.with_chapter(ChapterReport(id="a", watch_time=1, is_completed=False, total_chapters=9), 6)
    after = after.with_attempt(QuizAttempt(id="q", score=0, max_score=1, is_passed=False), 7)

    assert (after.percent, after.is_eligible, after.is_certificate_earned, after.chapters_completed) == (100, True, True, 0)
    assert after.completed(3).last_watched_at == 7


def test_without_the_right_to_it_there_is_no_certificate() -> None:
    with pytest.raises(Conflict, match="Not eligible for certificate"):
        posted([ChapterReport(id="a", watch_time=1, is_completed=True, total_chapters=2)]).completed(1)


@pytest.mark.parametrize("text", ["", "x" * 256, "a\0b", "\ufffd"])
def test_what_cannot_be_an_id_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_id("chapterId", text)
    assert [each.field for each in refused.value.fields] == ["chapterId"]


@pytest.mark.parametrize(("score", "is_right"), [(0, True), (10, True), (-0.1, False), (10.1, False)])
def test_a_score_lies_between_0_and_the_largest(score: float, is_right: bool) -> None:
    attempt = QuizAttempt(id="q", score=score, max_score=10, is_passed=True)
    if is_right:
        assert settled(attempt) == attempt
    else:
        with pytest.raises(Invalid):
            settled(attempt)
