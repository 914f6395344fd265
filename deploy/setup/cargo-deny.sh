#!/usr/bin/env bash
# Builds the pinned cargo-deny into .tools/cargo-deny/ of this repository.
#
# Unoptimised: it runs for a second, and optimising it would take several minutes (docs/adr/0003).
set -euo pipefail
cd "$(dirname "$0")/../.."

VERSION=0.20.2

CARGO_PROFILE_DEV_DEBUG=0 cargo install cargo-deny --version "$VERSION" --locked --debug --quiet --root .tools/cargo-deny
