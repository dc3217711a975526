"""Edits the policy file repeatedly, every other time with faults, under load; tests run few edits, benchmarks many."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from random import Random
from threading import Event, Thread
from typing import Any, Final, NamedTuple

import yaml

from tests.cluster.installation import NAMESPACE, WEBHOOKS, Installation, eventually, in_force
from tests.cluster.manifests import GOOD, pod
from tests.cluster.registration_freeze import frozen_registration
from tests.controlplane.client import MERGE, Answer
from webhook.config.parse import digest

FILE: Final = f"/api/v1/namespaces/{NAMESPACE}/configmaps/catflap-policy"
DOOR: Final = "policy-file.catflap.dev"
HEAD: Final = {"apiVersion": "catflap.dev/v1", "kind": "GuardPolicy", "network": {"engine": "kubernetes"}}
PODS: Final[Sequence[Mapping[str, str]]] = (
    {},
    {"app": "web"},
    GOOD,
    {"app": "web", "role": "x"},
    {"app": "web", "role": "frontend", "team": "blue"},
)
MODES: Final = ("enforce", "warn", "audit", "off")
RULES: Final = ("require-app", "require-role", "known-role", "no-alias-conflict")


def edit(catflap: Installation, text: str, *, query: str = "") -> Answer:
    """Write a policy file; return the answer."""
    return catflap.cluster.call("PATCH", f"{FILE}{query}", {"data": {"policy.yaml": text}}, content_type=MERGE)


@contextmanager
def edit_without_webhook(catflap: Installation) -> Iterator[None]:
    """Write a policy file while the webhook configurations are missing, and restore them afterwards."""
    with frozen_registration(catflap.cluster):
        yield from without_webhook(catflap)


def without_webhook(catflap: Installation) -> Iterator[None]:
    """Remove the webhook configurations while the controllers cannot restore them."""
    where = WEBHOOKS.format("validating")
    kept = catflap.registered("validating")
    store_entries(catflap, where, [entry for entry in kept if entry["name"] != DOOR])
    eventually(lambda: edit(catflap, "mode: loud", query="?dryRun=All").status == 200)
    try:
        yield
    finally:
        store_entries(catflap, where, kept)
        eventually(lambda: edit(catflap, "mode: louder", query="?dryRun=All").status == 403)


def store_entries(catflap: Installation, where: str, entries: list[dict[str, Any]]) -> None:
    """Store these entries; a controller may write at the same time."""

    def written() -> bool:
        found = catflap.cluster.api("GET", where)
        return not catflap.cluster.call("PUT", where, {**found, "webhooks": entries}).refused

    eventually(written)


def valid_policy(random: Random) -> str:
    """Return a valid policy file that differs from all others."""
    roles = random.sample(["frontend", "backend", "data", "batch"], random.randint(1, 4))
    whole: dict[str, Any] = {
        **HEAD,
        "mode": random.choice(MODES),
        "rules": {rule: random.choice(MODES) for rule in random.sample(RULES, random.randint(0, len(RULES)))},
        "workloads": {"role": {"oneOf": roles}, "require": [{"label": "team", "oneOf": ["blue", "red"]}]},
        "namespaces": {"overrides": [{"names": [f"lab-{random.randint(0, 9**9)}"], "mode": random.choice(MODES)}]},
    }
    if random.random() < 0.5:
        del whole["workloads"]["require"]
    return yaml.safe_dump(whole, sort_keys=False)


def invalid_policy(random: Random) -> str:
    """Return the same file with a fault."""
    text = valid_policy(random)
    whole = yaml.safe_load(text)
    ways: Sequence[str] = (
        "",
        text.replace("kind: GuardPolicy\n", ""),
        text.replace("mode:", "mood:", 1),
        f"{text}\nmode: enforce\n",
        f"{text}\n\tx",
        text.encode()[: text.index("GuardPolicy") + 3].decode(),
        yaml.safe_dump({**whole, "mode": "loud"}),
        yaml.safe_dump({**whole, "rules": {"known-rol": "warn"}}),
        yaml.safe_dump({**whole, "namespaces": {"exempt": ["Not_A_Name"]}}),
        yaml.safe_dump({**whole, "exceptions": [{"rule": "require-app", "namespace": "shop"}]}),
        yaml.safe_dump({**whole, "roles": {"nobody": {}}}),
        yaml.safe_dump([whole]),
    )
    return random.choice(ways)


class Load:
    """Dry-run requests for Pods of every sort until stopped; rules must decide each of them."""

    def __init__(self, catflap: Installation, space: str, wrong: list[str]) -> None:
        self._answers: list[int] = []
        self._catflap = catflap
        self._space = space
        self._wrong = wrong
        self._done = Event()
        self._threads: list[Thread] = []

    @property
    def answers(self) -> Counter[int]:
        """Return the number of answers by status."""
        return Counter(self._answers)

    def start(self, *, threads: int) -> None:
        """Start on several threads."""
        self._threads = [Thread(target=self._ask, args=(number,)) for number in range(threads)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop."""
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, number: int) -> None:
        random = Random(number)
        while not self._done.is_set():
            manifest = pod(f"probe-{number}", self._space, random.choice(PODS))
            path = f"/api/v1/namespaces/{self._space}/pods?dryRun=All"
            answer = self._catflap.cluster.call("POST", path, manifest)
            self._answers.append(answer.status)
            if answer.status not in {201, 403}:
                self._wrong.append(f"a Pod was answered {answer.status}: {answer.body}")


class Edits(NamedTuple):
    """The result of a series of edits.

    `wrong` describes each violation: a broken file that was accepted or in force, a good file that was rejected, a
    request without answer or record. `answers` counts the answers to Pods by status. `refused` counts broken files
    that were rejected, `slipped` those that were stored while no webhook was registered.
    """

    wrong: list[str]
    answers: Counter[int]
    refused: int
    slipped: int


def edits(catflap: Installation, space: str, count: int, *, seed: int) -> Edits:
    """Edit `count` times with the webhook and `count` times without it, every other time with a fault, under load."""
    random, wrong = Random(seed), list[str]()
    sent: dict[str, str] = {}
    known = {record["policyDigest"] for record in records(catflap)}
    load = Load(catflap, space, wrong)
    refused = slipped = 0
    before = decisions(catflap, space)
    load.start(threads=2)
    try:
        for number in range(count):
            bad = number % 2 == 1
            text = invalid_policy(random) if bad else valid_policy(random)
            answer = edit(catflap, text)
            sent |= {} if bad else {digest(text): text}
            refused += answer.refused
            if answer.refused is not bad:
                wrong.append(f"{'a broken' if bad else 'a good'} file was answered {answer.status}: {answer.body}")
        with edit_without_webhook(catflap):
            for number in range(count):
                text = invalid_policy(random) if number % 2 else valid_policy(random)
                slipped += number % 2
                sent |= {} if number % 2 else {digest(text): text}
                if edit(catflap, text).refused:
                    wrong.append("the door was away, and refused")
        last = valid_policy(random)
        sent[digest(last)] = last
        edit(catflap, last)
        for program in (catflap.server, catflap.controller):
            eventually(partial(in_force, program, digest(last)))
    finally:
        load.stop()
    strange = {record["policyDigest"] for record in records(catflap)} - known - set(sent)
    wrong += [f"a policy was in force that nobody sent whole: {one}" for one in strange]
    if decisions(catflap, space) - before != load.answers.total():
        wrong.append(f"{load.answers.total()} Pods were answered, {decisions(catflap, space) - before} are on record")
    return Edits(wrong, load.answers, refused, slipped)


def records(catflap: Installation) -> list[dict[str, Any]]:
    """Return the records of both processes under a policy file."""
    return [*catflap.server.records(), *catflap.controller.records()]


def decisions(catflap: Installation, space: str) -> int:
    """Return the number of validated Pods of a namespace."""
    return sum(
        one["type"] == "decision" and one["phase"] == "validate" and one["objectRef"].get("namespace") == space
        for one in catflap.server.records()
    )
