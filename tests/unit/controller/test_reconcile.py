"""Tests the isolation of one namespace while the API server rejects writes or fails; success is tested with a real one."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from msgspec.structs import replace

from tests.unit.samples import HEAD
from webhook.audit.log import AuditLog
from webhook.audit.sink import AuditLogUnwritable
from webhook.config.parse import parse
from webhook.controller.reconcile import Reconciler
from webhook.controller.reconcile_round import POLICIES_PER_SHARE, ReconcileIncomplete
from webhook.controller.write_recorder import WriteRecorder
from webhook.controller.write_timeout import WriteTimeout
from webhook.kube.api import Api, ApiError, Json
from webhook.kube.cluster_info import ClusterInfo
from webhook.kube.policy_cache import PolicyCache
from webhook.metrics import Metrics
from webhook.model.namespace import Namespace
from webhook.netpol.dns import DetectedDns
from webhook.netpol.intent import PolicyEngine

AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
AROUND: Final = ClusterInfo(
    engine=PolicyEngine.KUBERNETES, calico=frozenset(), detected_dns=DetectedDns("kube-dns"), isolation_since=AT
)
SHOP: Final = Namespace("shop", "1", {}, AT, terminating=False)
PATH: Final = "/api/v1/namespaces/shop"
STANDS: Final[Json] = {"metadata": {"name": "shop", "uid": "1"}}
GOING: Final[Json] = {"metadata": {"name": "shop", "uid": "1", "deletionTimestamp": "2026-01-01T00:00:00Z"}}
MADE_ANEW: Final[Json] = {"metadata": {"name": "shop", "uid": "2"}}


class Refusing(Api):
    """An API server with one namespace and no policy that answers every write with an error."""

    def __init__(self, status: int, namespace: Json | ApiError | None) -> None:
        self.calls: list[tuple[str, str]] = []
        self._status = status
        self._namespace = namespace

    def get(self, path: str, **query: str) -> Json | None:
        """Return the namespace or raise its error; there are no Pods."""
        if path.endswith("/pods"):
            return {"items": []}
        assert query == {}
        self.calls.append(("GET", path))
        if path != PATH:
            return None
        if isinstance(self._namespace, ApiError):
            raise self._namespace
        return self._namespace

    def create(self, path: str, body: Json) -> Json | None:
        """Reject the write."""
        assert body["metadata"]["namespace"] == "shop"
        self.calls.append(("CREATE", f"{path}/{body['metadata']['name']}"))
        raise ApiError(self._status, "refused")


class Willing(Refusing):
    """An API server that accepts every write."""

    def create(self, path: str, body: Json) -> Json | None:
        """Accept the object."""
        self.calls.append(("CREATE", f"{path}/{body['metadata']['name']}"))
        return body

    def merge(self, path: str, body: Json) -> Json:
        """Accept the patch."""
        self.calls.append(("MERGE", path))
        return body


def reconcile(
    api: Refusing, log: str, namespace: Namespace = SHOP, around: ClusterInfo = AROUND, text: str = ""
) -> Metrics:
    """Reconcile a namespace until nothing is left to be written."""
    metrics = Metrics()
    reconciler = reconciler_of(api, log, metrics)
    while reconciler.reconcile(namespace, parse(HEAD + text), around):
        pass
    return metrics


def reconciler_of(api: Api, log: str, metrics: Metrics) -> Reconciler:
    """Return a reconciler whose watches have seen nothing."""
    return Reconciler(
        api=api,
        standing=PolicyCache(api),
        recorder=WriteRecorder(AuditLog(log, process="serve"), lambda: AT),
        metrics=metrics,
        own_namespace="guards",
        now=lambda: AT,
    )


@pytest.mark.parametrize("status", [404, 403], ids=["not found", "forbidden, as in a namespace that goes"])
@pytest.mark.parametrize(
    "found",
    [
        pytest.param(None, id="it is gone"),
        pytest.param(GOING, id="it goes"),
        pytest.param(MADE_ANEW, id="it was made anew"),
    ],
)
def test_a_namespace_that_went_is_no_failure(tmp_path: Path, status: int, found: Json | None) -> None:
    """Nothing more is written or recorded."""
    api = Refusing(status, found)
    reconcile(api, str(tmp_path / "audit.log"))
    policy = "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/catflap-default-deny"
    assert api.calls == [("GET", policy), ("CREATE", policy), ("GET", PATH)]
    assert (tmp_path / "audit.log").read_bytes() == b""


@pytest.mark.parametrize("status", [404, 403], ids=["the API is not served", "we lack the right"])
def test_a_rejected_write_in_an_existing_namespace_is_a_failure(tmp_path: Path, status: int) -> None:
    """The failure is raised, so that the queue retries it."""
    with pytest.raises(ReconcileIncomplete, match="namespace shop is not isolated yet: refused"):
        reconcile(Refusing(status, STANDS), str(tmp_path / "audit.log"))


@pytest.mark.parametrize("status", [0, 409, 422, 429, 500, 503])
def test_any_other_error_is_a_failure(tmp_path: Path, status: int) -> None:
    """The state of the namespace does not matter, and no request reads it."""
    api = Refusing(status, None)
    with pytest.raises(ReconcileIncomplete, match="namespace shop is not isolated yet: refused"):
        reconcile(api, str(tmp_path / "audit.log"))
    assert ("GET", PATH) not in api.calls


def test_not_to_know_is_a_failure(tmp_path: Path) -> None:
    """If the state is unknown, the namespace does not count as deleted."""
    with pytest.raises(ApiError, match="nobody answers"):
        reconcile(Refusing(403, ApiError(0, "nobody answers")), str(tmp_path / "audit.log"))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda: {"namespace": Namespace("guards", "1", {}, AT, terminating=False)}, id="it is our own"),
        pytest.param(lambda: {"text": "namespaces: {exempt: [shop]}"}, id="it is exempt"),
        pytest.param(
            lambda: {"around": replace(AROUND, isolation_since=datetime(2027, 1, 1, tzinfo=UTC))},
            id="it is older than catflap",
        ),
    ],
)
def test_a_namespace_that_is_not_to_be_closed_is_not_even_looked_at(
    tmp_path: Path, change: Callable[[], dict[str, Any]]
) -> None:
    """No request is sent."""
    api = Refusing(500, STANDS)
    reconcile(api, str(tmp_path / "audit.log"), **change())
    assert api.calls == []


def test_the_default_deny_is_stored_first_and_the_stamp_last(tmp_path: Path) -> None:
    """The label says that the namespace is isolated, so it must not be set before."""
    api = Willing(0, STANDS)
    metrics = reconcile(api, str(tmp_path / "audit.log"))
    policies = "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies"
    assert [call for call in api.calls if call[0] != "GET"] == [
        ("CREATE", f"{policies}/catflap-default-deny"),
        ("CREATE", f"{policies}/catflap-allow-dns"),
        ("MERGE", PATH),
    ]
    assert metrics.registry.get_sample_value("catflap_policies_written_total", {"outcome": "created"}) == 2.0
    assert (tmp_path / "audit.log").read_bytes().count(b'"type":"write"') == 3


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full, the device of full disks, on this system")
def test_a_write_that_cannot_be_recorded_is_owed() -> None:
    """The namespace is isolated all the same, and the process is not ready."""
    api = Willing(0, STANDS)
    recorder = WriteRecorder(AuditLog("/dev/full", process="controller"), lambda: AT)
    reconciler = Reconciler(
        api=api, standing=PolicyCache(api), recorder=recorder, metrics=Metrics(), own_namespace="guards", now=lambda: AT
    )
    while reconciler.reconcile(SHOP, parse(HEAD), AROUND):
        pass
    assert len([call for call in api.calls if call[0] != "GET"]) == 3
    assert not recorder.ready
    with pytest.raises(AuditLogUnwritable, match="3 records of earlier writes not written yet"):
        recorder.require()


class Picky(Willing):
    """An API server that rejects some policies, for example by a quota."""

    def __init__(self, *refused: str) -> None:
        super().__init__(0, STANDS)
        self._refused = refused

    def create(self, path: str, body: Json) -> Json | None:
        """Accept or reject the object."""
        if body["metadata"]["name"] in self._refused:
            self.calls.append(("CREATE", f"{path}/{body['metadata']['name']}"))
            raise ApiError(403, "exceeded quota")
        return super().create(path, body)


def written(api: Refusing) -> list[str]:
    """Return the policies that the reconciler tried to create, in order."""
    return [path.rpartition("/")[2] for verb, path in api.calls if verb == "CREATE" and "/networkpolicies/" in path]


FLOWS: Final = """
workloads: {role: {oneOf: [a, b, c]}}
network: {flows: [{from: {role: a}, to: {role: b}, ports: [80/TCP]}, {from: {role: b}, to: {role: c}, ports: [80/TCP]}]}
"""


def test_a_refusal_of_one_policy_keeps_no_other_from_being_written(tmp_path: Path) -> None:
    """The message says that the namespace is isolated."""
    api = Picky("catflap-allow-dns")
    with pytest.raises(
        ReconcileIncomplete, match="namespace shop is isolated, but catflap-allow-dns are not complete yet: exceeded"
    ):
        reconcile(api, str(tmp_path / "audit.log"), text=FLOWS)
    roles = ["catflap-role-a", "catflap-role-b", "catflap-role-c"]
    assert written(api) == ["catflap-default-deny", "catflap-allow-dns", *roles]


def test_nothing_is_opened_before_the_namespace_is_closed(tmp_path: Path) -> None:
    """If the default-deny is rejected, no other policy is tried."""
    api = Picky("catflap-default-deny")
    with pytest.raises(ReconcileIncomplete, match="is not isolated yet"):
        reconcile(api, str(tmp_path / "audit.log"), text=FLOWS)
    assert written(api) == ["catflap-default-deny"]


def test_each_look_writes_a_share(tmp_path: Path) -> None:
    """The order is the default-deny, the name servers, then shares of the rest; other namespaces are handled in between."""
    api = Willing(0, STANDS)
    reconciler = reconciler_of(api, str(tmp_path / "audit.log"), Metrics())
    roles = [f"r{number:03}" for number in range(60)]
    flows = [f"{{from: {{role: {one}}}, to: {{role: {one}}}, ports: [80/TCP]}}" for one in roles]
    loaded = parse(
        f"{HEAD}workloads: {{role: {{oneOf: [{', '.join(roles)}]}}}}\nnetwork: {{flows: [{', '.join(flows)}]}}"
    )
    shares, seen = [], 0
    while True:
        more = reconciler.reconcile(SHOP, loaded, AROUND)
        shares.append(len(written(api)) - seen)
        seen = len(written(api))
        if not more:
            break
    assert shares == [1, 1, POLICIES_PER_SHARE, POLICIES_PER_SHARE, POLICIES_PER_SHARE]
    assert len({*written(api)}) == seen == 62


def test_a_change_in_the_middle_of_a_round_begins_another(tmp_path: Path) -> None:
    """Calico's default-deny has the name of the plain one, and so has a policy of the next file. Both are written."""
    api = Willing(0, STANDS)
    reconciler = reconciler_of(api, str(tmp_path / "audit.log"), Metrics())
    calico = replace(AROUND, engine=PolicyEngine.CALICO, calico=frozenset({"networkpolicies"}))
    assert reconciler.reconcile(SHOP, parse(HEAD), AROUND)  # the default-deny is written, and more is left
    api.calls.clear()
    while reconciler.reconcile(SHOP, parse(HEAD), calico):
        pass
    assert written(api) == ["catflap-default-deny", "catflap-allow-dns"]
    api.calls.clear()
    assert reconciler.reconcile(SHOP, parse(HEAD + FLOWS), calico)
    while reconciler.reconcile(SHOP, parse(HEAD), calico):
        pass
    assert written(api) == ["catflap-default-deny", "catflap-default-deny", "catflap-allow-dns"]


class Changing(Willing):
    """An API server where another webhook adds an ingress rule to every policy."""

    def create(self, path: str, body: Json) -> Json | None:
        """Store changed contents."""
        super().create(path, body)
        return {**body, "spec": {**body.get("spec", {}), "ingress": [{}]}}


def test_a_write_that_is_stored_otherwise_is_no_success(tmp_path: Path) -> None:
    """It is recorded as such, reported, counted and retried. The record does not say that a policy was restored."""
    api = Changing(0, STANDS)
    metrics, log = Metrics(), tmp_path / "audit.log"
    reconciler = reconciler_of(api, str(log), metrics)
    for _ in range(3):
        with pytest.raises(
            ReconcileIncomplete,
            match=r"is stored with other values than catflap wrote; "
            r"differences: spec\.ingress",
        ):
            reconciler.reconcile(SHOP, parse(HEAD), AROUND)
    records = [json.loads(line) for line in log.read_bytes().splitlines()]
    [written] = [one for one in records if one["type"] == "write"]
    assert written["reasonCode"] == "PolicyNotRepaired"
    assert "NetworkPolicy catflap-default-deny changes after catflap writes it" in written["reason"]
    assert metrics.registry.get_sample_value("catflap_not_repaired") == 1.0
    assert metrics.registry.get_sample_value("catflap_policies_written_total", {"outcome": "created"}) is None
    events = [path for verb, path in api.calls if verb == "CREATE" and "/events/" in path]
    assert len(events) == 1


def test_what_is_right_again_is_no_alarm_any_more(tmp_path: Path) -> None:
    """The alert is resolved when the stored policy equals the written one."""
    api, metrics = Changing(0, STANDS), Metrics()
    reconciler = reconciler_of(api, str(tmp_path / "audit.log"), metrics)
    with pytest.raises(ReconcileIncomplete):
        reconciler.reconcile(SHOP, parse(HEAD), AROUND)
    reconciler._api = Willing(0, STANDS)
    reconciler._write_timeout = WriteTimeout(reconciler._api)
    while reconciler.reconcile(SHOP, parse(HEAD), AROUND):
        pass
    assert metrics.registry.get_sample_value("catflap_not_repaired") == 0.0


GOES: Final = Namespace("shop", "1", {}, AT, terminating=True)


class Emptied(Refusing):
    """An API server whose namespace terminates, with these Pods and this default-deny."""

    def __init__(self, *pods: str, deny: Json | None = None) -> None:
        super().__init__(403, GOING)
        self._pods, self._deny = pods, deny

    def get(self, path: str, **query: str) -> Json | None:
        """Return a list of Pods, a policy, or None."""
        self.calls.append(("GET", path))
        if path.endswith("/pods"):
            assert query
            return {"items": [{"metadata": {"name": one}, "status": {"phase": "Running"}} for one in self._pods]}
        return self._deny if path.endswith("/catflap-default-deny") else None

    def create(self, path: str, body: Json) -> Json | None:
        """Accept Events, which are in another namespace."""
        assert "/namespaces/default/events" in path
        self.calls.append(("EVENT", body["note"]))
        return body

    def replace(self, path: str, body: Json) -> Json:
        """Accept the object."""
        self.calls.append(("REPLACE", path))
        return body


def test_in_a_namespace_that_is_being_deleted_nothing_is_made(tmp_path: Path) -> None:
    """The API server would reject the policy. If no Pod runs any more, nothing is wrong."""
    api = Emptied()
    metrics = reconcile(api, str(tmp_path / "audit.log"), GOES)
    assert {verb for verb, _ in api.calls} == {"GET"}
    assert metrics.registry.get_sample_value("catflap_not_repaired") == 0.0


def test_a_policy_that_cannot_be_restored_is_reported(tmp_path: Path) -> None:
    """The report names the Pods that may still run."""
    api = Emptied("web-1", "web-2")
    metrics = reconcile(api, str(tmp_path / "audit.log"), GOES)
    [note] = [note for verb, note in api.calls if verb == "EVENT"]
    assert "is being deleted, and its NetworkPolicy catflap-default-deny no longer exists" in note
    assert "Pods web-1, web-2 may still run" in note
    assert metrics.registry.get_sample_value("catflap_not_repaired") == 1.0


def test_what_is_edited_there_is_mended(tmp_path: Path) -> None:
    """The API server accepts updates until the end."""
    metadata = {"name": "catflap-default-deny", "namespace": "shop", "managedFields": [{"manager": "catflap"}]}
    api = Emptied("web-1", deny={"metadata": metadata, "spec": {"podSelector": {}, "ingress": [{}]}})
    reconcile(api, str(tmp_path / "audit.log"), GOES)
    assert [verb for verb, _ in api.calls if verb != "GET"] == ["REPLACE"]
    assert b'"restored: it was edited or deleted"' in (tmp_path / "audit.log").read_bytes()


@pytest.mark.parametrize(
    ("created", "told"), [(AT, True), (AT - timedelta(days=1), False)], ids=["born since catflap", "included"]
)
def test_pods_older_than_their_isolation_are_reported(tmp_path: Path, created: datetime, *, told: bool) -> None:
    """There should be none if catflap is older than the namespace."""

    class Populated(Willing):
        """An API server with one Pod."""

        def get(self, path: str, **query: str) -> Json | None:
            """Return the Pod, or the other objects."""
            if path.endswith("/pods"):
                return {
                    "items": [
                        {"metadata": {"name": "early"}},
                        {"metadata": {"name": "ended"}, "status": {"phase": "Failed"}},
                    ]
                }
            return super().get(path, **query)

    labels = {"catflap.dev/guard": "enabled"}
    metrics = reconcile(
        Populated(0, STANDS), str(tmp_path / "audit.log"), Namespace("shop", "1", labels, created, terminating=False)
    )
    found = metrics.registry.get_sample_value("catflap_pods_before_isolation_total")
    assert found == (1.0 if told else 0.0)
    said = b"found: Pod early ran in namespace shop before it was isolated"
    assert (said in (tmp_path / "audit.log").read_bytes()) is told
