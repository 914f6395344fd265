//! Text in any encoding, tables as text, web pages.

use super::*;

#[tokio::test]
async fn text_is_read_whatever_its_encoding() {
    let utf16: Vec<u8> = "Rechnung Nr. 5 für Öl".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let russian = b"\xf3\xfe\xa3\xf4 \xee\xc1 \xcf\xd0\xcc\xc1\xd4\xd5: \xd3\xd5\xcd\xcd\xc1 \xc4\xcf\xcc\xd6\xce\xc1 \xc2\xd9\xd4\xd8";
    let cases: [(&[u8], &str); 4] = [
        ("für 5 €".as_bytes(), "für 5 €"),
        (b"f\xfcr 5 \x80", "für 5 €"),
        (&utf16, "Rechnung Nr. 5 für Öl"),
        (russian, "СЧЁТ НА ОПЛАТУ: СУММА ДОЛЖНА БЫТЬ"),
    ];
    for (bytes, expected) in cases {
        let Extracted { document, extractor, .. } = read("a.txt", bytes).await.unwrap();
        assert_eq!(extractor, "plain-text");
        assert_eq!(texts(&document)[0].to_uppercase(), expected.to_uppercase());
    }
}

#[tokio::test]
async fn tables_as_text_are_tables() {
    let Extracted { document, extractor, .. } =
        read("a.csv", b"sep=;\r\nItem;Net\r\n\"Tide gauge;\nlarge\";1.240,00\r\n;2\r\n").await.unwrap();
    assert_eq!((extractor.as_str(), document.media_type.as_str()), ("csv", "text/csv"));
    let table = &document.pages[0].tables[0];
    assert_eq!(cells(table), [vec!["Item", "Net"], vec!["Tide gauge;\nlarge", "1.240,00"], vec!["2"]]);
    assert_eq!(table.rows[2].cells[0].column, 1);
    assert_eq!(texts(&document), ["Item         Net", "Tide gauge;  1.240,00", "large", "             2"]);
    let Extracted { document, .. } = read("a.tsv", "a, b\tc\nä\t\"d\"\n".as_bytes()).await.unwrap();
    assert_eq!(cells(&document.pages[0].tables[0]), [["a, b", "c"], ["ä", "d"]]);
}

#[tokio::test]
async fn a_web_page_is_read_as_it_is_seen() {
    let page = "<!doctype html><head><meta charset=iso-8859-2><title>no</title><style>p{}</style>\
        <body><h1>Invoice &amp; more</h1><p>Hello <b>wor</b>ld<br>next <span style='Display: None'>no <span>no</span> no</span>line\
        <script>document.write('<p>no</p>')</script><p hidden>no<p>shown<ul><li>one<li>two<ol start=3><li>three</ol></ul>\
        <table><tr><th rowspan=2>A<th colspan=2>B<tr><th>b1<th>b2<tr><td>1<td><p>2</p><p>zwei</p><td>3</table>\
        <pre> a  b\n   c</pre>K\u{f9}ty <!-- no --><input type=checkbox checked>yes";
    let bytes: Vec<u8> = page.chars().map(|character| u8::try_from(u32::from(character)).unwrap()).collect();
    let Extracted { document, extractor, .. } = read("a.htm", &bytes).await.unwrap();
    assert_eq!((extractor.as_str(), document.media_type.as_str()), ("html", "text/html"));
    let expected = [
        "Invoice & more",
        "Hello world",
        "next line",
        "shown",
        "- one",
        "- two",
        "  3. three",
        "A  B",
        "   b1    b2",
        "1  2     3",
        "   zwei",
        " a  b",
        "   c",
        "Kůty ☒ yes",
    ];
    assert_eq!(texts(&document), expected);
    let table = &document.pages[0].tables[0];
    assert_eq!(table.columns, 3);
    let spans: Vec<(u32, u32, u32)> =
        table.rows[0].cells.iter().map(|cell| (cell.column, cell.columns, cell.rows)).collect();
    assert_eq!(spans, [(0, 1, 2), (1, 2, 1)]);
    assert_eq!(table.rows[1].cells[0].column, 1);
}

#[tokio::test]
async fn tables_that_hold_a_web_page_together_are_none() {
    let page = "<html><table><tr><td>left<table><tr><td>k<td>v<tr><td>k2<td>v2</table>below<td>right</table>";
    let Extracted { document, .. } = read("a", page.as_bytes()).await.unwrap();
    assert_eq!(texts(&document), ["left", "k   v", "k2  v2", "below", "right"]);
    assert_eq!(document.pages[0].tables.len(), 1);
    assert_eq!(cells(&document.pages[0].tables[0]), [["k", "v"], ["k2", "v2"]]);
}
