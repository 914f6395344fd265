"""Celery's command line, several commands in one process, as each start of Python takes a second: `commands.py JSON`."""

import json
import sys

from celery.bin.celery import celery
from click.testing import CliRunner

runner = CliRunner()
said = []
for arguments in json.loads(sys.argv[1]):
    result = runner.invoke(celery, ["-A", "app", *arguments])
    said.append({"code": result.exit_code, "said": result.stdout, "complained": result.stderr})
json.dump(said, sys.stdout)
