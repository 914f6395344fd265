"""Hands a document in, watches it, reads the result: with a client generated from the OpenAPI document.

    pip install openapi-python-client
    openapi-python-client generate --url http://localhost:8080/api/v1/openapi.json --meta none --output-path flotilla_client
    FLOTILLA_URL=http://localhost:8080 FLOTILLA_KEY=... python generated.py invoice.pdf
"""

import json
import os
import sys

from flotilla_client import AuthenticatedClient
from flotilla_client.api.runs import runs_events, runs_result, runs_submit
from flotilla_client.models import RunForm
from flotilla_client.types import File

URL = os.environ.get("FLOTILLA_URL", "http://localhost:8080")
client = AuthenticatedClient(base_url=URL, token=os.environ.get("FLOTILLA_KEY", ""), timeout=90)


def submit(path):
    with open(path, "rb") as document:
        form = RunForm(file=File(payload=document, file_name=os.path.basename(path)))
        answer = runs_submit.sync_detailed(client=client, body=form)
    if answer.status_code != 202:
        sys.exit(answer.content.decode())
    return answer.parsed.run_id


def watch(run):
    """The events of a run, a page at a time, until it has ended."""
    after, ended = 0, False
    while not ended:
        page = runs_events.sync(run, client=client, after=after, wait=30)
        for event in page.events:
            yield event.to_dict()
        after, ended = page.next_, page.ended


if __name__ == "__main__":
    run = submit(sys.argv[1])
    for event in watch(run):
        print(event.get("task") or "run", event.get("kind"), file=sys.stderr)
    print(json.dumps(json.loads(runs_result.sync_detailed(run, client=client).content), indent=2))
