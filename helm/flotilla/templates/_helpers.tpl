{{/* Names and labels. */}}
{{- define "flotilla.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "flotilla.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{/* Labels that pods of this release share and that never change. */}}
{{- define "flotilla.instance" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Labels of everything: (dict "root" $ "component" NAME). */}}
{{- define "flotilla.labels" -}}
{{ include "flotilla.instance" .root }}
app.kubernetes.io/component: {{ .component }}
app.kubernetes.io/version: {{ .root.Values.image.tag | default .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{/* Labels that select the pods of one component. */}}
{{- define "flotilla.selector" -}}
{{ include "flotilla.instance" .root }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* What a worker is told: its own values over those of all workers, as YAML. (dict "root" $ "worker" VALUES) */}}
{{- define "flotilla.worker" -}}
{{ mergeOverwrite (deepCopy .root.Values.workerDefaults) (deepCopy .worker) | toYaml }}
{{- end -}}

{{/* One variable out of the secret: (dict "root" $ "name" VARIABLE "key" KEY "optional" BOOL). */}}
{{- define "flotilla.secretVariable" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .root.Values.secrets.existingSecret }}
      key: {{ .key }}
      {{- if .optional }}
      optional: true
      {{- end }}
{{- end -}}

{{- define "flotilla.logEnvironment" -}}
- name: FLOTILLA_LOG
  value: {{ .Values.log.level | quote }}
- name: FLOTILLA_LOG_FORMAT
  value: {{ .Values.log.format | quote }}
{{- end -}}

{{/* Variables of every process that meets the others at broker, Redis and bucket. */}}
{{- define "flotilla.environment" -}}
{{- $keys := .Values.secrets.keys -}}
{{ include "flotilla.logEnvironment" . }}
{{ include "flotilla.secretVariable" (dict "root" . "name" "FLOTILLA_AMQP_URL" "key" $keys.amqpUrl) }}
{{ include "flotilla.secretVariable" (dict "root" . "name" "FLOTILLA_REDIS_URL" "key" $keys.redisUrl) }}
{{ include "flotilla.secretVariable" (dict "root" . "name" "AWS_ACCESS_KEY_ID" "key" $keys.s3AccessKey) }}
{{ include "flotilla.secretVariable" (dict "root" . "name" "AWS_SECRET_ACCESS_KEY" "key" $keys.s3SecretKey) }}
- name: AWS_REGION
  value: {{ .Values.objects.region | quote }}
- name: FLOTILLA_S3_BUCKET
  value: {{ .Values.objects.bucket | quote }}
{{- with .Values.objects.endpoint }}
- name: FLOTILLA_S3_ENDPOINT
  value: {{ . | quote }}
{{- end }}
- name: FLOTILLA_QUEUE_TYPE
  value: {{ .Values.broker.queueType | quote }}
- name: FLOTILLA_DELIVERY_LIMIT
  value: {{ .Values.broker.deliveryLimit | quote }}
{{- with .Values.broker.queuePrefix }}
- name: FLOTILLA_QUEUE_PREFIX
  value: {{ . | quote }}
{{- end }}
{{- if not .Values.broker.declareQueues }}
- name: FLOTILLA_NO_DECLARE
  value: "true"
{{- end }}
{{- end -}}

{{/* Variables of those that keep the books. */}}
{{- define "flotilla.ledgerEnvironment" -}}
{{ include "flotilla.secretVariable" (dict "root" . "name" "FLOTILLA_POSTGRES_URL" "key" .Values.secrets.keys.postgresUrl) }}
- name: FLOTILLA_POSTGRES_SCHEMA
  value: {{ .Values.ledger.schema | quote }}
- name: FLOTILLA_POSTGRES_CONNECTIONS
  value: {{ .Values.ledger.connections | quote }}
{{- end -}}

{{/* How scanned pages are read. */}}
{{- define "flotilla.ocrEnvironment" -}}
{{- with .Values.ocr -}}
- name: FLOTILLA_OCR
  value: {{ .when | quote }}
{{- with .languages }}
- name: FLOTILLA_OCR_LANGUAGES
  value: {{ join "," . | quote }}
{{- end }}
- name: FLOTILLA_OCR_DPI
  value: {{ .dpi | quote }}
- name: FLOTILLA_OCR_TIMEOUT
  value: {{ .timeoutSeconds | quote }}
{{- end }}
{{- end -}}

{{/* Variables of those that work on jobs. */}}
{{- define "flotilla.modelEnvironment" -}}
{{- with .Values.model }}
{{- if .url -}}
- name: FLOTILLA_MODEL_URL
  value: {{ .url | quote }}
- name: FLOTILLA_MODEL
  value: {{ required "model.name is needed with model.url" .name | quote }}
- name: FLOTILLA_MODEL_CONTEXT
  value: {{ .contextTokens | quote }}
- name: FLOTILLA_MODEL_TIMEOUT
  value: {{ .timeoutSeconds | quote }}
{{ include "flotilla.secretVariable" (dict "root" $ "name" "FLOTILLA_MODEL_KEY" "key" $.Values.secrets.keys.modelKey "optional" true) }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The container's fields that all processes share. Every process serves HTTP on port 8080; the dispatcher has port 9464 for
metrics, since the other one is for whoever has a key: (dict "root" $ "metrics" BOOL). */}}
{{- define "flotilla.container" -}}
image: {{ include "flotilla.image" .root }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext: {{- toYaml .root.Values.securityContext | nindent 2 }}
ports:
  - name: http
    containerPort: 8080
{{- if .metrics }}
  - name: metrics
    containerPort: 9464
{{- end }}
startupProbe:
  httpGet: { path: /livez, port: http }
  periodSeconds: 2
  failureThreshold: 30
livenessProbe:
  httpGet: { path: /livez, port: http }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: { path: /readyz, port: http }
  periodSeconds: 5
  timeoutSeconds: 6
volumeMounts:
  - name: tmp
    mountPath: /tmp
{{- end -}}

{{/* The pod's fields that all processes share: (dict "root" $ "component" NAME "values" VALUES). */}}
{{- define "flotilla.pod" -}}
automountServiceAccountToken: false
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.serviceAccountName }}
serviceAccountName: {{ . }}
{{- end }}
{{- with .root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
enableServiceLinks: false
securityContext: {{- toYaml .root.Values.podSecurityContext | nindent 2 }}
volumes:
  - name: tmp
    emptyDir:
      sizeLimit: {{ .values.tmpSize }}
{{- with .values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.topologySpreadConstraints }}
topologySpreadConstraints:
{{- range . }}
  {{- $selector := dict "labelSelector" (dict "matchLabels" (include "flotilla.selector" $ | fromYaml)) }}
  - {{- mergeOverwrite $selector (deepCopy .) | toYaml | nindent 4 }}
{{- end }}
{{- end }}
{{- end -}}
