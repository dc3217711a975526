{{/* The Secret that the server's certificate is mounted from. */}}
{{- define "catflap.tlsSecret" -}}
{{- .Values.tls.secretName | default (printf "%s-tls" (include "catflap.fullname" .)) -}}
{{- end }}

{{/* The names of the Service, which the API server checks the certificate by. */}}
{{- define "catflap.hosts" -}}
{{- $name := include "catflap.fullname" . -}}
- {{ $name }}
- {{ $name }}.{{ .Release.Namespace }}
- {{ $name }}.{{ .Release.Namespace }}.svc
{{- end }}

{{/*
The generated certificate as the data of its Secret: the one in the cluster, else a new one, made once a render because
the Secret and the checksum of the pods must have the same. The CA's key is not kept.
*/}}
{{- define "catflap.generated" -}}
{{- if not (hasKey .Values "generated") -}}
{{- $kept := (lookup "v1" "Secret" .Release.Namespace (include "catflap.tlsSecret" .)).data | default dict -}}
{{- if and (hasKey $kept "ca.crt") (hasKey $kept "tls.crt") (hasKey $kept "tls.key") -}}
{{- $_ := set .Values "generated" (pick $kept "ca.crt" "tls.crt" "tls.key") -}}
{{- else -}}
{{- $hosts := include "catflap.hosts" . | fromYamlArray -}}
{{- $days := 3650 -}}
{{- $ca := genCAWithKey "catflap webhook CA" $days (genPrivateKey "ecdsa") -}}
{{- $pair := genSignedCertWithKey "catflap webhook" nil $hosts $days $ca (genPrivateKey "ecdsa") -}}
{{- $data := dict "ca.crt" (b64enc $ca.Cert) "tls.crt" (b64enc $pair.Cert) "tls.key" (b64enc $pair.Key) -}}
{{- $_ := set .Values "generated" $data -}}
{{- end -}}
{{- end -}}
{{- toYaml .Values.generated -}}
{{- end }}
