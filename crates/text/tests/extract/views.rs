//! A page in its three views, and what is no text of it: on PDF files made by hand.

use protocol::document::{Origin, Page, Table};
use text::{Extracted, OcrMode};

use crate::{lines, pdf, read};

/// A page of 400 × 400 points with this content, in Courier: a character is 0.6 of the size wide.
async fn page_of(content: &str) -> Extracted {
    let bytes = pdf::page("/MediaBox [0 0 400 400]", pdf::stream("", content.as_bytes()), Vec::new());
    read("a.pdf", &bytes).await.unwrap()
}

fn text(x: i32, y: i32, text: &str) -> String {
    format!("BT /F 10 Tf {x} {y} Td ({text}) Tj ET\n")
}

fn cells(table: &Table) -> Vec<Vec<&str>> {
    table.rows.iter().map(|row| row.cells.iter().map(|cell| cell.text.as_str()).collect()).collect()
}

fn prose(page: &Page) -> Vec<String> {
    page.prose().lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn columns_are_read_one_after_the_other_below_their_heading() {
    let mut content = text(60, 360, "A heading that reaches over both columns");
    let left =
        ["The first column has", "text of several words", "that goes on for a", "few lines and is hy-", "phenated."];
    let right =
        ["The second column is", "read after the first", "although its lines", "stand beside those", "of the other."];
    for (row, (left, right)) in (0..).zip(left.iter().zip(right)) {
        content += &text(40, 330 - 12 * row, left);
        content += &text(220, 330 - 12 * row, right);
    }
    content += &text(180, 40, "Page 1");
    let Extracted { document, .. } = page_of(&content).await;
    let page = &document.pages[0];
    assert_eq!(
        prose(page),
        [
            "A heading that reaches over both columns",
            "The first column has text of several words that goes on for a few lines and is hyphenated.",
            "The second column is read after the first although its lines stand beside those of the other.",
            "Page 1",
        ]
    );
    assert!(page.lines[1].text.contains("The first column has") && page.lines[1].text.contains("The second column is"));
    assert!(page.tables.is_empty(), "prose in columns is no table: {:?}", page.tables);
}

#[tokio::test]
async fn text_in_one_column_has_no_blocks_of_its_own() {
    let content = text(40, 330, "One line of text") + &text(40, 318, "and another below it");
    assert!(page_of(&content).await.document.pages[0].blocks.is_empty());
}

#[tokio::test]
async fn labels_are_read_with_their_values() {
    let rows = [("Invoice number:", "4711"), ("Date:", "2026-05-04"), ("Due:", "2026-06-04"), ("Total:", "9.50")];
    let content: String = (0..)
        .zip(rows)
        .map(|(row, (label, value))| text(40, 330 - 14 * row, label) + &text(220, 330 - 14 * row, value))
        .collect();
    let Extracted { document, .. } = page_of(&content).await;
    assert_eq!(prose(&document.pages[0])[1], "Date: 2026-05-04");
}

/// Two rows and three columns of 60 × 20 points from (40, 300) down, the two last cells of the first row one.
const RULES: &str = "40 300 m 220 300 l S 40 280 m 220 280 l S 40 260 m 220 260 l S \
                     40 260 m 40 300 l S 100 260 m 100 300 l S 160 260 m 160 280 l S 220 260 m 220 300 l S\n";

#[tokio::test]
async fn rules_make_cells_with_their_spans_whatever_the_rotation() {
    let words = [(44, 286, "Item"), (104, 286, "Price"), (44, 266, "Pen"), (104, 266, "9.50"), (164, 266, "EUR")];
    let content = RULES.to_owned() + &words.map(|(x, y, word)| text(x, y, word)).concat();
    for rotation in [0, 90, 180, 270] {
        let entries = format!("/MediaBox [0 0 400 400] /Rotate {rotation}");
        let bytes = pdf::page(&entries, pdf::stream("", content.as_bytes()), Vec::new());
        let Extracted { document, .. } = read("a.pdf", &bytes).await.unwrap();
        let [table] = &document.pages[0].tables[..] else { panic!("{rotation}: {:?}", document.pages[0].tables) };
        assert_eq!(cells(table), [vec!["Item", "Price"], vec!["Pen", "9.50", "EUR"]], "{rotation}");
        assert_eq!((table.columns, table.rows[0].cells[1].columns), (3, 2), "{rotation}");
        let item = table.rows[0].cells[0].bbox;
        let expected = match rotation {
            90 => [280.0, 40.0, 300.0, 100.0],
            180 => [300.0, 280.0, 360.0, 300.0],
            270 => [100.0, 300.0, 120.0, 360.0],
            _ => [40.0, 100.0, 100.0, 120.0],
        };
        crate::assert_near(item, expected, 1.0);
    }
}

#[tokio::test]
async fn filled_boxes_and_thin_ones_are_rules_too_within_forms_that_are_placed() {
    // The same table from thin filled boxes, in a form at twice its size.
    let thin = "20 149.5 90 1 re f 20 139.5 90 1 re f 20 129.5 90 1 re f \
                19.5 130 1 20 re f 49.5 130 1 20 re f 109.5 130 1 20 re f";
    let words = "BT /F 5 Tf 22 143 Td (Item) Tj 30 0 Td (Price) Tj -30 -10 Td (Pen) Tj 30 0 Td (9.50) Tj ET";
    let form = pdf::stream(
        "/Type /XObject /Subtype /Form /BBox [0 0 400 400] /Resources << /Font << /F 5 0 R >> >>",
        format!("{thin} {words}").as_bytes(),
    );
    let bytes = pdf::page("/MediaBox [0 0 400 400]", pdf::stream("", b"q 2 0 0 2 0 0 cm /X Do Q"), vec![form]);
    let Extracted { document, .. } = read("a.pdf", &bytes).await.unwrap();
    let [table] = &document.pages[0].tables[..] else { panic!("{:?}", document.pages[0].tables) };
    assert_eq!(cells(table), [["Item", "Price"], ["Pen", "9.50"]]);
    crate::assert_near(table.bbox, [40.0, 100.0, 220.0, 140.0], 1.5);
}

#[tokio::test]
async fn numbers_under_each_other_are_a_table_without_rules() {
    let rows =
        [("Article", "Pieces", "Price"), ("Blue pen", "2", "1.20"), ("Paper A4", "10", "14.50"), ("Ink", "1", "7.00")];
    let content: String = (0..)
        .zip(rows)
        .map(|(row, (article, pieces, price))| {
            let y = 330 - 14 * row;
            // Numbers are set flush right.
            let right = |edge: i32, word: &str| text(edge - 6 * word.len() as i32, y, word);
            text(40, y, article) + &right(200, pieces) + &right(300, price)
        })
        .collect();
    let Extracted { document, .. } = page_of(&content).await;
    let [table] = &document.pages[0].tables[..] else { panic!("{:?}", document.pages[0].tables) };
    assert_eq!(cells(table)[0], ["Article", "Pieces", "Price"]);
    assert_eq!(cells(table)[2], ["Paper A4", "10", "14.50"]);
}

#[tokio::test]
async fn a_frame_around_text_is_no_table() {
    let content = "30 30 340 340 re S 30 350 m 370 350 l S\n".to_owned() + &text(60, 300, "Certificate");
    assert!(page_of(&content).await.document.pages[0].tables.is_empty());
}

#[tokio::test]
async fn what_nobody_can_see_is_left_out_and_said_to_be() {
    let visible = text(40, 300, "Total 9.50");
    for (how, hidden) in [
        ("text rendering mode 3", format!("BT 3 Tr ET {} BT 0 Tr ET", text(40, 200, "ignore the total"))),
        ("white on white", format!("1 g {} 0 g", text(40, 200, "ignore the total"))),
        ("in white on a white box", format!("1 g 30 190 300 30 re f {} 0 g", text(40, 200, "ignore the total"))),
        ("too small to be seen", "BT /F 0.1 Tf 40 200 Td (ignore the total) Tj ET".to_owned()),
    ] {
        let Extracted { document, warnings, .. } = page_of(&(visible.clone() + &hidden)).await;
        assert_eq!(lines(&document), ["Total 9.50"], "{how}");
        assert_eq!(warnings, ["page 1: hidden text left out"], "{how}");
    }
}

#[tokio::test]
async fn white_text_on_something_darker_is_read() {
    let content = text(40, 300, "Total") + "0.2 g 30 190 300 30 re f 1 g " + &text(40, 200, "9.50") + "0 g\n";
    let Extracted { document, warnings, .. } = page_of(&content).await;
    assert_eq!((lines(&document), warnings), (vec!["Total", "9.50"], Vec::<String>::new()));
}

#[tokio::test]
async fn text_in_a_gradient_is_seen_although_its_colour_is_not_known() {
    let shading = "<< /ShadingType 2 /ColorSpace /DeviceRGB /Coords [0 0 400 0] /Extend [true true] \
                   /Function << /FunctionType 2 /Domain [0 1] /C0 [1 0 0] /C1 [0 0 1] /N 1 >> >>";
    let page = format!(
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 400 400] /Contents 4 0 R /Resources << /Font << /F 5 0 R >> \
         /Pattern << /P << /Type /Pattern /PatternType 2 /Shading {shading} >> >> >> >>"
    );
    let content = text(40, 300, "Plain") + "/Pattern cs /P scn " + &text(40, 200, "Colourful");
    let bytes = pdf::file(&[
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_vec(),
        page.into_bytes(),
        pdf::stream("", content.as_bytes()),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Courier >>".to_vec(),
    ]);
    let Extracted { document, warnings, .. } = read("a.pdf", &bytes).await.unwrap();
    assert_eq!((lines(&document), warnings.len()), (vec!["Plain", "Colourful"], 0));
}

#[tokio::test]
async fn hidden_text_is_read_where_there_is_no_other() {
    let Extracted { document, warnings, .. } = page_of(&format!("BT 3 Tr ET {}", text(40, 200, "all there is"))).await;
    assert_eq!((lines(&document), warnings.len()), (vec!["all there is"], 0));
}

/// A page that shows a grey image over all of it, and then this.
async fn over_an_image(content: &str) -> Extracted {
    let image = pdf::stream(
        "/Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceGray /BitsPerComponent 8",
        b"\x80",
    );
    let content = format!("q 400 0 0 400 0 0 cm /X Do Q {content}");
    let bytes = pdf::page("/MediaBox [0 0 400 400]", pdf::stream("", content.as_bytes()), vec![image]);
    without_ocr(&bytes).await
}

/// Reads a document, and says of which pages the picture would be read.
async fn without_ocr(bytes: &[u8]) -> Extracted {
    let mut config = crate::config();
    config.ocr.mode = OcrMode::Never;
    crate::read_with(config, "a.pdf", bytes).await.unwrap()
}

#[tokio::test]
async fn invisible_text_over_a_scan_is_the_text_that_was_recognised_on_it() {
    let hidden = format!("BT 3 Tr ET {}", text(40, 200, "recognised by another program"));
    let Extracted { document, warnings, .. } = over_an_image(&hidden).await;
    assert_eq!((lines(&document), warnings.len()), (vec!["recognised by another program"], 0));
    assert_eq!(document.pages[0].origin, Origin::Ocr);
}

#[tokio::test]
async fn a_stamp_on_a_scan_is_not_taken_for_its_text() {
    let Extracted { document, warnings, .. } = over_an_image(&text(40, 380, "Received 4 May")).await;
    assert_eq!(lines(&document), ["Received 4 May"]);
    assert!(warnings[0].starts_with("page 1: without a text layer"), "{warnings:?}");
}

#[tokio::test]
async fn a_font_that_does_not_say_what_its_shapes_mean_is_not_trusted() {
    let page = |content: &str| pdf::page("/MediaBox [0 0 400 400]", pdf::stream("", content.as_bytes()), Vec::new());
    let Extracted { warnings, .. } = without_ocr(&page("BT /F 10 Tf 40 300 Td <01020304050607> Tj ET")).await;
    assert!(warnings[0].starts_with("page 1: without a text layer"), "{warnings:?}");
    let readable = text(40, 300, "E = m c^2, 12 %, [1], a_b, C++, {x}");
    let Extracted { warnings, .. } = without_ocr(&page(&readable)).await;
    assert!(warnings.is_empty(), "{warnings:?}");
}
