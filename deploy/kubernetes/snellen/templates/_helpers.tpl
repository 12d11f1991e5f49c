{{- define "snellen.name" -}}
{{- if contains "snellen" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-snellen" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "snellen.selector" -}}
app.kubernetes.io/name: snellen
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "snellen.labels" -}}
{{ include "snellen.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "snellen.account" -}}
{{- if .Values.serviceAccount.create }}{{ .Values.serviceAccount.name | default (include "snellen.name" .) }}{{ else }}{{ .Values.serviceAccount.name | default "default" }}{{ end }}
{{- end }}

{{- define "snellen.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default (ternary "gpu" "cpu" .Values.gpu.enabled) }}
{{- end }}

{{- define "snellen.scheme" -}}
{{ if .Values.tls.secret }}HTTPS{{ else }}HTTP{{ end }}
{{- end }}

{{/* The one source of bundles: claim, init, imageVolume, or nothing for those in the image. */}}
{{- define "snellen.source" -}}
{{- $sources := list }}
{{- if .Values.models.claim.name }}{{ $sources = append $sources "claim" }}{{ end }}
{{- if .Values.models.init.image }}{{ $sources = append $sources "init" }}{{ end }}
{{- if .Values.models.imageVolume.reference }}{{ $sources = append $sources "imageVolume" }}{{ end }}
{{- if gt (len $sources) 1 }}{{ fail (printf "models: set one of %s, since a pod has one folder of bundles" (join ", " $sources)) }}{{ end }}
{{- range $name, $main := dict "claim" "name" "init" "image" "imageVolume" "reference" }}
{{- range $other, $value := get $.Values.models $name }}
{{- if and $value (not (has $other (list $main "size" "pullPolicy"))) (not (has $name $sources)) }}{{ fail (printf "models.%s.%s has no effect without models.%s.%s" $name $other $name $main) }}{{ end }}
{{- end }}
{{- end }}
{{- first (append $sources "") }}
{{- end }}

{{/* Values are floats to Helm, which would print 33554432 as 3.3554432e+07. */}}
{{- define "snellen.number" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) }}{{ printf "%.0f" . }}{{ else }}{{ . }}{{ end }}
{{- end }}

{{/* What the chart itself sets, so that two places cannot contradict each other. */}}
{{- define "snellen.settings" -}}
{{- $own := dict "host" "image" "port" "service.port" "models" "models" "keys" "keys.secret" "tls_certificate" "tls.secret" "tls_key" "tls.secret" "drain_delay_s" "drain.delaySeconds" "drain_limit_s" "drain.limitSeconds" }}
{{- $known := splitList "\n" (.Files.Get "settings.txt") }}
{{- range $name, $value := .Values.settings }}
{{- if hasKey $own $name }}{{ fail (printf "settings.%s: the chart sets it itself; see %s" $name (get $own $name)) }}{{ end }}
{{- if not (has $name $known) }}{{ fail (printf "settings.%s is no setting; names are those of docs/settings.md with _ for -, such as max_queue" $name) }}{{ end }}
{{- if or (kindIs "map" $value) (kindIs "slice" $value) (kindIs "invalid" $value) }}{{ fail (printf "settings.%s: give a number, true, false or text; lists are text with commas" $name) }}{{ end }}
- name: SNELLEN_{{ upper $name }}
  value: {{ include "snellen.number" $value | quote }}
{{- end }}
{{- end }}

{{/* Kubernetes refuses rollingUpdate, which the defaults have, beside Recreate. */}}
{{- define "snellen.strategy" -}}
{{- if eq (default "RollingUpdate" .Values.strategy.type) "Recreate" }}type: Recreate{{ else }}{{ toYaml .Values.strategy }}{{ end }}
{{- end }}

{{- define "snellen.resources" -}}
{{- $limits := deepCopy (default dict .Values.resources.limits) }}
{{- if .Values.gpu.enabled }}{{ $limits = set $limits .Values.gpu.resource .Values.gpu.count }}{{ end }}
{{- toYaml (dict "requests" (default dict .Values.resources.requests) "limits" $limits) }}
{{- end }}

{{- define "snellen.container" -}}
readOnlyRootFilesystem: true
allowPrivilegeEscalation: false
capabilities: { drop: [ALL] }
{{- end }}
