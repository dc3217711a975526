"""Reads what a process knows of its cluster, and since when namespaces are isolated."""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from threading import Thread

from webhook.config.source import ConfigMapRef
from webhook.config.store import PolicyStore
from webhook.kube import webhook_configurations
from webhook.kube.api import Api
from webhook.kube.cluster_info import ClusterInfo
from webhook.kube.discovery import calico_resources, choose_engine
from webhook.kube.identity import Permission, ProcessIdentity, registered_accounts
from webhook.kube.install_record import InstallRecord, oldest_policy_time
from webhook.kube.permissions import report_missing
from webhook.kube.webhook_path import registered_tokens
from webhook.model.network import DnsEndpoint
from webhook.model.reason import ReasonCode
from webhook.netpol.dns import OFFLINE_DEFAULTS, DetectedDns
from webhook.server.unavailable import Unavailable


def server_isolation_since(epoch: InstallRecord, api: Api) -> Callable[[datetime], datetime | None]:
    """Return a function for the server: since when namespaces are isolated, as recorded; None before the record exists."""

    def since(_started: datetime) -> datetime | None:
        found = epoch.read(api)
        return found.isolation_since if found else None

    return since


def controller_isolation_since(epoch: InstallRecord, api: Api) -> Callable[[datetime], datetime]:
    """Return a function for the controller: since when namespaces are isolated.

    It is the recorded time, or this process's start if that is earlier. The webhook may be registered after the
    controller's start, and the controller may restart before that. In that case the oldest policy of catflap gives
    the time.
    """
    unregistered: list[datetime] = []

    def since(started: datetime) -> datetime:
        found = epoch.record()
        if found is not None:
            return min(found.isolation_since, started)
        if not unregistered:
            unregistered.append(min(oldest_policy_time(api) or started, started))
        return unregistered[0]

    return since


def configmap_of(policy: Path | ConfigMapRef) -> ConfigMapRef | None:
    """Return the ConfigMap of the policy file, if the file is in one."""
    return policy if isinstance(policy, ConfigMapRef) else None


def check_permissions(api: Api, rights: Sequence[Permission]) -> None:
    """Check for missing permissions on its own thread, as this takes some dozens of requests and is not urgent."""
    Thread(target=report_missing, args=(api, rights), name="rights", daemon=True).start()


def identity_refresher(
    acting: ProcessIdentity, offer_token: Callable[[str], None], own_namespace: str
) -> Callable[[Api], None]:
    """Return a function that reads the server's account and, from the registration, the other accounts and the tokens.

    `offer_token` receives the token of each registered path. A server that starts while the Secret contains other
    tokens has no other way to learn it.
    """

    def learn(api: Api) -> None:
        found = api.get(webhook_configurations.path("validating"))
        for token in registered_tokens(found, own_namespace=own_namespace):
            offer_token(token)
        acting.resolve(api)
        acting.others = registered_accounts(found)

    return learn


def cluster_info_factory(
    api: Api,
    policies: PolicyStore,
    closed_since: Callable[[datetime], datetime | None],
    learn: Callable[[Api], None] = lambda _: None,
    name_servers: Callable[[str | tuple[DnsEndpoint, ...]], DetectedDns] = lambda _: OFFLINE_DEFAULTS,
) -> Callable[[], ClusterInfo]:
    """Return a function that reads the cluster info; `closed_since` receives this process's start by the API server's clock.

    `learn` is called at each poll, for what a process needs to know about itself. `name_servers` receives
    `network.dns` of the policy file. Only a process that writes policies about name servers has to detect them.
    """
    started: list[datetime] = []

    def look() -> ClusterInfo:
        if not started:
            started.append(api.clock())
        learn(api)
        loaded = policies.current
        if loaded is None:
            raise Unavailable(ReasonCode.NO_POLICY_FILE, "the server has not read a valid policy file yet")
        calico = calico_resources(api)
        return ClusterInfo(
            engine=choose_engine(loaded.policy.network.engine, calico),
            calico=calico,
            detected_dns=name_servers(loaded.policy.network.dns),
            isolation_since=closed_since(started[0]) or started[0],
        )

    return look
