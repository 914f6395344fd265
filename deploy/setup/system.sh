#!/usr/bin/env bash
# Checks for what the build needs from the system and installs what is missing when it may (root on Debian or Ubuntu).
# Doing it again when all is there does nothing.
set -euo pipefail

packages=()
command -v make >/dev/null || packages+=(make)
# SQLite and ring are compiled from C.
command -v cc >/dev/null || packages+=(gcc libc6-dev)
# The manuals' examples are run as they stand there, and most of them call curl.
command -v curl >/dev/null || packages+=(curl)
# TLS connections are checked against the system's certificates.
if [ "$(uname -s)" = Linux ] && [ ! -e /etc/ssl/certs/ca-certificates.crt ] && [ ! -e /etc/pki/tls/certs/ca-bundle.crt ]; then
    packages+=(ca-certificates)
fi

if [ ${#packages[@]} -gt 0 ]; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "setup: missing ${packages[*]}; install with: sudo apt-get install ${packages[*]}" >&2
        exit 1
    fi
    echo "setup: installing ${packages[*]}"
    export DEBIAN_FRONTEND=noninteractive
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    { apt-get update && apt-get install -y --no-install-recommends "${packages[@]}"; } >"$log" 2>&1 || {
        cat "$log" >&2
        echo "setup: apt-get could not install ${packages[*]}" >&2
        exit 1
    }
fi

command -v cargo >/dev/null || {
    echo "setup: Rust is missing; install it from https://rustup.rs, then run this again" >&2
    exit 1
}
