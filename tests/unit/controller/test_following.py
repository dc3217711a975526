"""What of a webhook configuration follows the policy file, and what stays as somebody installed it."""

from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from tests.unit.samples import HEAD, policy
from webhook.audit.log import AuditLog
from webhook.config.parse import parse
from webhook.controller.following import Registered, fitted
from webhook.controller.patience import Patience
from webhook.controller.recording import Recording
from webhook.controller.registration import Endpoint, registration
from webhook.kube.api import Api, ApiError, Json

AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
OWN: Final = "guards"
BY_SERVICE: Final = Endpoint(ca_bundle="Q0E=", namespace=OWN, service="catflap", port=8443)
BY_URL: Final = Endpoint(ca_bundle="Q0E=", namespace=OWN, url="https://127.0.0.1:8443/behind/a/proxy")
BEFORE: Final = "namespaces: {exempt: [monitoring]}"
AFTER: Final = "namespaces: {exempt: [logging], environment: {oneOf: [production, test]}}"
NO_FILLING: Final = "workloads: {fillFromAliases: false}"
WIDGETS: Final = (
    "workloads: {extraKinds: [{group: example.com, resource: widgets, kind: Widget, template: spec.podTemplate}]}"
)
BOTH: Final = "workloads: {scope: both}"
AKS: Final = {"key": "kubernetes.azure.com/managedby", "operator": "NotIn", "values": ["aks"]}


def stored(text: str, endpoint: Endpoint = BY_SERVICE) -> tuple[Json, Json]:
    """Both configurations as the API server holds them after somebody registered under a policy file."""
    validating, mutating = deepcopy(registration(policy(text), endpoint))
    for one in (validating, mutating):
        one["metadata"] |= {"uid": "1", "resourceVersion": "7", "annotations": {"example.com/owner": "platform"}}
    return validating, mutating


def follow(found: Json, text: str) -> Json:
    """One of them after the file was edited."""
    return fitted(found, policy(text), OWN)


@pytest.mark.parametrize("endpoint", [BY_SERVICE, BY_URL], ids=["service", "url"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (BEFORE, AFTER),
        (AFTER, BEFORE),
        ("", NO_FILLING),
        (NO_FILLING, ""),
        ("", WIDGETS),
        (WIDGETS, BOTH),
        (BOTH, ""),
    ],
)
def test_it_becomes_what_one_would_register_anew(before: str, after: str, endpoint: Endpoint) -> None:
    """Whatever changed in the file, however we are reached."""
    for found, wanted in zip(stored(before, endpoint), stored(after, endpoint), strict=True):
        assert follow(found, after) == wanted


@pytest.mark.parametrize("text", ["", BEFORE, AFTER, NO_FILLING, WIDGETS, BOTH])
def test_what_fits_stays_as_it_is(text: str) -> None:
    """So that nothing is written."""
    for found in stored(text):
        assert follow(found, text) == found


def test_what_an_installer_wrote_stays() -> None:
    """Who answers, how long is waited, what happens then; conditions, terms and whole entries of somebody's own."""
    theirs: dict[str, Any] = {"name": "theirs.example.com", "clientConfig": {"url": "https://there"}}
    slow = {"name": "no-robots", "expression": "request.userInfo.username != 'robot'"}
    for found, wanted in zip(stored(BEFORE), stored(AFTER), strict=True):
        for entry in (*found["webhooks"], *wanted["webhooks"]):
            entry |= {"timeoutSeconds": 2, "failurePolicy": "Ignore", "objectSelector": {"matchLabels": {"a": "b"}}}
            entry["namespaceSelector"].setdefault("matchExpressions", []).append(AKS)
            entry["namespaceSelector"]["matchLabels"] = {"guarded": "yes"}
            entry.setdefault("matchConditions", []).append(slow)
        for one in (found, wanted):
            one["webhooks"].insert(0, theirs)
        assert follow(found, AFTER) == wanted


def test_an_entry_that_comes_spares_whom_the_others_spare() -> None:
    """Azure's terms are no less wanted there, and it is answered where the others are."""
    _, found = stored(NO_FILLING)
    found["webhooks"][0]["namespaceSelector"]["matchExpressions"].append(AKS)
    came = follow(found, "")["webhooks"][1]
    assert (came["name"], came["namespaceSelector"]["matchExpressions"][-1]) == ("pods.catflap.dev", AKS)
    assert came["clientConfig"] == found["webhooks"][0]["clientConfig"]


def test_which_entries_judge_is_the_releases_not_the_files() -> None:
    """One of a later release is not removed by an older replica, and one that an admin removed does not come back."""
    found, _ = stored(BEFORE)
    found["webhooks"] = [{**found["webhooks"][0], "name": "later.catflap.dev"}, *found["webhooks"][2:]]
    names = [entry["name"] for entry in found["webhooks"]]
    assert [entry["name"] for entry in follow(found, AFTER)["webhooks"]] == names


def test_only_the_rules_about_workloads_follow_the_file() -> None:
    """What an installer left out of any other entry stays out."""
    found, _ = stored(BEFORE)
    for entry in found["webhooks"]:
        entry["rules"] = entry["rules"][:1]
    for before, after in zip(found["webhooks"], follow(found, WIDGETS)["webhooks"], strict=True):
        assert (before["rules"] == after["rules"]) == (before["name"] != "workloads.catflap.dev")


@pytest.mark.parametrize("webhooks", [[], None])
def test_an_empty_configuration_stays_empty(webhooks: list[Json] | None) -> None:
    """Nobody would know where we are."""
    found = {**stored("")[0], "webhooks": webhooks}
    assert follow(found, AFTER) == found


class Listed:
    """A watch that took in a list of one object, or of none."""

    def __init__(self, found: Json | None) -> None:
        self._found = found

    def get(self, _key: str) -> Json | None:
        """That object; the items of a list do not name their kind."""
        return self._found and {key: value for key, value in self._found.items() if key not in {"kind", "apiVersion"}}


class Taking(Api):
    """An API server that takes whatever is written, or refuses all of it with one status."""

    def __init__(self, refusal: int) -> None:
        self.written: list[tuple[str, Json]] = []
        self._refusal = refusal

    def replace(self, path: str, body: Json) -> Json:
        """Take it, or not."""
        if self._refusal:
            raise ApiError(self._refusal, "refused")
        self.written.append((path, body))
        return body


def followed(log: Path, *found: Json | None, refusal: int = 0) -> list[tuple[str, Json]]:
    """What is written where these stand and the file was edited."""
    api = Taking(refusal)
    registered = Registered(
        api, recording=Recording(AuditLog(str(log), process="serve"), lambda: AT), own_namespace=OWN
    )
    registered._watches = dict(zip(("validating", "mutating"), map(Listed, found), strict=True))  # type: ignore[arg-type]
    registered.follow(parse(HEAD + AFTER))
    return api.written


def test_a_difference_is_written_over_the_version_seen_and_recorded(tmp_path: Path) -> None:
    """Whole, by a PUT: what changed meanwhile is a conflict, and is looked at again."""
    log = tmp_path / "audit.log"
    written = followed(log, *stored(BEFORE))
    group = "/apis/admissionregistration.k8s.io/v1"
    assert written == [
        (f"{group}/{kind}webhookconfigurations/catflap", wanted)
        for kind, wanted in zip(("validating", "mutating"), stored(AFTER), strict=True)
    ]
    assert [body["metadata"]["resourceVersion"] for _, body in written] == ["7", "7"]
    assert log.read_text("utf-8").count('"verb":"update"') == 2
    assert followed(log, *stored(AFTER)) == []


def test_where_another_replica_was_faster_nothing_is_recorded(tmp_path: Path) -> None:
    """It wrote the same, and the watch brings it; any other trouble is told and tried again."""
    log = tmp_path / "audit.log"
    assert followed(log, *stored(BEFORE), refusal=409) == []
    assert log.read_bytes() == b""
    with pytest.raises(ApiError, match="refused"):
        followed(log, *stored(BEFORE), refusal=403)


def test_who_is_undone_again_and_again_writes_ever_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten times at once, then after 1, 2, 4 seconds and so on, at most after a minute; two quiet minutes forget it."""
    now = [1000.0]
    monkeypatch.setattr("webhook.controller.patience.monotonic", lambda: now[0])
    patience, waited = Patience(), []
    for _ in range(20):
        waited.append(patience.left())
        now[0] += patience.left()
        assert patience.left() == 0.0
        patience.used()
    assert waited == [0.0] * 10 + [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0, 60.0]
    now[0] += 121.0
    assert patience.left() == 0.0


def test_while_it_waits_nothing_is_written(tmp_path: Path) -> None:
    """And the caller is told when to look again."""
    api = Taking(0)
    registered = Registered(
        api, recording=Recording(AuditLog(str(tmp_path / "audit.log"), process="serve"), lambda: AT), own_namespace=OWN
    )
    registered._watches = dict(zip(("validating", "mutating"), map(Listed, stored(BEFORE)), strict=True))  # type: ignore[arg-type]
    waits = [registered.follow(parse(HEAD + AFTER)) for _ in range(11)]
    assert waits[:10] == [0.0] * 10
    assert 0.0 < waits[10] <= 1.0
    assert len(api.written) == 2 * 10
    assert registered.follow(parse(HEAD + BEFORE)) == 0.0  # it stands so
    assert registered.follow(parse(HEAD + AFTER)) == 0.0  # an edit is no quarrel
    assert len(api.written) == 2 * 11


def test_what_was_deleted_stays_so(tmp_path: Path) -> None:
    """That is how catflap is turned off."""
    assert followed(tmp_path / "audit.log", None, None) == []
