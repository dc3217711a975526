"""Who answers the questions that a decision hangs on."""

from functools import partial
from time import monotonic

from msgspec.structs import replace

from webhook.config.parse import Loaded
from webhook.guard.decide import OFFLINE
from webhook.kube.api import Api, ApiError, Json
from webhook.kube.epoch import Epoch
from webhook.kube.namespaces import namespace, path, readable
from webhook.kube.owners import owners_above
from webhook.model.decision import (
    Closure,
    ClosureWanted,
    ClusterQuestion,
    ForesightWanted,
    GuardWanted,
    Known,
    LabelsWanted,
    NamespaceSeen,
    OldOwner,
    OwnerWanted,
)
from webhook.model.reason import ReasonCode
from webhook.server.foresight import Foresight
from webhook.server.freshness import Freshness
from webhook.server.gate import Gate
from webhook.server.older import old_owners
from webhook.server.sharing import Shared
from webhook.server.unavailable import Unavailable

# What one question may cost, of all the time that a request has.
ASK_SECONDS = 2.0


class ClusterToAsk:
    """Asks the API server, live."""

    def __init__(self, api: Api, *, epoch: Epoch, gate: Gate, foresight: Foresight) -> None:
        self._api = api
        self._epoch = epoch
        self._gate = gate
        self._foresight = foresight
        self._shared = Shared()
        self._freshness = Freshness()

    def ask(self, question: ClusterQuestion, known: Known, loaded: Loaded, *, until: float) -> Known:
        """`known` with the answer to `question` added.  Raises Unavailable."""
        seconds = min(ASK_SECONDS, until - monotonic())
        api = self._api.within(seconds)
        if isinstance(question, OwnerWanted):
            return replace(known, old_owners=self._old_owners(api, question))
        if isinstance(question, GuardWanted):
            return replace(known, guarded=self._guarded(api, question.namespace, loaded))
        if isinstance(question, LabelsWanted):
            live = self._namespace(api, question.namespace)
            return replace(known, namespace_labels=namespace(live).labels, namespace=NamespaceSeen(readable(live)))
        if isinstance(question, ForesightWanted):
            return replace(known, foreseen=self._foresight.foresee(api, question, loaded))
        return replace(known, closure=self._closure(api, question, loaded, seconds))

    def _closure(self, api: Api, wanted: ClosureWanted, loaded: Loaded, seconds: float) -> Closure:
        """What is known of a namespace, by a proof that is no older than the policy file lets it be."""
        # A dry run and a real request may not share: one of them may write.
        # And one of a namespace that was deleted and made again is none of the new one.
        key = f"{wanted.namespace}/{self._gate.seen(wanted.namespace)}/{loaded.digest}/{wanted.dry_run}"
        freshness = loaded.policy.gate.seconds
        if self._freshness.is_fresh(key, freshness):
            return Closure.PROVEN
        begun = self._freshness.now()
        prove = partial(self._gate.prove, api, wanted, loaded)
        found = self._shared.call(key, prove, timeout=max(0.0, seconds))
        if found in {Closure.PROVEN, Closure.WRITTEN}:
            self._freshness.keep(key, begun, freshness)
        return found

    def _guarded(self, api: Api, name: str, loaded: Loaded) -> bool:
        """Whether a namespace is to be closed."""
        try:
            return self._gate.guards(api, name, loaded)
        except ApiError as error:
            raise Unavailable(
                ReasonCode.CLUSTER_LOOKUP_FAILED, f"namespace {name} cannot be looked at: {error}"
            ) from error

    def _namespace(self, api: Api, name: str) -> Json:
        """A namespace as it is now: a rule may hold or not by it."""
        try:
            live = api.get(path(name))
        except ApiError as error:
            raise Unavailable(
                ReasonCode.CLUSTER_LOOKUP_FAILED, f"namespace {name} cannot be looked at: {error}"
            ) from error
        if live is None:
            raise Unavailable(ReasonCode.NAMESPACE_NOT_FOUND, f"namespace {name} is not there")
        return live

    def _old_owners(self, api: Api, wanted: OwnerWanted) -> tuple[OldOwner, ...]:
        """The owners that are older than catflap; where no installation is on record, none is."""
        try:
            found = tuple(owners_above(api, wanted.namespace, wanted.owner))
            epoch = self._epoch.read(api) if found else None
        except ApiError as error:
            owner = wanted.owner
            raise Unavailable(
                ReasonCode.CLUSTER_LOOKUP_FAILED,
                f"the age of {owner.kind} {wanted.namespace}/{owner.name} is not known: {error}",
            ) from error
        return old_owners(found, epoch.installed) if epoch else ()


class NoClusterToAsk:
    """Answers without a cluster: no owner is known to be older, no namespace is checked."""

    def ask(self, question: ClusterQuestion, known: Known, loaded: Loaded, *, until: float) -> Known:  # noqa: ARG002 (a Cluster)
        """What goes without saying."""
        return OFFLINE
