"""What was really played of a video: `clip.webm`, which lasts ten seconds."""

from collections.abc import Iterable

import pytest

from tests.browser.intervals import Interval, difference, length, union
from tests.browser.school import TOLERANCE_SECONDS, becomes
from tests.browser.visit import Visit, assert_stored

PAGE = "video.html"
VIDEO = "document.querySelector('video')"
TOLERANCE = 0.6
"""Seconds of the video."""


async def open_video(visit: Visit, unit: int = 4) -> None:
    """Go to a page with the video, in the unit whose rule is the share that was watched."""
    await visit.open(PAGE, unit=visit.school.unit_ids[unit])
    await visit.sees(f"{VIDEO}.readyState === 4")


async def play(visit: Visit, until: float) -> None:
    """Play until a position, and pause."""
    await visit.page.evaluate(f"{VIDEO}.play()")
    await visit.sees(f"{VIDEO}.currentTime >= {until}")
    await visit.page.evaluate(f"{VIDEO}.pause()")


async def set_video(visit: Visit, name: str, value: float | bool) -> None:
    """Set a property of the video, such as its position."""
    await visit.page.evaluate(f"([name, value]) => {{ {VIDEO}[name] = value; }}", [name, value])


def segments(visit: Visit) -> list[Interval]:
    """Return the union of what was reported as played."""
    metrics = [item.get("engagement_metrics") or {} for item in visit.gate.sent()]
    return union((start, end) for each in metrics for start, end in each.get("video_segments", []))


def assert_played(visit: Visit, played: Iterable[Interval], *, tolerance: float = TOLERANCE) -> None:
    """Assert that what is reported is what the browser says was played."""
    expected = union(played)
    assert difference(segments(visit), expected) < tolerance, f"reported {segments(visit)}, played {expected}"


async def test_what_is_played_counts_as_study_and_as_watched(visit: Visit) -> None:
    await open_video(visit)
    await play(visit, 4.5)

    record = await visit.end()
    assert_played(visit, record.played[0])
    stored = await assert_stored(visit, record)
    assert {event.type for event in stored.events} >= {"video_play", "video_pause", "video_progress"}
    # Nobody touched anything, which is no reason not to count: the video played.
    assert stored.study > 4


async def test_what_a_seek_leaves_out_is_not_played(visit: Visit) -> None:
    await open_video(visit)
    await visit.page.evaluate(f"{VIDEO}.play()")
    await visit.sees(f"{VIDEO}.currentTime >= 1.5")
    await set_video(visit, "currentTime", 6)
    await visit.sees(f"{VIDEO}.currentTime >= 7.5")
    await set_video(visit, "currentTime", 3)
    await play(visit, 4)

    record = await visit.end()
    assert length(record.played[0]) < 5
    assert_played(visit, record.played[0])
    stored = await assert_stored(visit, record)
    assert [event.type for event in stored.events].count("video_seek") == 2


async def test_twice_the_speed_is_half_the_study(visit: Visit) -> None:
    await open_video(visit)
    await set_video(visit, "playbackRate", 2)
    await play(visit, 6)

    record = await visit.end()
    assert_played(visit, record.played[0])
    stored = await assert_stored(visit, record)
    assert length(segments(visit)) > 5.4
    assert length([span for event in stored.beats if event.type == "video_progress" and (span := event.span)]) < 4


async def test_a_loop_begins_anew(visit: Visit) -> None:
    await open_video(visit)
    await set_video(visit, "loop", True)
    await set_video(visit, "currentTime", 8.5)
    await visit.page.evaluate(f"{VIDEO}.play()")
    await visit.sees(f"{VIDEO}.currentTime >= 9")
    await visit.sees(f"{VIDEO}.currentTime < 8")
    await play(visit, 1)

    record = await visit.end()
    assert_played(visit, record.played[0])
    assert length(segments(visit)) < 4
    await assert_stored(visit, record)


@pytest.mark.usefixtures("tabs")
async def test_a_video_that_plays_in_a_hidden_tab_counts(visit: Visit) -> None:
    await open_video(visit)
    await visit.page.evaluate(f"{VIDEO}.play()")
    await visit.hide()
    await visit.sees(f"{VIDEO}.currentTime >= 4")
    await visit.page.bring_to_front()
    await visit.page.evaluate(f"{VIDEO}.pause()")

    record = await visit.end()
    assert_played(visit, record.played[0])
    stored = await assert_stored(visit, record)
    assert stored.study > 3.5


async def test_the_end_completes_the_unit_over_two_visits(visit: Visit) -> None:
    unit = visit.school.unit_ids[4]
    await open_video(visit)
    await set_video(visit, "playbackRate", 2)
    await play(visit, 6)
    first = await visit.end()
    assert not await visit.school.is_complete(visit.learner, unit)

    await open_video(visit)
    await set_video(visit, "playbackRate", 2)
    await set_video(visit, "currentTime", 5.5)
    await visit.page.evaluate(f"{VIDEO}.play()")
    await visit.sees(f"{VIDEO}.ended")
    second = await visit.end()

    assert_played(visit, [*first.played[0], *second.played[0]])
    stored = await assert_stored(visit, first, second)
    assert [event.type for event in stored.events].count("video_complete") == 1
    assert await visit.school.is_complete(visit.learner, unit)


async def test_a_tab_that_closes_while_a_video_plays_loses_little(visit: Visit) -> None:
    await open_video(visit)
    await visit.page.evaluate(f"{VIDEO}.play()")
    await visit.sees(f"{VIDEO}.currentTime >= 3")

    record, seconds = await visit.leave(visit.close)

    await becomes(lambda: is_stored(visit, record.played[0][-1][1]))
    assert_played(visit, record.played[0], tolerance=TOLERANCE + seconds)
    await assert_stored(visit, record, tolerance=TOLERANCE_SECONDS + seconds)


async def is_stored(visit: Visit, end: float) -> bool:
    """Return whether what was played up to a position has been reported and answered."""
    reported = segments(visit)
    return bool(reported) and reported[-1][1] > end - TOLERANCE and visit.gate.calls_of()[-1].status == 200
