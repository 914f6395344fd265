"""An application as it might be anywhere, for the specs to talk to. Everything has names of the spec's own."""

import os
import time
import uuid
from datetime import datetime, timezone
from decimal import Decimal

from celery import Celery
from celery.exceptions import SoftTimeLimitExceeded

PREFIX = os.environ["SPEC_PREFIX"]
PYTHON = PREFIX + "python"
RUST = PREFIX + "rust"

app = Celery("specs", broker=os.environ["SPEC_AMQP"], backend=os.environ.get("SPEC_BACKEND", "rpc://"))
app.conf.update(
    task_default_queue=PYTHON,
    task_routes={"rust.*": {"queue": RUST}},
    result_backend_transport_options={"global_keyprefix": PREFIX},
    control_exchange=PREFIX + "control",
    event_exchange=PREFIX + "events",
    event_queue_prefix=PREFIX + "events",
    broker_connection_retry_on_startup=True,
    worker_prefetch_multiplier=1,
    task_send_sent_event=True,
)


class OutOfPaper(Exception):
    """Raised with two arguments, as exceptions may be."""


@app.task
def add(x, y):
    return x + y


@app.task
def total(numbers):
    return sum(numbers)


@app.task
def echo(*args, **kwargs):
    return {"args": args, "kwargs": kwargs}


@app.task
def typed():
    return {"when": datetime(2026, 1, 2, tzinfo=timezone.utc), "price": Decimal("1.50"), "id": uuid.UUID(int=7)}


@app.task
def jam(tray):
    raise OutOfPaper("no paper", tray)


@app.task(bind=True, autoretry_for=(OutOfPaper,), retry_backoff=False, default_retry_delay=1, max_retries=2)
def flaky(self, until):
    if self.request.retries < until:
        raise OutOfPaper(self.request.retries)
    return self.request.retries


@app.task(bind=True, track_started=True)
def nap(self, seconds):
    time.sleep(seconds)
    return self.request.delivery_info["priority"]


@app.task
def patient(seconds):
    try:
        time.sleep(seconds)
    except SoftTimeLimitExceeded:
        return "woken"


@app.task(bind=True)
def progress(self):
    self.update_state(state="PROGRESS", meta={"done": 50})
    return "done"


@app.task
def failed(task_id):
    return "heard of " + task_id
