"""The controller."""

import signal
from collections.abc import Mapping
from threading import Event

from webhook.audit.record import utc_now
from webhook.bootstrap.looking import look_around, recorded
from webhook.bootstrap.parts import Common, Parts, make_parts, start_policy, start_status
from webhook.controller.endings import Endings
from webhook.controller.following import Registered
from webhook.controller.loop import Controller, Follower
from webhook.controller.reconcile import Reconciler
from webhook.controller.recording import Recording
from webhook.controller.refusals import Refusals, telling
from webhook.controller.twinned import Twinned
from webhook.kube.api import Api, connect
from webhook.kube.epoch import Epoch
from webhook.kube.events import refused_file
from webhook.kube.namespaces import PATH as NAMESPACES
from webhook.kube.standing import Standing
from webhook.kube.watch import Watch


def followers(common: Common, parts: Parts, api: Api, recording: Recording) -> Mapping[str, Follower]:
    """What is kept as the policy file says, beyond namespaces; what the API server refuses of it is told."""
    own, patient = common.own_namespace, api.patient()
    written = telling(
        Registered(patient, recording=recording, own_namespace=own),
        Twinned(patient, recording=recording, own_namespace=own, now=utc_now),
        refusals=Refusals(api, metrics=parts.metrics, own_namespace=own, now=utc_now),
    )
    return {**written, "/endings": Endings(api, metrics=parts.metrics, own_namespace=own, now=utc_now)}


def control(common: Common) -> None:
    """Run the controller until it is told to stop."""
    api = connect(common.kubeconfig)
    parts = make_parts(
        common,
        "controller",
        on_refusal=lambda faults: refused_file(api, common.own_namespace, faults, utc_now()),
    )
    standing = Standing(api)
    recording = Recording(parts.audit, utc_now)
    controller = Controller(
        namespaces=Watch(api, NAMESPACES),
        standing=standing,
        followers=followers(common, parts, api, recording),
        policies=parts.policies,
        reconciler=Reconciler(
            api=api,
            standing=standing,
            recording=recording,
            metrics=parts.metrics,
            own_namespace=common.own_namespace,
            now=utc_now,
        ),
        look=look_around(api, parts.policies, recorded(Epoch(api, own_namespace=common.own_namespace), api)),
        metrics=parts.metrics,
    )
    parts.policies.on_change(lambda _: controller.policy_changed())
    stopped = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    start_policy(common.policy, parts.policies, api)
    start_status(common.status, {"controller": lambda: controller.ready}, parts.metrics)
    controller.start()
    stopped.wait()
    controller.stop()
    parts.audit.stop()
