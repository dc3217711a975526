{{/* The name of all objects. Without the release's name: the webhook configurations allow one catflap a cluster anyway. */}}
{{- define "catflap.fullname" -}}
{{- .Values.fullnameOverride | default .Chart.Name -}}
{{- end }}

{{/* The name of one role's objects. Takes (list $ role). */}}
{{- define "catflap.roleName" -}}
{{- $name := include "catflap.fullname" (first .) -}}
{{- eq (last .) "server" | ternary $name (printf "%s-%s" $name (last .)) -}}
{{- end }}

{{/* Values over defaults, key by key; sprig's own merge takes a 0 for a value that is not there. Takes (list defaults values). */}}
{{- define "catflap.over" -}}
{{- $both := dict -}}
{{- range . -}}{{- range $key, $value := . -}}{{- $_ := set $both $key $value -}}{{- end -}}{{- end -}}
{{- toYaml $both -}}
{{- end }}

{{- define "catflap.image" -}}
{{- $version := .Values.image.tag | default .Chart.AppVersion -}}
{{- .Values.image.repository -}}{{- with .Values.image.digest }}@{{ . }}{{ else }}:{{ $version }}{{ end -}}
{{- end }}

{{/* What selects the pods of one role: the labels that catflap asks of everybody. Takes (list $ role). */}}
{{- define "catflap.selector" -}}
app: {{ (first .).Chart.Name }}
role: {{ last . }}
{{- end }}

{{/* Annotations of one role's pods. Takes (list $ role). */}}
{{- define "catflap.podAnnotations" -}}
{{- $root := first . -}}
{{- if and (eq (last .) "server") (eq $root.Values.tls.mode "generated") }}
# The server reads its certificate when it starts.
checksum/tls: {{ include "catflap.generated" $root | sha256sum }}
{{- end }}
{{- if $root.Values.metrics.annotations }}
prometheus.io/scrape: "true"
prometheus.io/port: {{ include "catflap.statusPort" . | quote }}
prometheus.io/path: /metrics
{{- end }}
{{- with $root.Values.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The port for probes and metrics of one role. Takes (list $ role). */}}
{{- define "catflap.statusPort" -}}
{{- eq (last .) "server" | ternary (int (first .).Values.server.ports.status) 8080 -}}
{{- end }}

{{/* Whether one role's pods use the node's network; empty: no. Takes (list $ role). */}}
{{- define "catflap.hostNetwork" -}}
{{- if and (eq (last .) "server") (first .).Values.server.hostNetwork -}}true{{- end -}}
{{- end }}

{{/* Two replicas cannot have one port of one node: with hostNetwork the old one goes first, unless it is the only one. Takes (list $ role). */}}
{{- define "catflap.rollingUpdate" -}}
{{- $root := first . -}}
{{- $goes := and (eq (include "catflap.hostNetwork" .) "true") (gt (int $root.Values.server.replicas) 1) -}}
{{- $default := $goes | ternary (dict "maxSurge" 0 "maxUnavailable" 1) (dict "maxSurge" 1 "maxUnavailable" 0) -}}
{{- include "catflap.over" (list $default $root.Values.rollingUpdate) -}}
{{- end }}

{{- define "catflap.labels" -}}
{{- with .Values.commonLabels }}
{{- toYaml . }}
{{ end -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* The labels of pods besides those that select them. Takes $. */}}
{{- define "catflap.podLabels" -}}
{{- include "catflap.over" (list (include "catflap.labels" . | fromYaml) .Values.podLabels) -}}
{{- end }}

{{/* metadata of an object in our own namespace. Takes (list $ name). */}}
{{- define "catflap.metadata" -}}
name: {{ last . }}
namespace: {{ (first .).Release.Namespace }}
labels:
  {{- include "catflap.labels" (first .) | nindent 2 }}
{{- end }}

{{/* metadata of an object without a namespace. Takes (list $ name). */}}
{{- define "catflap.clusterMetadata" -}}
name: {{ last . }}
labels:
  {{- include "catflap.labels" (first .) | nindent 2 }}
{{- end }}

{{/* A ServiceAccount's name, by what runs under it; fixed, as the program knows its own writes by it. */}}
{{- define "catflap.account" -}}
{{- eq . "server" | ternary "catflap" "catflap-controller" -}}
{{- end }}

{{/* roleRef and subjects that bind a ServiceAccount of ours. Takes (list $ kind name role). */}}
{{- define "catflap.binding" -}}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ index . 1 }}
  name: {{ index . 2 }}
subjects:
  - kind: ServiceAccount
    name: {{ include "catflap.account" (index . 3) }}
    namespace: {{ (index . 0).Release.Namespace }}
{{- end }}

{{/* Annotations of what helm makes after the release is gone, in the order of its weight, and takes away at its end. */}}
{{- define "catflap.afterwards" -}}
helm.sh/hook: post-delete
helm.sh/hook-weight: {{ quote . }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

{{/* Annotations of what helm makes for `helm test`, in the order of its weight, and deletes afterwards; a Pod that fails stays for its log. */}}
{{- define "catflap.testHook" -}}
helm.sh/hook: test
helm.sh/hook-weight: {{ quote . }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

{{/* metadata of an object in the namespace of the test's Pods. Takes (list $ name). */}}
{{- define "catflap.testMetadata" -}}
name: {{ last . }}
namespace: {{ (first .).Values.test.namespace }}
labels:
  {{- include "catflap.labels" (first .) | nindent 2 }}
{{- end }}

{{/* The namespaces that catflap leaves alone: what must run before it can, what the policy names, and its own. */}}
{{- define "catflap.exempt" -}}
{{- $always := list "kube-system" "kube-public" "kube-node-lease" -}}
{{- concat $always .Values.policy.namespaces.exempt (list .Release.Namespace) | uniq | sortAlpha | toYaml -}}
{{- end }}

{{/* What the controller is told to register. Two ready replicas outlive the loss of one; more are not waited for. */}}
{{- define "catflap.registrationArguments" -}}
- --service={{ .Release.Namespace }}/{{ include "catflap.fullname" . }}:{{ .Values.service.port }}
- --ca=/etc/catflap/ca/ca.crt
{{- if .Values.tls.clientSecretName }}
- --client-certificates
{{- end }}
{{- if .Values.server.enabled }}
- --server-deployment={{ .Release.Namespace }}/{{ include "catflap.fullname" . }}:{{ max 1 (min 2 (int .Values.server.replicas)) }}
{{- end }}
{{- range $key, $value := .Values.registration.labels }}
- {{ printf "--registration-label=%s=%s" $key $value | quote }}
{{- end }}
{{- range $key, $value := .Values.registration.annotations }}
- {{ printf "--registration-annotation=%s=%s" $key $value | quote }}
{{- end }}
{{- end }}

{{/* What the schema cannot say with a remedy. */}}
{{- define "catflap.validate" -}}
{{- $external := eq .Values.service.type "ExternalName" -}}
{{- if and $external (not .Values.service.externalName) -}}
{{- fail "service.type ExternalName: set service.externalName to the host of the server" -}}
{{- end -}}
{{- if and (not $external) .Values.service.externalName -}}
{{- fail "service.externalName has an effect only with service.type ExternalName" -}}
{{- end -}}
{{- if and .Values.registration.enabled (not .Values.server.enabled) (not $external) -}}
{{- fail "server.enabled false: every Pod would be rejected; name a server outside of the cluster (service.type ExternalName), or register nothing (registration.enabled false)" -}}
{{- end -}}
{{- if and .Values.controller.enabled (lt (int .Values.controller.replicas) 1) -}}
{{- fail "controller.replicas 0: no namespace would be isolated, and no policy repaired; set one replica or more, or set controller.enabled to false if the controller runs elsewhere" -}}
{{- end -}}
{{- if and .Values.registration.enabled .Values.server.enabled (lt (int .Values.server.replicas) 1) -}}
{{- fail "server.replicas 0: every Pod would be rejected while catflap is registered; register nothing (registration.enabled false), or run one or more" -}}
{{- end -}}
{{- if and .Values.server.enabled (eq (int .Values.server.ports.https) (int .Values.server.ports.status)) -}}
{{- fail "server.ports: https and status must be different ports" -}}
{{- end -}}
{{- if and $external (or .Values.service.ipFamilyPolicy .Values.service.ipFamilies) -}}
{{- fail "service.ipFamilyPolicy and service.ipFamilies have an effect only with service.type ClusterIP" -}}
{{- end -}}
{{- range $role := list "server" "controller" -}}
{{- $its := get $.Values $role -}}
{{- $update := include "catflap.rollingUpdate" (list $ $role) | fromYaml -}}
{{- $gone := toString $update.maxUnavailable -}}
{{- if and (has (toString $update.maxSurge) (list "0" "0%")) (has $gone (list "0" "0%")) -}}
{{- fail "rollingUpdate: maxSurge and maxUnavailable are both 0, so no Pod could be replaced; increase one of them" -}}
{{- end -}}
{{- if and $its.enabled (not (hasSuffix "%" $gone)) (ge (int $gone) (max 1 (int $its.replicas))) -}}
{{- fail (printf "rollingUpdate.maxUnavailable %s: all %d replicas of the %s may be gone at once, and Pods would be rejected meanwhile" $gone (int $its.replicas) $role) -}}
{{- end -}}
{{- end -}}
{{- range $value, $key := dict "extraEnv" "name" "extraVolumes" "name" "extraVolumeMounts" "mountPath" -}}
{{- $seen := list -}}
{{- range get $.Values $value | default list -}}
{{- $its := get . $key | trimSuffix "/" -}}
{{- if has $its $seen -}}
{{- fail (printf "%s: the %s %q occurs twice; Kubernetes would use only the last entry, or reject the Pods" $value $key $its) -}}
{{- end -}}
{{- $seen = append $seen $its -}}
{{- end -}}
{{- end -}}
{{- $volumes := list -}}
{{- range .Values.extraVolumes -}}{{- $volumes = append $volumes .name -}}{{- end -}}
{{- range .Values.extraVolumeMounts -}}
{{- if not (has .name $volumes) -}}
{{- fail (printf "extraVolumeMounts: the volume %q does not exist in extraVolumes" .name) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.audit.file.volume .Values.podSecurityContext.fsGroup (ne (int .Values.podSecurityContext.fsGroup) (int .Values.audit.file.group)) -}}
{{- fail "podSecurityContext.fsGroup and audit.file.group are different groups; a Pod can have only one" -}}
{{- end -}}
{{- $roles := .Values.policy.workloads.role.oneOf -}}
{{- if has "outside" $roles -}}
{{- fail "policy.workloads.role.oneOf: the word outside is reserved for addresses outside of the cluster; rename the role" -}}
{{- end -}}
{{- range $name, $_ := .Values.policy.roles -}}
{{- if not (has $name $roles) -}}
{{- fail (printf "policy.roles.%s: this role is unknown; the roles are %s" $name (join ", " $roles)) -}}
{{- end -}}
{{- end -}}
{{- range $number, $flow := .Values.policy.network.flows -}}
{{- range $ports := get $flow "ports" -}}
{{- $limits := splitList "-" (first (splitList "/" $ports)) -}}
{{- if gt (int (first $limits)) (int (last $limits)) -}}
{{- fail (printf "policy.network.flows[%d].ports: %q begins with the higher port; write the lower one first" $number $ports) -}}
{{- end -}}
{{- end -}}
{{- range $side := list "from" "to" -}}
{{- $end := get $flow $side -}}
{{- $role := kindIs "map" $end | ternary $end (dict "role" $end) | dig "role" "" -}}
{{- if and $role (ne $role "outside") (not (has $role $roles)) -}}
{{- fail (printf "policy.network.flows[%d].%s: unknown role %q; the roles are %s" $number $side $role (join ", " $roles)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if eq .Values.tls.mode "secret" -}}
{{- if and .Values.server.enabled (not .Values.tls.secretName) -}}
{{- fail "tls.mode secret: set tls.secretName to the name of the Secret" -}}
{{- end -}}
{{- if and .Values.registration.enabled (not .Values.tls.caBundle) -}}
{{- fail "tls.mode secret: set the certificate of the CA with --set-file tls.caBundle=ca.crt" -}}
{{- end -}}
{{- else if or .Values.tls.secretName .Values.tls.caBundle -}}
{{- fail "tls.secretName and tls.caBundle have an effect only with tls.mode secret" -}}
{{- end -}}
{{- if and (eq .Values.audit.durability "synced") (not .Values.audit.file.volume) -}}
{{- fail "audit.durability synced: standard output cannot be synced; set a volume for the log file in audit.file.volume" -}}
{{- end -}}
{{- if and (eq .Values.audit.durability "best-effort") (eq .Values.audit.failure "refuse") -}}
{{- fail "audit.durability best-effort does not wait for the write, so it cannot reject requests after a failure (audit.failure)" -}}
{{- end -}}
{{- end }}

{{- /* Calico asks twice: for the policy, and for the tier that it is in. Takes the verbs, and whether all kinds are meant. */}}
{{- define "catflap.tierRules" -}}
- apiGroups: [projectcalico.org]
  resources:
    - tier.networkpolicies
    {{- if .kinds }}
    - tier.globalnetworkpolicies
    - tier.stagedglobalnetworkpolicies
    - tier.stagednetworkpolicies
    {{- end }}
  resourceNames: [default.*]
  verbs: [{{ .verbs }}]
- apiGroups: [projectcalico.org]
  resources: [tiers]
  resourceNames: [default]
  verbs: [get]
{{- end }}

{{- /* The policy file. A renamed key is left out where it has its default: servers of the last release still read the file during an upgrade, and reject
keys that they do not know. Values may have the former name of such a key, but not both (docs/upgrade.md). */}}
{{- define "catflap.policy" -}}
{{- $policy := deepCopy .Values.policy -}}
{{- range $key := list
  (dict "in" $policy "path" "policy" "former" "twin" "name" "validatingAdmissionPolicy" "default" false)
  (dict "in" $policy.network "path" "policy.network" "former" "standingNet" "name" "clusterWideDefaultDeny" "default" false)
  (dict "in" $policy.namespaces "path" "policy.namespaces" "former" "adopt" "name" "includeExisting" "default" "none")
  (dict "in" $policy.workloads "path" "policy.workloads" "former" "existing" "name" "existingWorkloads" "default" "admit") -}}
{{- if eq (get $key.in $key.name | toJson) (toJson $key.default) -}}
{{- $_ := unset $key.in $key.name -}}
{{- else if hasKey $key.in $key.former -}}
{{- fail (printf "%s.%s is the former name of %s, which is set too; remove %s" $key.path $key.former $key.name $key.former) -}}
{{- end -}}
{{- end -}}
{{- toYaml $policy -}}
{{- end }}

{{- /* The keys of earlier releases that the values have; empty without any. */}}
{{- define "catflap.formerKeys" -}}
{{- $found := list -}}
{{- range $path := list "twin" "network.standingNet" "namespaces.adopt" "workloads.existing" "gate" -}}
{{- $keys := splitList "." $path -}}
{{- $in := gt (len $keys) 1 | ternary (get $.Values.policy (first $keys)) $.Values.policy -}}
{{- if hasKey $in (last $keys) -}}
{{- $found = append $found (printf "policy.%s" $path) -}}
{{- end -}}
{{- end -}}
{{- join ", " $found -}}
{{- end }}
