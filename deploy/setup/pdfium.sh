#!/bin/sh
# Obtains the PDFium library that reads PDF files, into .tools/pdfium/ of this repository.
#
# The library comes out of a pinned wheel of pypdfium2 on PyPI. The wheel and the library are both checked
# against the sums below; anything else is refused. Doing it again when all is there does nothing.
#
# To move to a newer build: set VERSION and BUILD, run, and copy the sums that are named in the refusal.
set -eu

VERSION=5.15.2
BUILD=8149

case "$(uname -s)-$(uname -m)" in
Linux-x86_64)
    PLATFORM=manylinux_2_17_x86_64
    WHEEL_SUM=dc31aea5b0fb9fefc9b537a65f4113980b2c40798445736a7e6565bc85161e37
    LIBRARY_SUM=c76dc0f7839644bfa7c3e3107a6068df714e339c861bb7d4519907b821d427f9
    ;;
Linux-aarch64)
    PLATFORM=manylinux_2_17_aarch64
    WHEEL_SUM=dd46e93c0c3a73f6cea8489baff6d77a5d0759dd53fbbce0aeb49c91830176fc
    LIBRARY_SUM=4378615ad9710397c96c112611be9018629bbfe38805d91a2663a534b99c28ca
    ;;
*)
    echo "pdfium: no pinned library for $(uname -s) on $(uname -m); set FLOTILLA_PDFIUM to a libpdfium of build $BUILD" >&2
    exit 1
    ;;
esac

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
target=$root/.tools/pdfium
library=$target/libpdfium.so

sum_of() {
    sha256sum "$1" | cut -d ' ' -f 1
}

fail() {
    echo "pdfium: $*" >&2
    exit 1
}

if [ -f "$library" ] && [ "$(sum_of "$library")" = "$LIBRARY_SUM" ]; then
    exit 0
fi

# Debian keeps pip and venv apart from python3; a fresh machine has none of the three.
if ! command -v python3 >/dev/null || ! python3 -m pip --version >/dev/null 2>&1; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "pdfium: installing python3 and pip" >&2
        { apt-get update && apt-get install -y --no-install-recommends python3 python3-pip; } >/dev/null 2>&1 ||
            fail "apt-get could not install python3-pip; install python3 and pip, then run this again"
    else
        fail "python3 with pip is needed to download the library: sudo apt-get install python3 python3-pip"
    fi
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# `pip download` installs nothing, so it needs no virtual environment even where the system's Python is managed (PEP 668).
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
    --implementation py --abi none --platform "$PLATFORM" --dest "$work" "pypdfium2==$VERSION" >"$work/log" 2>&1 ||
    { cat "$work/log" >&2; fail "pip could not download pypdfium2 $VERSION; is the package index reachable?"; }

wheel=$(echo "$work"/pypdfium2-*.whl)
[ -f "$wheel" ] || fail "pip left no wheel behind"
[ "$(sum_of "$wheel")" = "$WHEEL_SUM" ] || fail "the wheel is not the pinned one: its SHA-256 is $(sum_of "$wheel")"
python3 -m zipfile -e "$wheel" "$work/unpacked"
unpacked=$work/unpacked/pypdfium2_raw/libpdfium.so
[ "$(sum_of "$unpacked")" = "$LIBRARY_SUM" ] || fail "the library is not the pinned one: its SHA-256 is $(sum_of "$unpacked")"

mkdir -p "$target"
rm -rf "$target/licenses"
cp -R "$work/unpacked/pypdfium2-$VERSION.dist-info/licenses" "$target/licenses"
cat >"$target/README" <<NOTE
libpdfium.so: PDFium build $BUILD, from the wheel of pypdfium2 $VERSION.
PDFium is under BSD-3-Clause and Apache-2.0; what it is built from is under the licences in licenses/BUILD_LICENSES/.
Obtained by deploy/setup/pdfium.sh, which pins and checks both files.
NOTE
# Renamed into place last, so that a library that is there is whole.
cp "$unpacked" "$target/.libpdfium.so.new"
chmod 755 "$target/.libpdfium.so.new"
mv -f "$target/.libpdfium.so.new" "$library"
echo "pdfium: build $BUILD is in .tools/pdfium/" >&2
