"""The audit annotations of an answer, which the API server writes into its own audit log."""

from typing import Final

from webhook.audit.chain import Link
from webhook.model.abbreviation import shortened
from webhook.model.decision import Decision

# The ids of all built-in rules together have 150 characters. The API server truncates its own values at 10 KiB
# (apiserver, pkg/admission/plugin/policy/validating/dispatcher.go).
MAX_VALUE_CHARS: Final = 5_000


def audit_annotations(decision: Decision, digest: str, link: Link | None) -> dict[str, str]:
    """Return the audit annotations of a decision and of its audit record.

    The record's hash links the two logs: a change of only one of them is detectable.
    """
    found = {"decision": str(decision.verdict), "reason-code": str(decision.why.code), "policy-digest": digest}
    if link is not None:
        found |= {"record-chain": link.chain, "record-seq": str(link.seq), "record-hash": link.hash}
    if decision.isolation is not None:
        found["closure"] = str(decision.isolation)
    rules = sorted({fault.rule for fault in (*decision.denied, *decision.warned, *decision.audited)})
    if rules:
        found["violated-rules"] = shortened(",".join(rules), MAX_VALUE_CHARS)
    return found
