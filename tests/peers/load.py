"""A steady load for the seven kinds of workers, of single tasks, chains and chords: until there is a key `stop`. Then it notes
what each task has to come to, `{id: sum}`, under the key `sent`.
"""

import itertools
import json
import time

from celery import chain, chord

from seven import KINDS, PREFIX, app, notes

PAUSE = 0.1
numbers = itertools.count(1)
sums = {}


def step(kind, number):
    """Batches of files take longer than anything else."""
    arguments = {"number": number, "pause": 0.1 if kind == 2 else 0.02}
    return app.signature(KINDS[kind][2], kwargs=arguments).set(queue=PREFIX + KINDS[kind][1])


def single(round_):
    number = next(numbers)
    sums[step(round_ % 7, number).delay().id] = number


def chained(round_):
    """General, callback, notification: three numbers, of which each result has those before it too."""
    mine = [next(numbers) for _ in range(3)]
    result = chain(step(kind, number) for kind, number in zip((1, 3, 5), mine)).delay()
    for length in (3, 2, 1):
        sums[result.id] = sum(mine[:length])
        result = result.parent


def joined(round_):
    """Batches of files with their callback."""
    parts, last = [next(numbers) for _ in range(4)], next(numbers)
    result = chord([step(2, number) for number in parts], step(3, last)).delay()
    sums[result.id] = sum(parts) + last
    sums.update({part.id: number for part, number in zip(result.parent.results, parts)})


for round_ in itertools.count():
    if notes.exists(PREFIX + "stop"):
        break
    (single, chained, single, joined)[round_ % 4](round_)
    time.sleep(PAUSE)
notes.set(PREFIX + "sent", json.dumps({"sums": sums, "numbers": next(numbers) - 1}))
