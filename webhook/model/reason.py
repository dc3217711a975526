"""Why something was decided or written: a code for programs, and words for people."""

from enum import StrEnum
from typing import Self

from msgspec import Struct


class Verdict(StrEnum):
    """The closed set of answers; also the values of a metric's label.

    `unavailable` refuses because we could not find out, not because the object is bad: the same request may pass later.
    """

    ALLOWED = "allowed"
    EXEMPT = "exempt"
    UNJUDGED = "unjudged"
    DENIED = "denied"
    UNAVAILABLE = "unavailable"


class Activity(StrEnum):
    """What catflap records besides decisions, by the type of the record. The records of a chain itself need no reason."""

    WRITE = "write"
    CONFIGURATION = "configuration"
    CERTIFICATE = "certificate"
    LEADER = "leader"


class ReasonCode(StrEnum):
    """The closed set of reason codes.

    A code is never renamed and never gets another meaning, as programs compare it; words may change at any time. Each
    code has one `kind`: the verdict that it leads to, or the type of the record that it is in. docs/reason-codes.md is
    generated from the definitions.
    """

    kind: Verdict | Activity
    definition: str

    def __new__(cls, value: str, kind: Verdict | Activity, definition: str) -> Self:
        """Make a member from its code, its kind and its definition."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.kind = kind
        member.definition = definition
        return member

    # fmt: off
    NO_VIOLATION = "NoViolation", Verdict.ALLOWED, "The request violates no rule."
    VIOLATION_NOT_ENFORCED = "ViolationNotEnforced", Verdict.ALLOWED, "The request violates rules, and the mode of each of them is `warn` or `audit`."
    EXCEPTION_APPLIED = "ExceptionApplied", Verdict.ALLOWED, "An exception in the policy file covers at least one violation, and no other violation is enforced."
    POLICY_FILE_VALID = "PolicyFileValid", Verdict.ALLOWED, "The new content of the policy file is valid."
    LABELS_ADDED = "LabelsAdded", Verdict.ALLOWED, "The mutating phase adds labels to the object."
    NO_LABELS_TO_ADD = "NoLabelsToAdd", Verdict.ALLOWED, "The mutating phase has no label to add to the object."

    NAMESPACE_EXEMPT = "NamespaceExempt", Verdict.EXEMPT, "The name of the namespace is exempt."
    OWN_NAMESPACE = "OwnNamespace", Verdict.EXEMPT, "catflap itself runs in the namespace."
    EXEMPT_USER = "ExemptUser", Verdict.EXEMPT, "`exempt.users` in the policy file names the user."
    EXEMPT_SERVICE_ACCOUNT = "ExemptServiceAccount", Verdict.EXEMPT, "`exempt.serviceAccounts` in the policy file names the ServiceAccount."
    EXEMPT_GROUP = "ExemptGroup", Verdict.EXEMPT, "`exempt.groups` in the policy file names a group of the user."
    BREAK_GLASS = "BreakGlass", Verdict.EXEMPT, "`breakGlass.groups` in the policy file names a group of the user."
    AUTHORIZED_GROUP = "AuthorizedGroup", Verdict.EXEMPT, "The policy file lets a group of the user change this label, create this namespace, or delete the policy file."
    OWN_ACCOUNT = "OwnAccount", Verdict.EXEMPT, "The user is an account of catflap itself."
    NAMESPACE_TERMINATING = "NamespaceTerminating", Verdict.EXEMPT, "Kubernetes deletes the contents of a namespace that is being deleted."
    GARBAGE_COLLECTED = "GarbageCollected", Verdict.EXEMPT, "The garbage collector of Kubernetes deletes an object whose owner does not exist."
    CALICO_STORAGE = "CalicoStorage", Verdict.EXEMPT, ("The API server of Calico stores an object whose request "
                                                      "catflap has checked.")
    MIRROR_POD = "MirrorPod", Verdict.EXEMPT, "The Pod is a mirror Pod, which the kubelet runs even if catflap rejects it."
    OLDER_OWNER = "OlderOwner", Verdict.EXEMPT, "A controller creates the object for an owner that is older than catflap and has the same violations."
    OLDER_WORKLOAD = "OlderWorkload", Verdict.EXEMPT, "The request restarts a workload that is older than catflap and had the same violations before."

    NO_RULE_APPLIES = "NoRuleApplies", Verdict.UNJUDGED, "No rule checks objects of this kind."
    OPERATION_NOT_JUDGED = "OperationNotJudged", Verdict.UNJUDGED, ("No rule checks DELETE and CONNECT requests for "
                                                                   "this kind.")
    OPERATION_NOT_MUTATED = "OperationNotMutated", Verdict.UNJUDGED, "The mutating phase adds labels only when an object is created."
    TEMPLATE_REFERENCED = "TemplateReferenced", Verdict.UNJUDGED, ("The pod template is in another object, which "
                                                                  "catflap checks.")
    POD_LABELS_UNKNOWN = "PodLabelsUnknown", Verdict.UNJUDGED, ("The object does not determine the labels of its "
                                                               "Pods, so catflap checks the Pods.")
    FOREIGN_POLICY_DELETED = "ForeignPolicyDeleted", Verdict.UNJUDGED, "The deleted network policy does not belong to catflap."
    NOT_POLICY_FILE = "NotPolicyFile", Verdict.UNJUDGED, "The ConfigMap is not the policy file of catflap."
    POLICY_FILE_UNCHANGED = "PolicyFileUnchanged", Verdict.UNJUDGED, "The request does not change the text of the policy file."
    OBJECT_NOT_READ = "ObjectNotRead", Verdict.UNJUDGED, "The object is too large to be read, so the mutating phase adds no label to it."

    RULE_VIOLATED = "RuleViolated", Verdict.DENIED, "The request violates at least one rule whose mode is `enforce`."
    BINDING_LABELS_REFUSED = "BindingLabelsRefused", Verdict.DENIED, "A binding would write labels to its Pod that rules depend on."
    POLICY_PROTECTED = "PolicyProtected", Verdict.DENIED, "The network policy belongs to catflap, and the user may not change it."
    NAMESPACE_PROTECTED = "NamespaceProtected", Verdict.DENIED, "The user may not change this label of a namespace or create a namespace with this name, or the policy file does not list the environment in the label."
    POLICY_FILE_PROTECTED = "PolicyFileProtected", Verdict.DENIED, "The user may not delete the policy file."
    POLICY_FILE_INVALID = "PolicyFileInvalid", Verdict.DENIED, "The new content of the policy file is invalid."
    PROTECTED_OBJECT_NOT_READ = "ProtectedObjectNotRead", Verdict.DENIED, "The object may be one that catflap protects, and it is too large to be read."

    NO_POLICY_FILE = "NoPolicyFile", Verdict.UNAVAILABLE, "No policy file is in force yet."
    INTERNAL_ERROR = "InternalError", Verdict.UNAVAILABLE, "catflap failed; its own log has the error."
    OVERLOAD = "Overload", Verdict.UNAVAILABLE, "Too many requests wait in the server."
    TIMEOUT = "Timeout", Verdict.UNAVAILABLE, "The decision took too long."
    CLUSTER_NOT_KNOWN = "ClusterNotKnown", Verdict.UNAVAILABLE, ("The server has not read the namespaces, the name "
                                                                "servers or the API groups of the cluster yet.")
    CLUSTER_LOOKUP_FAILED = "ClusterLookupFailed", Verdict.UNAVAILABLE, "The API server did not answer a lookup that the decision depends on."
    NAMESPACE_NOT_FOUND = "NamespaceNotFound", Verdict.UNAVAILABLE, "The namespace of the object does not exist."
    ISOLATION_NOT_PROVEN = "IsolationNotProven", Verdict.UNAVAILABLE, "The default-deny policy of the namespace could not be read or written in time."
    AUDIT_LOG_UNWRITABLE = "AuditLogUnwritable", Verdict.UNAVAILABLE, "The decision could not be recorded. Only the audit annotation of the answer has this code."

    POLICY_CREATED = "PolicyCreated", Activity.WRITE, "A network policy that the namespace needs did not exist, and was created."
    POLICY_UPDATED = "PolicyUpdated", Activity.WRITE, ("A network policy was written because the policy file or the "
                                                      "data about the cluster changed.")
    POLICY_RESTORED = "PolicyRestored", Activity.WRITE, ("A network policy that another user edited or deleted was "
                                                        "restored.")
    POLICY_REPLACED = "PolicyReplaced", Activity.WRITE, ("A network policy replaced an object of the same name that "
                                                        "catflap had not written.")
    POLICY_REMOVED = "PolicyRemoved", Activity.WRITE, ("A network policy that the policy file no longer requires "
                                                      "was deleted.")
    POLICY_NOT_REPAIRED = "PolicyNotRepaired", Activity.WRITE, "Nothing was written: a network policy differs or is missing, and catflap cannot correct it."
    PODS_BEFORE_ISOLATION = "PodsBeforeIsolation", Activity.WRITE, "Nothing was written: Pods ran in a namespace before it was isolated."
    MANAGED_LABEL_ADDED = "ManagedLabelAdded", Activity.WRITE, "The label of managed namespaces was added to a namespace."
    MANAGED_LABEL_REMOVED = "ManagedLabelRemoved", Activity.WRITE, "The label of managed namespaces was removed from an exempt namespace."
    REGISTRATION_CREATED = "RegistrationCreated", Activity.WRITE, ("A webhook configuration was created after the "
                                                                  "servers answered.")
    REGISTRATION_RESTORED = "RegistrationRestored", Activity.WRITE, ("A webhook configuration that another user "
                                                                    "changed was restored.")
    REGISTRATION_UPGRADED = "RegistrationUpgraded", Activity.WRITE, ("A controller started, found a webhook "
                                                                    "configuration that differed, and wrote it.")
    REGISTRATION_RULES_UPDATED = "RegistrationRulesUpdated", Activity.WRITE, ("A webhook configuration was written "
                                                                             "because the policy file requires "
                                                                             "other requests.")
    REGISTRATION_ENDPOINT_UPDATED = "RegistrationEndpointUpdated", Activity.WRITE, ("A webhook configuration was "
                                                                                   "written because the address or "
                                                                                   "path of reviews changed.")
    REGISTRATION_METADATA_UPDATED = "RegistrationMetadataUpdated", Activity.WRITE, "The labels, annotations or owners of a webhook configuration were written."
    REGISTRATION_REMOVED = "RegistrationRemoved", Activity.WRITE, ("A webhook configuration was deleted because the "
                                                                  "namespace of catflap is being deleted.")
    REGISTRATION_TURNED_OFF = "RegistrationTurnedOff", Activity.WRITE, ("catflap stored that an administrator "
                                                                       "deleted a webhook configuration.")
    REGISTRATION_TURNED_ON = "RegistrationTurnedOn", Activity.WRITE, ("catflap stored that a webhook configuration "
                                                                     "exists again.")
    ADMISSION_POLICY_CREATED = "AdmissionPolicyCreated", Activity.WRITE, "The ValidatingAdmissionPolicy copy, or its binding, was created."
    ADMISSION_POLICY_UPDATED = "AdmissionPolicyUpdated", Activity.WRITE, "The ValidatingAdmissionPolicy copy, or its binding, differed and was written."
    ADMISSION_POLICY_REMOVED = "AdmissionPolicyRemoved", Activity.WRITE, ("The ValidatingAdmissionPolicy copy, or "
                                                                         "its binding, was deleted because the "
                                                                         "policy file no longer requires it.")
    REPORT_CREATED = "ReportCreated", Activity.WRITE, "A report on existing objects was created."
    REPORT_UPDATED = "ReportUpdated", Activity.WRITE, ("The results of a scan changed, and a report on existing "
                                                      "objects was updated.")
    REPORT_REMOVED = "ReportRemoved", Activity.WRITE, ("A report was deleted because its subject no longer exists "
                                                      "or has no results.")
    PATH_CREATED = "WebhookPathCreated", Activity.WRITE, "The first secret path was stored."
    PATH_ADOPTED = "WebhookPathAdopted", Activity.WRITE, "A path that was registered but not stored was stored."
    PATH_RESTORED = "WebhookPathRestored", Activity.WRITE, "The stored paths were deleted or replaced, and were stored again."
    PATH_EXPIRED = "WebhookPathExpired", Activity.WRITE, ("The next path was stored because the period of the "
                                                         "current path ended.")
    PATH_EXPOSED = "WebhookPathExposed", Activity.WRITE, ("The next path was stored because users may know the "
                                                         "current path.")
    PATH_REGISTERED = "WebhookPathRegistered", Activity.WRITE, ("The next path became the current path because "
                                                               "every server accepts it.")
    PATH_RETIRED = "WebhookPathRetired", Activity.WRITE, ("Earlier paths became invalid because every API server "
                                                         "uses the current path.")

    POLICY_FILE_ACCEPTED = "PolicyFileAccepted", Activity.CONFIGURATION, "A policy file came into force."
    POLICY_FILE_REFUSED = "PolicyFileRefused", Activity.CONFIGURATION, ("A policy file is invalid; the last valid "
                                                                       "policy stays in force.")

    CERTIFICATE_LOADED = "CertificateLoaded", Activity.CERTIFICATE, "A server started with this certificate."
    CERTIFICATE_REPLACED = "CertificateReplaced", Activity.CERTIFICATE, "A running server loaded a new certificate."

    LEASE_ACQUIRED = "LeaseAcquired", Activity.LEADER, "No replica held the Lease, and this replica acquired it."
    LEASE_EXPIRED = "LeaseExpired", Activity.LEADER, ("The Lease of another replica expired, and this replica "
                                                     "acquired it.")
    LEASE_RENEWED = "LeaseRenewed", Activity.LEADER, "The replica can renew its Lease again, and leads again."
    LEASE_NOT_RENEWED = "LeaseNotRenewed", Activity.LEADER, "The replica could not renew the Lease in time, and no longer leads."
    LEASE_RELEASED = "LeaseReleased", Activity.LEADER, "The replica stops, and no longer leads."
    LEASE_HELD_BY_OTHER = "LeaseHeldByOther", Activity.LEADER, ("Another replica holds the Lease, so this replica "
                                                               "no longer leads.")
    # fmt: on


class Reason(Struct, frozen=True):
    """Why something was decided or written.

    Both are made in the same place, where the reason is known; nothing derives the code from the words. The words are empty where the code says everything.
    """

    code: ReasonCode
    words: str = ""

    def __str__(self) -> str:
        return self.words
