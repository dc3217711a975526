{{/* The name of all objects. Without the release's name: the webhook configurations allow one catflap a cluster anyway. */}}
{{- define "catflap.fullname" -}}
{{- .Values.fullnameOverride | default .Chart.Name -}}
{{- end }}

{{/* The name of one role's objects. Takes (list $ role). */}}
{{- define "catflap.roleName" -}}
{{- $name := include "catflap.fullname" (first .) -}}
{{- eq (last .) "server" | ternary $name (printf "%s-%s" $name (last .)) -}}
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
prometheus.io/port: "8080"
prometheus.io/path: /metrics
{{- end }}
{{- with $root.Values.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "catflap.labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
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

{{/* What the schema cannot say with a remedy. */}}
{{- define "catflap.validate" -}}
{{- $external := eq .Values.service.type "ExternalName" -}}
{{- if and $external (not .Values.service.externalName) -}}
{{- fail "service.type ExternalName: name the server's host in service.externalName" -}}
{{- end -}}
{{- if and (not $external) .Values.service.externalName -}}
{{- fail "service.externalName counts only with service.type ExternalName" -}}
{{- end -}}
{{- if and .Values.registration.enabled (not .Values.server.enabled) (not $external) -}}
{{- fail "server.enabled false: every Pod would be refused; name a server outside of the cluster (service.type ExternalName), or register nothing (registration.enabled false)" -}}
{{- end -}}
{{- if eq .Values.tls.mode "secret" -}}
{{- if and .Values.server.enabled (not .Values.tls.secretName) -}}
{{- fail "tls.mode secret: name the Secret in tls.secretName" -}}
{{- end -}}
{{- if and .Values.registration.enabled (not .Values.tls.caBundle) -}}
{{- fail "tls.mode secret: give the CA's certificate, --set-file tls.caBundle=ca.crt" -}}
{{- end -}}
{{- else if or .Values.tls.secretName .Values.tls.caBundle -}}
{{- fail "tls.secretName and tls.caBundle count only with tls.mode secret" -}}
{{- end -}}
{{- if and (eq .Values.audit.durability "synced") (not .Values.audit.file.volume) -}}
{{- fail "audit.durability synced: nobody can sync standard output; give a volume for a file in audit.file.volume" -}}
{{- end -}}
{{- if and (eq .Values.audit.durability "best-effort") (eq .Values.audit.failure "refuse") -}}
{{- fail "audit.durability best-effort never waits to see a failure, so it cannot refuse for it (audit.failure)" -}}
{{- end -}}
{{- end }}

{{- /* Calico asks twice: for the policy, and for the tier that it is in. */}}
{{- define "catflap.tierRules" -}}
- apiGroups: [projectcalico.org]
  resources:
    - tier.globalnetworkpolicies
    - tier.networkpolicies
    - tier.stagedglobalnetworkpolicies
    - tier.stagednetworkpolicies
  resourceNames: [default.*]
  verbs: [get, list, watch, create, update, patch, delete]
- apiGroups: [projectcalico.org]
  resources: [tiers]
  resourceNames: [default]
  verbs: [get]
{{- end }}
