"""Test `catflap config migrate` with files on disk."""

import os
import stat
import subprocess
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner, Result

from tests.unit.samples import HEAD
from webhook.cli import main
from webhook.config.parse import digest, parse

BEFORE: Final = f"# é\r\n{HEAD}twin: true # twin\nnetwork: {{standingNet: false}}\ngate: {{freshness: 5}}\n"
AFTER: Final = f"# é\r\n{HEAD}validatingAdmissionPolicy: true # twin\nnetwork: {{clusterWideDefaultDeny: false}}\n"
CHANGES: Final = (
    "4:1: twin -> validatingAdmissionPolicy",
    "5:11: network.standingNet -> network.clusterWideDefaultDeny",
    "6:1: gate removed",
)


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """Return a policy file with keys of an earlier release, in a folder of its own."""
    path = tmp_path / "folder" / "policy.yaml"
    path.parent.mkdir()
    path.write_bytes(BEFORE.encode())
    os.utime(path, ns=(1, 1))
    return path


def run(*arguments: str | Path, stdin: bytes | None = None) -> Result:
    """Run the verb."""
    return CliRunner().invoke(main, ["config", "migrate", *map(str, arguments)], input=stdin)


def is_untouched(policy: Path) -> bool:
    """Return whether the file is the one that the fixture wrote, alone in its folder."""
    alone = [path.name for path in policy.parent.iterdir()] == [policy.name]
    return alone and policy.read_bytes() == BEFORE.encode() and policy.stat().st_mtime_ns == 1


def test_a_file_is_rewritten_in_place(policy: Path) -> None:
    """Standard error lists each change with its place in the file before."""
    outcome = run(policy)
    assert (outcome.exit_code, outcome.stdout) == (0, "")
    assert outcome.stderr.splitlines() == [f"catflap: {policy}:{change}" for change in CHANGES]
    assert policy.read_bytes() == AFTER.encode()
    assert [path.name for path in policy.parent.iterdir()] == [policy.name]


def test_a_file_without_such_keys_is_not_touched(policy: Path) -> None:
    """A second run finds nothing, and neither replaces the file nor changes its times."""
    policy.write_bytes(AFTER.encode())
    os.utime(policy, ns=(1, 1))
    before = policy.stat()
    outcome = run(policy)
    assert (outcome.exit_code, outcome.stdout) == (0, "")
    assert outcome.stderr == f"catflap: {policy}: no key of an earlier release; nothing to change\n"
    after = policy.stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_ctime_ns) == (before.st_ino, 1, before.st_ctime_ns)


def test_standard_input_is_printed_with_the_current_keys() -> None:
    """Also without a change, so that the next program of a pipe gets the file."""
    outcome = run("-", stdin=BEFORE.encode())
    assert (outcome.exit_code, outcome.stdout_bytes) == (0, AFTER.encode())
    assert outcome.stderr.splitlines() == [f"catflap: -:{change}" for change in CHANGES]
    again = run("-", stdin=AFTER.encode())
    assert (again.exit_code, again.stdout_bytes) == (0, AFTER.encode())
    assert again.stderr == "catflap: -: no key of an earlier release; nothing to change\n"


def test_a_diff_changes_nothing(policy: Path) -> None:
    """The diff is one that `patch` reads."""
    outcome = run("--diff", policy)
    assert outcome.exit_code == 0
    assert outcome.stderr.splitlines() == [f"catflap: {policy}:{change}" for change in CHANGES]
    assert is_untouched(policy)
    assert outcome.stdout_bytes.decode() == (
        f"--- {policy}\n+++ {policy}\n@@ -1,6 +1,5 @@\n"
        " # é\r\n apiVersion: catflap.dev/v1\n kind: GuardPolicy\n"
        "-twin: true # twin\n-network: {standingNet: false}\n-gate: {freshness: 5}\n"
        "+validatingAdmissionPolicy: true # twin\n+network: {clusterWideDefaultDeny: false}\n"
    )


def test_a_diff_marks_a_missing_line_end() -> None:
    """As `diff` does."""
    outcome = run("--diff", "-", stdin=f"{HEAD}twin: true".encode())
    assert outcome.stdout.splitlines()[-4:] == [
        "-twin: true",
        "\\ No newline at end of file",
        "+validatingAdmissionPolicy: true",
        "\\ No newline at end of file",
    ]
    assert run("--diff", "-", stdin=HEAD.encode()).stdout == ""


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
def test_a_file_keeps_its_encoding(policy: Path, encoding: str) -> None:
    """A byte order mark stays."""
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    policy.write_bytes((mark + BEFORE).encode(encoding))
    assert run(policy).exit_code == 0
    assert policy.read_bytes() == (mark + AFTER).encode(encoding)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o2755])
def test_a_file_keeps_its_mode(policy: Path, mode: int) -> None:
    """The temporary file is readable by its owner alone."""
    policy.chmod(mode)
    assert run(policy).exit_code == 0
    assert stat.S_IMODE(policy.stat().st_mode) == mode


def test_a_symbolic_link_stays_and_its_file_is_rewritten(policy: Path, tmp_path: Path) -> None:
    """The link may be relative, and lead to another link."""
    inner = tmp_path / "inner.yaml"
    inner.symlink_to(Path("folder") / policy.name)
    link = tmp_path / "link.yaml"
    link.symlink_to(inner)
    assert run(link).exit_code == 0
    assert (link.is_symlink(), inner.is_symlink()) == (True, True)
    assert policy.read_bytes() == AFTER.encode()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "inner.yaml", "link.yaml"]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("mode: loud\n", "7:1: mode: 'loud' is unknown; expected one of enforce, warn, audit, off"),
        ("mode: [\n", "not YAML: "),
        ("validatingAdmissionPolicy: true\n", "twin: this is the former name of validatingAdmissionPolicy"),
        ("custom: [{id: a-b, resources: [pods], cel: 'true', params: &p {standingNet: true}}]\nnetwork: *p\n", "duplicate key 'network'"),
    ],
)  # fmt: skip
def test_a_file_with_faults_is_not_touched(policy: Path, more: str, told: str) -> None:
    """The code is that of the other verbs that cannot read a policy file."""
    text = BEFORE + more
    policy.write_bytes(text.encode())
    for arguments in ([policy], ["--diff", policy], ["-"]):
        outcome = run(*arguments, stdin=text.encode())
        assert (outcome.exit_code, outcome.stdout) == (2, "")
        assert told in outcome.stderr
    assert policy.read_bytes() == text.encode()


def test_a_file_that_cannot_be_rewritten_is_not_touched(policy: Path) -> None:
    """The message lists the keys with their places."""
    text = (
        f"{HEAD}custom: [{{id: a-b, resources: [pods], cel: 'true', params: &p {{existing: judge}}}}]\nworkloads: *p\n"
    )
    policy.write_bytes(text.encode())
    outcome = run(policy)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    first, second = outcome.stderr.splitlines()
    assert first.startswith(f"catflap: {policy}: not changed: the file would not mean the same afterwards")
    assert second == f"catflap: {policy}:3:64: workloads.existing -> workloads.existingWorkloads"
    assert policy.read_bytes() == text.encode()


@pytest.mark.parametrize("content", [b"", b"# comment\n", b"\xff\xfe\x00", b"mode\xff", b"\x1f\x8b\x08"])
def test_what_is_no_policy_file_is_status_2(policy: Path, content: bytes) -> None:
    """Empty files and files that are no text."""
    policy.write_bytes(content)
    outcome = run(policy)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert outcome.stderr.startswith(f"catflap: {policy}")
    assert policy.read_bytes() == content


def test_files_that_cannot_be_read_are_status_2(tmp_path: Path) -> None:
    """The messages are those of the other verbs."""
    assert run(tmp_path / "no").stderr == f"catflap: {tmp_path}/no: no such file; expected a policy file\n"
    assert run(tmp_path).stderr == f"catflap: {tmp_path}: this is a folder; expected a policy file\n"
    assert [run(tmp_path / "no").exit_code, run(tmp_path).exit_code, run().exit_code] == [2, 2, 2]


@pytest.mark.parametrize("failing", ["fsync", "fchmod"])
def test_a_failed_write_leaves_the_file_as_it_was(policy: Path, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    """Nothing else is left in the folder: a disk may be full."""

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, failing, fail)
    outcome = run(policy)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert f"catflap: {policy}: no space left on device; the file was not written" in outcome.stderr
    assert is_untouched(policy)


def test_a_file_that_this_user_may_not_write_stays(policy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its folder would permit the replacement."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    outcome = run(policy)
    assert outcome.exit_code == 2
    assert f"catflap: {policy}: permission denied for this user" in outcome.stderr
    assert is_untouched(policy)


def test_a_pipe_is_read_and_not_replaced(policy: Path) -> None:
    """The message says which files can be rewritten."""
    pipe = policy.with_name("pipe")
    os.mkfifo(pipe)
    with subprocess.Popen(["sh", "-c", f'cat "{policy}" > "{pipe}"']):
        outcome = run(pipe)
    assert outcome.exit_code == 2
    assert f"catflap: {pipe}: this is not a regular file" in outcome.stderr
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_the_result_has_no_warning(policy: Path) -> None:
    """`config check` has nothing to report about the keys."""
    assert run(policy).exit_code == 0
    assert parse(policy.read_text("utf-8")).warnings == ()


FORMER: Final = (
    f"{HEAD}twin: true\nnetwork: {{engine: calico, standingNet: true}}\nnamespaces: {{adopt: all}}\n"
    "workloads: {existing: judge}\ngate: {freshness: 5}\n"
)
POD: Final = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop}\nspec: {containers: []}\n"
VERBS: Final = {
    "check": ("check", "-c", "policy.yaml", "pod.yaml"),
    "preview": ("preview", "-c", "policy.yaml", "pod.yaml"),
    "render": ("render", "-c", "policy.yaml", "-n", "shop"),
    "config show": ("config", "show", "policy.yaml"),
}


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_each_verb_gives_the_same_result_before_and_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """Before, standard error has a warning for each key; the digest of the text is in what some verbs print."""
    monkeypatch.chdir(tmp_path)
    Path("pod.yaml").write_text(POD, encoding="utf-8")
    Path("policy.yaml").write_text(FORMER, encoding="utf-8")
    before = CliRunner().invoke(main, VERBS[verb])
    warnings = [line for line in before.stderr.splitlines() if ": warning: " in line]
    assert [line.partition(": ")[0] for line in warnings] == [
        f"policy.yaml:{place}" for place in ("3:1", "4:27", "5:14", "6:13", "7:1")
    ]
    assert run("policy.yaml").exit_code == 0
    text = Path("policy.yaml").read_text("utf-8")
    after = CliRunner().invoke(main, VERBS[verb])
    assert (after.exit_code, ": warning: " in after.stderr) == (before.exit_code, False)
    assert after.stdout == before.stdout.replace(digest(FORMER), digest(text))
    assert len(after.stdout) > len(verb), "a verb without a result would always give the same one"
