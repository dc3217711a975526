{{/* metadata of both webhook configurations; the name is fixed, for people in a hurry to switch catflap off by. */}}
{{- define "catflap.configurationMetadata" -}}
{{- include "catflap.clusterMetadata" (list . "catflap") }}
  {{- with .Values.registration.labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- $annotations := deepCopy .Values.registration.annotations }}
{{- if eq .Values.tls.mode "cert-manager" }}
{{- $certificate := printf "%s/%s" .Release.Namespace (include "catflap.fullname" .) }}
{{- $_ := set $annotations "cert-manager.io/inject-ca-from" $certificate }}
{{- end }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/*
What all entries share; every field that the API server would default is written out, so that nothing differs from what
is stored. Takes (list $ path failurePolicy), and "all" where exempt namespaces are asked
about, too, or "own" where only catflap's own is.
*/}}
{{- define "catflap.entry" -}}
{{- $root := index . 0 -}}
admissionReviewVersions: [v1]
clientConfig:
  {{- with include "catflap.caBundle" $root }}
  caBundle: {{ . }}
  {{- end }}
  service:
    namespace: {{ $root.Release.Namespace }}
    name: {{ include "catflap.fullname" $root }}
    path: {{ index . 1 }}
    port: {{ $root.Values.service.port }}
failurePolicy: {{ index . 2 }}
matchPolicy: Equivalent
{{- $where := last . }}
{{- if and (eq $where "all") (not $root.Values.aks) }}
namespaceSelector: {}
{{- else }}
namespaceSelector:
  matchExpressions:
    {{- if eq $where "own" }}
    - key: kubernetes.io/metadata.name
      operator: In
      values: [{{ $root.Release.Namespace }}]
    {{- else if ne $where "all" }}
    # By name: the API server sets this label itself, and no user can change it.
    - key: kubernetes.io/metadata.name
      operator: NotIn
      values:
        {{- include "catflap.exempt" $root | nindent 8 }}
    {{- end }}
    {{- if $root.Values.aks }}
    - key: control-plane
      operator: NotIn
      values: ["true"]
    - key: kubernetes.azure.com/managedby
      operator: NotIn
      values: [aks]
    {{- end }}
{{- end }}
objectSelector: {}
# The gate may close a namespace; in a dry run it only looks.
sideEffects: {{ ternary "NoneOnDryRun" "None" (eq (index . 1) "/validate") }}
timeoutSeconds: 5
{{- end }}

{{/* The namespaces that catflap leaves alone: what must run before it can, what the policy names, and its own. */}}
{{- define "catflap.exempt" -}}
{{- $always := list "kube-system" "kube-public" "kube-node-lease" -}}
{{- concat $always .Values.policy.namespaces.exempt (list .Release.Namespace) | uniq | sortAlpha | toYaml -}}
{{- end }}

{{/* Whether anything differs that is judged of what makes Pods: its template, and its own labels in scope; in CEL. */}}
{{- define "catflap.workloadChanged" -}}
{{- $subsets := list -}}
{{- range list "statefulSet" "advancedStatefulSet" "cloneSet" "deployment" -}}
{{- $subsets = append $subsets (printf "spec.template.%sTemplate.spec.template" .) -}}
{{- end -}}
{{- $jobs := list "spec.template.jobTemplate.spec.template" "spec.template.broadcastJobTemplate.spec.template" -}}
{{- $cases := list
  (list "" "podtemplates" (list "template"))
  (list "batch" "cronjobs" (list "spec.jobTemplate.spec.template"))
  (list "apps.kruise.io" "advancedcronjobs" $jobs)
  (list "apps.kruise.io" "uniteddeployments" $subsets)
  (list "argoproj.io" "rollouts" (list "spec.template" "spec.workloadRef"))
  (list "keda.sh" "scaledjobs" (list "spec.jobTargetRef.template"))
-}}
{{- range .Values.policy.workloads.extraKinds -}}
{{- if ne .template "spec.template" -}}
{{- $cases = append $cases (list .group .resource (list .template)) -}}
{{- end -}}
{{- end -}}
{{- $expression := "" -}}
{{- range $cases -}}
{{- $named := printf "request.resource.group == '%s' && request.resource.resource == '%s'" (index . 0) (index . 1) -}}
{{- $expression = printf "%s%s ? %s : " $expression $named (include "catflap.differ" (index . 2)) -}}
{{- end -}}
{{- $expression = printf "(%s%s)" $expression (include "catflap.differ" (list "spec.template")) -}}
{{- if ne .Values.policy.workloads.scope "template" -}}
{{- $labels := "object.?metadata.?labels.orValue({}) != oldObject.?metadata.?labels.orValue({})" -}}
{{- $expression = printf "%s || %s" $labels $expression -}}
{{- end -}}
{{- $expression -}}
{{- end }}

{{/* Whether what stands at one of some paths is not what it was, in CEL. */}}
{{- define "catflap.differ" -}}
{{- $cases := list -}}
{{- range . -}}
{{- $path := replace "." ".?" . -}}
{{- $cases = append $cases (printf "object.?%s != oldObject.?%s" $path $path) -}}
{{- end -}}
{{- join " || " $cases -}}
{{- end }}

{{/* Whether a Pod has an alias of a label without the label itself, in CEL; empty where there are no aliases. */}}
{{- define "catflap.aliasAlone" -}}
{{- $labels := "object.?metadata.?labels.orValue({})" -}}
{{- $cases := list -}}
{{- range $name := list .Values.policy.workloads.app .Values.policy.workloads.role -}}
{{- with $name.aliases -}}
{{- $alone := printf "['%s'].exists(alias, alias in %s)" (join "', '" .) $labels -}}
{{- $cases = append $cases (printf "(!('%s' in %s) && %s)" $name.label $labels $alone) -}}
{{- end -}}
{{- end -}}
{{- join " || " $cases -}}
{{- end }}

{{/* Whether a policy bears catflap's name or label, before or after, in CEL. */}}
{{- define "catflap.ours" -}}
{{- $cases := list -}}
{{- range $one := list "object" "oldObject" -}}
{{- $name := printf "%s.?metadata.?name.orValue('').matches('^(default[.])?catflap-')" $one -}}
{{- $label := printf "%s.?metadata.?labels.orValue({})[?'app.kubernetes.io/managed-by'].orValue('') == 'catflap'" $one -}}
{{- $cases = append $cases (printf "(%s != null && (%s || %s))" $one $name $label) -}}
{{- end -}}
{{- join " || " $cases -}}
{{- end }}

{{/* Whether somebody else calls than catflap, and than what empties a namespace, in CEL. */}}
{{- define "catflap.notCleaner" -}}
{{- $callers := list "system:kube-controller-manager" -}}
{{- range list "generic-garbage-collector" "namespace-controller" -}}
{{- $callers = append $callers (printf "system:serviceaccount:kube-system:%s" .) -}}
{{- end -}}
{{- range list "server" "controller" -}}
{{- $callers = append $callers (printf "system:serviceaccount:%s:%s" $.Release.Namespace (include "catflap.account" .)) -}}
{{- end -}}
{{- printf "!(request.userInfo.username in [\"%s\"])" (join "\", \"" $callers) -}}
{{- end }}

{{/*
The kinds of network policy, a rule an API group and scope. Takes the operations, and whether staged kinds count.
*/}}
{{- define "catflap.policyRules" -}}
{{- $staged := .staged -}}
{{- $operations := .operations -}}
{{- $calico := ternary "globalnetworkpolicies, stagedglobalnetworkpolicies, tiers" "globalnetworkpolicies, tiers" $staged -}}
{{- $spaced := ternary "networkpolicies, stagednetworkpolicies, networksets" "networkpolicies, networksets" $staged -}}
{{- range $rule := list
  (list "crd.projectcalico.org" "v1" $calico "Cluster")
  (list "crd.projectcalico.org" "v1" $spaced "Namespaced")
  (list "networking.k8s.io" "v1" "networkpolicies" "Namespaced")
  (list "policy.networking.k8s.io" "v1alpha1" "adminnetworkpolicies" "Cluster")
  (list "policy.networking.k8s.io" "v1alpha2" "clusternetworkpolicies" "Cluster")
  (list "projectcalico.org" "v3" $calico "Cluster")
  (list "projectcalico.org" "v3" $spaced "Namespaced")
}}
- apiGroups: [{{ index $rule 0 }}]
  apiVersions: [{{ index $rule 1 }}]
  operations: [{{ $operations }}]
  resources: [{{ index $rule 2 }}]
  scope: {{ index $rule 3 }}
{{- end }}
{{- end }}

{{/* Whether a label is touched that the guard hangs on, in CEL; the stamp of a new namespace is catflap's own. */}}
{{- define "catflap.guardedLabels" -}}
{{- $touched := list (printf "(request.operation == 'UPDATE' && %s)" (include "catflap.labelDiffers" "'catflap.dev/guard'")) -}}
{{- $namespaces := .Values.policy.namespaces -}}
{{- $labels := ternary (list $namespaces.environment.label) list (not (empty $namespaces.environment.oneOf)) -}}
{{- $names := concat $namespaces.exempt $namespaces.reserved.prefixes (list "calico-apiserver" "calico-system" .Release.Namespace) -}}
{{- $policy := .Values.policy -}}
{{- $principals := concat $policy.breakGlass.groups $policy.exempt.groups $policy.exempt.users $namespaces.labelledBy $namespaces.reserved.groups -}}
{{- range $principals -}}
{{- if regexMatch "^system:serviceaccounts?:[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(:|$)" . -}}
{{- $names = append $names (index (splitList ":" .) 2) -}}
{{- end -}}
{{- end -}}
{{- range $override := $namespaces.overrides -}}
{{- $labels = concat $labels (keys ($override.labels | default dict)) -}}
{{- $names = concat $names ($override.names | default list) -}}
{{- end -}}
{{- range .Values.policy.exceptions -}}
{{- $names = append $names .namespace -}}
{{- end -}}
{{- $accounts := .Values.policy.exempt.serviceAccounts -}}
{{- range .Values.policy.roles -}}
{{- with .claim -}}
{{- $names = concat $names (.namespaces | default list) -}}
{{- $accounts = concat $accounts (.serviceAccounts | default list) -}}
{{- end -}}
{{- end -}}
{{- range $accounts -}}
{{- $names = append $names (splitList "/" . | first) -}}
{{- end -}}
{{- with $labels | uniq | sortAlpha -}}
{{- $differs := include "catflap.labelDiffers" "label" -}}
{{- $touched = append $touched (printf "['%s'].exists(label, %s)" (join "', '" .) $differs) -}}
{{- end -}}
{{- with without ($names | uniq | sortAlpha) "kube-system" "kube-public" "kube-node-lease" -}}
{{- $fits := include "catflap.fitsAny" (list . "object.metadata.name") -}}
{{- $touched = append $touched (printf "(request.operation == 'CREATE' && (%s))" $fits) -}}
{{- end -}}
{{- join " || " $touched -}}
{{- end }}

{{/* Whether a name is one of those given, or begins like one up to its star, in CEL. Takes (list patterns name). */}}
{{- define "catflap.fitsAny" -}}
{{- $name := last . -}}
{{- $names := list -}}
{{- $stems := list -}}
{{- range first . -}}
{{- if hasSuffix "*" . -}}
{{- $stems = append $stems (trimSuffix "*" .) -}}
{{- else -}}
{{- $names = append $names . -}}
{{- end -}}
{{- end -}}
{{- $cases := list -}}
{{- with $names -}}
{{- $cases = append $cases (printf "%s in ['%s']" $name (join "', '" .)) -}}
{{- end -}}
{{- with $stems -}}
{{- $cases = append $cases (printf "['%s'].exists(stem, %s.startsWith(stem))" (join "', '" .) $name) -}}
{{- end -}}
{{- join " || " $cases -}}
{{- end }}

{{/* The condition that leaves out namespaces that are exempt by their prefix, which no selector can say. */}}
{{- define "catflap.exemptPrefix" -}}
{{- with .Values.policy.namespaces.reserved.prefixes -}}
{{- $name := "request.?namespace.orValue('')" -}}
- name: exempt-prefix
  expression: {{ printf "!%s" (include "catflap.fitsAny" (list (. | uniq | sortAlpha) $name)) | quote }}
{{- end -}}
{{- end }}

{{/* Whether a label, an expression, is not what it was, in CEL; before a CREATE it was not there. */}}
{{- define "catflap.labelDiffers" -}}
{{- $labels := "?metadata.?labels.orValue({})" -}}
{{- printf "object.%s[?%s] != (oldObject == null ? {} : oldObject.%s)[?%s]" $labels . $labels . -}}
{{- end }}

{{/* Whether a custom rule is about Pods; empty where none is. */}}
{{- define "catflap.customOnPods" -}}
{{- range .Values.policy.custom -}}
{{- if or (has "pods" .resources) (has "workloads" .resources) -}}true{{- end -}}
{{- end -}}
{{- end }}

{{/* Whether a custom rule is about more than Pods; empty where none is. */}}
{{- define "catflap.customBeyondPods" -}}
{{- range .Values.policy.custom -}}
{{- if ne (toJson (uniq .resources)) (toJson (list "pods")) -}}true{{- end -}}
{{- end -}}
{{- end }}

{{/* Whether anything differs that a custom rule may be about, in CEL. */}}
{{- define "catflap.anythingChanged" -}}
{{- $cases := list -}}
{{- range $one := list "spec" "template" "metadata.?labels.orValue({})" "metadata.?annotations.orValue({})" -}}
{{- $cases = append $cases (printf "object.?%s != oldObject.?%s" $one $one) -}}
{{- end -}}
{{- join " || " $cases -}}
{{- end }}
