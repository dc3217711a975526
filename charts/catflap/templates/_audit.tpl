{{/* What both programs are told about their audit log. */}}
{{- define "catflap.auditArguments" -}}
{{- with .Values.audit }}
- --audit-durability={{ .durability }}
{{- with .failure }}
- --audit-failure={{ . }}
{{- end }}
{{- if .keySecret }}
- --audit-key=/etc/catflap/audit/audit.key
{{- end }}
{{- if .file.volume }}
# A file for each pod, so that nobody's is put aside by another one; and a copy for the collector.
- --audit-log=/var/log/catflap/$(POD_NAME).log
- --audit-stdout
{{- with .file.rotateSize }}
- --audit-rotate-size={{ . }}
{{- end }}
{{- with .file.rotateAge }}
- --audit-rotate-age={{ . }}
{{- end }}
{{- if and .file.rotateKeep (or .file.rotateSize .file.rotateAge) }}
- --audit-rotate-keep={{ .file.rotateKeep }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "catflap.auditMounts" -}}
{{- if .Values.audit.keySecret }}
- {name: audit-key, mountPath: /etc/catflap/audit, readOnly: true}
{{- end }}
{{- if .Values.audit.file.volume }}
- {name: audit-log, mountPath: /var/log/catflap}
{{- end }}
{{- end }}

{{- define "catflap.auditVolumes" -}}
{{- with .Values.audit.keySecret }}
- name: audit-key
  secret: {secretName: {{ . }}}
{{- end }}
{{- with .Values.audit.file.volume }}
- name: audit-log
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
