#!/usr/bin/env bash
# Passes the output of `cargo test` on and ends it with the totals over all test programs.
set -euo pipefail

exec awk '
    { print; fflush() }
    /^test result:/ { passed += $4; failed += $6; ignored += $8 }
    END { printf "\ntests in all: %d passed, %d failed, %d ignored\n", passed, failed, ignored }
'
