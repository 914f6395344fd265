#!/usr/bin/env bash
# Brings a whole fleet up on this machine, without containers: a dispatcher and one worker of each kind, over RabbitMQ,
# Postgres and Redis as `make setup` provides them. What runs already is left alone. `down.sh` ends it.
#
# up.sh [FOLDER]  where the programs are; target/release unless given.
# Pids, logs and documents are under .flotilla/fleet. Every FLOTILLA_… variable of docs/operations.md is passed on.
set -euo pipefail
cd "$(dirname "$0")/../.."
. deploy/dev/fleet.sh

PROGRAMS=${1:-${CARGO_TARGET_DIR:-target}/release}
# Seconds until a process has to be ready.
PATIENCE=60
# Workers show metrics and readiness on this port and those after it.
FIRST_PORT=${FLOTILLA_DEV_METRICS_PORT:-9101}
LISTEN=${FLOTILLA_LISTEN:-127.0.0.1:8080}
SERVER=postgres://flotilla:flotilla@127.0.0.1:5432

export FLOTILLA_QUEUE_PREFIX=${FLOTILLA_QUEUE_PREFIX-dev.}
[ -n "${FLOTILLA_OBJECTS_DIR:-}" ] || [ -n "${FLOTILLA_S3_ENDPOINT:-}" ] || export FLOTILLA_OBJECTS_DIR=$PWD/$STATE/objects
# Each of these addresses is for one process alone.
unset FLOTILLA_LISTEN FLOTILLA_METRICS_ADDR

# A key that is made once and kept with the fleet's state.
kept_key() { # its name
    [ -s "$STATE/$1" ] || (umask 077 && od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$STATE/$1")
    cat "$STATE/$1"
}

fail() {
    say "$*"
    exit 1
}

make_database() {
    [ -z "${FLOTILLA_POSTGRES_URL:-}" ] || return 0
    export FLOTILLA_POSTGRES_URL=$SERVER/flotilla
    psql "$FLOTILLA_POSTGRES_URL" --no-psqlrc --quiet --command "SELECT 1" >/dev/null 2>&1 && return
    psql "$SERVER/flotilla_test" --no-psqlrc --quiet --command "CREATE DATABASE flotilla" ||
        fail "there is no database flotilla and it cannot be made; run \`make setup\`, or set FLOTILLA_POSTGRES_URL"
}

start() { # role, then its arguments
    local role=$1
    shift
    pid_of "$role" >/dev/null && return
    # A process group of its own: Ctrl-C here is not meant for it.
    set -m
    nohup "$PROGRAMS/$role" "$@" </dev/null >>"$STATE/$role.log" 2>&1 &
    echo $! >"$STATE/$role.pid"
    set +m
    disown
}

wait_for() { # role, its address
    local deadline=$((SECONDS + PATIENCE))
    until curl --silent --fail --max-time 2 --output /dev/null "http://$2/readyz"; do
        pid_of "$1" >/dev/null || { tail -n 5 "$STATE/$1.log" >&2; fail "$1 has ended; see $STATE/$1.log"; }
        [ "$SECONDS" -lt "$deadline" ] ||
            { curl --silent --max-time 2 "http://$2/readyz" >&2; fail "$1 is not ready after $PATIENCE s; see $STATE/$1.log"; }
        sleep 0.1
    done
}

for role in dispatcher "${WORKERS[@]}"; do
    [ -x "$PROGRAMS/$role" ] || fail "$PROGRAMS/$role is missing; \`make up\` builds it"
done
mkdir -p "$STATE"
# What workers show to the dispatcher when they ask for secrets, and what those are encrypted under.
export FLOTILLA_FLEET_KEY=${FLOTILLA_FLEET_KEY:-$(kept_key fleet.key)}
export FLOTILLA_MASTER_KEY=${FLOTILLA_MASTER_KEY:-$(kept_key master.key)}
export FLOTILLA_DISPATCHER_URL=${FLOTILLA_DISPATCHER_URL:-http://$LISTEN}
make_database
"$PROGRAMS/dispatcher" migrate
# On this machine alone, so nobody has to show a key.
start dispatcher --auth off --listen "$LISTEN"
port=$FIRST_PORT
for role in "${WORKERS[@]}"; do
    start "$role" --metrics-addr "127.0.0.1:$port"
    port=$((port + 1))
done
wait_for dispatcher "$LISTEN"
port=$FIRST_PORT
for role in "${WORKERS[@]}"; do
    wait_for "$role" "127.0.0.1:$port"
    port=$((port + 1))
done

cat <<MESSAGE
The fleet is up: http://$LISTEN (logs in $STATE, \`make down\` ends it). Try:
  curl -F file=@examples/invoice.pdf http://$LISTEN/api/v1/runs
  curl http://$LISTEN/api/v1/runs
MESSAGE
