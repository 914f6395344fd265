"""Hands a document in, watches it, reads the result: with nothing but `requests`.

    FLOTILLA_URL=http://localhost:8080 FLOTILLA_KEY=... python with_requests.py invoice.pdf
"""

import json
import os
import sys

import requests

URL = os.environ.get("FLOTILLA_URL", "http://localhost:8080")
session = requests.Session()
if key := os.environ.get("FLOTILLA_KEY"):
    session.headers["Authorization"] = f"Bearer {key}"


def checked(answer):
    """An answer that is no error; errors say what is wrong and what to do about it."""
    if answer.status_code >= 400:
        problem = answer.json()
        sys.exit(f"{problem['code']}: {problem['detail']}")
    return answer


def submit(path):
    with open(path, "rb") as document:
        answer = session.post(f"{URL}/api/v1/runs", files={"file": (os.path.basename(path), document)}, timeout=60)
    return checked(answer).json()["run_id"]


def watch(run):
    """The events of a run as they come, until it has ended."""
    headers = {"Accept": "text/event-stream"}
    with session.get(f"{URL}/api/v1/runs/{run}/events", headers=headers, stream=True, timeout=300) as stream:
        for line in checked(stream).iter_lines(decode_unicode=True):
            if line.startswith("data:"):
                yield json.loads(line.removeprefix("data:"))


def result(run):
    answer = checked(session.get(f"{URL}/api/v1/runs/{run}/result", headers={"Prefer": "wait=60"}, timeout=90))
    return answer.json()


if __name__ == "__main__":
    run = submit(sys.argv[1])
    for event in watch(run):
        print(event.get("task") or "run", event.get("kind") or event.get("status"), file=sys.stderr)
    print(json.dumps(result(run), indent=2))
