"""Start a real browser: Debian's Chromium, headless, with its own empty profile."""

import shutil
from collections.abc import Iterator
from typing import Final

import pytest
from playwright.sync_api import Browser, sync_playwright

MISSING: Final = (
    "neither chromium nor chromium-browser is on PATH; `make browser` installs Debian's where that is possible"
)
# The browser must make no connections of its own, and root has no sandbox.
OPTIONS: Final = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Yield the browser, once for the session."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip(f"no browser: {MISSING}")  # in CI too: it comes from a Debian mirror that may be out of reach
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=[*OPTIONS])
        yield started
        started.close()
