#!/usr/bin/env bash
# Sees to it that RabbitMQ, Postgres and Redis run on this machine, for the tests. What answers is left as it is; what
# does not is installed and started, as root on Debian or Ubuntu, with systemd or without.
#
# FLOTILLA_TEST_AMQP, FLOTILLA_TEST_POSTGRES and FLOTILLA_TEST_REDIS name servers elsewhere; those are not looked at.
set -euo pipefail

HOST=127.0.0.1
AMQP=amqp://guest:guest@$HOST:5672/%2f
POSTGRES=postgres://flotilla:flotilla@$HOST:5432/flotilla_test
REDIS=redis://$HOST:6379
# Seconds. RabbitMQ needs the longest, on a busy machine above all.
PATIENCE=90

log=$(mktemp)
trap 'rm -f "$log"' EXIT

say() {
    echo "services: $*" >&2
}

fail() {
    [ ! -s "$log" ] || cat "$log" >&2
    say "$*"
    exit 1
}

answers() {
    timeout 2 bash -c "exec 3<>/dev/tcp/$HOST/$1" 2>/dev/null
}

wait_for() { # name, then the command that succeeds when it is there
    local name=$1 deadline=$((SECONDS + PATIENCE))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || fail "$name did not answer within $PATIENCE s"
        sleep 0.2
    done
}

# Who is not root can do neither.
need_root() { # name, port, package, variable
    [ "$(id -u)" = 0 ] || fail "$1 does not answer on port $2. Start one (sudo apt-get install $3), or set $4 to the URL of" \
        "one elsewhere; without root this script can do neither"
}

updated=
install() { # package, a program of it
    ! command -v "$2" >/dev/null || return 0
    command -v apt-get >/dev/null || fail "$1 is missing and there is no apt-get; install it, then run this again"
    say "installing $1"
    export DEBIAN_FRONTEND=noninteractive
    [ -n "$updated" ] || apt-get update >"$log" 2>&1 || fail "apt-get could not fetch its lists"
    updated=yes
    apt-get install -y --no-install-recommends "$1" >"$log" 2>&1 || fail "apt-get could not install $1"
}

start() { # service, then the command that starts it where there is no systemd
    local service=$1
    shift
    say "starting $service"
    if [ -d /run/systemd/system ]; then
        systemctl start "$service" >"$log" 2>&1 || fail "systemd could not start $service"
    else
        "$@" >"$log" 2>&1 || fail "could not start $service"
    fi
}

start_rabbitmq() {
    # On this machine only, by a name that every machine has.
    HOME=/var/lib/rabbitmq RABBITMQ_NODENAME=rabbit@localhost RABBITMQ_NODE_IP_ADDRESS=$HOST ERL_EPMD_ADDRESS=$HOST \
        rabbitmq-server -detached
}

start_postgres() {
    local version name
    read -r version name < <(pg_lsclusters --no-header | awk '$3 == 5432 { print $1, $2 }') ||
        { echo "there is no cluster on port 5432"; return 1; }
    pg_ctlcluster --skip-systemctl-redirect "$version" "$name" start
}

start_redis() {
    # What tests leave there is worth nothing after a restart.
    runuser -u redis -- redis-server --daemonize yes --bind $HOST --port 6379 --save "" --appendonly no --dir /var/lib/redis
}

ensure() { # name, port, package, a program of it, variable, service, the command that starts it
    answers "$2" && return
    need_root "$1" "$2" "$3" "$5"
    install "$3" "$4"
    # The package may have started it.
    answers "$2" || start "$6" "$7"
    wait_for "$1" answers "$2"
}

database_works() {
    command -v psql >/dev/null && psql "$POSTGRES" --no-psqlrc --quiet --command "SELECT 1" >"$log" 2>&1
}

as_postgres() {
    (cd / && runuser -u postgres -- psql --no-psqlrc --quiet --tuples-only --set ON_ERROR_STOP=1 "$@")
}

accepts_superuser() {
    as_postgres --command "SELECT 1" >"$log" 2>&1
}

make_database() {
    database_works && return
    local advice="set FLOTILLA_TEST_POSTGRES to a database whose user may create databases"
    [ "$(id -u)" = 0 ] && id postgres >/dev/null 2>&1 || fail "Postgres has no $POSTGRES and only root can make it; $advice"
    wait_for "Postgres" accepts_superuser
    # As often as one likes: what is there stays.
    as_postgres >"$log" 2>&1 <<'SQL' || fail "could not make $POSTGRES; $advice"
SELECT 'CREATE ROLE flotilla' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'flotilla') \gexec
ALTER ROLE flotilla LOGIN CREATEDB PASSWORD 'flotilla';
SELECT 'CREATE DATABASE flotilla_test OWNER flotilla' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'flotilla_test') \gexec
SQL
    database_works || fail "Postgres does not let the user flotilla in; $advice"
}

if [ -z "${FLOTILLA_TEST_AMQP:-}" ]; then
    ensure RabbitMQ 5672 rabbitmq-server rabbitmq-server FLOTILLA_TEST_AMQP rabbitmq-server start_rabbitmq
fi
if [ -z "${FLOTILLA_TEST_POSTGRES:-}" ]; then
    ensure Postgres 5432 postgresql pg_ctlcluster FLOTILLA_TEST_POSTGRES postgresql start_postgres
    make_database
fi
if [ -z "${FLOTILLA_TEST_REDIS:-}" ]; then
    ensure Redis 6379 redis-server redis-server FLOTILLA_TEST_REDIS redis-server start_redis
fi
# Tests of outages start and kill servers of their own.
if ! command -v redis-server >/dev/null; then
    [ "$(id -u)" = 0 ] || fail "tests start Redis servers of their own; install one: sudo apt-get install redis-server"
    install redis-server redis-server
fi

say "RabbitMQ at ${FLOTILLA_TEST_AMQP:-$AMQP}"
say "Postgres at ${FLOTILLA_TEST_POSTGRES:-$POSTGRES}"
say "Redis    at ${FLOTILLA_TEST_REDIS:-$REDIS}"
