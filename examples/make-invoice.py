#!/usr/bin/env python3
"""Draws examples/invoice.pdf: a one-page invoice between two companies that do not exist.

Needs nothing but Python, uses the standard PDF fonts, and writes the same bytes every time:
    python3 examples/make-invoice.py
"""

from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

WIDTH, HEIGHT = 595, 842  # A4 in points
LEFT, RIGHT = 56, 539
INK, GREY, ACCENT, PALE = (0.13, 0.15, 0.19), (0.42, 0.45, 0.50), (0.06, 0.36, 0.46), (0.92, 0.95, 0.96)

# Widths of the characters 32 to 126 in thousandths of the font size, from Adobe's metrics of the standard fonts.
WIDTHS = {
    "regular": [
        278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556, 556,
        556, 556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667,
        556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, 333, 556,
        556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722,
        500, 500, 500, 334, 260, 334, 584,
    ],
    "bold": [
        278, 333, 474, 556, 556, 889, 722, 238, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556, 556,
        556, 556, 556, 556, 333, 333, 584, 584, 584, 611, 975, 722, 722, 722, 722, 667, 611, 778, 722, 278, 556, 722,
        611, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 333, 278, 333, 584, 556, 333, 556,
        611, 556, 611, 556, 333, 611, 611, 278, 278, 556, 278, 889, 611, 611, 611, 611, 389, 556, 333, 611, 556, 778,
        556, 556, 500, 389, 280, 389, 584,
    ],
}
FONTS = {"regular": ("F1", "Helvetica"), "bold": ("F2", "Helvetica-Bold")}

SELLER = [
    "Speicherstrasse 14",
    "20457 Hamburg, Germany",
    "VAT ID: DE298415706",
    "billing@nordlicht-instruments.example",
]
BUYER = ["Kaufmann & Weber OHG", "Accounts Payable", "Lindenallee 8", "50667 Cologne", "Germany"]
FACTS = [
    ("Invoice number", "NI-2026-00417"),
    ("Invoice date", "14 March 2026"),
    ("Delivery date", "12 March 2026"),
    ("Due date", "13 April 2026"),
    ("Customer number", "K-20881"),
    ("Order number", "PO-77120"),
]
ITEMS = [
    ("Tide gauge TG-40, stainless steel", 2, "1240.00"),
    ("Mounting bracket, galvanised", 4, "86.50"),
    ("Sensor cable, 25 m", 3, "59.90"),
    ("Calibration with certificate", 2, "195.00"),
    ("Installation on site (hours)", 6, "92.00"),
]
TAX_RATE = Decimal("0.19")
CENT = Decimal("0.01")


def money(amount):
    return f"{amount.quantize(CENT, ROUND_HALF_UP):,}"


class Canvas:
    """Collects drawing operators; y is counted from the top of the page."""

    def __init__(self):
        self.operators = []

    def rectangle(self, x, y, width, height, colour):
        self.operators.append(f"{colour[0]} {colour[1]} {colour[2]} rg {x} {HEIGHT - y - height} {width} {height} re f")

    def rule(self, y, colour=GREY, weight=0.5, start=LEFT, end=RIGHT):
        self.operators.append(
            f"{colour[0]} {colour[1]} {colour[2]} RG {weight} w {start} {HEIGHT - y} m {end} {HEIGHT - y} l S"
        )

    def text(self, x, y, words, size=9.5, font="regular", colour=INK, align="left"):
        if align == "right":
            x -= sum(WIDTHS[font][ord(character) - 32] for character in words) * size / 1000
        escaped = words.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
        self.operators.append(
            f"BT /{FONTS[font][0]} {size} Tf {colour[0]} {colour[1]} {colour[2]} rg "
            f"{x:.2f} {HEIGHT - y} Td ({escaped}) Tj ET"
        )


def draw():
    canvas = Canvas()
    canvas.rectangle(0, 0, WIDTH, 8, ACCENT)
    canvas.text(LEFT, 62, "Nordlicht Instruments GmbH", 17, "bold", ACCENT)
    for row, line in enumerate(SELLER):
        canvas.text(LEFT, 80 + 13 * row, line, 9, colour=GREY)
    canvas.text(RIGHT, 66, "INVOICE", 26, "bold", INK, "right")

    canvas.text(LEFT, 170, "Bill to", 8.5, "bold", ACCENT)
    for row, line in enumerate(BUYER):
        canvas.text(LEFT, 185 + 15 * row, line, 10, "bold" if row == 0 else "regular")
    for row, (label, value) in enumerate(FACTS):
        canvas.text(340, 170 + 15 * row, label, 9.5, colour=GREY)
        canvas.text(RIGHT, 170 + 15 * row, value, 9.5, "bold" if row == 0 else "regular", align="right")

    columns = {"Qty": 372, "Unit price (EUR)": 458, "Amount (EUR)": 531}
    top = 296
    canvas.rectangle(LEFT, top, RIGHT - LEFT, 24, ACCENT)
    canvas.text(LEFT + 8, top + 15.5, "Pos", 9, "bold", (1, 1, 1))
    canvas.text(LEFT + 38, top + 15.5, "Description", 9, "bold", (1, 1, 1))
    for label, right in columns.items():
        canvas.text(right, top + 15.5, label, 9, "bold", (1, 1, 1), "right")

    net = Decimal(0)
    for row, (description, quantity, price) in enumerate(ITEMS):
        y = top + 24 + 24 * row
        if row % 2 == 1:
            canvas.rectangle(LEFT, y, RIGHT - LEFT, 24, PALE)
        amount = quantity * Decimal(price)
        net += amount
        canvas.text(LEFT + 8, y + 15.5, str(row + 1))
        canvas.text(LEFT + 38, y + 15.5, description)
        for value, right in zip((str(quantity), money(Decimal(price)), money(amount)), columns.values()):
            canvas.text(right, y + 15.5, value, align="right")
    bottom = top + 24 + 24 * len(ITEMS)
    canvas.rule(bottom)

    tax = (net * TAX_RATE).quantize(CENT, ROUND_HALF_UP)
    for row, (label, amount) in enumerate((("Net amount", net), ("VAT 19 %", tax))):
        canvas.text(340, bottom + 24 + 18 * row, label)
        canvas.text(531, bottom + 24 + 18 * row, money(amount), align="right")
    canvas.rule(bottom + 52, INK, 1, 340)
    canvas.text(340, bottom + 69, "Total (EUR)", 12, "bold")
    canvas.text(531, bottom + 69, money(net + tax), 12, "bold", align="right")

    canvas.text(LEFT, bottom + 122, "Payment", 8.5, "bold", ACCENT)
    canvas.text(LEFT, bottom + 139, "Please pay within 30 days, without deduction, naming the invoice number.")
    for row, (label, value) in enumerate(
        (("Bank", "Hanseatische Beispielbank"), ("IBAN", "DE89 3704 0044 0532 0130 00"), ("BIC", "EXMPDEH1XXX"))
    ):
        canvas.text(LEFT, bottom + 160 + 15 * row, label, colour=GREY)
        canvas.text(LEFT + 50, bottom + 160 + 15 * row, value)

    canvas.rule(786)
    canvas.text(LEFT, 801, "Nordlicht Instruments GmbH, registered at Hamburg HRB 000000", 8, colour=GREY)
    canvas.text(RIGHT, 801, "Page 1 of 1", 8, colour=GREY, align="right")
    return "\n".join(canvas.operators).encode("latin-1")


def pdf(content):
    fonts = " ".join(f"/{name} {number} 0 R" for number, (name, _) in enumerate(FONTS.values(), 5))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R /Lang (en) >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {WIDTH} {HEIGHT}] /Contents 4 0 R "
        f"/Resources << /Font << {fonts} >> >> >>".encode(),
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        *(
            f"<< /Type /Font /Subtype /Type1 /BaseFont /{base} /Encoding /WinAnsiEncoding >>".encode()
            for _, base in FONTS.values()
        ),
    ]
    file, offsets = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(file))
        file += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return file + b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1, table, len(objects) + 1, len(file)
    )


if __name__ == "__main__":
    Path(__file__).with_name("invoice.pdf").write_bytes(pdf(draw()))
