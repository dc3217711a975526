"""The names that catflap gives and is known by; the prefix of labels and annotations is `catflap.dev`."""

FIELD_MANAGER = "catflap"

NAMESPACE_NAME = "kubernetes.io/metadata.name"  # set by the API server on every namespace, no user can change it

CALICO_NAMESPACE = "projectcalico.org/namespace"  # set by Calico on whatever is in a namespace (api, LabelNamespace)

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
STANDING_NET = "catflap-standing-net"

OUR_PREFIX = "catflap-"  # of every policy's name
SERVER_ACCOUNT = "catflap"
CONTROLLER_ACCOUNT = "catflap-controller"
BREAK_GLASS_GROUP = "catflap:break-glass"

POLICY_CONFIGMAP = "catflap-policy"
POLICY_CONFIGMAP_KEY = "policy.yaml"
EPOCH_CONFIGMAP = "catflap-epoch"
PATH_SECRET = "catflap-webhook-path"  # noqa: S105 (its name)
DEFAULT_NAMESPACE = "catflap-system"
# Where Calico's API server runs: of its operator since 3.30, and before (tigera/operator, pkg/render/apiserver.go).
CALICO_NAMESPACES = ("calico-apiserver", "calico-system")
WEBHOOK_CONFIGURATION = "catflap"
ENTRY_SUFFIX = ".catflap.dev"  # of the name of each of its entries
REPORT = "catflap"  # of one in each namespace
TWIN = "catflap-labels"  # of the ValidatingAdmissionPolicy and its binding
