#!/usr/bin/env bash
# Ends the fleet that up.sh started, and nothing else. Tasks in hand are finished first.
set -euo pipefail
cd "$(dirname "$0")/../.."
. deploy/dev/fleet.sh

# Seconds: the usual --shutdown-grace and what it takes to say goodbye.
PATIENCE=$((${FLOTILLA_SHUTDOWN_GRACE:-30} + 10))

end() { # role
    local pid deadline=$((SECONDS + PATIENCE))
    if pid=$(pid_of "$1"); then
        kill -TERM "$pid" 2>/dev/null || true
        while pid_of "$1" >/dev/null; do
            if [ "$SECONDS" -ge "$deadline" ]; then
                say "$1 does not end and is killed; its tasks will be repeated"
                kill -KILL "$pid" 2>/dev/null || true
            fi
            sleep 0.1
        done
        say "$1 has ended"
    fi
    rm -f "$STATE/$1.pid"
}

for role in "${WORKERS[@]}" dispatcher; do
    end "$role"
done
