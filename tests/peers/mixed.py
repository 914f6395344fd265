"""Tasks of a Celery application, which know nothing of the fleet, as steps of its workflows."""

import os
import signal
import time

from celery import Celery

app = Celery("mixed", broker=os.environ["SPEC_AMQP"], backend="rpc://")
app.conf.update(
    task_default_queue=os.environ["SPEC_QUEUE"],
    broker_connection_retry_on_startup=True,
    worker_prefetch_multiplier=1,
    task_acks_late=True,
)


class OutOfPaper(Exception):
    """What an application calls its own troubles."""


@app.task
def enrich(input, outputs):
    return {"enriched": input, "seen": outputs}


@app.task
def book(invoice, total):
    return f"{invoice} booked for {total}"


@app.task
def gather(*parents):
    return list(parents)


@app.task
def jam(input, outputs):
    raise OutOfPaper("no paper in tray 2")


@app.task(bind=True, autoretry_for=(OutOfPaper,), retry_backoff=False, default_retry_delay=0, max_retries=3)
def moody(self, input, outputs):
    if self.request.retries < 2:
        raise OutOfPaper(self.request.retries)
    return self.request.retries


@app.task(bind=True)
def fall(self, input, outputs):
    """Takes its process with it at the first attempt of the fleet, whose number ends its id."""
    if self.request.id.endswith(".1"):
        os.kill(os.getpid(), signal.SIGKILL)
    return "up again"


@app.task
def square(input, outputs):
    return input * input


@app.task
def nap(input, outputs):
    print("asleep", flush=True)
    time.sleep(600)


@app.task
def verbose(input, outputs):
    return "x" * input
