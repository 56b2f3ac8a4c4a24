{{- define "batchgate.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 57 | trimSuffix "-" -}}
{{- end -}}

{{- define "batchgate.fullname" -}}
{{- $name := include "batchgate.name" . -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $full .Values.fullnameOverride | trunc 57 | trimSuffix "-" -}}
{{- end -}}

{{- define "batchgate.selector" -}}
app.kubernetes.io/name: {{ include "batchgate.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "batchgate.labels" -}}
{{ include "batchgate.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "batchgate.serviceAccount" -}}
{{- ternary (default (include "batchgate.fullname" .) .Values.serviceAccount.name) (default "default" .Values.serviceAccount.name) .Values.serviceAccount.create -}}
{{- end -}}

{{- define "batchgate.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{/* The gateway's configuration, with the addresses that the ports say. */}}
{{- define "batchgate.config" -}}
{{- $addresses := dict "listen" (printf "0.0.0.0:%d" (int .Values.ports.http)) "admin" (printf "0.0.0.0:%d" (int .Values.ports.admin)) -}}
{{- toYaml (merge (dict) .Values.config $addresses) -}}
{{- end -}}

{{/* Seconds that a drain may take, and ten more. The gateway's durations are Go's, so Go's dates add them up. */}}
{{- define "batchgate.grace" -}}
{{- if .Values.terminationGracePeriodSeconds -}}
{{ int .Values.terminationGracePeriodSeconds }}
{{- else -}}
{{- $drain := default (dict) .Values.config.drain -}}
{{- $start := toDate "2006-01-02" "2000-01-01" -}}
{{- $end := $start | mustDateModify (printf "+%s" (default "0s" $drain.delay)) | mustDateModify (printf "+%s" (default "30s" $drain.deadline)) -}}
{{ add (sub (unixEpoch $end | int64) (unixEpoch $start | int64)) 10 }}
{{- end -}}
{{- end -}}
