"""What is wrong with a policy file that a user applies, in the words of a refusal."""

from webhook.config.faults import BadPolicy, PolicyFault
from webhook.config.parse import parse_once
from webhook.model.violation import Violation

POLICY_FILE = "policy-file"  # in the place of a rule's id


def violations_in(text: str) -> tuple[Violation, ...]:
    """What is wrong with a policy file, as a refusal says it."""
    try:
        parse_once(text)
    except BadPolicy as bad:
        return tuple(Violation(rule=POLICY_FILE, path=fault.path, message=located(fault)) for fault in bad.faults)
    return ()


def located(fault: PolicyFault) -> str:
    """A fault with its line, counted within the file."""
    return f"{fault.message} (line {fault.place.line}, column {fault.place.column})" if fault.place else fault.message
