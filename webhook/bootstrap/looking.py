"""What a process knows of the cluster around it, and since when."""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from threading import Thread

from webhook.config.source import ConfigMapRef
from webhook.config.store import PolicyStore
from webhook.kube import registrations
from webhook.kube.api import Api
from webhook.kube.discovery import calico_resources, choose_engine
from webhook.kube.epoch import Epoch, oldest_policy
from webhook.kube.identity import Acting, Right, registered_accounts
from webhook.kube.rights import report_missing
from webhook.kube.surroundings import Surroundings
from webhook.kube.webhook_path import registered_tokens
from webhook.model.network import DnsEndpoint
from webhook.model.reason import ReasonCode
from webhook.netpol.dns import OFFLINE, Detected
from webhook.server.unavailable import Unavailable


def on_record(epoch: Epoch, api: Api) -> Callable[[datetime], datetime | None]:
    """Since when the server takes namespaces for closed: as recorded, or since the registration."""

    def since(_started: datetime) -> datetime | None:
        found = epoch.read(api)
        return found.closing if found else None

    return since


def recorded(epoch: Epoch, api: Api) -> Callable[[datetime], datetime]:
    """Since when the controller closes namespaces: the recorded epoch, or its own start where that was earlier.

    The webhook may be registered after the controller's start, and the controller may start again before that: then our
    oldest policy tells.
    """
    unregistered: list[datetime] = []

    def since(started: datetime) -> datetime:
        found = epoch.record()
        if found is not None:
            return min(found.closing, started)
        if not unregistered:
            unregistered.append(min(oldest_policy(api) or started, started))
        return unregistered[0]

    return since


def in_cluster(policy: Path | ConfigMapRef) -> ConfigMapRef | None:
    """The ConfigMap of the policy file, if it is in one."""
    return policy if isinstance(policy, ConfigMapRef) else None


def check_rights(api: Api, rights: Sequence[Right]) -> None:
    """Look for missing rights from a thread of its own: it takes some dozens of questions, and nobody waits for it."""
    Thread(target=report_missing, args=(api, rights), name="rights", daemon=True).start()


def learn_registered(acting: Acting, offer_token: Callable[[str], None], own_namespace: str) -> Callable[[Api], None]:
    """Asks who the server is, and by what is registered, who else acts for catflap and where the API server sends reviews.

    `offer_token` gets the token of each path that is registered: a server that starts while the Secret contains others has no
    other way to know it.
    """

    def learn(api: Api) -> None:
        found = api.get(registrations.path("validating"))
        for token in registered_tokens(found, own_namespace=own_namespace):
            offer_token(token)
        acting.look(api)
        acting.others = registered_accounts(found)

    return learn


def look_around(
    api: Api,
    policies: PolicyStore,
    closed_since: Callable[[datetime], datetime | None],
    learn: Callable[[Api], None] = lambda _: None,
    name_servers: Callable[[str | tuple[DnsEndpoint, ...]], Detected] = lambda _: OFFLINE,
) -> Callable[[], Surroundings]:
    """Asks for the surroundings; `closed_since` is given this process's start, by the API server's clock.

    `learn` is called at each look, for what a process has to know of itself. `name_servers` is given `network.dns` of the policy file;
    only a process that writes the policies about name servers has to look for these.
    """
    started: list[datetime] = []

    def look() -> Surroundings:
        if not started:
            started.append(api.clock())
        learn(api)
        loaded = policies.current
        if loaded is None:
            raise Unavailable(ReasonCode.NO_POLICY_FILE, "no policy file is in force yet")
        calico = calico_resources(api)
        return Surroundings(
            engine=choose_engine(loaded.policy.network.engine, calico),
            calico=calico,
            detected_dns=name_servers(loaded.policy.network.dns),
            closed_since=closed_since(started[0]) or started[0],
        )

    return look
