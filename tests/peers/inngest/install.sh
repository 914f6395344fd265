#!/usr/bin/env bash
# Installs the official SDKs of Inngest into a folder: the one for Node, and the one for Python with Flask. What is there
# already is left as it is.
#
#   install.sh FOLDER
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${1:?usage: install.sh FOLDER}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
# Specs that need it at the same time wait for the first.
exec 9>"$folder/lock"
flock 9

say() { echo "inngest peers: $*" >&2; }

if ! cmp -s "$here/requirements.txt" "$folder/venv/requirements.txt"; then
    say "installing the SDK for Python"
    python3 -m venv "$folder/venv" || {
        say "Python 3 with venv is missing: sudo apt-get install python3-venv"
        exit 1
    }
    "$folder/venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"
    cp "$here/requirements.txt" "$folder/venv/requirements.txt"
fi

if ! command -v npm >/dev/null; then
    say "npm is missing, so the specs of the SDK for Node are skipped: install Node 20 or later"
    exit 0
fi
if ! cmp -s "$here/package.json" "$folder/node/installed.json"; then
    say "installing the SDK for Node"
    mkdir -p "$folder/node"
    cp "$here/package.json" "$folder/node/package.json"
    # Nothing that packages want to run at installation is needed.
    npm install --prefix "$folder/node" --no-audit --no-fund --silent --ignore-scripts >&2
    cp "$here/package.json" "$folder/node/installed.json"
fi
cp "$here/app.mjs" "$folder/node/app.mjs"
