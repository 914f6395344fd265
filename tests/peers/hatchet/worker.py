"""A worker on the official SDK for Python: a graph with parents, a retry, a task that fails, one that waits to be cancelled."""

import asyncio
from datetime import timedelta

from hatchet_sdk import Context, EmptyModel, Hatchet, NonRetryableException

hatchet = Hatchet()

graph = hatchet.workflow(name="graph")


@graph.task()
def first(_input: EmptyModel, _context: Context) -> dict[str, int]:
    return {"value": 20}


@graph.task(parents=[first])
def double(_input: EmptyModel, context: Context) -> dict[str, int]:
    return {"value": context.task_output(first)["value"] * 2}


@graph.task(parents=[first], retries=3)
def flaky(_input: EmptyModel, context: Context) -> dict[str, int]:
    if context.retry_count < 2:
        raise Exception("not this time")
    return {"value": 2}


@graph.task(parents=[double, flaky])
def total(_input: EmptyModel, context: Context) -> dict[str, int]:
    return {"value": context.task_output(double)["value"] + context.task_output(flaky)["value"]}


broken = hatchet.workflow(name="broken")


@broken.task(retries=3)
def breaks(_input: EmptyModel, _context: Context) -> dict[str, int]:
    raise NonRetryableException("it never works")


@broken.task(parents=[breaks])
def behind(_input: EmptyModel, _context: Context) -> dict[str, int]:
    return {"value": 1}


lingering = hatchet.workflow(name="lingering")


@lingering.task(execution_timeout=timedelta(minutes=5))
async def lingers(_input: EmptyModel, _context: Context) -> dict[str, int]:
    await asyncio.sleep(120)
    return {"value": 1}


if __name__ == "__main__":
    hatchet.worker("referee", slots=4, workflows=[graph, broken, lingering]).start()
