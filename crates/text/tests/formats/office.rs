//! Word, Excel, PowerPoint and OpenDocument.

use protocol::document::BBox;

use super::made::{archive, spreadsheet, word, word_with, workbook};
use super::*;

const WORD: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";

#[tokio::test]
async fn a_word_document_is_read_in_its_order() {
    // The content decides, whatever the name says.
    let Extracted { document, extractor, warnings } = read("agreement.txt", &fixture("agreement.docx")).await.unwrap();
    assert_eq!((extractor.as_str(), document.media_type.as_str(), warnings.len()), ("docx", WORD, 0));
    let expected = [
        "North Instruments Ltd",
        "Service agreement",
        "Agreement number SA-2026-031",
        "- Calibrate the gauge",
        "1. First step",
        "2. Second step",
        "Item        Quantity  Price",
        "Tide gauge  2         1,240.00",
        "Mast        1         80.00",
        "tall  one",
        "      two",
        "Kept inserted",
        "Signed  Jane Doe",
        "Registered in Bergen",
    ];
    assert_eq!(texts(&document), expected);
    assert_eq!(lines(&document.pages[1])[0], "Signed  Jane Doe");
    let [items, merged] = &document.pages[0].tables[..] else { panic!("{:?}", document.pages[0].tables) };
    assert_eq!((items.columns, items.rows.len()), (3, 3));
    assert_eq!(cells(items)[1], ["Tide gauge", "2", "1,240.00"]);
    let tall = &merged.rows[0].cells[0];
    assert_eq!((tall.text.as_str(), tall.rows, merged.rows[1].cells[0].column), ("tall", 2, 1));
    // It is where its words are.
    let word = document.pages[0].lines.iter().flat_map(|line| &line.words).find(|word| word.text == "tall").unwrap();
    assert!(tall.bbox.holds(word.bbox) && tall.bbox.height() == 24.0, "{:?}", tall.bbox);
}

#[tokio::test]
async fn notes_text_boxes_links_and_fields_of_a_word_document_are_read_once() {
    let text = |text: &str| format!("<w:r><w:t xml:space=\"preserve\">{text}</w:t></w:r>");
    let body = format!(
        "<w:p>{}<w:r><w:footnoteReference w:id=\"2\"/></w:r><w:hyperlink>{}</w:hyperlink></w:p>\
         <w:p><w:r><mc:AlternateContent xmlns:mc=\"m\"><mc:Choice><w:txbxContent><w:p>{}</w:p></w:txbxContent></mc:Choice>\
         <mc:Fallback><w:txbxContent><w:p>{}</w:p></w:txbxContent></mc:Fallback></mc:AlternateContent></w:r>{}</w:p>\
         <w:sdt><w:sdtPr><w:alias w:val=\"no\"/></w:sdtPr><w:sdtContent><w:p>{}<w:r><w:instrText>PAGE</w:instrText></w:r></w:p></w:sdtContent></w:sdt>\
         <w:p><w:moveFrom>{}</w:moveFrom><w:r><w:sym w:font=\"Wingdings\" w:char=\"F0FE\"/></w:r>{}</w:p>",
        text("Price"),
        text(" &amp; terms"),
        text("in a box"),
        text("in a box"),
        text("beside"),
        text("in a control"),
        text("moved away"),
        text(" ticked"),
    );
    let footnotes = format!(
        "<w:footnotes xmlns:w=\"w\"><w:footnote w:id=\"0\"><w:p/></w:footnote><w:footnote w:id=\"2\"><w:p>{}</w:p></w:footnote></w:footnotes>",
        text("without VAT")
    );
    let relations =
        b"<Relationships><Relationship Id=\"a\" Type=\"x/footnotes\" Target=\"footnotes.xml\"/></Relationships>";
    let parts: &[(&str, &[u8])] =
        &[("word/_rels/document.xml.rels", relations), ("word/footnotes.xml", footnotes.as_bytes())];
    let Extracted { document, .. } = read("a.docx", &word_with(&body, parts)).await.unwrap();
    let expected = ["Price[1] & terms", "beside", "in a box", "in a control", "☒ ticked", "[1] without VAT"];
    assert_eq!(texts(&document), expected);
}

#[tokio::test]
async fn cells_of_a_word_table_keep_their_lines_and_spans() {
    let cell = |properties: &str, texts: &[&str]| {
        let paragraphs: String = texts.iter().map(|text| format!("<w:p><w:r><w:t>{text}</w:t></w:r></w:p>")).collect();
        format!("<w:tc><w:tcPr>{properties}</w:tcPr>{paragraphs}</w:tc>")
    };
    let body = format!(
        "<w:tbl><w:tr>{}</w:tr><w:tr>{}{}</w:tr><w:tr><w:trPr><w:del/></w:trPr>{}</w:tr></w:tbl>",
        cell("<w:gridSpan w:val=\"2\"/>", &["Both"]),
        cell("", &["one", "two"]),
        cell("", &["right"]),
        cell("", &["deleted"]),
    );
    let Extracted { document, .. } = read("a.docx", &word(&body)).await.unwrap();
    let table = &document.pages[0].tables[0];
    assert_eq!(cells(table), [vec!["Both"], vec!["one\ntwo", "right"]]);
    assert_eq!(table.rows[0].cells[0].columns, 2);
    assert_eq!(table.bbox, BBox::new(0.0, 0.0, 60.0, 36.0));
    assert_eq!(texts(&document), ["Both", "one  right", "two"]);
}

#[tokio::test]
async fn a_table_within_a_cell_is_text_of_the_cell() {
    let paragraph = |text: &str| format!("<w:p><w:r><w:t>{text}</w:t></w:r></w:p>");
    let inner = format!("<w:tbl><w:tr><w:tc>{}</w:tc><w:tc>{}</w:tc></w:tr></w:tbl>", paragraph("a"), paragraph("b"));
    let body = format!(
        "<w:tbl><w:tr><w:tc>{inner}{}</w:tc><w:tc>{}</w:tc></w:tr></w:tbl>",
        paragraph("below"),
        paragraph("right")
    );
    let Extracted { document, .. } = read("a.docx", &word(&body)).await.unwrap();
    assert_eq!(cells(&document.pages[0].tables[0]), [["a  b\nbelow", "right"]]);
}

#[tokio::test]
async fn a_workbook_is_read_sheet_by_sheet_as_it_is_displayed() {
    let Extracted { document, extractor, warnings } = read("a", &fixture("invoice.xlsx")).await.unwrap();
    assert_eq!(extractor, "xlsx");
    let first: Vec<&str> = document.pages.iter().map(|page| lines(page)[0]).collect();
    assert_eq!(first, ["Invoice", "Notes", "Rates"], "hidden sheets come last");
    assert_eq!(warnings, ["the sheet \"Rates\" on page 3 is hidden in the workbook"]);
    let table = &document.pages[0].tables[0];
    let expected = [
        vec!["Date", "Item", "Net", "VAT"],
        vec!["2026-03-01", "Tide gauge", "1,240.50 kr", "25%", "TRUE"],
        vec!["2026-03-02 14:30:00", "Mast", "0.3", "7.5%"],
        vec!["far below"],
    ];
    assert_eq!(cells(table), expected);
    assert_eq!(table.rows[3].cells[0].columns, 2);
    let row = lines(&document.pages[0])[3];
    assert_eq!(row, "2026-03-01           Tide gauge  1,240.50 kr  25%   TRUE");
}

#[tokio::test]
async fn texts_of_a_workbook_are_shared_rich_or_in_the_cell() {
    let rows = "<row r=\"1\"><c r=\"B1\" t=\"s\"><v>0</v></c><c t=\"inlineStr\"><is><t>inline</t></is></c>\
                <c t=\"s\"><v>7</v></c><c t=\"e\"><v>#N/A</v></c><c><f>1+1</f><v>2</v></c></row>";
    let texts = "<si><r><t>sha</t></r><r><t>red</t></r><rPh><t>spoken</t></rPh></si>";
    let Extracted { document, .. } = read("a.xlsx", &workbook(rows, "", texts)).await.unwrap();
    assert_eq!(cells(&document.pages[0].tables[0]), [["shared", "inline", "#N/A", "2"]]);
}

#[tokio::test]
async fn slides_are_pages_read_from_top_to_bottom() {
    let Extracted { document, extractor, .. } = read("a", &fixture("report.pptx")).await.unwrap();
    assert_eq!((extractor.as_str(), document.pages.len()), ("pptx", 2));
    assert_eq!(lines(&document.pages[0]), ["Tide report", "", "Bergen, March 2026"]);
    let second: Vec<&str> = lines(&document.pages[1]).into_iter().filter(|text| !text.is_empty()).collect();
    let expected =
        ["Levels", "left", "right", "Station  Level", "Bergen   1.42 m", "below", "Notes:", "Mention the storm"];
    assert_eq!(second, expected);
    assert_eq!(cells(&document.pages[1].tables[0]), [["Station", "Level"], ["Bergen", "1.42 m"]]);
}

#[tokio::test]
async fn open_documents_are_read() {
    let Extracted { document, extractor, .. } = read("a", &fixture("lease.odt")).await.unwrap();
    assert_eq!(extractor, "opendocument");
    assert_eq!(texts(&document), ["Lease", "Rent:   12,000[1]", "- heating", "- water", "Signed", "[1] per month"]);
    assert_eq!(lines(&document.pages[1])[0], "Signed");
    let Extracted { document, .. } = read("a", &fixture("rent.ods")).await.unwrap();
    let table = &document.pages[0].tables[0];
    assert_eq!(cells(table), [vec!["Month", "Paid"], vec!["March", "12,000.00"], vec!["2026-03-01"]]);
    assert_eq!(document.pages.len(), 1, "a million blank rows are none");
}

#[tokio::test]
async fn repeated_cells_are_as_many() {
    let cell = |attributes: &str| format!("<table:table-cell {attributes}><text:p>x</text:p></table:table-cell>");
    let row = format!(
        "<table:table-row table:number-rows-repeated=\"2\">{}{}</table:table-row>",
        cell("table:number-columns-repeated=\"3\""),
        cell("")
    );
    let Extracted { document, .. } = read("a.ods", &spreadsheet(&row)).await.unwrap();
    assert_eq!(cells(&document.pages[0].tables[0]), [["x"; 4]; 2]);
}

#[tokio::test]
async fn office_files_with_a_password_say_so() {
    // What Office saves then: a file system with the encrypted package in it. Only its folder matters here.
    let mut protected = vec![0; 1024];
    protected[..8].copy_from_slice(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1");
    let name: Vec<u8> = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect();
    protected[640..640 + name.len()].copy_from_slice(&name);
    let without = read("a.docx", &protected).await.unwrap_err();
    assert_eq!(without.code(), "file_unsupported", "the words alone are no entry: {without}");
    protected[640 + 64] = 34;
    let error = read("a.docx", &protected).await.unwrap_err();
    assert_eq!(error.code(), "file_encrypted");
    assert!(error.to_string().contains("save it without"), "{error}");
    let media_type: &[u8] = b"application/vnd.oasis.opendocument.text";
    let manifest: &[u8] = b"<manifest:manifest><manifest:encryption-data/></manifest:manifest>";
    let parts = [("mimetype", media_type), ("META-INF/manifest.xml", manifest), ("content.xml", b"\x01\x02")];
    assert_eq!(read("a.odt", &archive(&parts)).await.unwrap_err().code(), "file_encrypted");
}

#[tokio::test]
async fn other_archives_are_called_what_they_are() {
    type Files<'a> = &'a [(&'a str, &'a [u8])];
    let cases: [(Files<'_>, &str); 3] = [
        (&[("a.txt", b"a")], "a ZIP archive"),
        (&[("mimetype", b"application/epub+zip"), ("META-INF/container.xml", b"<a/>")], "an EPUB book"),
        (&[("[Content_Types].xml", b"<Types/>"), ("xl/workbook.bin", b"")], "an Excel binary workbook (.xlsb)"),
    ];
    for (files, expected) in cases {
        match read("a.zip", &archive(files)).await {
            Err(Error::Unsupported { looks_like }) => assert_eq!(looks_like, expected),
            other => panic!("{other:?}"),
        }
    }
}
