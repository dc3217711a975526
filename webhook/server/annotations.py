"""The audit annotations of an answer, which the API server writes into its own audit log."""

from typing import Final

from webhook.audit.chain import Link
from webhook.model.abbreviation import shortened
from webhook.model.decision import Decision

# Characters. The ids of the built-in rules have 150 together; the API server cuts values of its own at 10 KiB
# (apiserver, pkg/admission/plugin/policy/validating/dispatcher.go).
LONGEST: Final = 5_000


def annotations(decision: Decision, digest: str, link: Link | None) -> dict[str, str]:
    """What the API server's own audit log says about a decision, and about its record: by its hash neither log can be edited alone."""
    said = {"decision": str(decision.verdict), "reason-code": str(decision.why.code), "policy-digest": digest}
    if link is not None:
        said |= {"record-chain": link.chain, "record-seq": str(link.seq), "record-hash": link.hash}
    if decision.closure is not None:
        said["closure"] = str(decision.closure)
    rules = sorted({fault.rule for fault in (*decision.denied, *decision.warned, *decision.audited)})
    if rules:
        said["violated-rules"] = shortened(",".join(rules), LONGEST)
    return said
