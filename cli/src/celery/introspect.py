"""Describes a Celery application as JSON, without connecting to anything: `python introspect.py proj.celery:app > app.json`.

Passwords are left out of addresses. `flotilla celery import --from app.json` reads it.
"""

import json
import os
import re
import sys

# Modules of the application may print when they are imported.
out = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
sys.path.insert(0, os.getcwd())

import celery  # noqa: E402
from celery import signals  # noqa: E402
from celery.app.task import Task  # noqa: E402
from celery.app.utils import find_app  # noqa: E402
from celery.schedules import crontab, schedule, solar  # noqa: E402

SECRET = re.compile(r"secret|password|token|api_?key|access_key", re.I)
PASSWORD = re.compile(r"(\w+://[^:/@\s]*):[^@\s]*@")


def plain(value, name=""):
    """The value as JSON, or what Python shows of it; never a password."""
    if value is not None and SECRET.search(name):
        return "(hidden)"
    if isinstance(value, str):
        return PASSWORD.sub(r"\1@", value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, dict):
        return {str(key): plain(one, str(key)) for key, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(one) for one in value]
    if hasattr(value, "total_seconds"):
        return value.total_seconds()
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    return {"repr": PASSWORD.sub(r"\1@", repr(value))}


def settings(app):
    """What the application says itself."""
    said = {}
    for name in app.conf.table(with_defaults=False):
        # Those with tables of their own.
        if name not in ("beat_schedule", "task_queues", "task_routes", "deprecated_settings"):
            said[name] = plain(app.conf[name], name)
    for name in ("broker_url", "result_backend", "task_default_queue", "task_acks_late", "timezone"):
        said.setdefault(name, plain(app.conf[name], name))
    return said


def queues(app):
    if not app.conf.task_queues:
        return []
    return [
        {
            "name": queue.name,
            "exchange": queue.exchange.name if queue.exchange else "",
            "exchange_type": queue.exchange.type if queue.exchange else "direct",
            "routing_key": queue.routing_key,
            "arguments": plain(queue.queue_arguments or {}),
            "max_priority": queue.max_priority,
        }
        for queue in app.amqp.queues.values()
    ]


def routers(app):
    """Routes that are code."""
    routes = app.conf.task_routes or []
    routes = routes if isinstance(routes, (list, tuple)) else [routes]
    return [plain(route) if isinstance(route, str) else repr(route) for route in routes
            if not isinstance(route, (dict, list, tuple))]


def queue_of(app, task):
    try:
        options = app.amqp.router.route({"queue": task.queue} if getattr(task, "queue", None) else {}, task.name)
    except Exception as error:  # noqa: BLE001
        return None, repr(error)
    queue = options.get("queue", app.conf.task_default_queue)
    return getattr(queue, "name", queue), None


def tasks(app):
    found = []
    for name, task in sorted(app.tasks.items()):
        if name.startswith("celery."):
            continue
        queue, problem = queue_of(app, task)
        # The class that an application's own tasks are made from is its own, too.
        bases = [base for base in type(task).__mro__ if issubclass(base, Task)]
        own = [base for base in bases[1:] if not base.__module__.startswith("celery.") and base is not app.Task]
        found.append({
            "name": name,
            "queue": queue,
            "problem": problem,
            "base": f"{own[0].__module__}.{own[0].__qualname__}" if own else None,
            "acks_late": bool(task.acks_late),
            "autoretry_for": [plain(one) for one in getattr(task, "autoretry_for", ())],
            "max_retries": task.max_retries,
            "rate_limit": plain(task.rate_limit),
            "time_limit": plain(task.time_limit),
            "soft_time_limit": plain(task.soft_time_limit),
            "ignore_result": bool(task.ignore_result),
            "serializer": task.serializer,
            "priority": getattr(task, "priority", None),
        })
    return found


def when(entry, app):
    if isinstance(entry, crontab):
        names = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
        return {"kind": "crontab", "fields": [written(getattr(entry, "_orig_" + name)) for name in names]}
    if isinstance(entry, solar):
        return {"kind": "solar", "shown": repr(entry)}
    if type(entry) is schedule:
        return {"kind": "interval", "seconds": entry.run_every.total_seconds()}
    if isinstance(entry, (int, float)):
        return {"kind": "interval", "seconds": float(entry)}
    if hasattr(entry, "total_seconds"):
        return {"kind": "interval", "seconds": entry.total_seconds()}
    return {"kind": "other", "shown": repr(entry)}


def written(field):
    if isinstance(field, (set, list, tuple, frozenset)):
        return ",".join(str(one) for one in sorted(field))
    return str(field)


def beat(app):
    return [
        {
            "name": name,
            "task": entry["task"],
            "schedule": when(entry["schedule"], app),
            "args": plain(list(entry.get("args") or [])),
            "kwargs": plain(dict(entry.get("kwargs") or {})),
            "options": plain(dict(entry.get("options") or {})),
        }
        for name, entry in (app.conf.beat_schedule or {}).items()
    ]


def listened_to():
    """Signals that somebody other than Celery listens to."""
    heard = []
    for name, signal in sorted(vars(signals).items()):
        for _, receiver in getattr(signal, "receivers", None) or []:
            receiver = receiver() if type(receiver).__name__ in ("ref", "WeakMethod", "ReferenceType") else receiver
            module = getattr(receiver, "__module__", None) or ""
            if receiver is not None and not module.startswith(("celery", "kombu", "billiard")):
                heard.append(name)
                break
    return heard


def main():
    app = find_app(sys.argv[1])
    app.loader.import_default_modules()
    app.finalize()
    described = {
        "format": 1,
        "celery": celery.__version__,
        "app": app.main,
        "settings": settings(app),
        "queues": queues(app),
        "routers": routers(app),
        "tasks": tasks(app),
        "beat": beat(app),
        "signals": listened_to(),
    }
    json.dump(described, out, indent=2, default=repr)
    out.write("\n")
    out.flush()


main()
