"""Celery as it comes, but for acknowledging late: a task is not lost with its worker, as with the others.

BENCH_AMQP, BENCH_QUEUE; BENCH_RESULTS is the URL of a result backend or empty, BENCH_PREFIX what its keys begin with.
"""

import os

from celery import Celery

import probe

RESULTS = os.environ.get("BENCH_RESULTS") or None

app = Celery("bench", broker=os.environ["BENCH_AMQP"], backend=RESULTS)
app.conf.update(
    task_acks_late=True,
    task_ignore_result=RESULTS is None,
    task_default_queue=os.environ["BENCH_QUEUE"],
    result_backend_transport_options={"global_keyprefix": os.environ.get("BENCH_PREFIX", "")},
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
)


@app.task(name="echo")
def echo(parcel):
    probe.hit(parcel["t"])
    return parcel


@app.task(name="step")
def step(parcel, last=False):
    if last:
        probe.hit(parcel["t"])
    return parcel


@app.task(name="gather")
def gather(parcels):
    probe.hit(parcels[0]["t"])
    return len(parcels)
