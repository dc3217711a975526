"""Names of catflap's objects, labels and annotations, whose prefix is `catflap.dev`."""

FIELD_MANAGER = "catflap"

NAMESPACE_NAME = "kubernetes.io/metadata.name"  # set by the API server on every namespace, no user can change it

CALICO_NAMESPACE = "projectcalico.org/namespace"  # set by Calico on whatever is in a namespace (api, LabelNamespace)
CALICO_METADATA = "projectcalico.org/metadata"  # annotation: what Calico reads of an object that it stored

GUARD_LABEL = "catflap.dev/guard"
GUARDED = "enabled"

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGED_BY = "catflap"

POLICY_DIGEST_ANNOTATION = "catflap.dev/policy-digest"
NAMESPACE_UID_ANNOTATION = "catflap.dev/namespace-uid"

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"  # by `kubectl rollout restart` (kubectl, pkg/polymorphichelpers)

DEFAULT_DENY = "catflap-default-deny"
ALLOW_PREFIX = "catflap-allow-"
ALLOW_DNS = "catflap-allow-dns"
ROLE_PREFIX = "catflap-role-"
FLOWS = "catflap-flows"  # of Pods by their namespace alone
CLUSTER_DEFAULT_DENY = "catflap-standing-net"

POLICY_NAME_PREFIX = "catflap-"  # of every policy's name
SERVER_ACCOUNT = "catflap"
CONTROLLER_ACCOUNT = "catflap-controller"
BREAK_GLASS_GROUP = "catflap:break-glass"

POLICY_CONFIGMAP = "catflap-policy"
POLICY_CONFIGMAP_KEY = "policy.yaml"
INSTALL_RECORD_CONFIGMAP = "catflap-epoch"
PATH_SECRET = "catflap-webhook-path"  # noqa: S105 (its name)
REGISTRATION_CONFIGMAP = "catflap-registration"  # whether catflap is registered, and under which accounts it acts
ACCOUNTS_ANNOTATION = "catflap.dev/accounts"  # on the webhook configurations: the accounts of catflap
RELEASE_ANNOTATION = "catflap.dev/release"  # on the webhook configurations: which release wrote them
REMOVAL_ANNOTATION = "catflap.dev/removal"  # on the empty configuration with which an uninstall replaces catflap's
DEFAULT_NAMESPACE = "catflap-system"
# Where Calico's API server runs: of its operator since 3.30, and before (tigera/operator, pkg/render/apiserver.go).
CALICO_NAMESPACES = ("calico-apiserver", "calico-system")
WEBHOOK_CONFIGURATION = "catflap"
ENTRY_SUFFIX = ".catflap.dev"  # of the name of each of its entries
CONTROLLER_LEASE = "catflap-controller"
REPORT_NAME = "catflap"  # of one in each namespace
ADMISSION_POLICY = "catflap-labels"  # of the ValidatingAdmissionPolicy and its binding

# The controller sends reviews of this kind to check whether a server is ready. No cluster serves the kind.
PROBE_GROUP, PROBE_RESOURCE = "probe.catflap.dev", "probes"
PROBE = "ready"  # the annotation of the answer
PROBE_SERVER = "server"  # the annotation that names the server's user
PROBE_LATE = "late"  # the annotation with a server process and its number of late reviews
