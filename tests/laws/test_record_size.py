"""The record of every request is small, and every reader of logs accepts it."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from tests.audit_logs import assert_valid, verify_logs
from tests.laws.strategies import LAW
from tests.reasons import codes, some
from webhook.audit.chain import LONGEST_MIXED, canonical_bytes
from webhook.audit.log import AuditLog
from webhook.audit.log_lines import read_records
from webhook.audit.record import (
    certificate_record,
    configuration_record,
    decision_record,
    leader_record,
    write_record,
)
from webhook.audit.record_size import LARGEST_RECORD, limit_size
from webhook.model.decision import Decision, Phase
from webhook.model.reason import Activity, Reason, Verdict
from webhook.model.request import Operation, Request, Target, User
from webhook.model.rule import Violation

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)
HEX = "0123456789abcdef" * 4

# Short texts, and long ones by repetition; with characters of one byte, four bytes and six bytes in JSON.
texts = st.builds(
    lambda text, times: text * times,
    st.text(max_size=5) | st.sampled_from(["x", "\x00", "\N{GRINNING FACE}", '"', "\ud800"]),
    st.sampled_from([1, 60, 1_000, 100_000]),
)
lists = st.builds(lambda some, times: some * times, st.lists(texts, max_size=3), st.sampled_from([1, 10, 1_000]))
faults = st.builds(
    lambda some, times: tuple(some * times),
    st.lists(st.builds(Violation, rule=texts, path=texts, message=texts), max_size=3),
    st.sampled_from([1, 1_000]),
)


def reasons(*kinds: Verdict | Activity) -> st.SearchStrategy[Reason]:
    """A reason of these kinds."""
    return st.builds(Reason, st.sampled_from([code for kind in kinds for code in codes(kind)]), texts)


decisions = st.builds(
    Decision,
    why=reasons(*Verdict),
    denied=faults,
    warned=faults,
    audited=faults,
    labels=st.dictionaries(texts, texts, max_size=3),
)
requests = st.builds(
    Request,
    uid=texts,
    operation=st.sampled_from(Operation),
    user=st.builds(User, name=texts, groups=lists.map(tuple)),
    target=st.builds(Target, *[texts] * 7),
)
manifests = st.fixed_dictionaries(
    {
        "apiVersion": texts,
        "kind": texts,
        "metadata": st.fixed_dictionaries({"name": texts, "namespace": texts}),
    }
)


def serving(issuer: str, names: list[str]) -> Any:
    """Return a certificate as in records."""
    return {"serial": "2a", "fingerprint": HEX, "issuer": issuer, "names": names, "notBefore": WHEN, "notAfter": WHEN}


WHEN = "2026-01-31T12:00:00.000000Z"
records = st.one_of(
    st.builds(
        lambda request, decision: decision_record(
            Phase.VALIDATE, request, decision, policy_digest="0123", at=AT, microseconds=1
        ),
        requests,
        decisions,
    ),
    st.builds(
        lambda manifest, why: write_record(manifest, why=why, policy_digest="", at=AT),
        manifests,
        reasons(Activity.WRITE),
    ),
    st.builds(lambda found: configuration_record(accepted=False, faults=found, policy_digest="", at=AT), lists),
    st.builds(
        lambda lease, candidate, why: leader_record(lease, candidate=candidate, leads=True, why=why, at=AT),
        manifests,
        texts,
        reasons(Activity.LEADER),
    ),
    st.builds(
        lambda issuer, names, why: certificate_record(serving(issuer, names), why=why, at=AT),
        texts,
        lists,
        reasons(Activity.CERTIFICATE),
    ),
)


class Hidden(NamedTuple):
    """A record that test reports do not print, since it may have megabytes."""

    record: Mapping[str, object]

    def __repr__(self) -> str:
        return f"<a record of type {self.record['type']}>"


@LAW
@given(records.map(Hidden))
def test_a_record_is_small_and_can_be_read(hidden: Hidden) -> None:
    """It is shorter than the longest line of a reader, valid for the schema and for `verify`, and cut only where needed."""
    record = hidden.record
    with TemporaryDirectory() as folder:
        path = Path(folder) / "audit.log"
        log = AuditLog(str(path), process="serve", now=lambda: AT)
        log.append(record)
        log.stop()
        for line in path.read_bytes().splitlines():
            assert len(line) < LONGEST_MIXED
            assert_valid(json.loads(line))
        assert not verify_logs(path).findings
        _, read, _ = read_records([str(path)])
        whole = json.dumps(record)
        if "\\ud800" not in whole:
            as_written = json.loads(whole)
            is_whole = {key: read.get(key) for key in as_written} == as_written
            assert is_whole == ("cut" not in read) == (len(canonical_bytes(record)) <= LARGEST_RECORD)


def test_a_cut_record_names_a_long_key_in_short() -> None:
    """The path of a cut value must not be as long as the value."""
    record = limit_size({"type": "decision", "patchedLabels": {"x" * 100_000: "y" * 100_000}})
    assert len(canonical_bytes(record)) < 10_000
    [path] = [one for one in record["cut"] if one.startswith("patchedLabels.")]  # type: ignore[attr-defined]
    assert "characters more" in path


def test_shortened_record_lists_the_cut_paths() -> None:
    """The record has the path and the original size of each cut text and list; a reader sees the beginning and the end of a text."""
    user = User("x" * 100_000 + "end", tuple(f"group-{number}" for number in range(10_000)))
    request = Request("1", Operation.CREATE, user, Target("", "v1", "pods", "", "Pod", "shop", "web"))
    record = limit_size(
        decision_record(
            Phase.VALIDATE, request, Decision(some(Verdict.ALLOWED)), policy_digest="", at=AT, microseconds=1
        )
    )
    assert record["cut"] == ["user.username: 1024 of 100003 characters", "user.groups: 64 of 10000"]
    said = record["user"]
    assert isinstance(said, dict)
    assert said["username"].startswith("xxx")
    assert said["username"].endswith("end")
    assert "[98979 characters more]" in said["username"]
    assert said["groups"] == list(user.groups[:64])
