"""The policy file edited again and again, half of the time badly, while requests come; tests do it in small, benchmarks in full."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from random import Random
from threading import Event, Thread
from typing import Any, Final, NamedTuple

import yaml

from tests.cluster.freezing import frozen
from tests.cluster.installation import NAMESPACE, WEBHOOKS, Installation, eventually, in_force
from tests.cluster.manifests import GOOD, pod
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
    """Put a text where the policy is; the answer, whatever it is."""
    return catflap.cluster.call("PATCH", f"{FILE}{query}", {"data": {"policy.yaml": text}}, content_type=MERGE)


@contextmanager
def slipped_past(catflap: Installation) -> Iterator[None]:
    """As an edit does while nobody answers: the door is away, and back afterwards."""
    with frozen(catflap.cluster):
        yield from without_the_door(catflap)


def without_the_door(catflap: Installation) -> Iterator[None]:
    """The same, once the controllers cannot put it back."""
    where = WEBHOOKS.format("validating")
    kept = catflap.registered("validating")
    hang(catflap, where, [entry for entry in kept if entry["name"] != DOOR])
    eventually(lambda: edit(catflap, "mode: loud", query="?dryRun=All").status == 200)
    try:
        yield
    finally:
        hang(catflap, where, kept)
        eventually(lambda: edit(catflap, "mode: louder", query="?dryRun=All").status == 403)


def hang(catflap: Installation, where: str, entries: list[dict[str, Any]]) -> None:
    """Register these entries; a controller may be writing as well."""

    def written() -> bool:
        found = catflap.cluster.api("GET", where)
        return not catflap.cluster.call("PUT", where, {**found, "webhooks": entries}).refused

    eventually(written)


def good(random: Random) -> str:
    """A policy file that counts, unlike any other."""
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


def broken(random: Random) -> str:
    """The same with something wrong with it."""
    text = good(random)
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
    """Pods of every sort, asked for without being made, until it is stopped; each must be decided by rules."""

    def __init__(self, catflap: Installation, space: str, wrong: list[str]) -> None:
        self._answers: list[int] = []
        self._catflap = catflap
        self._space = space
        self._wrong = wrong
        self._done = Event()
        self._threads: list[Thread] = []

    @property
    def answers(self) -> Counter[int]:
        """The answers so far, by status."""
        return Counter(self._answers)

    def start(self, *, threads: int) -> None:
        """Begin, on threads of their own."""
        self._threads = [Thread(target=self._ask, args=(number,)) for number in range(threads)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End it."""
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
    """What came of a row of edits.

    `wrong` is what must not be: a broken file let in or in force, a good one refused, a request without its answer or its
    record, each in words. `answers` counts the answers to Pods by status; `refused` and `slipped` count the broken files
    that were refused at the door, and that were stored past it.
    """

    wrong: list[str]
    answers: Counter[int]
    refused: int
    slipped: int


def edits(catflap: Installation, space: str, count: int, *, seed: int) -> Edits:
    """Edit `count` times with the door there and `count` times without it, every other time badly, under load."""
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
            text = broken(random) if bad else good(random)
            answer = edit(catflap, text)
            sent |= {} if bad else {digest(text): text}
            refused += answer.refused
            if answer.refused is not bad:
                wrong.append(f"{'a broken' if bad else 'a good'} file was answered {answer.status}: {answer.body}")
        with slipped_past(catflap):
            for number in range(count):
                text = broken(random) if number % 2 else good(random)
                slipped += number % 2
                sent |= {} if number % 2 else {digest(text): text}
                if edit(catflap, text).refused:
                    wrong.append("the door was away, and refused")
        last = good(random)
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
    """What both processes have on record under a policy file."""
    return [*catflap.server.records(), *catflap.controller.records()]


def decisions(catflap: Installation, space: str) -> int:
    """How many Pods of a namespace were decided on in the validating phase."""
    return sum(
        one["type"] == "decision" and one["phase"] == "validate" and one["objectRef"].get("namespace") == space
        for one in catflap.server.records()
    )
