"""Players in frames of other origins: pages that speak as YouTube's and Vimeo's do, with a sound that really plays in them."""

import io
import wave
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Frame, Page, Route

import headway.web

SCRIPT = Path(headway.web.__path__[0]) / "static" / "sdk" / "headway-video.js"
SECONDS = 20
MOST_MISSING_SECONDS = 0.3
"""Of a jump, the position before it is the last one that the player has told."""

PAGE = """<!doctype html>
<iframe src="{player}"></iframe>
<script type="module">
import {{ trackVideo }} from "/headway-video.js";
const host = {{
  reports: [],
  attach(part) {{ host.part = part; return () => {{}}; }},
  beat() {{ host.reports.push(host.part?.contribute() ?? {{}}); }},
  track(activity_type, fields) {{ host.reports.push({{ ...fields, activity_type, isEvent: true }}); }},
}};
const end = trackVideo(host, document.querySelector("iframe"));
Object.assign(window, {{ host, end }});
</script>
"""

MEDIA = """<!doctype html>
<audio src="/sound.wav" preload="auto"></audio>
<script>
const media = document.querySelector("audio");
const on = (names, listener) => names.split(" ").forEach((name) => media.addEventListener(name, listener));
const say = (message) => parent.postMessage(message, "*");
const played = () => Array.from({ length: media.played.length }, (_, i) => [media.played.start(i), media.played.end(i)]);
"""

YOUTUBE = (
    MEDIA
    + """
let heard = false;
const tell = (info) => heard && say(JSON.stringify({ event: "infoDelivery", info }));
const state = () => (media.ended ? 0 : media.readyState < 3 ? 3 : media.paused ? 2 : 1);
addEventListener("message", ({ data }) => {
  if (JSON.parse(data).event !== "listening" || heard) return;
  heard = true;
  const { duration, muted, playbackRate } = media;
  say(JSON.stringify({ event: "initialDelivery", info: { playerState: 5, currentTime: 0, duration, muted, playbackRate } }));
});
on("playing pause waiting seeking ended", () => tell({ playerState: state(), currentTime: media.currentTime }));
on("durationchange", () => tell({ duration: media.duration }));
on("ratechange", () => tell({ playbackRate: media.playbackRate }));
on("timeupdate", () => tell({ currentTime: media.currentTime }));
</script>
"""
)

VIMEO = (
    MEDIA
    + """
const names = { ratechange: "playbackratechange", waiting: "bufferstart" };
const heard = new Set();
const data = () => ({ seconds: media.currentTime, duration: media.duration, percent: media.currentTime / media.duration });
on("play playing pause seeking seeked timeupdate ended ratechange waiting", ({ type }) => {
  const event = names[type] ?? type;
  if (!heard.has(event)) return;
  say({ event, data: type === "ratechange" ? { playbackRate: media.playbackRate } : data() });
});
const answers = {
  addEventListener: (name) => void heard.add(name),
  getCurrentTime: () => media.currentTime,
  getMuted: () => media.muted,
  getPaused: () => media.paused,
  getPlaybackRate: () => media.playbackRate,
};
addEventListener("message", ({ data: { method, value } }) => say({ method, value: answers[method](value) }));
say({ event: "ready" });
</script>
"""
)

PLAYERS = {
    "https://www.youtube-nocookie.com/embed/x?enablejsapi=1": YOUTUBE,
    "https://player.vimeo.com/video/1": VIMEO,
}


def sound() -> bytes:
    """Return a file of silence."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(1)
        writer.setframerate(8000)
        writer.writeframes(b"\x80" * 8000 * SECONDS)
    return file.getvalue()


async def send_part(route: Route, body: bytes) -> None:
    """Answer with the part that is asked for: what is not sent in parts cannot be sought in."""
    first = int(route.request.headers["range"].removeprefix("bytes=").split("-")[0])
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Range": f"bytes {first}-{len(body) - 1}/{len(body)}",
        "Content-Type": "audio/wav",
    }
    await route.fulfill(status=206, body=body[first:], headers=headers)


@dataclass
class Player:
    """A page with a frame, and what plays in it."""

    page: Page
    frame: Frame

    async def do(self, script: str) -> None:
        await self.frame.evaluate(f"() => {{ {script}; }}")

    async def reaches(self, position: float) -> None:
        await self.frame.wait_for_function(f"media.currentTime >= {position} && !media.seeking", polling=20)

    async def reports(self) -> list[dict[str, Any]]:
        reports: list[dict[str, Any]] = await self.page.evaluate("host.reports")
        return reports

    async def assert_played(self) -> None:
        """Assert that what is reported is what the element in the frame says it has played."""
        metrics = [report["engagement_metrics"] for report in await self.reports() if "engagement_metrics" in report]
        assert {each["video_duration_seconds"] for each in metrics} == {SECONDS}
        reported = joined(segment for each in metrics for segment in each["video_segments"])
        played = await self.frame.evaluate("played()")
        text = f"reported {reported}, played {played}"
        assert len(reported) == len(played), text
        for one, other in zip(reported, played, strict=True):
            assert one == pytest.approx(other, abs=2 * MOST_MISSING_SECONDS), text


def joined(segments: Iterable[list[float]]) -> list[list[float]]:
    """Return segments in order, in one piece where one begins as another one ends."""
    pieces: list[list[float]] = []
    for start, end in sorted(segments):
        if pieces and start <= pieces[-1][1]:
            pieces[-1][1] = max(end, pieces[-1][1])
        else:
            pieces.append([start, end])
    return pieces


@pytest_asyncio.fixture(loop_scope="session", params=PLAYERS, ids=["youtube", "vimeo"])
async def player(request: pytest.FixtureRequest, context: BrowserContext) -> Player:
    url: str = request.param

    async def answer(route: Route) -> None:
        if route.request.url == url:
            await route.fulfill(body=PLAYERS[url], content_type="text/html")
        elif route.request.url.endswith("/sound.wav"):
            await send_part(route, sound())
        elif route.request.url.endswith("/headway-video.js"):
            await route.fulfill(body=SCRIPT.read_bytes(), content_type="text/javascript")
        elif route.request.url == "https://learn.example/":
            await route.fulfill(body=PAGE.format(player=url), content_type="text/html")
        else:
            await route.fulfill(status=404)

    page = await context.new_page()
    await page.route("**/*", answer)
    await page.goto("https://learn.example/")
    await page.wait_for_function("window.host?.part")
    frame = page.frames[1]
    await frame.wait_for_function("heard === true || heard.size > 0")
    await frame.wait_for_function("media.readyState === 4")
    return Player(page, frame)


async def test_a_frame_is_followed_through_seek_and_speed(player: Player) -> None:
    await player.do("media.play()")
    await player.reaches(1.5)
    assert await player.page.evaluate("host.part.isPlaying()") is True
    await player.do("media.currentTime = 8")
    await player.reaches(9)
    await player.do("media.playbackRate = 2")
    await player.reaches(11)
    await player.do("media.pause()")
    await player.page.wait_for_function("host.part.isPlaying() === false")
    await player.page.evaluate("end()")

    await player.assert_played()
    events = [report for report in await player.reports() if report.get("isEvent")]
    assert [event["activity_type"] for event in events if event["activity_type"] != "video_seek"] == [
        "video_play",
        "video_pause",
    ]
    [seek] = [event["metadata"] for event in events if event["activity_type"] == "video_seek"]
    assert 1 < seek["from"] < 8 <= seek["to"] < 10
    assert events[-1]["metadata"]["rate"] == 2


async def test_a_frame_tells_the_end(player: Player) -> None:
    await player.do("media.currentTime = 18.5; media.play()")
    await player.frame.wait_for_function("media.ended")
    await player.page.wait_for_function("host.reports.some((report) => report.activity_type === 'video_complete')")
    await player.page.evaluate("end()")
    await player.assert_played()
