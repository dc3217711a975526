"""Validation of a policy file that a user applies; faults become violations that a refusal lists."""

from webhook.config.apart import load
from webhook.config.default import DEFAULT_POLICY
from webhook.config.faults import BadPolicy, PolicyFault
from webhook.config.parse import Loaded, parse
from webhook.model.rule import Violation
from webhook.model.steps import ValidationResult

POLICY_FILE = "policy-file"  # takes the place of a rule's id
# Applies while no policy file is loaded: it defines which users may delete the policy file.
FALLBACK_POLICY = Loaded(policy=parse(DEFAULT_POLICY).policy, digest="")


def validate_policy_file(text: str, *, seconds: float) -> ValidationResult:
    """Return one error per fault of a policy file, or its warnings; raises ReadingTooSlowError after `seconds`."""
    try:
        loaded = load(text, seconds)
    except BadPolicy as bad:
        return ValidationResult(tuple(Violation(POLICY_FILE, fault.path, with_position(fault)) for fault in bad.faults))
    return ValidationResult(warnings=tuple(f"{one.path}: {with_position(one)}" for one in loaded.warnings))


def with_position(fault: PolicyFault) -> str:
    """Return the message of a fault with its line and column in the file."""
    return f"{fault.message} (line {fault.place.line}, column {fault.place.column})" if fault.place else fault.message
