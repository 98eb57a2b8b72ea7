#!/bin/sh
# Installs, upgrades or removes one release of the chart: `make helm_deploy`, `make helm_delete`.
# What a variable does not say is asked on the terminal; without a terminal it is an error. Every answer
# is checked before anything is touched; --dry-run, or DRY_RUN=1, then touches nothing.
set -eu

chart=$(dirname "$0")/m2s
helm=${HELM:-helm}
kubectl=${KUBECTL:-kubectl}
# The variables of Neu.ro's mlflow2seldon: m2s itself knows what they mean.
older_names='M2S_MLFLOW_HOST M2S_MLFLOW_STORAGE_ROOT M2S_SELDON_NEURO_DEF_IMAGE M2S_SRC_NEURO_CLUSTER
    M2S_MLFLOW_DEPLOY_IMG_TAG M2S_NEURO_REGISTRY_SECRET'

main() {
    have "$helm" HELM https://helm.sh/docs/intro/install/
    have "$kubectl" KUBECTL https://kubernetes.io/docs/tasks/tools/
    context=${HELM_KUBECONTEXT:-$("$kubectl" config current-context 2>/dev/null || true)}
    [ -n "$context" ] || fail "no cluster: set KUBECONFIG, or choose one with 'kubectl config use-context'"
    # Both programs must mean the same cluster.
    export HELM_KUBECONTEXT="$context"
    server=$("$kubectl" --context "$context" config view --minify -o 'jsonpath={.clusters[0].cluster.server}' \
        2>/dev/null || true)
    say "cluster: the context $context${server:+ at $server}"
    "$1"
}

deploy() {
    case ${M2S_MLFLOW_HOST:-} in
        '' | *://*) ;;
        *) M2S_MLFLOW_HOST=https://$M2S_MLFLOW_HOST ;;
    esac
    ask MLFLOW_TRACKING_URI 'MLflow URI (http://HOST:PORT)' "${M2S_MLFLOW_HOST:-}"
    ask M2S_STAGE 'stage to serve (Staging, Production)' ''
    ask M2S_NAMESPACE 'namespace to serve it in' "${M2S_SELDON_DEPLOYMENT_NS:-}"
    ask M2S_IMAGE 'image of m2s (REGISTRY/NAME:TAG)' ''
    offer M2S_MODEL_URI_MAP 'prefix of model URIs to replace (mlflow-artifacts:/=s3://bucket/path)'
    offer M2S_ENV_FROM_SECRET 'Secret with MLflow credentials'
    release
    set -- --set-literal "mlflow.MLFLOW_TRACKING_URI=$MLFLOW_TRACKING_URI" \
        --set-literal "mlflow.stage=$M2S_STAGE" --set-literal "mlflow.namespace=$M2S_NAMESPACE" \
        --set-literal "envFromSecret=$M2S_ENV_FROM_SECRET"
    image
    set -- "$@" --set-literal "image.repository=$repository" --set-literal "image.$pin=$value"
    workspace=${M2S_WORKSPACE:-${MLFLOW_WORKSPACE:-}}
    [ -z "$workspace" ] || set -- "$@" --set-literal "mlflow.workspace=$workspace"
    if [ -n "$M2S_MODEL_URI_MAP" ]; then
        case $M2S_MODEL_URI_MAP in
            *=*=*)
                from=$(printf '%s\n' "$M2S_MODEL_URI_MAP" | sed -n 's/=[a-zA-Z][a-zA-Z0-9_+.-]*:.*//p')
                case ${M2S_MODEL_URI_MAP#"$from"=} in
                    *=[a-zA-Z]*:*) from= ;;
                esac
                ;;
            ?*=?*) from=${M2S_MODEL_URI_MAP%%=*} ;;
            *) from= ;;
        esac
        [ -n "$from" ] || fail "M2S_MODEL_URI_MAP wants FROM=TO, not $M2S_MODEL_URI_MAP"
        set -- "$@" --set-json "modelUriMap={\"$from\":\"${M2S_MODEL_URI_MAP#"$from"=}\"}"
    fi
    older=
    for name in $older_names; do
        eval "value=\${$name:-}"
        [ -z "$value" ] || older="$older,{\"name\":\"$name\",\"value\":\"$value\"}"
    done
    [ -z "$older" ] || set -- "$@" --set-json "extraEnv=[${older#,}]"
    # HELM_ARGS is several words: -f my-values.yaml --set policy=upsert-only
    # shellcheck disable=SC2086
    set -- upgrade --install "$M2S_RELEASE" "$chart" --namespace "$M2S_RELEASE_NAMESPACE" "$@" \
        ${HELM_ARGS:-}
    # Helm checks the values against the chart's schema, and renders; nothing is written.
    "$helm" "$@" --dry-run >/dev/null
    confirm "install or upgrade $M2S_RELEASE in the namespace $M2S_RELEASE_NAMESPACE, serving $M2S_STAGE in $M2S_NAMESPACE"
    make_namespace "$M2S_NAMESPACE"
    make_namespace "$M2S_RELEASE_NAMESPACE"
    "$helm" "$@"
}

delete() {
    [ -n "${M2S_RELEASE:-}" ] || ask M2S_STAGE 'stage of the release' ''
    offer M2S_DELETE_NAMESPACE 'namespace to delete with all that is in it (nothing deletes none)'
    release
    confirm "remove $M2S_RELEASE from the namespace $M2S_RELEASE_NAMESPACE${M2S_DELETE_NAMESPACE:+ and the namespace $M2S_DELETE_NAMESPACE}"
    "$helm" uninstall "$M2S_RELEASE" --namespace "$M2S_RELEASE_NAMESPACE"
    if [ -n "$M2S_DELETE_NAMESPACE" ]; then
        "$kubectl" --context "$context" delete namespace "$M2S_DELETE_NAMESPACE" --wait=false
    else
        say "what m2s deployed keeps serving; 'm2s prune --all --stage STAGE -n NAMESPACE' removes it"
    fi
}

# Where m2s itself runs, and as what: one release per stage.
release() {
    stage=$(printf %s "${M2S_STAGE:-}" | tr '[:upper:]' '[:lower:]')
    M2S_RELEASE=${M2S_RELEASE:-m2s-$stage}
    M2S_RELEASE_NAMESPACE=${M2S_RELEASE_NAMESPACE:-m2s}
}

# A port's colon has a "/" after it, a tag's has none.
image() {
    case $M2S_IMAGE in
        *@*) pin=digest; value=${M2S_IMAGE#*@}; repository=${M2S_IMAGE%%@*} ;;
        *) pin=tag; value=${M2S_IMAGE##*/}; repository=$M2S_IMAGE
            case $value in
                *:*) value=${value#*:}; repository=${M2S_IMAGE%:*} ;;
                *) value= ;;
            esac ;;
    esac
}

# confirm WHAT: asks on a terminal, unless M2S_YES is set; ends here in a dry run.
confirm() {
    if [ -n "${DRY_RUN:-}" ]; then
        say "would $1; nothing was changed"
        exit 0
    fi
    [ -z "${M2S_YES:-}" ] && [ -t 0 ] || return 0
    printf '%s, cluster %s? [y/N]: ' "$1" "$context" >&2
    IFS= read -r answer || true
    case $answer in
        [yY]*) ;;
        *) say 'nothing was changed'; exit 1 ;;
    esac
}

make_namespace() {
    "$kubectl" --context "$context" get namespace "$1" >/dev/null 2>&1 \
        || "$kubectl" --context "$context" create namespace "$1"
}

# ask NAME QUESTION FALLBACK: sets NAME from itself, else the fallback, else the terminal.
ask() {
    offer "$1" "$2" "$3"
    eval "answer=\$$1"
    [ -n "$answer" ] || fail "$1 is not set: what is the $2? Run with $1=…"
}

# offer NAME QUESTION [FALLBACK]: the same for what may stay empty.
offer() {
    eval "answer=\${$1:-\${3:-}}"
    eval "given=\${$1+yes}"
    if [ -z "$answer" ] && [ -z "$given" ] && [ -t 0 ]; then
        printf '%s: ' "$2" >&2
        IFS= read -r answer || true
    fi
    eval "$1=\$answer"
}

have() {
    command -v "$1" >/dev/null 2>&1 || fail "$1 is not on PATH: see $3, or set $2 to the program"
}

say() { printf '%s\n' "$1" >&2; }

fail() {
    say "Error: $1"
    exit 64
}

[ "${2:-}" != --dry-run ] || DRY_RUN=1
case ${1:-} in
    deploy | delete) main "$1" ;;
    *) fail "usage: $0 deploy|delete [--dry-run]" ;;
esac
