#!/usr/bin/env bash
# Installs the real Celery and Flower, which the specs of this crate talk to, into a folder. What is there already is
# left as it is.
#
#   install.sh FOLDER
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${1:?usage: install.sh FOLDER}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)

cmp -s "$here/requirements.txt" "$folder/requirements.txt" && exit 0

echo "celery peers: installing Celery and Flower" >&2
python3 -m venv "$folder" || {
    echo "celery peers: Python 3 with venv is missing: sudo apt-get install python3-venv" >&2
    exit 1
}
"$folder/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt" || {
    echo "celery peers: pip could not install them; is the package index reachable?" >&2
    exit 1
}
cp "$here/requirements.txt" "$folder/requirements.txt"
