"""Test unlimited input: every verb ends, in bounded memory, and its message names the file and the limit."""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner, Result

from tests.unit.samples import HEAD
from webhook.audit import log_lines
from webhook.cli import _manifest_files, main
from webhook.syntax import documents
from webhook.syntax.yaml_composer import ComposedDocument, compose

LOGS: Final = {
    "verify": ("audit", "verify"),
    "query": ("audit", "query"),
    "export": ("audit", "export", "-o", "csv"),
    "report": ("report", "-o", "page.html"),
}
POD: Final = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {app: a, role: data}}\nspec: {containers: []}\n"
# This runs the command in a process whose memory has the limit of a verb with the largest file of its form.
LIMITED: Final = (
    "import resource, sys; resource.setrlimit(resource.RLIMIT_DATA, (int(sys.argv.pop(1)),) * 2)\n"
    "from webhook.__main__ import main\nmain()\n"
)
MANY: Final = 100  # instead of 100,000
MIB: Final = 1 << 20


@pytest.fixture(autouse=True)
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a policy file, in which the commands run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy.yaml").write_text(HEAD, encoding="utf-8")
    return tmp_path


def check(*paths: str) -> Result:
    """Run `catflap check`."""
    return CliRunner().invoke(main, ["check", "-c", "policy.yaml", *paths])


def run_limited(*arguments: str, mib: int) -> "subprocess.CompletedProcess[str]":
    """Run a command that may use `mib` MiB of memory."""
    argv = [sys.executable, "-c", LIMITED, str(mib * MIB), *arguments]
    return subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.parametrize(
    ("arguments", "bound"),
    [
        pytest.param(("check", "-c", "policy.yaml"), "32 MiB, which is the limit for manifests", id="manifests"),
        pytest.param(("preview", "-c", "policy.yaml"), "32 MiB, which is the limit for manifests", id="preview"),
        pytest.param(("config", "check"), "16 MiB, which is the limit for a policy file", id="policy"),
        pytest.param(
            ("preview", "-c", "policy.yaml", "--against"),
            "16 MiB, which is the limit for a policy file",
            id="against",
        ),
        pytest.param(
            ("registration", "-c", "policy.yaml", "--url", "https://a", "--ca"), "1 MiB, which is the limit", id="CA"
        ),
        pytest.param(("audit", "verify", "policy.yaml", "--trust"), "64 KiB, which is the limit", id="key"),
    ],
)
def test_endless_device_takes_bounded_memory(arguments: tuple[str, ...], bound: str) -> None:
    """A file of any size behaves the same."""
    if not Path("/dev/zero").exists():
        pytest.skip("no /dev/zero")
    done = run_limited(*arguments, "/dev/zero", mib=400)
    assert done.returncode == 2, done.stderr
    assert f"/dev/zero: the file is larger than {bound}" in done.stderr


@pytest.mark.parametrize("verb", LOGS)
def test_a_line_without_an_end_ends_the_reading(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The input is a device, or a file that is no log."""
    if not Path("/dev/zero").exists():
        pytest.skip("no /dev/zero")
    monkeypatch.setattr(log_lines, "LONGEST_SKIPPED", 1 << 26)
    outcome = CliRunner().invoke(main, [*LOGS[verb], "/dev/zero"])
    assert outcome.exit_code == 2
    assert "catflap: /dev/zero:1: the line is longer than 64 MiB; expected an audit log" in outcome.stderr


@pytest.mark.parametrize("verb", LOGS)
def test_binary_input_ends_the_read(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk image has no line without an end."""
    monkeypatch.setattr(log_lines, "MOST_BINARY", MIB)
    Path("image").write_bytes((b"\xff" * 1023 + b"\n") * 1100)
    outcome = CliRunner().invoke(main, [*LOGS[verb], "image"])
    assert outcome.exit_code == 2
    assert "catflap: image: 1 MiB before the first record are not text; expected an audit log" in outcome.stderr


@pytest.mark.parametrize("verb", LOGS)
@pytest.mark.parametrize("content", [b"\0", b"x" * 127 + b"\n"], ids=["zeros", "lines"])
def test_gzip_data_that_unpacks_without_measure_ends_the_reading(verb: str, content: bytes) -> None:
    """Such a file of a few kilobytes would occupy a machine for hours."""
    with gzip.open("bomb.gz", "wb") as file:
        for _ in range(16):
            file.write(content * (MIB // len(content)))
    outcome = CliRunner().invoke(main, [*LOGS[verb], "bomb.gz"])
    assert outcome.exit_code == 2
    assert "catflap: bomb.gz: gzip expands" in outcome.stderr
    assert "more than 256 times their size" in outcome.stderr


@pytest.mark.parametrize(
    ("magic", "command"),
    [(b"\xfd7zXZ\0", "xz -dc"), (b"\x28\xb5\x2f\xfd", "zstd -dc"), (b"BZh9", "bzip2 -dc"), (b"PK\x03\x04", "unzip -p")],
)
@pytest.mark.parametrize("verb", LOGS)
def test_a_log_that_another_program_compressed_is_answered_with_the_command(
    verb: str, magic: bytes, command: str
) -> None:
    """Log rotation can use any of these programs."""
    Path("log").write_bytes(magic + bytes(100))
    outcome = CliRunner().invoke(main, [*LOGS[verb], "log"])
    assert (outcome.exit_code, f"unpack it first: {command} log | catflap … -" in outcome.stderr) == (2, True)


def test_empty_documents_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A million separators took eleven seconds."""
    monkeypatch.setattr(documents, "MOST_OBJECTS", MANY)
    Path("seps.yaml").write_text("---\n# nothing\n" * (MANY + 1), encoding="utf-8")
    outcome = check("seps.yaml")
    assert outcome.exit_code == 2
    assert (
        f"seps.yaml:{2 * MANY + 2}:1: more than {MANY} documents (including empty ones), which is the limit of one file"
        in outcome.stderr
    )


def test_empty_documents_need_no_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parser took that time."""
    parsed: list[str] = []

    def counting(text: str, line: int) -> ComposedDocument:
        parsed.append(text)
        return compose(text, line)

    monkeypatch.setattr(documents, "compose", counting)
    Path("a.yaml").write_text("---\n---\n# a\n---\n\n  # b\r\n---\n" + POD, encoding="utf-8")
    assert check("a.yaml").exit_code == 0
    assert len(parsed) == 1


def test_a_large_document_of_yaml_is_to_be_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """The places of YAML values need much memory."""
    monkeypatch.setattr(documents, "LARGEST_YAML", 1 << 20)
    item = "".join(f"  {line}\n" for line in POD.splitlines()).replace("  ", "- ", 1)
    Path("list.yaml").write_text(
        "apiVersion: v1\nkind: List\nitems:\n" + item * (MIB // len(item) + 1), encoding="utf-8"
    )
    outcome = check("list.yaml")
    assert outcome.exit_code == 2
    assert "list.yaml:1:1: a YAML document of more than 1 MiB; split its objects into" in outcome.stderr


def test_a_list_of_just_the_most_objects_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """One more object is too many, in one file and in one command."""
    monkeypatch.setattr(documents, "MOST_OBJECTS", MANY)
    monkeypatch.setattr("webhook.cli._inputs.MOST_OBJECTS", MANY)
    item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    for name, count in (("all", MANY), ("more", MANY + 1), ("one", 1)):
        content = {"apiVersion": "v1", "kind": "List", "items": [item] * count}
        Path(f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    assert check("all.json").exit_code == 0
    outcome = check("more.json")
    assert (outcome.exit_code, (f"more than {MANY} objects, which is the limit of one file") in outcome.stderr) == (
        2,
        True,
    )
    outcome = check("all.json", "one.json")
    assert (
        outcome.exit_code,
        f"one.json: more than {MANY} objects up to this line, which is the limit of one command" in outcome.stderr,
    ) == (2, True)


def test_a_folder_of_too_many_files_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """No file of it is read: a part would look like the whole."""
    monkeypatch.setattr(_manifest_files, "MOST_FILES", MANY)
    Path("many").mkdir()
    for number in range(MANY + 1):
        Path(f"many/{number}.yaml").write_text(POD, encoding="utf-8")
    outcome = check("many")
    assert (outcome.exit_code, outcome.stdout) == (2, "0 objects, 0 of them create Pods, 0 rejected\n")
    assert f"catflap: many: more than {MANY} files of manifests, which is the limit of one folder" in outcome.stderr
    Path("many/0.yaml").unlink()
    assert check("many").exit_code == 0


def pipe(path: Path) -> None:
    """Make a named pipe without a writer."""
    os.mkfifo(path)


def broken(path: Path) -> None:
    """Make a link to nothing."""
    path.symlink_to("gone")


def circle(path: Path) -> None:
    """Make a link to itself."""
    path.symlink_to(path.name)


@pytest.mark.parametrize(
    ("make", "what"),
    [(pipe, "this is not a regular file"), (broken, "no such file"), (circle, "its symbolic links form a loop")],
)
def test_unreadable_path_in_a_folder_is_reported(make: Callable[[Path], None], what: str, working_folder: Path) -> None:
    """An earlier release silently skipped such paths."""
    (working_folder / "f").mkdir()
    (working_folder / "f" / "a.yaml").write_text(POD, encoding="utf-8")
    make(working_folder / "f" / "b.yaml")
    outcome = check("f")
    assert outcome.exit_code == 2
    assert outcome.stdout.startswith("1 object, ")
    assert outcome.stderr == f"catflap: f/b.yaml: {what}; expected a file of manifests\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_cannot_be_read_is_reported(working_folder: Path) -> None:
    """The manifests in it make no difference."""
    (working_folder / "f" / "g").mkdir(parents=True)
    (working_folder / "f" / "a.yaml").write_text(POD, encoding="utf-8")
    (working_folder / "f" / "g").chmod(0)
    outcome = check("f")
    (working_folder / "f" / "g").chmod(0o700)
    assert outcome.exit_code == 2
    assert outcome.stderr == "catflap: f/g: permission denied for this user; expected a folder of manifests\n"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        pytest.param("a: " + "[" * 100_000 + "]" * 100_000, "is deeper than 1000 levels", id="YAML"),
        pytest.param('{"a":' * 100_000 + "1" + "}" * 100_000, "is deeper than 1000 levels", id="JSON"),
        pytest.param(
            "a0: &a0 ["
            + "x," * 9
            + "x]\n"
            + "".join(f"a{n + 1}: &a{n + 1} [{','.join([f'*a{n}'] * 10)}]\n" for n in range(12)),
            "the aliases expand to too many values",
            id="a billion laughs",
        ),
        pytest.param("a: &a [*a]\n", "the anchor &a contains itself", id="an anchor in itself"),
    ],
)
@pytest.mark.parametrize("verb", ["check", "preview"])
def test_nesting_and_aliases_are_bounded(verb: str, text: str, what: str) -> None:
    """The message has the place."""
    Path("a.yaml").write_text(text, encoding="utf-8")
    outcome = CliRunner().invoke(main, [verb, "-c", "policy.yaml", "a.yaml"])
    assert outcome.exit_code == 2
    assert what in outcome.stderr
    assert "a.yaml:" in outcome.stderr
