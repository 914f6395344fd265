#!/usr/bin/env python3
"""Renders pages to pictures as a scanner would make them, each a PDF without text and a PNG.

    render.py FOLDER < {"index": 0, "path": "…", "page": 1} a line

Answers a line of JSON per picture: the index, how it was degraded, the files. The noise is the same every time.
"""

import json
import random
import sys
from pathlib import Path

import pypdfium2
from PIL import Image, ImageChops, ImageFilter

DPI = 200
# Name, resolution, degrees, noise.
KINDS = [
    ("clean", DPI, 0, False),
    ("100 dpi", 100, 0, False),
    ("150 dpi", 150, 0, False),
    ("turned +2°", DPI, 2, False),
    ("turned -2°", DPI, -2, False),
    ("turned 90°", DPI, 90, False),
    ("turned 180°", DPI, 180, False),
    ("noise", DPI, 0, True),
]


def noisy(image):
    """Blurred as by a lens, speckled as by dust and a weak lamp."""
    grain = Image.frombytes("L", image.size, random.Random(7).randbytes(image.width * image.height))
    grain = grain.point(lambda value: 128 + (value - 128) // 3)
    image = ImageChops.add(image.filter(ImageFilter.GaussianBlur(0.8)), grain, scale=1, offset=-128)
    return image


def degraded(page, dpi, degrees, noise):
    image = page.render(scale=dpi / 72).to_pil().convert("L")
    if degrees:
        image = image.rotate(degrees, resample=Image.Resampling.BICUBIC, expand=True, fillcolor=255)
    return noisy(image) if noise else image


def main():
    folder = Path(sys.argv[1])
    for line in sys.stdin:
        wanted = json.loads(line)
        page = pypdfium2.PdfDocument(wanted["path"])[wanted["page"] - 1]
        for number, (kind, dpi, degrees, noise) in enumerate(KINDS):
            image = degraded(page, dpi, degrees, noise)
            stem = folder / f"{wanted['index']}-{number}"
            picture, pdf = stem.with_suffix(".png"), stem.with_suffix(".pdf")
            image.save(picture, dpi=(dpi, dpi))
            image.save(pdf, resolution=dpi)
            answer = {"index": wanted["index"], "kind": kind, "picture": str(picture), "pdf": str(pdf)}
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
