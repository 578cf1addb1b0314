{{- define "voorveld.labels" -}}
app.kubernetes.io/name: voorveld
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "voorveld.selector" -}}
app.kubernetes.io/name: voorveld
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role }}
{{- end }}

{{- define "voorveld.image" -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end }}

{{/* The settings of one role as TOML: what goes for all, then what is its own. */}}
{{- define "voorveld.settings" -}}
{{- if not .root.Values.municipalities }}{{ fail "municipalities: name the CBS codes that are served" }}{{ end -}}
{{- $own := dict
  "municipalities" .root.Values.municipalities
  "grace" (printf "%ds" (int .root.Values.graceSeconds))
  "postgres" (dict "url_file" "/run/secrets/postgres-url")
  "admin" (dict "listen" (printf "0.0.0.0:%d" (int .root.Values.adminPort)))
-}}
{{- if .root.Values.policyConfigMap }}{{ $_ := set $own "policy_dir" "/etc/voorveld/policy" }}{{ end -}}
{{- if .spec.port }}{{ $_ := set $own .role (dict "listen" (printf "0.0.0.0:%d" (int .spec.port))) }}{{ end -}}
{{- $all := mergeOverwrite (deepCopy .root.Values.settings) $own (deepCopy (default dict .spec.settings)) -}}
{{/* Helm reads every number as a float and writes it as one; ours are whole. */}}
{{- regexReplaceAll "(?m)= ([0-9]+)\\.0$" (toToml $all) "= ${1}" -}}
{{- end }}

{{/* Files under /run/secrets: only those in the list. */}}
{{- define "voorveld.secrets" -}}
- name: secrets
  projected:
    defaultMode: 0400
    sources:
      {{- range . }}
      - secret:
          name: {{ .secret }}
          items:
            - key: {{ .key }}
              path: {{ .file }}
      {{- end }}
{{- end }}
