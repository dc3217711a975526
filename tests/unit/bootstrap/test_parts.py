"""Check what a process logs about the policy in force."""

import logging
from pathlib import Path

import pytest

from tests.unit.samples import HEAD
from webhook.audit.sink import AuditLogUnwritable
from webhook.bootstrap.parts import BindAddress, ProcessOptions, append_record, make_parts
from webhook.metrics import CONTROLLER, SERVER


@pytest.mark.parametrize("process", [SERVER, CONTROLLER])
def test_keys_of_earlier_releases_are_logged_once_for_each_policy(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, process: str
) -> None:
    """An administrator reads the current name and the place; the same text may be delivered again."""
    options = ProcessOptions(
        policy=tmp_path / "policy.yaml",
        status=BindAddress("127.0.0.1", 0),
        kubeconfig=None,
        audit_log=str(tmp_path / "audit.log"),
    )
    parts = make_parts(options, process)
    text = f"{HEAD}twin: true\nnamespaces: {{adopt: all}}\ngate: {{freshness: 5}}\n"
    with caplog.at_level(logging.WARNING, logger="webhook.bootstrap.parts"):
        for _ in range(2):
            parts.policies.offer(text)
    begins = [
        "policy file, line 3, column 1: twin: this key is now validatingAdmissionPolicy",
        "policy file, line 4, column 14: namespaces.adopt: this key is now namespaces.includeExisting",
        "policy file, line 5, column 1: gate: this key no longer has an effect",
    ]
    assert [one[: len(begin)] for one, begin in zip(caplog.messages, begins, strict=True)] == begins
    caplog.clear()
    parts.policies.offer(f"{HEAD}mode: warn\n")
    assert caplog.messages == []
    parts.audit.stop()


def test_a_record_that_a_full_disk_does_not_take_is_one_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """A traceback would hide the reason, which an administrator can remove."""

    class FullLog:
        def append(self, _: object) -> None:
            raise AuditLogUnwritable("[Errno 28] No space left on device")

    append_record(FullLog(), {"type": "configuration"})  # type: ignore[arg-type]
    [said] = caplog.records
    assert said.getMessage() == "cannot write the record of type configuration: [Errno 28] No space left on device"
    assert said.exc_info is None
