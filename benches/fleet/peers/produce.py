"""Hands tasks in: produce.py celery|dramatiq KIND COUNT RATE. KIND is task, chain or chord; RATE 0 is as fast as it goes.

Prints one line of JSON, what ../../src/fleet/produced.rs reads. Connecting comes before the clock starts.
"""

import json
import sys
import time

peer, kind, count, rate = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
PAD = "x" * 200


def parcel():
    return {"t": time.time(), "args": [1, 2, 3], "pad": PAD}


def produce(send):
    first, processor, started = time.time(), time.process_time(), time.perf_counter()
    for number in range(count):
        if rate > 0:
            wait = started + number / rate - time.perf_counter()
            if wait > 0:
                time.sleep(wait)
        send()
    seconds = time.perf_counter() - started
    used = time.process_time() - processor
    print(json.dumps({"first": first, "count": count, "seconds": seconds, "processor_seconds": used}))


if peer == "celery":
    from celery import chain, chord, group

    from celery_app import app, echo, gather, step

    def send_chain():
        chain(step.s(parcel()), step.s(), step.s(), step.s(), step.s(), step.s(last=True)).apply_async()

    def send_chord():
        chord(group(step.s(parcel()) for _ in range(10)))(gather.s())

    with app.connection_for_write() as connection:
        connection.ensure_connection()
    # The first message of a process costs what its imports cost. It goes where nobody works.
    echo.apply_async((parcel(),), queue=f"{echo.app.conf.task_default_queue}.warm")
    produce({"task": lambda: echo.delay(parcel()), "chain": send_chain, "chord": send_chord}[kind])
else:
    from dramatiq_app import echo

    echo.broker.declare_queue(echo.queue_name, ensure=True)
    produce(lambda: echo.send(parcel()))
