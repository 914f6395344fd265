"""Runs scenarios as a Python client would, and prints what came of them as JSON: `driver.py NAME...`."""

import json
import os
import sys
import time
from datetime import datetime, timedelta, timezone

from celery import chain, chord, group
from kombu import Exchange, Queue

from app import RUST, add, app, echo, failed, total

PATIENCE = 20


def rust(name, *args, **options):
    return app.signature("rust." + name, args=args, **options)


def get(result, patience=PATIENCE):
    return result.get(timeout=patience)


def caught(result):
    """The exception that a task raised, as the caller sees it."""
    try:
        return {"value": get(result)}
    except Exception as error:  # noqa: BLE001
        return {"type": type(error).__name__, "module": type(error).__module__, "args": [str(a) for a in error.args],
                "state": result.state, "traceback": result.traceback}


def started(result):
    deadline = time.monotonic() + PATIENCE
    while result.state != "STARTED":
        if time.monotonic() > deadline:
            raise TimeoutError(result.state)
        time.sleep(0.05)


def plain():
    return get(app.send_task("rust.add", (2, 3), queue=RUST))


def keywords():
    return get(app.send_task("rust.echo", (1,), {"to": "x"}, priority=3))


def typed_arguments():
    when = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    return get(rust("echo", when, b"bytes", float("nan")).delay())


def compressed():
    return get(rust("add", 40, 2).apply_async(compression="zlib"))


def exception():
    return caught(rust("fail", "ValueError", "no such page").delay())


def custom_exception():
    return caught(rust("fail", "flotilla.PageMissing", "page 7").delay())


def retried():
    return get(rust("flaky", 2).delay())


def retries_exhausted():
    return caught(rust("flaky", 9).delay())


def later():
    begun = time.time()
    get(rust("add", 1, 1).apply_async(countdown=2.5))
    return time.time() - begun


def native_delay():
    """With quorum queues Celery's clients send tasks for later into the queues for later themselves."""
    queue = Queue(RUST, Exchange(RUST + ".topic", type="topic"), routing_key=RUST,
                  queue_arguments={"x-queue-type": "quorum"})
    app.conf.update(task_queues=[queue], task_routes={})
    begun = time.time()
    get(app.send_task("rust.add", (1, 1), queue=RUST, countdown=3))
    return time.time() - begun


def expired():
    return caught(rust("add", 1, 1).apply_async(expires=datetime.now(timezone.utc) - timedelta(seconds=5)))


def expired_while_it_waited():
    return caught(rust("add", 1, 1).apply_async(countdown=2, expires=1))


def too_long():
    return caught(rust("sleep", 30).apply_async(time_limit=1))


def told_that_it_takes_long():
    return get(rust("patient", 30).apply_async(soft_time_limit=1))


def unknown():
    return caught(rust("nobody", 1).delay())


def panicking():
    return caught(rust("panic").delay())


def ignored():
    result = rust("add", 1, 1).apply_async(ignore_result=True)
    get(rust("add", 1, 1).delay())
    return result.get()


def progress():
    result = rust("progress").delay()
    seen = []
    get_ = result.get(timeout=PATIENCE, on_message=lambda meta: seen.append(meta["status"]))
    return [get_, seen]


def poison():
    """What no worker can read, straight into its queue; it has to live on."""
    with app.connection_for_write() as connection, connection.channel() as channel:
        producer = connection.Producer(channel)
        broken = {"task": "rust.add", "id": "broken-" + os.urandom(4).hex()}
        for body, headers, kind in [
            (b"not json", broken, "application/json"),
            (b"[1, 2", broken, "application/json"),
            (b"{}", {}, "application/json"),
            (b"\x80\x04N.", broken, "application/x-python-serialize"),
            (b"[[1], {}, {}]", {**broken, "compression": "application/x-gzip"}, "application/json"),
            (b"[[1], {}, {}]", {**broken, "eta": "soon"}, "application/json"),
            (b"[[1], {}, {\"chain\": [1]}]", broken, "application/json"),
        ]:
            producer.publish(body, routing_key=RUST, exchange="", content_type=kind, content_encoding="utf-8",
                             headers=headers, retry=True)
    return get(rust("add", 1, 1).delay())


def chain_mixed():
    return get(chain(add.s(1, 2), rust("add", 10), add.s(100), rust("add", 1000)).delay())


def chain_fails():
    steps = chain(rust("fail", "KeyError", "x"), add.si(1, 1))
    result = steps.delay()
    return [caught(result.parent)["type"], caught(result)["type"]]


def chain_skips_results():
    return get(chain(rust("add", 1, 2), rust("add", 5, 5, immutable=True), add.s(1)).delay())


def linked():
    result = rust("add", 1, 2).apply_async(link=[add.s(10), rust("add", 20)])
    get(result)
    children = result.children
    return sorted(get(child) for child in (children[0].children if hasattr(children[0], "children") else children))


def link_error():
    seen = failed.s().set(task_id="heard-" + os.urandom(8).hex())
    result = rust("fail", "ValueError", "no").apply_async(link_error=seen)
    caught(result)
    return [get(app.AsyncResult(seen.options["task_id"])), result.id]


def grouped():
    return get(group(rust("add", i, i) if i % 2 else add.s(i, i) for i in range(6)).delay())


def chorded():
    return get(chord([rust("add", 1, 1), add.s(2, 2), rust("add", 3, 3)], rust("total")).delay())


def chorded_back():
    return get(chord([rust("add", i, i) for i in range(10)], total.s()).delay())


def chord_in_chain():
    return get(chain(rust("add", 1, 1), group(rust("add", 10), add.s(20)), rust("total"), add.s(1000)).delay())


def chord_of_chains():
    return get(chord([chain(rust("add", 1, 1), rust("add", 5)), rust("add", 2, 2)], total.s()).delay())


def chord_fails():
    result = chord([rust("add", 1, 1), rust("fail", "ValueError", "no")], total.s()).delay()
    # Without its parents, one of which raised what it raised.
    return caught(app.AsyncResult(result.id))


def nested_chord():
    inner = chord([rust("add", 1, 1), rust("add", 2, 2)], rust("total"))
    return get(chord([inner, rust("add", 3, 3)], rust("total")).delay())


def nested_shape():
    """What a chord's body gets when a part of its header ends in a group: from Rust, and from Python alone."""
    def of(first, second, third, fourth, body):
        return get(chord([chain(first, group(second, third)), fourth], body).delay())["args"]
    rust_ = of(rust("add", 1, 1), rust("add", 1), rust("add", 2), rust("add", 5, 5), rust("echo"))
    return [rust_, of(add.s(1, 1), add.s(1), add.s(2), add.s(5, 5), echo.s())]


def revoked_by_stamp():
    stamped = rust("sleep", 60)
    stamped.stamp(tenant="acme")
    result = stamped.apply_async()
    started(result)
    app.control.revoke_by_stamped_headers({"tenant": ["acme"]}, terminate=True)
    return caught(result)


def chain_of_groups():
    steps = group(rust("add", 1, 1), rust("add", 2, 2)) | rust("total") | group(rust("add", 1), rust("add", 2))
    return get(steps.delay())


def big_chord():
    return get(chord([rust("add", i, 0) for i in range(200)], rust("total")).delay())


def children():
    result = rust("add", 1, 2).apply_async(link=rust("add", 10))
    return [value for _, value in result.collect()]


def revoked_in_the_queue():
    result = rust("add", 1, 1).apply_async(countdown=3)
    result.revoke()
    return caught(result)


def revoked_while_it_ran():
    result = rust("sleep", 60).delay()
    started(result)
    result.revoke(terminate=True)
    return caught(result)


def typed_in_chain():
    """A value that JSON does not know passes a Rust task untouched."""
    when = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    return get(chain(rust("add", 1, 2), echo.s(when)).delay())["args"][1].isoformat()


def burst():
    results = [rust("add", i, 1).delay() for i in range(100)]
    return sum(get(result) for result in results)


if __name__ == "__main__":
    outcomes = {}
    for name in sys.argv[1:]:
        try:
            outcomes[name] = globals()[name]()
        except Exception as error:  # noqa: BLE001
            outcomes[name] = {"error": repr(error)}
    json.dump(outcomes, sys.stdout, default=str)
