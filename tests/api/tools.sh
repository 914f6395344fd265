#!/usr/bin/env bash
# Installs what checks the API into .tools/api/ of this repository: schemathesis, a generator of clients, requests.
# Doing it again when all is there does nothing.
set -euo pipefail
cd "$(dirname "$0")/../.."

target=.tools/api
stamp=$target/SHA256
wanted=$(cat tests/api/tools.sh tests/api/requirements.txt | sha256sum | cut -d ' ' -f 1)
[ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ] || exit 0

echo "api tools: installing schemathesis and its like" >&2
rm -rf "$target"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$target" --requirement tests/api/requirements.txt \
    >"$log" 2>&1 || {
    cat "$log" >&2
    echo "api tools: pip could not install them; is the package index reachable?" >&2
    exit 1
}
echo "$wanted" >"$stamp"
