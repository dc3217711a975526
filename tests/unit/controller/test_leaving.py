"""Leaving where something comes back, or goes by itself; what is removed, and by which rights, is tested on a real API server."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from webhook.cli import main, uninstall
from webhook.controller import leaving
from webhook.kube.api import Api, ApiError, Json

OWN = "catflap-system"
POLICIES = "/apis/networking.k8s.io/v1/networkpolicies"
PATH = "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/catflap-default-deny"
NAMESPACES = "/api/v1/namespaces"
POLICY: Json = {
    "metadata": {
        "name": "catflap-default-deny",
        "namespace": "shop",
        "uid": "1",
        "resourceVersion": "2",
        "labels": {"app.kubernetes.io/managed-by": "catflap"},
        "managedFields": [{"manager": "catflap"}],
    }
}
STAMPED: Json = {"metadata": {"name": "shop", "uid": "3"}}


class Leaving(Api):
    """A cluster in which a policy of ours is written anew until it was deleted `times` times, and a namespace is stamped once.

    Taking the stamp off is answered with `refusal`, if that is a status.
    """

    def __init__(self, times: int, *, stamped: bool = False, refusal: int = 0) -> None:
        self._left = times
        self._stamped = stamped
        self._refusal = refusal

    def get(self, path: str, **query: str) -> Json | None:
        """What stands, by lists."""
        if path == POLICIES:
            assert query == {"labelSelector": "app.kubernetes.io/managed-by=catflap"}
            return {"items": [POLICY] if self._left else []}
        return {"items": [STAMPED] if self._stamped else []} if path == NAMESPACES else None

    def delete(self, path: str, *, uid: str, version: str) -> bool:
        """Take the policy; a controller may write it anew."""
        assert (path, uid, version) == (PATH, "1", "2")
        self._left -= 1
        return True

    def merge(self, path: str, body: Json) -> Json:
        """Take the stamp, or say why not: either way it is not seen again."""
        assert (path, body["metadata"]["uid"]) == (f"{NAMESPACES}/shop", "3")
        self._stamped = False
        if self._refusal:
            raise ApiError(self._refusal, "refused")
        return body


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause between two looks."""
    monkeypatch.setattr(leaving, "PAUSE_SECONDS", 0.0)


TWIN: Json = {
    "metadata": {
        "name": "catflap-labels",
        "uid": "4",
        "resourceVersion": "5",
        "labels": {"app.kubernetes.io/managed-by": "catflap"},
    }
}


class Twinned(Api):
    """A cluster in which the copy of the rules is written anew until it was deleted `times` times, and changes at the first look."""

    def __init__(self, times: int) -> None:
        self._left = times
        self._changed = True

    def get(self, path: str, **query: str) -> Json | None:
        """The copy's binding, and lists of nothing."""
        if path.endswith("/validatingadmissionpolicybindings/catflap-labels"):
            return TWIN if self._left else None
        return {"items": []} if query else None

    def delete(self, path: str, *, uid: str, version: str) -> bool:
        """Take it, unless it was changed since it was seen."""
        assert (path.rpartition("/")[2], uid, version) == ("catflap-labels", "4", "5")
        if self._changed:
            self._changed = False
            raise ApiError(409, "changed")
        self._left -= 1
        return True


def test_the_copy_of_the_rules_is_looked_for_until_it_stays_away() -> None:
    """Where no policies are written, nothing else would show that a controller still runs."""
    assert list(leaving.leave(Twinned(2), OWN)) == ["ValidatingAdmissionPolicyBinding catflap-labels removed"] * 2
    with pytest.raises(leaving.Unfinished):
        list(leaving.leave(Twinned(1000), OWN))


REMOVED = "NetworkPolicy.networking.k8s.io shop/catflap-default-deny removed"


@pytest.mark.parametrize("times", [0, 1, 2, leaving.MOST_PASSES - 1])
def test_it_ends_once_nothing_comes_back(times: int) -> None:
    """A controller that is being stopped may yet repair."""
    assert list(leaving.leave(Leaving(times), OWN)) == [REMOVED] * times


def test_it_looks_again_though_the_first_look_found_nothing() -> None:
    """What was removed by somebody else a moment ago may be about to come back."""
    looks = []

    class Looking(Leaving):
        def get(self, path: str, **query: str) -> Json | None:
            looks.append(path)
            return super().get(path, **query)

    assert list(leaving.leave(Looking(0), OWN)) == []
    assert looks.count(POLICIES) == 2


def test_a_controller_that_still_runs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the verb, at its end, with status 1; what was done stands on standard output all the same."""
    monkeypatch.setattr(uninstall, "connect_as_kubectl", lambda *_: Leaving(1000))
    outcome = CliRunner().invoke(main, ["uninstall"])
    assert outcome.exit_code == 1
    assert outcome.stdout.splitlines() == [REMOVED] * leaving.MOST_PASSES
    assert outcome.stderr == (
        "catflap: what was removed comes back: a catflap controller still runs; stop it, then try again\n"
    )


@pytest.mark.parametrize("refusal", [404, 409], ids=["gone", "made anew"])
def test_a_namespace_that_went_needs_no_unstamping(refusal: int) -> None:
    """And is no failure."""
    assert list(leaving.leave(Leaving(0, stamped=True, refusal=refusal), OWN)) == []


@pytest.mark.parametrize("refusal", [403, 500], ids=["we lack the right", "nobody answers"])
def test_any_other_refusal_is_told(monkeypatch: pytest.MonkeyPatch, refusal: int) -> None:
    """With status 1."""
    monkeypatch.setattr(uninstall, "connect_as_kubectl", lambda *_: Leaving(1, stamped=True, refusal=refusal))
    outcome = CliRunner().invoke(main, ["uninstall"])
    assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (1, f"{REMOVED}\n", "catflap: refused\n")


def test_a_dry_run_says_what_would_be_removed_and_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is written counts as done, so every step speaks once."""
    cluster = Leaving(1, stamped=True)
    monkeypatch.setattr(uninstall, "connect_as_kubectl", lambda *_: cluster)
    outcome = CliRunner().invoke(main, ["uninstall", "--dry-run"])
    assert outcome.exit_code == 0
    assert outcome.stdout.splitlines() == [f"{REMOVED} (dry run)", "Namespace shop unstamped (dry run)"]
    assert list(leaving.leave(cluster, OWN)) == [REMOVED, "Namespace shop unstamped"]


def test_without_a_cluster_the_message_names_an_option_that_there_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of this verb."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    (tmp_path / "config").write_text("{}", encoding="utf-8")
    outcome = CliRunner().invoke(main, ["uninstall", "--kubeconfig", str(tmp_path / "config")])
    assert outcome.exit_code == 2
    assert outcome.stderr.startswith(f"catflap: no cluster by --kubeconfig {tmp_path}/config: ")
    assert outcome.stderr.endswith("; name one by --kubeconfig\n")


LABELS = {"app.kubernetes.io/managed-by": "catflap"}


class Kept(Api):
    """A cluster with a registration at a Service, and the Secret of the path in several namespaces."""

    def __init__(self, labels: dict[str, str], registered_in: str = "") -> None:
        self._labels = labels
        service = {"service": {"namespace": registered_in, "name": "catflap"}}
        self._webhooks = [{"name": "pods.catflap.dev", "clientConfig": service}] if registered_in else []
        self.deleted: list[str] = []

    def get(self, path: str, **query: str) -> Json | None:
        """The Secrets and what is registered, until they are deleted."""
        metadata = {"name": "any", "uid": "1", "resourceVersion": "2", "labels": self._labels}
        if path in self.deleted:
            return None
        if path.endswith("/secrets/catflap-webhook-path"):
            return {"metadata": metadata}
        if path.endswith("/validatingwebhookconfigurations/catflap") and self._webhooks:
            return {"metadata": metadata, "webhooks": self._webhooks}
        return {"items": []} if query else None

    def delete(self, path: str, *, uid: str, version: str) -> bool:
        """Take what was seen."""
        assert (uid, version) == ("1", "2")
        self.deleted.append(path)
        return True


@pytest.mark.parametrize(
    ("options", "registered_in", "own"),
    [([], "", OWN), ([], "guards", "guards"), (["--namespace", "other"], "guards", "other")],
    ids=["nothing registered", "registered", "named"],
)
def test_the_secret_path_goes_last(
    monkeypatch: pytest.MonkeyPatch, options: list[str], registered_in: str, own: str
) -> None:
    """Of catflap's own namespace, by whatever tells which one that is."""
    cluster = Kept(LABELS, registered_in)
    monkeypatch.setattr(uninstall, "connect_as_kubectl", lambda *_: cluster)
    outcome = CliRunner().invoke(main, ["uninstall", *options])
    assert (outcome.exit_code, outcome.stdout.splitlines()[-1]) == (0, f"Secret {own}/catflap-webhook-path removed")
    assert cluster.deleted[-1] == f"/api/v1/namespaces/{own}/secrets/catflap-webhook-path"


def test_a_secret_of_that_name_that_is_not_ours_stays() -> None:
    """It bears another label."""
    cluster = Kept({})
    assert list(leaving.leave(cluster, OWN)) == []
    assert cluster.deleted == []
