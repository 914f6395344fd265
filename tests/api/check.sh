#!/usr/bin/env bash
# Checks the HTTP API from outside, with other people's programs, against a `flotilla serve` that asks for keys:
# schemathesis reads the OpenAPI document and sends what it allows and what it forbids; two Python clients submit, watch and
# read a run, one with plain `requests`, one generated from the document.
#
# check.sh FLOTILLA [EXAMPLES]: the program, and how many requests schemathesis makes up per operation.
set -euo pipefail
flotilla=$(realpath "$1")
examples=${2:-25}
cd "$(dirname "$0")/../.."
export PYTHONPATH=$PWD/.tools/api PYTHONDONTWRITEBYTECODE=1

work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT

# Neither the environment's fleet nor its keys.
for variable in $(compgen -e | grep '^FLOTILLA_' | grep -v '^FLOTILLA_PDFIUM$'); do unset "$variable"; done
FLOTILLA_ADMIN_KEY=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
export FLOTILLA_ADMIN_KEY
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export FLOTILLA_URL=http://127.0.0.1:$port
"$flotilla" serve --auth keys --listen "127.0.0.1:$port" --state "$work/state" >"$work/server.log" 2>&1 &
server=$!
for _ in $(seq 200); do
    curl -sf "$FLOTILLA_URL/readyz" >/dev/null && break
    sleep 0.1
done

call() { # method, path, body
    curl -sSf -X "$1" -H "Authorization: Bearer $FLOTILLA_ADMIN_KEY" -H 'Content-Type: application/json' \
        --data "$3" "$FLOTILLA_URL$2"
}

# A tenant with something of everything, so that there is something to find.
call PUT /api/v1/tenants/acme '{"weight": 2}' >/dev/null
issued=$(call POST /api/v1/tenants/acme/keys '{"name": "of a check", "scopes": ["write"]}')
FLOTILLA_KEY=$(python3 -c 'import json, sys; print(json.load(sys.stdin)["token"])' <<<"$issued")
export FLOTILLA_KEY
"$flotilla" submit examples/invoice.pdf --wait --json >"$work/expected.json"

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

same_answers() { # a result as a client printed it
    python3 - "$work/expected.json" "$1" <<'PYTHON'
import json, sys

expected, found = (json.load(open(path, encoding="utf-8")) for path in sys.argv[1:])
assert found["output"] == expected["output"], (found["output"], expected["output"])
PYTHON
}

with_requests() {
    python3 examples/python/with_requests.py examples/invoice.pdf >"$work/requests.json" && same_answers "$work/requests.json"
}

with_generated_client() {
    curl -sSf "$FLOTILLA_URL/api/v1/openapi.json" >"$work/openapi.json"
    python3 -m openapi_python_client generate --path "$work/openapi.json" --meta none --output-path "$work/flotilla_client" \
        --overwrite
    PYTHONPATH=$work:$PYTHONPATH python3 examples/python/generated.py examples/invoice.pdf >"$work/generated.json"
    same_answers "$work/generated.json"
}

conforms() ( # a key
    # It keeps what it found in the folder where it runs.
    cd "$work" && python3 -m schemathesis.cli run "$FLOTILLA_URL/api/v1/openapi.json" --header "Authorization: Bearer $1" \
        --max-examples "$examples" --seed 1 --continue-on-failure --phases examples,coverage,fuzzing --warnings off \
        --exclude-checks positive_data_acceptance --request-timeout 90 --generation-database none
)

check "a client with plain requests submits, watches and reads a run" with_requests
check "a client generated from the OpenAPI document does the same" with_generated_client
check "the API does what its document says, for a tenant" conforms "$FLOTILLA_KEY"
check "the API does what its document says, for an administrator" conforms "$FLOTILLA_ADMIN_KEY"
check "the server has reported no error" bash -c "! grep -E '\"level\":\"ERROR\"| ERROR |panicked' '$work/server.log'"
check "the server is alive" curl -sf "$FLOTILLA_URL/livez"
exit $((failures > 0))
