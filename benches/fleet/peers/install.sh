#!/usr/bin/env bash
# Installs the peers of the benchmark into a folder: Celery and Dramatiq in a Python environment, the crate `celery` as
# a program. What is there already is left as it is.
#
#   install.sh FOLDER
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${1:?usage: install.sh FOLDER}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)

say() { echo "peers: $*" >&2; }

if ! cmp -s "$here/requirements.txt" "$folder/venv/requirements.txt"; then
    say "installing Celery and Dramatiq"
    python3 -m venv "$folder/venv" || {
        say "Python 3 with venv is missing: sudo apt-get install python3-venv"
        exit 1
    }
    "$folder/venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"
    cp "$here/requirements.txt" "$folder/venv/requirements.txt"
fi

say "building the peer in Rust (minutes, the first time)"
CARGO_TARGET_DIR=$folder/rusty-celery cargo build --release --locked --quiet --manifest-path "$here/rusty-celery/Cargo.toml"
