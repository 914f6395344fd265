#!/usr/bin/env bash
# Checks everything that deploys the fleet: docker-compose.yaml, deploy/ and helm/. Runs all checks and fails when one did.
#
# run.sh [ROOT] checks another copy of the repository with the tools of this one.
set -euo pipefail
tools=$(cd "$(dirname "$0")/../.." && pwd)/.tools/deploy
cd "${1:-$(dirname "$0")/../..}"
export PATH="$tools/bin:$PATH" PYTHONPATH="$tools/python" PYTHONDONTWRITEBYTECODE=1

CHART=helm/flotilla
# The oldest that the chart allows and the newest whose schemas we have.
KUBERNETES="1.27 1.37"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

check() { # what is claimed, then the command that proves it
    local claim=$1
    shift
    if "$@" >"$work/log" 2>&1; then
        echo "ok      $claim"
    else
        echo "FAILED  $claim"
        sed 's/^/        /' "$work/log"
        failures=$((failures + 1))
    fi
}

compose() {
    # What the caller has in its environment must not decide.
    env -i PATH="$PATH" docker-compose --project-directory . --file docker-compose.yaml "$@"
}

compose_is_valid() {
    compose --env-file deploy/env/fleet.env.example config --format json >"$work/compose.json"
}

compose_asks_for_passwords() {
    local answer
    answer=$(compose --env-file /dev/null config --quiet 2>&1) && return 1
    grep -q 'deploy/env/fleet.env.example' <<<"$answer"
}

render() { # name, then options of helm
    local name=$1
    shift
    helm lint "$CHART" --strict --quiet "$@" &&
        helm template fleet "$CHART" --namespace documents "$@" >"$work/$name.yaml"
}

kubernetes_takes() {
    local version answer=0
    for version in $KUBERNETES; do
        python3 -m kubernetes_validate --strict --kubernetes-version "$version" "$1" >"$work/validated" 2>&1 || answer=1
        # Kinds that only operators bring have no schema here. Any other without one is a mistake.
        grep -v '^INFO' "$work/validated" | grep -Ev 'kind (PodMonitor|ScaledObject|TriggerAuthentication) ' && answer=1
    done
    return "$answer"
}

chart_refuses() { # options of helm that are nonsense
    ! helm template fleet "$CHART" "$@"
}

dashboard_is_understood() {
    python3 deploy/check/dashboard.py deploy/grafana/dashboards/flotilla.json >"$work/dashboard.yml" &&
        promtool check rules "$work/dashboard.yml"
}

scripts_parse() {
    local script
    for script in deploy/*.sh deploy/check/*.sh; do
        bash -n "$script" || return 1
    done
}

check "Compose takes docker-compose.yaml" compose_is_valid
check "Compose says what to do when passwords are missing" compose_asks_for_passwords
check "hadolint has nothing against the Dockerfile" hadolint deploy/Dockerfile
check "scripts parse" scripts_parse
for values in default production everything; do
    case $values in
    default) options=() ;;
    production) options=(--values "$CHART/values-production.yaml") ;;
    everything) options=(--values deploy/check/values-everything.yaml) ;;
    esac
    check "helm lints and renders the chart with $values values" render "$values" "${options[@]}"
    check "Kubernetes takes the chart with $values values" kubernetes_takes "$work/$values.yaml"
done
check "the chart refuses a worker without concurrency" chart_refuses --set workers.default.concurrency=0
check "the chart refuses a value that it does not know" chart_refuses --set dispatcher.replica=3
check "the chart refuses a model server without a model" chart_refuses --set model.url=http://models.internal/v1
check "Prometheus takes its configuration and rules" promtool check config deploy/prometheus/prometheus.yml
check "alerts fire when they should and only then" promtool test rules deploy/prometheus/rules.test.yml
check "Prometheus understands the dashboard's queries" dashboard_is_understood
check "what is deployed fits the code" python3 deploy/check/fits.py "$work"

if [ "$failures" -gt 0 ]; then
    echo "$failures checks failed"
    exit 1
fi
