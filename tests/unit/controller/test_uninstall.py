"""Tests an uninstall while objects reappear or disappear; what it removes, and with which rights, is tested on a real API server."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from webhook.cli import main, uninstall
from webhook.controller import uninstall as removal
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
    """A cluster in which a controller writes a policy again until it was deleted `times` times, with one labelled namespace.

    The removal of the label is answered with `refusal`, if that is a status.
    """

    def __init__(self, times: int, *, stamped: bool = False, refusal: int = 0) -> None:
        self._left = times
        self._stamped = stamped
        self._refusal = refusal

    def get(self, path: str, **query: str) -> Json | None:
        """Return the lists of objects."""
        if path == POLICIES:
            assert query == {"labelSelector": "app.kubernetes.io/managed-by=catflap"}
            return {"items": [POLICY] if self._left else []}
        return {"items": [STAMPED] if self._stamped else []} if path == NAMESPACES else None

    def delete(self, path: str, *, uid: str, version: str) -> bool:
        """Delete the policy; a controller may write it again."""
        assert (path, uid, version) == (PATH, "1", "2")
        self._left -= 1
        return True

    def merge(self, path: str, body: Json) -> Json:
        """Remove the label or raise the error; either way the namespace is not listed again."""
        assert (path, body["metadata"]["uid"]) == (f"{NAMESPACES}/shop", "3")
        self._stamped = False
        if self._refusal:
            raise ApiError(self._refusal, "refused")
        return body


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not pause between passes."""
    monkeypatch.setattr(removal, "PASS_INTERVAL_SECONDS", 0.0)


TWIN: Json = {
    "metadata": {
        "name": "catflap-labels",
        "uid": "4",
        "resourceVersion": "5",
        "labels": {"app.kubernetes.io/managed-by": "catflap"},
    }
}


class Twinned(Api):
    """A cluster in which the admission policy is written again until it was deleted `times` times, and changes after the first read."""

    def __init__(self, times: int) -> None:
        self._left = times
        self._changed = True

    def get(self, path: str, **query: str) -> Json | None:
        """Return the binding, and empty lists."""
        if path.endswith("/validatingadmissionpolicybindings/catflap-labels"):
            return TWIN if self._left else None
        return {"items": []} if query else None

    def delete(self, path: str, *, uid: str, version: str) -> bool:
        """Delete it, unless it changed since it was read."""
        assert (path.rpartition("/")[2], uid, version) == ("catflap-labels", "4", "5")
        if self._changed:
            self._changed = False
            raise ApiError(409, "changed")
        self._left -= 1
        return True


def test_the_copy_of_the_rules_is_looked_for_until_it_stays_away() -> None:
    """If no network policies are written, nothing else would show that a controller still runs."""
    assert (
        list(removal.remove_installation(Twinned(2), OWN))
        == ["ValidatingAdmissionPolicyBinding catflap-labels removed"] * 2
    )
    with pytest.raises(removal.UninstallIncomplete):
        list(removal.remove_installation(Twinned(1000), OWN))


REMOVED = "NetworkPolicy.networking.k8s.io shop/catflap-default-deny removed"


@pytest.mark.parametrize("times", [0, 1, 2, removal.MAX_PASSES - 1])
def test_it_ends_once_nothing_comes_back(times: int) -> None:
    """A controller that is stopping may still repair."""
    assert list(removal.remove_installation(Leaving(times), OWN)) == [REMOVED] * times


def test_it_looks_again_though_the_first_look_found_nothing() -> None:
    """An object that another client removed a moment ago may be about to reappear."""
    looks = []

    class Looking(Leaving):
        def get(self, path: str, **query: str) -> Json | None:
            looks.append(path)
            return super().get(path, **query)

    assert list(removal.remove_installation(Looking(0), OWN)) == []
    assert looks.count(POLICIES) == 2


def test_a_controller_that_still_runs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command ends with status 1, and standard output lists what was removed."""
    monkeypatch.setattr(uninstall, "connect_as_kubectl", lambda *_: Leaving(1000))
    outcome = CliRunner().invoke(main, ["uninstall"])
    assert outcome.exit_code == 1
    assert outcome.stdout.splitlines() == [REMOVED] * removal.MAX_PASSES
    assert outcome.stderr == (
        "catflap: the removed objects exist again, because a catflap controller still runs; stop the controller, "
        "then try again\n"
    )


@pytest.mark.parametrize("refusal", [404, 409], ids=["gone", "made anew"])
def test_a_namespace_that_went_needs_no_unstamping(refusal: int) -> None:
    """It is no failure."""
    assert list(removal.remove_installation(Leaving(0, stamped=True, refusal=refusal), OWN)) == []


@pytest.mark.parametrize("refusal", [403, 500], ids=["we lack the right", "nobody answers"])
def test_any_other_error_is_reported(monkeypatch: pytest.MonkeyPatch, refusal: int) -> None:
    """The command ends with status 1."""
    monkeypatch.setattr(uninstall, "connect_as_kubectl", lambda *_: Leaving(1, stamped=True, refusal=refusal))
    outcome = CliRunner().invoke(main, ["uninstall"])
    assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (1, f"{REMOVED}\n", "catflap: refused\n")


def test_a_dry_run_says_what_would_be_removed_and_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each write counts as done, so every step prints its line once."""
    cluster = Leaving(1, stamped=True)
    monkeypatch.setattr(uninstall, "connect_as_kubectl", lambda *_: cluster)
    outcome = CliRunner().invoke(main, ["uninstall", "--dry-run"])
    assert outcome.exit_code == 0
    assert outcome.stdout.splitlines() == [f"{REMOVED} (dry run)", "label removed from Namespace shop (dry run)"]
    assert list(removal.remove_installation(cluster, OWN)) == [REMOVED, "label removed from Namespace shop"]


def test_without_a_cluster_the_message_names_an_option_that_there_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The command prints its own message."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    (tmp_path / "config").write_text("{}", encoding="utf-8")
    outcome = CliRunner().invoke(main, ["uninstall", "--kubeconfig", str(tmp_path / "config")])
    assert outcome.exit_code == 2
    assert outcome.stderr.startswith(f"catflap: cannot use --kubeconfig {tmp_path}/config: ")
    assert outcome.stderr.endswith("; name a kubeconfig with --kubeconfig\n")


LABELS = {"app.kubernetes.io/managed-by": "catflap"}


class Kept(Api):
    """A cluster with a registration at a Service, and Secrets of the path in several namespaces."""

    def __init__(self, labels: dict[str, str], registered_in: str = "") -> None:
        self._labels = labels
        service = {"service": {"namespace": registered_in, "name": "catflap"}}
        self._webhooks = [{"name": "pods.catflap.dev", "clientConfig": service}] if registered_in else []
        self.deleted: list[str] = []

    def get(self, path: str, **query: str) -> Json | None:
        """Return the Secrets and the registration, until they are deleted."""
        metadata = {"name": "any", "uid": "1", "resourceVersion": "2", "labels": self._labels}
        if path in self.deleted:
            return None
        if path.endswith("/secrets/catflap-webhook-path"):
            return {"metadata": metadata}
        if path.endswith("/validatingwebhookconfigurations/catflap") and self._webhooks:
            return {"metadata": metadata, "webhooks": self._webhooks}
        return {"items": []} if query else None

    def delete(self, path: str, *, uid: str, version: str) -> bool:
        """Delete the object that was read."""
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
    """The Secret of catflap's own namespace is removed, however that namespace was determined."""
    cluster = Kept(LABELS, registered_in)
    monkeypatch.setattr(uninstall, "connect_as_kubectl", lambda *_: cluster)
    outcome = CliRunner().invoke(main, ["uninstall", *options])
    assert (outcome.exit_code, outcome.stdout.splitlines()[-1]) == (0, f"Secret {own}/catflap-webhook-path removed")
    assert cluster.deleted[-1] == f"/api/v1/namespaces/{own}/secrets/catflap-webhook-path"


def test_a_foreign_secret_of_that_name_stays() -> None:
    """It has another label."""
    cluster = Kept({})
    assert list(removal.remove_installation(cluster, OWN)) == []
    assert cluster.deleted == []
