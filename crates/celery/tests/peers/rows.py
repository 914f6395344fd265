"""Lets Celery keep results in a database, and prints the rows of `celery_taskmeta` as JSON."""

import json
import sqlite3
import sys

from celery import Celery

file = sys.argv[1]
app = Celery("rows", broker="memory://", backend=f"db+sqlite:///{file}")
app.backend.store_result("done", {"total": 3, "lines": ("a", None, 1.5), "ü": b"\xff"}, "SUCCESS")
try:
    raise KeyError("page 7")
except KeyError as error:
    app.backend.mark_as_failure("failed", error, traceback="Traceback: somewhere in Python")
app.backend.store_result("going", {"done": 50}, "PROGRESS")

query = "select task_id, status, hex(result), traceback from celery_taskmeta"
json.dump(sqlite3.connect(file).execute(query).fetchall(), sys.stdout)
