{{/* The chart's name, or what overrides it. */}}
{{- define "m2s.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* What the release's objects are called: the release, with the chart's name in it. */}}
{{- define "m2s.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | replace "." "-" | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | replace "." "-" | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* The name of the ConfigMap with the templates. */}}
{{- define "m2s.templatesName" -}}
{{- include "m2s.fullname" . | trunc 53 | trimSuffix "-" }}-templates
{{- end }}

{{/* The Role's name. Releases of one name in two namespaces may serve the same model namespace. */}}
{{- define "m2s.roleName" -}}
{{- printf "%s.%s" (include "m2s.fullname" .) .Release.Namespace }}
{{- end }}

{{/* The serving platforms that are given, as JSON: mlserver, of older charts, stands for the first one. */}}
{{- define "m2s.given" -}}
{{- $named := get (dict "seldon" "seldon" "seldon-core" "seldon" "kserve" "kserve") .Values.mlserver }}
{{- $listed := .Values.platforms }}
{{- if and $named (eq ($listed | toJson) (list "seldon" | toJson)) }}{{ $listed = list }}{{ end }}
{{- prepend $listed $named | compact | uniq | toJson }}
{{- end }}

{{/* The serving platforms in use, with spaces between: those that the Role is for. */}}
{{- define "m2s.platforms" -}}
{{- append (include "m2s.given" . | fromJsonArray) .Values.config.platform | compact | uniq | join " " }}
{{- end }}

{{- define "m2s.selectorLabels" -}}
app.kubernetes.io/name: {{ include "m2s.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "m2s.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "m2s.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "m2s.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "m2s.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "m2s.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{/* What is served: "stage Staging", "alias champion"; a split is the work of its first alias. */}}
{{- define "m2s.selector" -}}
{{- $alias := .Values.alias | default (splitList "=" .Values.split | first | trim) }}
{{- if $alias }}alias {{ $alias }}{{ else }}stage {{ .Values.mlflow.stage }}{{ end }}
{{- end }}

{{/*
The Lease's name. It comes from what is served, not from the release: two releases that serve the
same into one namespace exclude each other.
*/}}
{{- define "m2s.leaseName" -}}
{{- if .Values.leaderElection.leaseName }}
{{- .Values.leaderElection.leaseName }}
{{- else }}
{{- $served := .Values.config.owner | default (include "m2s.selector" .) }}
{{- $label := regexReplaceAll "[^a-z0-9]+" (lower $served) "-" | trunc 40 | trimAll "-" }}
{{- $whole := append (sortAlpha .Values.models) $served | toJson | sha256sum | trunc 8 }}
{{- $plain := and (not .Values.models) (eq $label ($served | lower | replace " " "-")) }}
{{- $plain | ternary (printf "m2s-%s" $label) (printf "m2s-%s-%s" $label $whole) }}
{{- end }}
{{- end }}

{{/* The port of the tracking URI, for the network policy. */}}
{{- define "m2s.registryPort" -}}
{{- include "m2s.validate" . }}
{{- $uri := urlParse .Values.mlflow.MLFLOW_TRACKING_URI }}
{{- $port := regexFind ":[0-9]+$" $uri.host | trimPrefix ":" }}
{{- default (eq $uri.scheme "http" | ternary "80" "443") $port }}
{{- end }}

{{/* m2s.yaml. A key of `config` never has a value of its own here: the schema sees to that. */}}
{{- define "m2s.config" -}}
{{- $policy := .Values.policy }}
{{- if kindIs "map" $policy }}{{ $policy = merge (dict) $policy (dict "deletions" "sync") }}{{ end }}
{{- $own := dict
  "namespace" .Values.mlflow.namespace
  "interval" .Values.interval
  "policy" $policy
  "prune-after" (int .Values.pruneAfter)
  "max-delete" .Values.maxDelete
  "ignore" .Values.ignore
  "log-format" .Values.logFormat
  "preflight" .Values.preflight
  "listen" (printf ":%d" (int .Values.service.port))
  "leader-elect" .Values.leaderElection.enabled
}}
{{- if .Values.alias }}
{{- $_ := set $own "alias" (list .Values.alias) }}
{{- else if .Values.split }}
{{- $_ := set $own "split" .Values.split }}
{{- else }}
{{- $_ := set $own "stage" (list .Values.mlflow.stage) }}
{{- end }}
{{- with .Values.mlflow.workspace }}{{ $_ := set $own "workspace" . }}{{ end }}
{{- with .Values.models }}{{ $_ := set $own "model" . }}{{ end }}
{{- $platforms := include "m2s.given" . | fromJsonArray }}
{{- $first := first $platforms }}
{{- if or .Values.config.platform (gt (len $platforms) 1) }}
{{- $_ := set $own "platforms" $platforms }}
{{- end }}
{{- if and (ne $first "seldon") (not .Values.config.platform) }}
{{- $_ := set $own "platform" $first }}
{{- if not (get .Values.config "deploy-file") }}
{{- $images := or (get .Values.config "default-image") (get .Values.config "image-tag") }}
{{- $_ := set $own "deploy-file" ($images | empty | ternary "required" "optional") }}
{{- end }}
{{- end }}
{{- if .Values.templates }}{{ $_ := set $own "templates" "/etc/m2s-templates" }}{{ end }}
{{- with .Values.modelUriMap }}{{ $_ := set $own "model-uri-map" . }}{{ end }}
{{- if .Values.leaderElection.enabled }}
{{- $_ := set $own "lease-name" (include "m2s.leaseName" .) }}
{{- end }}
{{- if .Values.webhook.secretName }}
{{- $_ := set $own "webhook-secret-file" "/etc/m2s-webhook/secret" }}
{{- end }}
{{- with .Values.notify.webhooks }}{{ $_ := set $own "notify" . }}{{ end }}
{{- merge $own .Values.config | toYaml }}
{{- end }}

{{/* What no schema can say: one line each. */}}
{{- define "m2s.validate" -}}
{{- $uri := .Values.mlflow.MLFLOW_TRACKING_URI }}
{{- if contains "@" $uri }}
{{- fail "mlflow.MLFLOW_TRACKING_URI has a user or password in it: put MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD into a Secret and name it in envFromSecret" }}
{{- end }}
{{- if and $uri (not (regexMatch "^[a-z][a-z0-9+.-]*://[^\\s?#]+$" $uri)) }}
{{- fail "mlflow.MLFLOW_TRACKING_URI is no address of a registry: http://HOST:PORT is what m2s wants" }}
{{- end }}
{{- if not (or $uri .Values.envFromSecret) }}
{{- fail "mlflow.MLFLOW_TRACKING_URI is empty: set it, or name a Secret that has MLFLOW_TRACKING_URI in envFromSecret" }}
{{- end }}
{{- if and .Values.templates .Values.config.templates }}
{{- fail "templates and config.templates are both set: a release has one folder of templates" }}
{{- end }}
{{- $given := list }}
{{- with .Values.alias }}{{ $given = append $given (printf "alias (%s)" .) }}{{ end }}
{{- with .Values.split }}{{ $given = append $given (printf "split (%s)" .) }}{{ end }}
{{- with .Values.mlflow.stage }}{{ $given = append $given (printf "mlflow.stage (%s)" .) }}{{ end }}
{{- if gt (len $given) 1 }}
{{- fail (printf "%s are set, and a release serves one of them: set the others to \"\"" (join " and " $given)) }}
{{- end }}
{{- if not $given }}
{{- fail "mlflow.stage, alias and split are all empty: set the one that is to be served" }}
{{- end }}
{{- if and (gt (int .Values.replicaCount) 1) (not .Values.leaderElection.enabled) }}
{{- fail (printf "replicaCount is %d without leaderElection.enabled: two would write at once" (int .Values.replicaCount)) }}
{{- end }}
{{- end }}
