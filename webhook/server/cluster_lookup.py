"""Lookups of cluster state that a decision depends on."""

from functools import partial
from time import monotonic
from typing import Any, Protocol

from webhook.config.parse import Loaded
from webhook.kube.api import Api, ApiError, Json
from webhook.kube.install_record import InstallRecord
from webhook.kube.namespaces import cel_namespace, namespace_path, parse_namespace
from webhook.kube.owners import owners_above
from webhook.model.reason import ReasonCode
from webhook.model.steps import (
    OFFLINE_RESULTS,
    IsolationLookup,
    IsolationStatus,
    ManagedLookup,
    NamespaceData,
    NamespaceLookup,
    OldOwner,
    OwnerLookup,
    PolicyImpactLookup,
    Step,
)
from webhook.model.timeouts import LOOKUP_SECONDS
from webhook.server.isolation_gate import IsolationGate
from webhook.server.policy_impact import PolicyImpactAnalyzer
from webhook.server.preexisting_owners import preexisting_owners
from webhook.server.singleflight import SingleFlight
from webhook.server.unavailable import Unavailable


class ClusterLookup(Protocol):
    """Looks up facts that the request itself does not contain."""

    def look_up(self, step: Step[Any], loaded: Loaded, *, until: float) -> Any:
        """Return the result of a step of a decision; may block until `until` on the monotonic clock.

        Raises Unavailable.
        """


class ApiServerLookup:
    """Looks facts up with live reads of the API server."""

    def __init__(self, api: Api, *, epoch: InstallRecord, gate: IsolationGate, impact: PolicyImpactAnalyzer) -> None:
        self._api = api
        self._epoch = epoch
        self._gate = gate
        self._impact = impact
        self._verifications = SingleFlight()

    def look_up(self, step: Step[Any], loaded: Loaded, *, until: float) -> Any:
        """Return the result of a step; raises Unavailable."""
        seconds = min(LOOKUP_SECONDS, until - monotonic())
        api = self._api.within(seconds)
        match step:
            case OwnerLookup():
                return self._preexisting_owners(api, step)
            case ManagedLookup():
                return self._is_managed(api, step.namespace, loaded)
            case NamespaceLookup():
                live = self._live_namespace(api, step.namespace)
                return NamespaceData(parse_namespace(live).labels, cel_namespace(live))
            case PolicyImpactLookup():
                return self._impact.analyze(api, step, loaded)
            case IsolationLookup():
                return self._isolation(api, step, loaded, seconds)
        raise TypeError(type(step).__name__)

    def _isolation(self, api: Api, wanted: IsolationLookup, loaded: Loaded, seconds: float) -> IsolationStatus:
        """Return the isolation of a namespace by a verification that begins after this call."""
        # A dry run and a real request have different keys, as only a real request may write the policy.
        # The uid keeps the result of a deleted namespace from a new one with the same name.
        key = f"{wanted.namespace}/{self._gate.cached_uid(wanted.namespace)}/{loaded.digest}/{wanted.dry_run}"
        verify = partial(self._gate.verify, api, wanted, loaded)
        return self._verifications.do(key, verify, timeout=max(0.0, seconds))

    def _is_managed(self, api: Api, name: str, loaded: Loaded) -> bool:
        """Return whether catflap manages a namespace, which it then isolates."""
        try:
            return self._gate.is_managed(api, name, loaded)
        except ApiError as error:
            raise Unavailable(ReasonCode.CLUSTER_LOOKUP_FAILED, f"cannot read namespace {name}: {error}") from error

    def _live_namespace(self, api: Api, name: str) -> Json:
        """Return a namespace by a live read, as rules may depend on its current labels."""
        try:
            live = api.get(namespace_path(name))
        except ApiError as error:
            raise Unavailable(ReasonCode.CLUSTER_LOOKUP_FAILED, f"cannot read namespace {name}: {error}") from error
        if live is None:
            raise Unavailable(ReasonCode.NAMESPACE_NOT_FOUND, f"namespace {name} does not exist")
        return live

    def _preexisting_owners(self, api: Api, wanted: OwnerLookup) -> tuple[OldOwner, ...]:
        """Return the owners that are older than catflap; empty where no installation time is recorded."""
        try:
            found = tuple(owners_above(api, wanted.namespace, wanted.owner))
            epoch = self._epoch.read(api) if found else None
        except ApiError as error:
            owner = wanted.owner
            raise Unavailable(
                ReasonCode.CLUSTER_LOOKUP_FAILED,
                f"cannot read the age of {owner.kind} {wanted.namespace}/{owner.name}: {error}",
            ) from error
        return preexisting_owners(found, epoch.installed) if epoch else ()


class OfflineLookup:
    """Answers every lookup without a cluster: no owner is older than catflap, and no namespace is verified."""

    def look_up(self, step: Step[Any], loaded: Loaded, *, until: float) -> Any:  # noqa: ARG002 (a ClusterLookup)
        """Return the default of every fact."""
        return OFFLINE_RESULTS[type(step)]
