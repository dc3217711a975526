"""What is wrong with a policy file that a user applies, in the words of a refusal."""

from webhook.config.apart import load
from webhook.config.default import DEFAULT_POLICY
from webhook.config.faults import BadPolicy, PolicyFault
from webhook.config.parse import Loaded, parse
from webhook.model.rule import Violation

POLICY_FILE = "policy-file"  # in the place of a rule's id
# What decides while no file is in force yet: who may delete the policy file.
NO_FILE = Loaded(policy=parse(DEFAULT_POLICY).policy, digest="")


def violations_in(text: str, *, seconds: float) -> tuple[Violation, ...]:
    """What is wrong with a policy file, as a refusal says it.  Raises ReadingTooSlowError where that takes longer."""
    try:
        load(text, seconds)
    except BadPolicy as bad:
        return tuple(Violation(rule=POLICY_FILE, path=fault.path, message=located(fault)) for fault in bad.faults)
    return ()


def located(fault: PolicyFault) -> str:
    """A fault with its line, counted within the file."""
    return f"{fault.message} (line {fault.place.line}, column {fault.place.column})" if fault.place else fault.message
