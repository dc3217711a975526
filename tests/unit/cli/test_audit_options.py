"""Test the options of serve and controller for their audit log."""

from datetime import timedelta
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from webhook.audit.log_config import Durability, LogConfig, LogFailurePolicy, Rotation
from webhook.cli._audit_options import AGES, SIZES, MeasureType, audit_log_options


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test its own folder for files."""
    monkeypatch.chdir(tmp_path)


def parse_options(*arguments: str) -> LogConfig | str:
    """Return the value that a verb receives, or the error message."""
    found: list[LogConfig] = []

    @click.command
    @click.option("--audit-log")
    @audit_log_options
    def verb(audit_log: str | None, log_config: LogConfig) -> None:  # noqa: ARG001 (click calls it by name)
        found.append(log_config)

    result = CliRunner().invoke(verb, arguments)
    return found[0] if found else result.output


@pytest.mark.parametrize(
    ("arguments", "log_config"),
    [
        pytest.param((), LogConfig(), id="nothing"),
        pytest.param(("--audit-log", "f", "--audit-stdout"), LogConfig(copy=True), id="both"),
        pytest.param(("--audit-stdout",), LogConfig(), id="standard output, which it is in any case"),
        pytest.param(("--audit-failure", "admit"), LogConfig(failure=LogFailurePolicy.ADMIT), id="admit"),
        pytest.param(
            ("--audit-durability", "best-effort"),
            LogConfig(durability=Durability.BEST_EFFORT, failure=LogFailurePolicy.ADMIT),
            id="best effort, which admits",
        ),
        pytest.param(
            ("--audit-log", "f", "--audit-durability", "synced"), LogConfig(durability=Durability.SYNCED), id="synced"
        ),
        pytest.param(
            ("--audit-log=f", "--audit-rotate-size=2Ki", "--audit-rotate-age=3h", "--audit-rotate-keep=4"),
            LogConfig(rotation=Rotation(size=2048, age=timedelta(hours=3), keep=4)),
            id="rotated",
        ),
    ],
)
def test_options_become_a_log_config(arguments: tuple[str, ...], log_config: LogConfig) -> None:
    """One value has all options."""
    assert parse_options(*arguments) == log_config


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(("--audit-durability=synced",), "add --audit-log FILE", id="synced standard output"),
        pytest.param(("--audit-rotate-age=1d",), "add --audit-log FILE", id="rotated standard output"),
        pytest.param(
            ("--audit-log=f", "--audit-rotate-keep=1"), "no file is rotated without them", id="kept of nothing"
        ),
        pytest.param(
            ("--audit-durability=best-effort", "--audit-failure=refuse"), "cannot reject", id="best effort that refuses"
        ),
    ],
)
def test_contradictory_options_are_reported(arguments: tuple[str, ...], says: str) -> None:
    """The message says what to give instead."""
    assert says in str(parse_options(*arguments))


@pytest.mark.parametrize(("text", "number"), [("1", 1), ("5Ki", 5120), ("100Mi", 104857600), ("2Gi", 2147483648)])
def test_a_size_has_a_unit(text: str, number: int) -> None:
    """The units are those of Kubernetes."""
    assert MeasureType("SIZE", SIZES, "100Mi").convert(text, None, None) == number


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5h", "1 h", "1w", "h", "1Mi"])
def test_invalid_age_is_rejected(text: str) -> None:
    """The message says how to write an age."""
    with pytest.raises(click.BadParameter, match="write a number above 0 and one of s, m, h, d, such as 1d"):
        MeasureType("AGE", AGES, "1d").convert(text, None, None)


def test_unwritable_file_is_reported(tmp_path: Path) -> None:
    """The error precedes the start: a server would otherwise restart a worker again and again."""
    assert parse_options(f"--audit-log={tmp_path}/no/log") == (
        f"catflap: --audit-log {tmp_path}/no/log: its folder does not exist; choose a file that this user may write\n"
    )
