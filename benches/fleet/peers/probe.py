"""Counts started tasks: eight bytes appended to a file for each, the seconds it waited. See ../../src/fleet/probe.rs."""

import os
import struct
import time

_file = None


def hit(sent):
    global _file
    # Opened by each process for itself: a fork before the first hit shares nothing.
    if _file is None or _file[0] != os.getpid():
        _file = (os.getpid(), os.open(os.environ["BENCH_PROBE"], os.O_WRONLY | os.O_APPEND))
    os.write(_file[1], struct.pack("<d", time.time() - sent))
