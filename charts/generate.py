"""What the chart says twice, written from where it is said once.

`python charts/generate.py` writes the policy part of values.yaml and of values.schema.json from the model, and the
table of values in README.md from the comments in values.yaml; with `--check` it names what is stale and ends with 1.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from webhook.config.default import DEFAULT_POLICY
from webhook.config.json_schema import PolicySchema, add_former_keys, by_rule, definition, inline, spelled_out
from webhook.config.parse import parse
from webhook.model.fields import DNS_LABEL, RULE_ID
from webhook.model.policy import GuardPolicy

CHART = Path(__file__).parent / "catflap"
VALUES, SCHEMA, README = CHART / "values.yaml", CHART / "values.schema.json", CHART / "README.md"
POLICY_MARKS = ("# BEGIN policy\n", "# END policy\n")
TABLE_MARKS = ("<!-- BEGIN values -->\n", "<!-- END values -->\n")

# What the texts of a policy file look like, by the mapping and the key that they are in. The server's own reader says it exactly and with a remedy;
# these say of a slip at `helm install` where it is, and are never stricter. Helm knows no lookahead.
LABEL_KEY = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
LABEL_VALUE = r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
NAMESPACE = rf"^{DNS_LABEL.pattern}$"
PATTERN = r"^[a-z0-9][-a-z0-9]*\*?$"
ACCOUNT = r"^[a-z0-9][-a-z0-9]*/[a-z0-9][-a-z0-9.]*$"
CIDR = r"^([0-9.]+(/([0-9]|[12][0-9]|3[0-2]))?|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*(/([0-9]{1,2}|1[01][0-9]|12[0-8]))?)$"
NUMBER = r"([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
PORTS = rf"^{NUMBER}(-{NUMBER})?/(TCP|UDP|SCTP)$"
TEXTS = {
    "AppLabel": {"label": LABEL_KEY, "aliases": LABEL_KEY},
    "RoleClaim": {"namespaces": PATTERN, "serviceAccounts": ACCOUNT},
    "CustomRule": {"id": rf"^{RULE_ID.pattern}$"},
    "DnsEndpoint": {"cidrs": CIDR, "ports": PORTS},
    "Environment": {"label": LABEL_KEY, "oneOf": LABEL_VALUE},
    "Exempt": {"serviceAccounts": ACCOUNT},
    "Flow": {"ports": PORTS},
    "FlowEnd": {"namespaces": NAMESPACE, "cidrs": CIDR},
    "Namespaces": {"exempt": PATTERN},
    "Network": {"clusterCIDRs": CIDR, "nodeCIDRs": CIDR},
    "Override": {"names": PATTERN},
    "LabelRequirement": {"label": LABEL_KEY},
    "Reserved": {"prefixes": PATTERN},
    "RoleLabel": {"label": LABEL_KEY, "aliases": LABEL_KEY, "oneOf": LABEL_VALUE},
    "PolicyException": {"rule": rf"^{RULE_ID.pattern}$", "namespace": NAMESPACE},
}

Json = dict[str, Any]
Files = Mapping[Path, str]


class Value(NamedTuple):
    """One row of the table."""

    path: str
    default: str
    comment: str


def main(arguments: list[str]) -> int:
    """Write the files, or check them."""
    wanted = generated()
    stale = [path for path, text in wanted.items() if path.read_text(encoding="utf-8") != text]
    if arguments == ["--check"]:
        for path in stale:
            sys.stderr.write(f"{path.relative_to(CHART.parent)} is stale; run: python charts/generate.py\n")
        return 1 if stale else 0
    for path in stale:
        path.write_text(wanted[path], encoding="utf-8")
    return 0


def generated() -> Files:
    """The files as they should be."""
    model = GuardPolicy.model_json_schema(
        by_alias=True, ref_template="#/definitions/{model}", schema_generator=PolicySchema
    )
    values = between(VALUES.read_text(encoding="utf-8"), POLICY_MARKS, policy_values())
    return {
        VALUES: values,
        SCHEMA: json.dumps(with_policy(json.loads(SCHEMA.read_text(encoding="utf-8")), model), indent=2) + "\n",
        README: between(README.read_text(encoding="utf-8"), TABLE_MARKS, table(values)),
    }


def between(text: str, marks: tuple[str, str], content: str) -> str:
    """The text with what stands between two lines replaced."""
    head, begin, rest = text.partition(marks[0])
    _, end, tail = rest.partition(marks[1])
    if not (begin and end):
        raise ValueError(f"the lines {marks[0].strip()} and {marks[1].strip()} are missing")
    return head + begin + content + end + tail


def with_policy(schema: Json, model: Json) -> Json:
    """The chart's schema with the model's as its policy; `definitions` is the draft's word that every helm knows.

    Stricter in two ways. A mistyped rule is refused here, not by a server that then does not become ready. And no key
    may be taken away by null: server and registration would each fill the gap in their own way.
    """
    definitions = {name: dict(one) for name, one in model["$defs"].items()}
    policy = {key: value for key, value in model.items() if key != "$defs"}
    for node in [policy, *nested(policy, definitions)]:
        node["required"] = list(node["properties"])
    add_former_keys(policy, definitions)
    written = with_known_rules(by_rule(policy))
    return schema | {"properties": schema["properties"] | {"policy": written}, "definitions": with_texts(definitions)}


def with_known_rules(policy: Json) -> Json:
    """The policy's schema with the rules that there are, where there are no custom ones, in overrides and exceptions too."""
    known = policy["then"]["properties"]["rules"]
    overrides = {"properties": {"overrides": {"items": {"properties": {"rules": known}}}}}
    exceptions = {"items": {"properties": {"rule": {"enum": list(known["properties"])}}}}
    then = {"rules": known, "namespaces": overrides, "exceptions": exceptions}
    return policy | {"then": {"properties": then}}


def with_texts(definitions: Json) -> Json:
    """The definitions with what their texts look like."""
    found = dict(definitions)
    for name, patterns in TEXTS.items():
        properties = dict(found[name]["properties"])
        for key, pattern in patterns.items():
            field = properties[key]
            looks = {"items": field["items"] | {"pattern": pattern}} if "items" in field else {"pattern": pattern}
            properties[key] = field | looks
        found[name] = found[name] | {"properties": properties}
    return found


def nested(node: Json, definitions: Json) -> Iterator[Json]:
    """The mappings inside a mapping that have a fixed set of keys."""
    for field in node["properties"].values():
        inner = definition(field, definitions)
        if "properties" in inner:
            yield inner
            yield from nested(inner, definitions)


def policy_values() -> str:
    """The policy part of values.yaml: each key with its description and default."""
    return "policy:\n" + spelled_out(parse(DEFAULT_POLICY).policy, indent="  ")


def table(values: str) -> str:
    """The values as a Markdown table."""
    rows = list(rows_of(yaml.compose(values, yaml.SafeLoader), values.splitlines(), ""))
    lines = [f"| `{row.path}` | {row.comment} | `{row.default}` |" for row in rows]
    return "\n".join(["| value | meaning | default |", "|---|---|---|", *lines]) + "\n"


def rows_of(node: yaml.Node | None, lines: list[str], prefix: str) -> Iterator[Value]:
    """The rows of one mapping: a key without comments below it is one value; raises ValueError for one without any."""
    assert isinstance(node, yaml.MappingNode)
    for key, value in node.value:
        path = f"{prefix}{key.value}"
        comment = comment_above(lines, key.start_mark.line)
        if any(comment_above(lines, inner.start_mark.line) for inner in keys_of(value, below=key)):
            yield from rows_of(value, lines, f"{path}.")
            continue
        if not comment:
            raise ValueError(f"values.yaml:{key.start_mark.line + 1}: {path} has no comment")
        yield Value(path, inline(yaml.safe_load(yaml.serialize(value))), comment.replace("|", r"\|"))


def keys_of(value: yaml.Node, *, below: yaml.Node) -> list[yaml.Node]:
    """The keys of a block mapping; one in braces on its key's own line has none."""
    if not isinstance(value, yaml.MappingNode) or value.start_mark.line == below.start_mark.line:
        return []
    return [key for key, _ in value.value]


def comment_above(lines: list[str], number: int) -> str:
    """The comment that ends directly above a line."""
    first = number
    while first and lines[first - 1].lstrip().startswith("# "):
        first -= 1
    return " ".join(line.strip().removeprefix("# ") for line in lines[first:number])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
