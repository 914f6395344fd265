#!/usr/bin/env bash
# Sees to it that tesseract is there, which reads scanned pages (OCR), with data for English and for telling how a page lies.
# With "required" its absence is an error; otherwise everything but scans works without it, and that is said.
set -euo pipefail

say() {
    echo "ocr: $*" >&2
}

is_complete() {
    local installed
    command -v tesseract >/dev/null && installed=$(tesseract --list-langs 2>/dev/null) &&
        grep -qx eng <<<"$installed" && grep -qx osd <<<"$installed"
}

is_complete && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "installing tesseract"
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update && apt-get install -y --no-install-recommends tesseract-ocr tesseract-ocr-eng tesseract-ocr-osd; } >"$log" 2>&1 || {
        cat "$log" >&2
        say "apt-get could not install tesseract-ocr"
    }
    is_complete && exit 0
fi
say "tesseract is missing or lacks its data, so scanned pages cannot be read; install with: sudo apt-get install tesseract-ocr"
[ "${1:-}" != required ]
