"""The fix in a refusal works: the fixed object is admitted."""

import re
from typing import Any, Final

import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.decisions import settled
from tests.laws.strategies import LAW, labels_under, manifest, metadata, policies
from tests.reviews import Json
from tests.unit.samples import asked
from webhook.model.decision import Decision
from webhook.model.kinds import POD_MAKERS, PodMaker
from webhook.model.policy import GuardPolicy

BEFORE: Final = "\nTo fix it, set in the manifest:\n"
CHOICES: Final = re.compile(r'^ *(.+): ""  # (?:one of: (.+)|choose a value)$')
# Values that a user might choose where the fix offers none; one of them matches each pattern of the strategies.
OPEN_CHOICES: Final = ("1234", "payments")


class Strict(yaml.SafeLoader):
    """A YAML loader that rejects duplicate keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT002 (PyYAML's signature)
        """Return a mapping of distinct keys."""
        keys = [key.value for key, _ in node.value]
        assert len(set(keys)) == len(keys), f"a key duplicate values: {keys}"
        return super().construct_mapping(node, deep)


def chosen(line: str, policy: GuardPolicy) -> str:
    """Return a line of the patch with the first of its choices."""
    match = CHOICES.match(line)
    if not match:
        return line
    label, choices = match[1].strip("\"'"), match[2]
    if choices:
        return line.replace('""', f'"{choices.split(", ")[0]}"', 1)
    required = [required for required in policy.workloads.require if required.label == label]
    choice = next(value for value in OPEN_CHOICES if all(one.admits(value) for one in required))
    return line.replace('""', f'"{choice}"', 1)


def merged(old: Any, new: Any) -> Any:
    """Merge one manifest into another, mapping by mapping."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    return {**old, **{key: merged(old.get(key), value) for key, value in new.items()}}


@LAW
@given(st.data(), policies(), st.sampled_from(POD_MAKERS), metadata)
def test_a_manifest_fixed_by_the_message_is_admitted(
    data: st.DataObject, policy: GuardPolicy, maker: PodMaker, own: Json
) -> None:
    """The patch is YAML, has the correct path, and leaves no violation that causes a refusal."""
    source = manifest(maker, data.draw(labels_under(policy) | st.none()), own)
    decided = settled(asked(source), policy)
    assert isinstance(decided, Decision)
    assume(not decided.allowed)
    _, promised, patch = decided.message.partition(BEFORE)
    assert promised
    text = "\n".join(
        chosen(line, policy) for line in patch.splitlines() if line.startswith(" ")
    )  # notes are not indented
    fixed = settled(asked(merged(source, yaml.load(text, Strict))), policy)
    assert isinstance(fixed, Decision)
    assert fixed.allowed, fixed.message
