#!/usr/bin/env bash
# Installs the peers that text extraction is measured beside: poppler's pdftotext and tesseract from Debian, the Python
# libraries into a folder. What is there already is left as it is.
#
# They are started as programs and are no part of what is built or shipped: poppler is under the GPL, PyMuPDF under the
# AGPL.
#
#   install.sh FOLDER
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${1:?usage: install.sh FOLDER}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)

say() { echo "peers: $*" >&2; }

packages=()
command -v pdftotext >/dev/null || packages+=(poppler-utils)
command -v tesseract >/dev/null || packages+=(tesseract-ocr)
if [ ${#packages[@]} -gt 0 ]; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        say "missing ${packages[*]}; install with: sudo apt-get install ${packages[*]}"
        exit 1
    fi
    say "installing ${packages[*]}"
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -q && apt-get install -qy --no-install-recommends "${packages[@]}"; } >"$folder/apt.log" 2>&1 || {
        cat "$folder/apt.log" >&2
        say "apt-get could not install ${packages[*]}"
        exit 1
    }
fi

cmp -s "$here/requirements.txt" "$folder/requirements.txt" && exit 0

say "installing pypdfium2, pdfminer.six and PyMuPDF"
python3 -m venv "$folder" || {
    say "Python 3 with venv is missing: sudo apt-get install python3-venv"
    exit 1
}
"$folder/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt" || {
    say "pip could not install them; is the package index reachable?"
    exit 1
}
cp "$here/requirements.txt" "$folder/requirements.txt"
