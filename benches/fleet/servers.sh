#!/usr/bin/env bash
# Servers of the benchmark's own, on ports of their own, with the defaults of their packages: nobody else's work is
# counted as ours, and nothing of theirs is touched.
#
#   servers.sh start FOLDER    starts them and prints the variables that name them
#   servers.sh stop FOLDER     ends them and deletes what they stored
#
# Needs the programs that `make setup` installs, and root: Postgres refuses to run as root and is started as its user.
set -euo pipefail

HOST=127.0.0.1
AMQP_PORT=${BENCH_AMQP_PORT:-35672}
POSTGRES_PORT=${BENCH_POSTGRES_PORT:-35432}
REDIS_PORT=${BENCH_REDIS_PORT:-36379}
# Seconds. RabbitMQ needs the longest.
PATIENCE=90

say() { echo "servers: $*" >&2; }

fail() {
    say "$*"
    exit 1
}

answers() { timeout 2 bash -c "exec 3<>/dev/tcp/$HOST/$1" 2>/dev/null; }

wait_for() { # name, then the command that succeeds when it is there
    local name=$1 deadline=$((SECONDS + PATIENCE))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$deadline" ] || fail "$name did not answer within $PATIENCE s; its log is in $folder"
        sleep 0.2
    done
}

postgres_program() { # the newest that is installed
    local found
    found=$(command -v "$1" || ls -1 /usr/lib/postgresql/*/bin/"$1" 2>/dev/null | sort -V | tail -1)
    [ -n "$found" ] || fail "$1 is missing; run make setup"
    echo "$found"
}

as_postgres() { (cd / && runuser -u postgres -- "$@"); }

rabbitmq_environment() {
    export HOME=$folder/rabbitmq RABBITMQ_NODENAME=flotilla_bench@localhost RABBITMQ_NODE_IP_ADDRESS=$HOST
    export RABBITMQ_NODE_PORT=$AMQP_PORT RABBITMQ_DIST_PORT=$((AMQP_PORT + 20000 > 65000 ? AMQP_PORT - 1000 : AMQP_PORT + 20000))
    export RABBITMQ_MNESIA_BASE=$folder/rabbitmq/data RABBITMQ_LOG_BASE=$folder/rabbitmq/log
    export RABBITMQ_PID_FILE=$folder/rabbitmq/pid RABBITMQ_CONFIG_FILE=$folder/rabbitmq/rabbitmq
    export RABBITMQ_ENABLED_PLUGINS_FILE=$folder/rabbitmq/plugins ERL_EPMD_ADDRESS=$HOST
}

start_rabbitmq() {
    answers "$AMQP_PORT" && fail "something else listens on port $AMQP_PORT; set BENCH_AMQP_PORT"
    mkdir -p "$folder/rabbitmq"
    echo "[]." >"$folder/rabbitmq/plugins"
    rabbitmq_environment
    # The packaged wrapper changes to the user of the shared server; the program behind it does not.
    local program
    program=$(ls -1d /usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server 2>/dev/null | sort -V | tail -1)
    "${program:-rabbitmq-server}" >"$folder/rabbitmq/start.log" 2>&1 &
    echo $! >"$folder/rabbitmq.pid"
}

start_postgres() {
    answers "$POSTGRES_PORT" && fail "something else listens on port $POSTGRES_PORT; set BENCH_POSTGRES_PORT"
    mkdir -p "$folder/postgres"
    chown postgres: "$folder/postgres"
    as_postgres "$(postgres_program initdb)" --pgdata "$folder/postgres/data" --username flotilla --auth trust \
        --encoding UTF8 --locale C.UTF-8 >"$folder/postgres.init.log" 2>&1 || fail "initdb failed: $folder/postgres.init.log"
    as_postgres "$(postgres_program pg_ctl)" --pgdata "$folder/postgres/data" --log "$folder/postgres/log" --wait start --options \
        "-p $POSTGRES_PORT -c listen_addresses=$HOST -c unix_socket_directories='' -c shared_preload_libraries=pg_stat_statements" \
        >"$folder/postgres.start.log" 2>&1 || fail "Postgres did not start: $folder/postgres/log"
    psql --no-psqlrc --quiet "postgres://flotilla@$HOST:$POSTGRES_PORT/postgres" --command "CREATE DATABASE bench" >&2
    psql --no-psqlrc --quiet "postgres://flotilla@$HOST:$POSTGRES_PORT/bench" --command "CREATE EXTENSION pg_stat_statements" >&2
}

start_redis() {
    answers "$REDIS_PORT" && fail "something else listens on port $REDIS_PORT; set BENCH_REDIS_PORT"
    redis-server --bind $HOST --port "$REDIS_PORT" --save "" --appendonly no --dir "$folder" >"$folder/redis.log" 2>&1 &
    echo $! >"$folder/redis.pid"
}

start() {
    [ "$(id -u)" = 0 ] || fail "only root can start servers of their own; name others in FLOTILLA_TEST_AMQP, _POSTGRES and _REDIS"
    mkdir -p "$folder"
    # Postgres' user has to get through to its part.
    chmod 755 "$folder"
    start_rabbitmq
    start_redis
    (unset HOME; start_postgres)
    wait_for Redis answers "$REDIS_PORT"
    wait_for RabbitMQ answers "$AMQP_PORT"
    echo "FLOTILLA_TEST_AMQP=amqp://guest:guest@$HOST:$AMQP_PORT/%2f"
    echo "FLOTILLA_TEST_POSTGRES=postgres://flotilla:flotilla@$HOST:$POSTGRES_PORT/bench"
    echo "FLOTILLA_TEST_REDIS=redis://$HOST:$REDIS_PORT"
}

ended() { ! kill -0 "$1" 2>/dev/null; }

stop() {
    [ ! -f "$folder/postgres/data/postmaster.pid" ] ||
        as_postgres "$(postgres_program pg_ctl)" --pgdata "$folder/postgres/data" --mode fast --wait stop >/dev/null || true
    local server pid
    for server in redis rabbitmq; do
        [ -f "$folder/$server.pid" ] || continue
        pid=$(cat "$folder/$server.pid")
        # RabbitMQ is a shell and the virtual machine below it.
        pkill -TERM -P "$pid" 2>/dev/null || true
        kill -TERM "$pid" 2>/dev/null || true
        wait_for "the end of $server" ended "$pid"
    done
    rm -rf "$folder"
}

[ $# = 2 ] || fail "usage: servers.sh start|stop FOLDER"
folder=$2
case $1 in
    start) start ;;
    stop) stop ;;
    *) fail "usage: servers.sh start|stop FOLDER" ;;
esac
