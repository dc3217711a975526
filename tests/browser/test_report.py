"""The report as people see it: in Chromium, without anything else on the disk or in the network."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest
from click.testing import CliRunner
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from tests.stories import EMERGENCY, TEAMS, tell
from webhook.audit.keys import write_pair
from webhook.audit.reading import read_records
from webhook.cli.report import verb

PROGRAMS: Final = ("chromium", "chromedriver")
# What it does on its own, such as looking for updates, would end up as requests to somewhere.
QUIET: Final = (
    "--headless",
    "--no-sandbox",  # it opens nothing but our own page, and CI runs as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDTHS: Final = (400, 800, 1280, 1920)
NAMED: Final = "return [...document.querySelectorAll(arguments[0])].map(arguments[1])"
REQUESTS: Final = (
    "return performance.getEntriesByType('resource').map(one => one.name).filter(one => !one.startsWith('data:'))"
)
CLIPPED: Final = """
return [...document.querySelectorAll('h1,h2,p,dd,dt,li,b,span,th,td,caption')].filter(one => {
  const box = one.closest('.wide') || document.documentElement, mine = one.getBoundingClientRect();
  return mine.width && (one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).display != 'inline'
    || mine.left < -1 || box == document.documentElement && mine.right > innerWidth + 1);
}).map(one => one.textContent)
"""
OVERLAPPING: Final = """
const blocks = [...document.querySelectorAll('h1,h2,p,dl,ul,nav,.wide')].map(one => [one, one.getBoundingClientRect()]);
return blocks.flatMap(([one, mine], index) => blocks.slice(index + 1)
  .filter(([other, its]) => !one.contains(other) && mine.bottom > its.top + 1 && its.bottom > mine.top + 1)
  .map(([other]) => one.textContent.slice(0, 40) + ' / ' + other.textContent.slice(0, 40)));
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Chrome]:
    """Chromium without a window."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        pytest.skip(f"no {' and no '.join(missing)}: make browser, or apt-get install chromium chromium-driver")
    options = ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with TemporaryDirectory() as profile:
        for argument in (*QUIET, f"--user-data-dir={profile}"):
            options.add_argument(argument)
        driver = Chrome(options=options, service=Service(str(shutil.which("chromedriver"))))
        try:
            yield driver
        finally:
            driver.quit()


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """What two processes wrote."""
    folder = tmp_path_factory.mktemp("logs")
    return [*tell(folder, root=write_pair(str(folder / "root"))[0])]


@pytest.fixture(scope="module")
def page(browser: Chrome, logs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Chrome:
    """The browser with the report opened."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    policy = path.with_name("policy.yaml")
    policy.write_text("apiVersion: catflap.dev/v1\nkind: GuardPolicy\n", encoding="utf-8")
    arguments = [*map(str, logs), "-c", str(policy), "--cluster", "prod-eu-1", "-o", str(path)]
    done = CliRunner().invoke(verb, arguments)
    assert (done.exit_code, done.output) == (0, "")
    browser.get(path.as_uri())
    return browser


def table(page: Chrome, caption: str) -> list[list[str]]:
    """What stands in the rows under a caption."""
    [found] = [one for one in page.find_elements(By.TAG_NAME, "table") if one.text.startswith(f"{caption}\n")]
    rows = found.find_elements(By.CSS_SELECTOR, "tbody tr")
    return [[cell.text for cell in row.find_elements(By.TAG_NAME, "td")] for row in rows]


def widened(page: Chrome, width: int) -> Chrome:
    """The page in a window of this width."""
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    return page


def test_it_asks_for_nothing_and_complains_of_nothing(page: Chrome) -> None:
    """It is one file, and what guards it against scripts lets all of it be."""
    assert page.execute_script(REQUESTS) == []
    assert page.get_log("browser") == []  # type: ignore[no-untyped-call]
    assert page.find_elements(By.TAG_NAME, "script") == []


@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_the_window(page: Chrome, width: int) -> None:
    """From a phone to a wide screen: nothing is cut off, and only tables and pictures scroll by themselves."""
    widened(page, width)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    assert page.execute_script(CLIPPED) == []
    assert page.execute_script(OVERLAPPING) == []


def test_pictures_are_there_and_say_what_they_show(page: Chrome) -> None:
    """Decoded, wider than high, none without words."""
    widened(page, 1280)
    sizes = page.execute_script(
        NAMED.replace("arguments[1]", "one => [one.naturalWidth, one.clientWidth, one.alt]"), "img"
    )
    assert len(sizes) == 2
    for natural, shown, words in sizes:
        assert natural > 300
        assert shown > 800
        assert "the most, " in words


def test_its_figures_are_those_of_the_log(page: Chrome, logs: list[Path]) -> None:
    """As somebody counts them who reads the log without us."""
    records: list[dict[str, Any]] = [*read_records(map(str, logs))]
    decisions = [one["decision"] for one in records if one["type"] == "decision"]
    shown = {row[0]: int(row[1].replace(",", "")) for row in table(page, "By decision")}
    assert shown == {name: decisions.count(name) for name in shown}
    assert set(decisions) <= shown.keys()
    faults = [{fault["rule"] for fault in one.get("denied", ())} for one in records]
    refused = {row[0]: int(row[1]) for row in table(page, "Faults by rule")}
    assert refused == {rule: sum(rule in found for found in faults) for rule in refused}
    closed = {row[0]: row[3] for row in table(page, "The longest times without first")}
    assert closed.keys() == set(TEAMS)
    assert closed["shop"] == f"{EMERGENCY:.2f}"


def test_every_heading_can_be_reached(page: Chrome) -> None:
    """By the contents, by number, and by who hears the page."""
    targets = page.execute_script(NAMED.replace("arguments[1]", "one => one.getAttribute('href').slice(1)"), "nav a")
    assert targets == page.execute_script(NAMED.replace("arguments[1]", "one => one.id"), "section")
    headings = page.execute_script(NAMED.replace("arguments[1]", "one => one.textContent"), "h2")
    assert [int(re.match(r"\d+", one)[0]) for one in headings] == list(range(1, len(targets) + 1))  # type: ignore[index]
    assert page.execute_script("return document.documentElement.lang") == "en"
    assert page.execute_script(NAMED.replace("arguments[1]", "one => one.scope"), "thead th") != []
