//! Documents that want too much, or are broken.

use super::made::{CONTENT_TYPES, archive, attachment, email, spreadsheet, word, word_with, workbook};
use super::*;

const MIB: usize = 1024 * 1024;

#[track_caller]
fn assert_limit(outcome: Result<Extracted, Error>, expected: Limit) {
    match outcome {
        Err(Error::TooComplex { limit, .. }) => assert_eq!(limit, expected),
        other => panic!("{:?}", other.map(|read| read.document.pages.len())),
    }
}

#[tokio::test]
async fn an_archive_that_inflates_to_too_much_is_stopped() {
    let bomb = word_with("", &[("word/_rels/document.xml.rels", &vec![b' '; 20 * MIB])]);
    assert!(bomb.len() < MIB);
    let limits = Limits { inflated_bytes: 16 << 20, ..Limits::default() };
    assert_limit(read_with(limits, "a.docx", &bomb).await, Limit::InflatedBytes(16 << 20));
    // All attachments of an e-mail together.
    let large = word_with("", &[("word/_rels/document.xml.rels", &vec![b' '; MIB])]);
    let parts: Vec<String> = (0..5).map(|number| attachment(&format!("{number}.docx"), &large)).collect();
    let limits = Limits { inflated_bytes: 3 << 20, ..Limits::default() };
    assert_limit(read_with(limits, "a.eml", &email(&parts)).await, Limit::InflatedBytes(3 << 20));
}

#[tokio::test]
async fn an_archive_of_too_many_files_is_refused() {
    let names: Vec<String> = (0..10_001).map(|number| format!("word/{number}")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    assert_limit(read("a.docx", &archive(&files)).await, Limit::Entries(10_000));
}

#[tokio::test]
async fn nothing_is_nested_too_deeply() {
    let nested = |open: &str, close: &str, times: usize| open.repeat(times) + &close.repeat(times);
    let deep = word(&nested("<w:sdt>", "</w:sdt>", 20_000));
    assert_limit(read("a.docx", &deep).await, Limit::Depth(256));
    let tables = word(&nested("<w:tbl><w:tr><w:tc>", "</w:tc></w:tr></w:tbl>", 80));
    assert!(read("a.docx", &tables).await.is_ok());
    let lists = "<html>".to_owned() + &"<ul><li>".repeat(20_000);
    assert_limit(read("a.html", lists.as_bytes()).await, Limit::Depth(256));
    let layout = "<html>".to_owned() + &"<table><tr><td>".repeat(20_000);
    assert_limit(read("a.html", layout.as_bytes()).await, Limit::Depth(256));
    let unclosed = "<html>".to_owned() + &"<div><b><p>a".repeat(20_000);
    assert!(read("a.html", unclosed.as_bytes()).await.is_ok());
    let message = "From: a@example.org\nTo: b@example.org\nSubject: c\nContent-Type: message/rfc822\n\n";
    assert_limit(read("a.eml", message.repeat(20_000).as_bytes()).await, Limit::Depth(256));
}

#[tokio::test]
async fn e_mails_within_each_other_are_read_to_a_depth() {
    let message = "From: a@example.org\nTo: b@example.org\nSubject: c\nContent-Type: message/rfc822\n\n";
    let text = "From: a@example.org\nTo: b@example.org\nSubject: innermost\n\ntext\n";
    let Extracted { document, warnings, .. } = read("a.eml", (message.repeat(9) + text).as_bytes()).await.unwrap();
    assert_eq!(document.pages.len(), 4);
    assert!(warnings.iter().any(|warning| warning.contains("nested deeper than 4 levels")), "{warnings:?}");
}

#[tokio::test]
async fn attachments_are_read_up_to_a_number() {
    let parts: Vec<String> = (0..120).map(|number| attachment(&format!("{number}.txt"), b"a")).collect();
    let Extracted { document, warnings, .. } = read("a.eml", &email(&parts)).await.unwrap();
    assert!(document.pages.len() > 100);
    assert_eq!(warnings, ["the attachment \"100.txt\" and those behind it were not read: more than 100"]);
}

#[tokio::test]
async fn a_sheet_takes_no_more_than_its_cells() {
    // Corners of the largest sheet, and cells that are said to be as large as that.
    let rows = "<row r=\"1\"><c r=\"A1\"><v>1</v></c></row><row r=\"1048576\"><c r=\"XFD1048576\"><v>2</v></c></row>";
    let merged = "<dimension ref=\"A1:XFD1048576\"/><mergeCells><mergeCell ref=\"A1:XFD1048576\"/><mergeCell ref=\"ZZZZ9:A1\"/></mergeCells>";
    let limits = Limits { memory_bytes: 256 << 20, ..Limits::default() };
    let Extracted { document, .. } = read_with(limits.clone(), "a.xlsx", &workbook(rows, merged, "")).await.unwrap();
    assert_eq!(texts(&document), ["One", "1", "   2"]);
    // A text that is repeated for as long as it may.
    let text = format!("<si><t>{}</t></si>", "x ".repeat(MIB / 2));
    let rows = format!("<row>{}</row>", "<c t=\"s\"><v>0</v></c>".repeat(10_000));
    assert_limit(read_with(limits.clone(), "a.xlsx", &workbook(&rows, "", &text)).await, Limit::OutputBytes(64 << 20));
    let cells = "<table:table-row table:number-rows-repeated=\"4000000000\"><table:table-cell table:number-columns-repeated=\"4000000000\">\
                 <text:p>x</text:p></table:table-cell></table:table-row>";
    assert_limit(read_with(limits.clone(), "a.ods", &spreadsheet(cells)).await, Limit::Words(500_000));
    let csv = "x,".repeat(1 << 20);
    assert_limit(read_with(limits, "a.csv", csv.as_bytes()).await, Limit::Words(500_000));
}

#[tokio::test]
async fn absurd_spans_are_no_spans() {
    let page = "<html><table><tr><td colspan=4000000000 rowspan=4000000000>a<td>b<tr><td>c<td colspan=-1>d</table>";
    let Extracted { document, .. } = read("a", page.as_bytes()).await.unwrap();
    assert_eq!(texts(&document), ["a  b", "   c d"]);
    let body = "<w:tbl><w:tr><w:tc><w:tcPr><w:gridSpan w:val=\"4294967295\"/></w:tcPr><w:p><w:r><w:t>a</w:t></w:r></w:p></w:tc>\
                <w:tc><w:p><w:r><w:t>b</w:t></w:r></w:p></w:tc></w:tr></w:tbl>";
    let Extracted { document, .. } = read("a.docx", &word(body)).await.unwrap();
    assert_eq!(texts(&document), ["a  b"]);
}

#[tokio::test]
async fn entities_and_document_types_are_not_followed() {
    let laughs = "<!DOCTYPE d [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\"><!ENTITY c SYSTEM \"file:///etc/passwd\">]>";
    let document = format!(
        "{laughs}<w:document xmlns:w=\"w\"><w:body><w:p><w:r><w:t>a&b;&c;&#98;&lt;</w:t></w:r></w:p></w:body></w:document>"
    );
    let types = "<Types><Override ContentType=\"x.wordprocessingml.document.main+xml\"/></Types>";
    let bytes = archive(&[(CONTENT_TYPES, types.as_bytes()), ("word/document.xml", document.as_bytes())]);
    let Extracted { document, .. } = read("a.docx", &bytes).await.unwrap();
    assert_eq!(texts(&document), ["ab<"]);
}

#[tokio::test]
async fn broken_files_say_what_is_broken() {
    let whole = fixture("agreement.docx");
    for end in [whole.len() / 10, whole.len() / 2, whole.len() - 30] {
        let error = read("a.docx", &whole[..end]).await.unwrap_err();
        assert_eq!(error.code(), "file_corrupt", "{end}: {error}");
    }
    let error = read("a.docx", &word("<w:p><w:r></w:p>")).await.unwrap_err();
    assert!(error.to_string().contains("word/document.xml is no XML at byte"), "{error}");
    let error = read("a.docx", b"no archive").await.unwrap_err();
    assert_eq!(error.code(), "file_corrupt");
    for cut in [&b"\x89PNG\r\n\x1a\n"[..], b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"\xff\xd8\xff\xe0", b"II*\0"] {
        let error = read("a", cut).await.unwrap_err();
        assert_eq!(error.code(), "file_corrupt", "{cut:?}: {error}");
    }
    for (name, least) in [("scan.png", 8), ("turned.jpg", 3), ("fax.tif", 8), ("palette.gif", 6), ("small.webp", 12)] {
        let whole = fixture(name);
        for length in [least, least + 10, whole.len() / 2] {
            // What is missing is noticed when the pages are counted, or when they are drawn.
            let outcome = match read("a", &whole[..length]).await {
                Ok(_) => picture("a", &whole[..length], Wish::page(1, 150.0)).await.map(|_| ()),
                Err(error) => Err(error),
            };
            if let Err(error) = outcome {
                assert!(["file_corrupt", "file_unsupported"].contains(&error.code()), "{name} {length}: {error}");
            }
        }
    }
}

#[tokio::test]
async fn a_picture_that_is_larger_than_its_file_says_so() {
    let mut bomb = fixture("scan.png");
    bomb[16..24].copy_from_slice(&[0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff]);
    let checksum = crc(&bomb[12..29]);
    bomb[29..33].copy_from_slice(&checksum.to_be_bytes());
    assert_limit(read("a.png", &bomb).await, Limit::Pixels(100_000_000));
    let error = picture("a.png", &bomb, Wish::page(1, 10.0)).await.unwrap_err();
    assert_eq!(error, Limit::Pixels(100_000_000).into());
    // In an e-mail it costs itself.
    let Extracted { document, warnings, .. } = read("a.eml", &email(&[attachment("a.png", &bomb)])).await.unwrap();
    assert_eq!(document.pages[0].number, 1);
    assert!(
        warnings[0].contains("\"a.png\" was not read: the document is too complex: it is a picture"),
        "{warnings:?}"
    );
}

#[tokio::test]
async fn a_fax_whose_pages_go_round_ends() {
    let mut fax = fixture("fax.tif");
    let first = u32::from_le_bytes(fax[4..8].try_into().unwrap());
    let at = first as usize;
    let count = usize::from(u16::from_le_bytes([fax[at], fax[at + 1]]));
    let next = at + 2 + 12 * count;
    fax[next..next + 4].copy_from_slice(&first.to_le_bytes());
    let error = read("a.tif", &fax).await.unwrap_err();
    assert_eq!(error.code(), "file_corrupt", "{error}");
}

/// The checksum of a PNG chunk.
fn crc(bytes: &[u8]) -> u32 {
    let crc = bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    });
    !crc
}
