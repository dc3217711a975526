"""Each kind of rule, for each resource and mode, on the real server: the same result as `catflap check`, and never a 5xx.

The objects and the expectations are in tests/matrix.py. The effect of a rule depends only on its own mode, so one policy file has all rules with
different modes, and the modes rotate.
"""

import json
import time
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from tests.matrix import (
    HARMLESS,
    HEAD,
    OBJECTS,
    RESOURCES,
    Json,
    cases,
    expected_of_case,
    expected_of_custom,
    group_and_kind,
    never_true,
    policy_text,
    possible,
)
from tests.programs import JSON, Program, serve
from tests.reviews import encoded
from webhook.admission.preview import Effect
from webhook.config.parse import parse
from webhook.model.kinds import POLICIES_BY_KIND
from webhook.model.modes import Mode
from webhook.rules import RULES

RELOAD_SECONDS: Final = 30.0
CUSTOM: Final = {resource: never_true(resource, number) for number, resource in enumerate(RESOURCES)}
RECORDED: Final = {"denied": Effect.REFUSED, "warned": Effect.WARNED, "audited": Effect.RECORDED}


class Asked(NamedTuple):
    """One review: its policy file, the turn of the modes and the object."""

    file: str
    turn: int
    manifest: str


class Answered(NamedTuple):
    """The server's answer to one review, and the recorded effects by rule."""

    status: int
    response: Mapping[str, Any]
    effects: Mapping[str, set[Effect]]


Answers = Mapping[Asked, Answered]


def modes(turn: int) -> dict[str, Mode]:
    """Return a mode for each rule; in four turns, each rule has each mode."""
    rules = (*RULES, *(one["id"] for one in CUSTOM.values()))
    choices = tuple(Mode)
    return {rule: choices[(number + turn) % len(choices)] for number, rule in enumerate(rules)}


def key(value: Json) -> str:
    """Return an object as a text that is equal for equal objects."""
    return json.dumps(value, sort_keys=True, default=str)


def objects_by_file() -> dict[str, list[Json]]:
    """Return the objects of the cases by policy file; an empty file gets all objects."""
    found: dict[str, dict[str, Json]] = {key(HEAD): {key(one): one for one in OBJECTS}}
    for rule in RULES:
        for file, manifest in cases(rule).values():
            found.setdefault(key(file), {})[key(manifest)] = manifest
    return {file: list(objects.values()) for file, objects in found.items()}


def namespace_of(manifest: Json) -> str:
    """Return the namespace of a request for an object."""
    kind = POLICIES_BY_KIND.get(group_and_kind(manifest))
    if kind is not None and not kind.namespaced:
        return ""
    return str(manifest["metadata"].get("namespace") or "shop")


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """Return the server's answers for each object, policy file and turn of the modes."""
    folder = tmp_path_factory.mktemp("matrix")
    policy = folder / "policy.yaml"
    sent: dict[str, tuple[Asked, int, Mapping[str, Any]]] = {}
    policy.write_text(policy_text(HEAD, {}), encoding="utf-8")
    with serve(folder, "--standalone", "--policy", str(policy)) as server:
        for file, objects in objects_by_file().items():
            for turn in range(len(Mode)):
                custom = (HARMLESS, *(CUSTOM.values() if file == key(HEAD) else ()))
                in_file = {rule: mode for rule, mode in modes(turn).items() if rule in RULES or file == key(HEAD)}
                replace_policy(server, policy, policy_text(json.loads(file), in_file, custom))
                for asked, status, response in exchange(server, file, turn, objects, begin=len(sent)):
                    sent[response.get("uid", "")] = (asked, status, response)
        records = {record["id"]: record for record in server.records("decision")}
    return {asked: Answered(status, response, effects(records[uid])) for uid, (asked, status, response) in sent.items()}


def replace_policy(server: Program, path: Path, text: str) -> None:
    """Replace the policy file and wait until the server uses it."""
    replacement = path.with_suffix(".new")
    replacement.write_text(text, encoding="utf-8")
    replacement.replace(path)
    digest, deadline = parse(text).digest, time.monotonic() + RELOAD_SECONDS
    while server.post("/validate", encoded(OBJECTS[0])).response["auditAnnotations"]["policy-digest"] != digest:
        assert time.monotonic() < deadline, server.log()[-2000:]
        time.sleep(0.02)


def exchange(
    server: Program, file: str, turn: int, objects: list[Json], *, begin: int
) -> Iterator[tuple[Asked, int, Mapping[str, Any]]]:
    """Send a review of each object, each with a uid of its own, over one connection."""
    connection = server.connect()
    for number, manifest in enumerate(objects, begin):
        body = encoded(manifest, namespace=namespace_of(manifest), uid=f"matrix-{number}")
        connection.request("POST", "/validate", body, JSON)
        answer = connection.getresponse()
        yield Asked(file, turn, key(manifest)), answer.status, json.loads(answer.read())["response"]
    connection.close()


def effects(record: Mapping[str, Any]) -> Mapping[str, set[Effect]]:
    """Return the effects of each rule from the record of a decision."""
    found: dict[str, set[Effect]] = {}
    for field, effect in RECORDED.items():
        for fault in record.get(field, ()):
            found.setdefault(fault["rule"], set()).add(effect)
    return found


def test_every_review_is_answered(answers: Answers) -> None:
    """The verdict follows from the recorded effects and is never an error."""
    assert len({asked.manifest for asked in answers}) >= len(OBJECTS)
    for asked, answered in answers.items():
        assert answered.status == HTTPStatus.OK, asked
        is_refused = any(Effect.REFUSED in found for found in answered.effects.values())
        assert answered.response["allowed"] is not is_refused, asked
        if is_refused:
            assert answered.response["status"]["code"] == HTTPStatus.FORBIDDEN, asked
        warned = any(Effect.WARNED in found for found in answered.effects.values())
        assert bool(answered.response.get("warnings")) >= warned, asked


@pytest.mark.parametrize("rule", RULES)
def test_a_built_in_rule_does_what_its_mode_says(answers: Answers, rule: str) -> None:
    """This holds for each of its kinds, including Kubernetes and Calico network policies."""
    for kind, (file, manifest) in cases(rule).items():
        for turn in range(len(Mode)):
            found = answers[Asked(key(file), turn, key(manifest))].effects.get(rule, set())
            assert found == expected_of_case(rule, modes(turn)[rule]), (kind, modes(turn)[rule])


@pytest.mark.parametrize("rule", RULES)
def test_a_built_in_rule_has_no_other_effect_on_anything(answers: Answers, rule: str) -> None:
    """This holds for every kind."""
    for manifest in OBJECTS:
        for turn in range(len(Mode)):
            found = answers[Asked(key(HEAD), turn, key(manifest))].effects
            assert found.get(rule, set()) <= possible(rule, modes(turn)[rule], manifest), group_and_kind(manifest)
            assert HARMLESS["id"] not in found


@pytest.mark.parametrize("resource", RESOURCES)
def test_a_custom_rule_does_what_its_mode_says_to_its_own_resource_alone(answers: Answers, resource: str) -> None:
    """There are as many other custom rules as resources."""
    rule = CUSTOM[resource]["id"]
    for manifest in OBJECTS:
        for turn in range(len(Mode)):
            found = answers[Asked(key(HEAD), turn, key(manifest))].effects.get(rule, set())
            assert found == expected_of_custom(resource, modes(turn)[rule], manifest), group_and_kind(manifest)
