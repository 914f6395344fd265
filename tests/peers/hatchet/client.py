"""A client on the official SDK for Python: runs a workflow and prints what its tasks left."""

import asyncio
import json
import sys

from hatchet_sdk import EmptyModel, Hatchet

hatchet = Hatchet()


async def main() -> None:
    workflow = hatchet.workflow(name=sys.argv[1])
    try:
        print(json.dumps(await workflow.aio_run(EmptyModel())))
    except Exception as error:
        print(json.dumps({"error": str(error)}))


asyncio.run(main())
