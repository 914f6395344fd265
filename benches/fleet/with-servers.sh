#!/usr/bin/env bash
# Runs a program with servers of its own (servers.sh), and ends them whatever happens:
#
#   with-servers.sh PROGRAM ARGUMENT...
#
# Where FLOTILLA_TEST_AMQP, FLOTILLA_TEST_POSTGRES and FLOTILLA_TEST_REDIS name servers, those are used instead.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

if [ -z "${FLOTILLA_TEST_AMQP:-}${FLOTILLA_TEST_POSTGRES:-}${FLOTILLA_TEST_REDIS:-}" ]; then
    # Not beside the build: Postgres' user has to get through to it.
    folder=$(mktemp -d "${TMPDIR:-/tmp}/flotilla-bench.XXXXXX")
    trap '"$here/servers.sh" stop "$folder"' EXIT
    variables=$("$here/servers.sh" start "$folder")
    while IFS= read -r variable; do
        export "${variable?}"
    done <<<"$variables"
fi

"$@"
