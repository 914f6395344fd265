#!/usr/bin/env python3
"""Reads PDFs with a Python library and says what that cost.

    read.py ENGINE FOLDER SECONDS < {"index": 0, "path": "…"} a line

Writes the text to FOLDER/INDEX.txt, pages ended by form feeds, and answers a line of JSON per file. The library is
imported once and a process forked per file, so that the interpreter's start is not counted; the memory of one counts
the interpreter.
"""

import json
import os
import resource
import signal
import sys
import time

ADDRESS_SPACE = 6 << 30
NEEDS_PASSWORD = 7


class NeedsPassword(Exception):
    pass


def pypdfium2():
    import pypdfium2

    def read(path):
        try:
            document = pypdfium2.PdfDocument(path)
        except pypdfium2.PdfiumError as error:
            raise NeedsPassword() if "assword" in str(error) else error
        for index in range(len(document)):
            try:
                yield document[index].get_textpage().get_text_bounded()
            except pypdfium2.PdfiumError:
                yield ""

    return read


def pdfminer():
    import pdfminer.pdfdocument
    from pdfminer.high_level import extract_text

    def read(path):
        try:
            yield from extract_text(path).removesuffix("\f").split("\f")
        except pdfminer.pdfdocument.PDFPasswordIncorrect:
            raise NeedsPassword()

    return read


def pymupdf():
    import pymupdf

    pymupdf.TOOLS.mupdf_display_errors(False)

    def read(path):
        document = pymupdf.open(path)
        if document.needs_pass:
            raise NeedsPassword()
        for page in document:
            yield page.get_text()

    return read


ENGINES = {"pypdfium2": pypdfium2, "pdfminer": pdfminer, "pymupdf": pymupdf}


def forked(read, path, into, notes):
    """The life of a forked process."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    code = 0
    try:
        pages = list(read(path))
        with open(into, "wb") as file:
            for page in pages:
                file.write(page.encode("utf-8", "replace") + b"\f")
        said = {"pages": len(pages)}
    except NeedsPassword:
        code, said = NEEDS_PASSWORD, {}
    except BaseException as error:
        code, said = 1, {"detail": repr(error)[:300]}
    os.write(notes, json.dumps(said).encode())
    os._exit(code)


def measured(read, path, into, seconds):
    hear, notes = os.pipe()
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        # What a library prints is no answer of ours.
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        forked(read, path, into, notes)
    os.close(notes)
    late = False
    while True:
        ended, status, usage = os.wait4(child, os.WNOHANG)
        if ended:
            break
        if not late and time.monotonic() - started > seconds:
            late = True
            os.kill(child, signal.SIGKILL)
        time.sleep(0.001)
    # Less than a pipe holds, so nothing was waiting for us to read it.
    said = json.loads(os.read(hear, 65536) or b"{}")
    os.close(hear)
    answer = {"cpu_s": usage.ru_utime + usage.ru_stime, "peak_kib": usage.ru_maxrss, "pages": said.get("pages")}
    if late:
        answer["failure"] = {"kind": "timeout", "detail": f"more than {seconds} s"}
    elif os.WIFSIGNALED(status):
        answer["failure"] = {"kind": "crash", "detail": signal.Signals(os.WTERMSIG(status)).name}
    elif os.WEXITSTATUS(status) == NEEDS_PASSWORD:
        answer["failure"] = {"kind": "password", "detail": "it needs a password"}
    elif os.WEXITSTATUS(status):
        answer["failure"] = {"kind": "error", "detail": said.get("detail", "it ended without a word")}
    return answer


def main():
    engine, folder, seconds = sys.argv[1:]
    read = ENGINES[engine]()
    for line in sys.stdin:
        file = json.loads(line)
        into = os.path.join(folder, f"{file['index']}.txt")
        answer = measured(read, file["path"], into, float(seconds))
        print(json.dumps({"index": file["index"], **answer}), flush=True)


if __name__ == "__main__":
    main()
