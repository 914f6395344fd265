"""The workers of a system that is replaced: seven kinds, each with queues and tasks of its own, which all do the same here.

A task has a number that no other has. That it ran, and who did it, is noted in Redis under that number; doing it again is
harmless, as it has to be for tasks that are acknowledged late.
"""

import os
import time

import redis
from celery import Celery
from kombu import Exchange, Queue

PREFIX = os.environ["SPEC_PREFIX"]
# The kind, its queue, and a task of it.
KINDS = [
    ("api_deployment", "celery_api_deployments", "async_execute_bin_api"),
    ("general", "celery", "async_execute_bin_general"),
    ("file_processing", "file_processing", "process_file_batch"),
    ("callback", "file_processing_callback", "process_batch_callback"),
    ("log_consumer", "celery_log_task_queue", "logs_consumer"),
    ("notification", "notifications", "process_notification"),
    ("scheduler", "scheduler", "scheduler.tasks.execute_pipeline_task"),
]


def queue_of(name):
    """Batches of files wait in a quorum queue, all else in classic ones. The topic is for tasks with a countdown."""
    if name == "file_processing":
        exchange = Exchange(PREFIX + name + ".topic", type="topic")
        return Queue(PREFIX + name, exchange, routing_key=PREFIX + name, queue_arguments={"x-queue-type": "quorum"})
    return Queue(PREFIX + name, Exchange(PREFIX + name), routing_key=PREFIX + name)


app = Celery("seven", broker=os.environ["SPEC_AMQP"], backend=os.environ["SPEC_REDIS"] + "/0")
app.conf.update(
    task_queues=[queue_of(queue) for _, queue, _ in KINDS],
    task_default_queue=PREFIX + "celery",
    task_routes={task: {"queue": PREFIX + queue} for _, queue, task in KINDS},
    result_backend_transport_options={"global_keyprefix": PREFIX},
    control_exchange=PREFIX + "control",
    event_exchange=PREFIX + "events",
    event_queue_prefix=PREFIX + "events",
    broker_connection_retry_on_startup=True,
    worker_prefetch_multiplier=1,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
)
notes = redis.Redis.from_url(os.environ["SPEC_REDIS"])


def work(self, *before, number, pause=0.02):
    """Adds its number to what the steps before it came to."""
    notes.hincrby(PREFIX + "tries", number, 1)
    notes.hset(PREFIX + "begun", number, self.request.hostname)
    time.sleep(pause)
    sum_ = number + sum(sum(one) if isinstance(one, list) else one for one in before)
    notes.hsetnx(PREFIX + "effects", number, self.request.hostname)
    return sum_


for _, _, name in KINDS:
    app.task(work, bind=True, name=name)
