"""An application that has moved some of its tasks to Rust. Everything has names of the spec's own."""

import os

from celery import Celery

PYTHON, RUST = os.environ["SPEC_PYTHON"], os.environ["SPEC_RUST"]

app = Celery("orders", broker=os.environ["SPEC_AMQP"], backend="rpc://")
app.conf.update(
    task_default_queue=PYTHON,
    task_routes={"orders.make": {"queue": RUST}, "orders.lost": {"queue": RUST}},
    broker_connection_retry_on_startup=True,
    worker_prefetch_multiplier=1,
)


@app.task(name="orders.add")
def add(x, y):
    return x + y
