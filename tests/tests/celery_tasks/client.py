"""Runs scenarios as a Python client would, and prints what came of them as JSON: `client.py NAME...`."""

import json
import sys
import time

from celery import chain

from orders import add, app

PATIENCE = 40


def make(*args, **kwargs):
    return app.signature("orders.make", args=args, kwargs=kwargs)


def get(result):
    return result.get(timeout=PATIENCE)


def caught(result):
    """The exception that a task raised, as the caller sees it."""
    try:
        return {"value": get(result)}
    except Exception as error:  # noqa: BLE001
        return {"type": type(error).__name__, "args": [str(a) for a in error.args], "state": result.state,
                "traceback": result.traceback}


def keywords():
    return get(app.send_task("orders.make", kwargs={"text": "hello"}))


def one_object():
    return get(app.send_task("orders.make", ({"text": "hello"},)))


def positional():
    return get(make(1, 2, 3).delay())


def large():
    return len(get(make(text="large").delay()))


def chained():
    back = get(chain(add.s(2, 3), make(), add.s(1)).delay())
    # The second one's queue is known to the application's routes and to ours.
    twice = get(chain(make(1, 2), make(), add.s(1)).delay())
    return [back, twice]


def refused():
    return caught(make(text="refuse").delay())


def invalid():
    return caught(make(text=5).delay())


def not_served():
    return caught(app.send_task("orders.lost"))


def retried():
    return get(make(text="retry").delay())


def snoozed():
    return get(make(text="snooze").delay())


def terminated():
    result = make(text="hang").delay()
    deadline = time.monotonic() + PATIENCE
    while not any(task["id"] == result.id for node in (app.control.inspect().active() or {}).values() for task in node):
        if time.monotonic() > deadline:
            raise TimeoutError("it does not begin")
    result.revoke(terminate=True)
    return caught(result)


def too_long():
    return caught(make(text="hang").apply_async(time_limit=1))


if __name__ == "__main__":
    outcomes = {}
    for name in sys.argv[1:]:
        try:
            outcomes[name] = globals()[name]()
        except Exception as error:  # noqa: BLE001
            outcomes[name] = {"error": repr(error)}
    json.dump(outcomes, sys.stdout, default=str)
