#!/usr/bin/env bash
# Installs the official SDK of Hatchet for Python into a folder. What is there already is left as it is.
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

say() { echo "hatchet peer: $*" >&2; }

if ! cmp -s "$here/requirements.txt" "$folder/venv/requirements.txt"; then
    say "installing the SDK for Python"
    python3 -m venv "$folder/venv" || {
        say "Python 3 with venv is missing: sudo apt-get install python3-venv"
        exit 1
    }
    "$folder/venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"
    cp "$here/requirements.txt" "$folder/venv/requirements.txt"
fi
