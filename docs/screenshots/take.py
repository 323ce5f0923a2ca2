"""Take the screenshots of the README from a running demo: `take.py http://127.0.0.1:8000`.

Needs Playwright with Chromium; `CHROMIUM` names another one than its own.
"""

import asyncio
import os
import sys
from pathlib import Path

from playwright.async_api import Browser, async_playwright

PASSWORD = "Try-Headway-1"
WIDTH, HEIGHT = 1280, 860
MAX_BYTES = 150_000
SHOTS = {
    "overview": ("tutor@oulad.example", "/app/courses/1"),
    "needs-attention": ("tutor@oulad.example", "/app/courses/1/attention"),
    "learner-course": ("learner@demo.example", "/app/learning/2"),
}


async def take(browser: Browser, base: str, name: str) -> None:
    """Sign in, open the page and store its first screen as PNG."""
    email, path = SHOTS[name]
    context = await browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}, locale="en-GB")
    page = await context.new_page()
    await page.goto(f"{base}/app/sign-in")
    await page.get_by_label("E-mail address").fill(email)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_url(lambda url: "sign-in" not in url)
    await page.goto(base + path)
    await page.wait_for_load_state("networkidle")
    file = Path(__file__).parent / f"{name}.png"
    await page.screenshot(path=file)
    if file.stat().st_size > MAX_BYTES:
        sys.exit(f"{file} has more than {MAX_BYTES} bytes")
    await context.close()


async def main(base: str) -> None:
    """Take all of them."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=os.environ.get("CHROMIUM"))
        for name in SHOTS:
            await take(browser, base, name)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1].rstrip("/")))
