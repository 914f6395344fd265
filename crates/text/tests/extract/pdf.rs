//! Writes small PDF files by hand, well-formed and hostile ones.

/// A file of these objects, numbered from 1, of which the first is the catalogue.
pub(crate) fn file(objects: &[Vec<u8>]) -> Vec<u8> {
    let mut file = b"%PDF-1.7\n".to_vec();
    let mut offsets = Vec::new();
    for (number, body) in (1..).zip(objects) {
        offsets.push(file.len());
        file.extend(format!("{number} 0 obj\n").bytes());
        file.extend(body);
        file.extend(b"\nendobj\n");
    }
    let start = file.len();
    let count = objects.len() + 1;
    file.extend(format!("xref\n0 {count}\n0000000000 65535 f \n").bytes());
    for offset in offsets {
        file.extend(format!("{offset:010} 00000 n \n").bytes());
    }
    file.extend(format!("trailer\n<< /Size {count} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n").bytes());
    file
}

/// A stream with these dictionary entries.
pub(crate) fn stream(entries: &str, data: &[u8]) -> Vec<u8> {
    [format!("<< {entries} /Length {} >>\nstream\n", data.len()).as_bytes(), data, b"\nendstream"].concat()
}

/// A file of one page with these entries and this stream as its content (object 4); further objects begin at 6.
pub(crate) fn page(entries: &str, content: Vec<u8>, more: Vec<Vec<u8>>) -> Vec<u8> {
    let page = format!(
        "<< /Type /Page /Parent 2 0 R {entries} /Contents 4 0 R \
         /Resources << /Font << /F 5 0 R >> /XObject << /X 6 0 R >> >> >>"
    );
    let mut objects = vec![
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_vec(),
        page.into_bytes(),
        content,
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Courier >>".to_vec(),
    ];
    objects.extend(more);
    file(&objects)
}

/// One page whose content draws a form that draws a form …: ten to the ninth times.
pub(crate) fn billion_forms() -> Vec<u8> {
    const LEVELS: usize = 9;
    let draw_ten = "/X Do ".repeat(10).into_bytes();
    let forms = (0..LEVELS).map(|level| {
        let inner = 7 + level;
        let entries = format!(
            "/Type /XObject /Subtype /Form /BBox [0 0 100 100] /Resources << /Font << /F 5 0 R >> \
             /XObject << /X {inner} 0 R >> >>"
        );
        let leaf = b"BT /F 9 Tf (laugh) Tj ET".to_vec();
        stream(&entries, if level + 1 == LEVELS { &leaf } else { &draw_ten })
    });
    let forms = forms.collect();
    page("/MediaBox [0 0 100 100]", stream("", &draw_ten), forms)
}

/// One page whose content is `size` bytes of a `unit` of up to four ASCII characters, deflated to a hundredth and less.
pub(crate) fn flate_bomb(unit: &str, size: usize) -> Vec<u8> {
    const LONGEST_COPY: usize = 258;
    let mut bits = Bits::default();
    // One last block with the fixed code: the unit, then copies of it. Codes go in with their highest bit first.
    bits.push(&[1, 1, 0]);
    for byte in unit.bytes() {
        bits.push(&code(0x30 + u16::from(byte), 8));
    }
    let distance = u16::try_from(unit.len() - 1).unwrap();
    for _ in 0..size / LONGEST_COPY {
        bits.push(&code(0b1100_0101, 8));
        bits.push(&code(distance, 5));
    }
    bits.push(&code(0, 7));
    let deflated = [&b"\x78\x9c"[..], &bits.bytes, &[0; 4]].concat();
    page("/MediaBox [0 0 100 100]", stream("/Filter /FlateDecode", &deflated), Vec::new())
}

fn code(value: u16, length: u8) -> Vec<u8> {
    (0..length).rev().map(|bit| u8::from(value >> bit & 1 == 1)).collect()
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: u8,
}

impl Bits {
    fn push(&mut self, bits: &[u8]) {
        for bit in bits {
            if self.used == 0 {
                self.bytes.push(0);
            }
            *self.bytes.last_mut().unwrap() |= bit << self.used;
            self.used = (self.used + 1) % 8;
        }
    }
}
