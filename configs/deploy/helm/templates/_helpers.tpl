{{- define "eventgateway.name" -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{- define "eventgateway.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "eventgateway.labels" -}}
{{ include "eventgateway.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "eventgateway.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ default (include "eventgateway.name" .) .Values.serviceAccount.name }}{{ else }}{{ default "default" .Values.serviceAccount.name }}{{ end -}}
{{- end }}

{{- define "eventgateway.secret" -}}
{{- default (include "eventgateway.name" .) .Values.secrets.existing -}}
{{- end }}

{{- /* The parts that the gateway and its check have in common. */ -}}
{{- define "eventgateway.container" -}}
image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
env:
  - {name: GATEWAY_EMBEDDED, value: "off"}
  {{- range .Values.secrets.names }}
  - {name: {{ . }}_FILE, value: /run/secrets/eventgateway/{{ . }}}
  {{- end }}
  {{- range $name, $value := .Values.env }}
  - {name: {{ $name }}, value: {{ $value | quote }}}
  {{- end }}
volumeMounts:
  - {name: config, mountPath: /etc/eventgateway, readOnly: true}
  - {name: secrets, mountPath: /run/secrets/eventgateway, readOnly: true}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
