use super::*;
use crate::config::Limits;
use crate::error::Limit;
use crate::wire::Said;

fn set(limits: &Limits, deed: impl FnOnce(&mut Flow<'_, '_>) -> Result<(), Error>) -> Result<Vec<Page>, Error> {
    let mut heard = Vec::new();
    let mut hear = |said| {
        if let Said::Page { page, .. } = said {
            heard.push(*page);
        }
        Ok(())
    };
    let mut pages = Pages::new(limits, None, 1, &mut hear);
    let mut flow = Flow::new(&mut pages);
    deed(&mut flow)?;
    flow.end()?;
    Ok(heard)
}

fn sheet(limits: &Limits, rows: &[&[(u32, u32, u32, &str)]]) -> Result<Sheet, Error> {
    let mut sheet = Sheet::new(limits);
    for row in rows {
        let entry = |&(column, columns, rows, text): &_| Entry { column, columns, rows, text: String::from(text) };
        sheet.push(row.iter().map(entry).collect())?;
    }
    Ok(sheet)
}

fn texts(page: &Page) -> Vec<&str> {
    page.lines.iter().map(|line| line.text.as_str()).collect()
}

#[test]
fn paragraphs_are_broken_between_words_and_read_as_one() {
    let long = "word ".repeat(30);
    let pages = set(&Limits::default(), |flow| {
        flow.heading("Title")?;
        flow.item(2, "1. ", &long)?;
        flow.paragraph("left\tright")
    });
    let page = &pages.unwrap()[0];
    let lines = texts(page);
    assert_eq!((lines[0], lines[1]), ("Title", ""));
    assert!(lines[2].starts_with("  1. word word") && lines[2].len() <= 100, "{}", lines[2]);
    assert!(lines[3].starts_with("     word"), "{}", lines[3]);
    assert_eq!(lines[4], "left    right");
    assert_eq!(page.prose(), format!("Title\n1. {}\nleft right\n", long.trim_end()));
}

#[test]
fn pages_end_after_sixty_lines_or_a_break() {
    let pages = set(&Limits::default(), |flow| {
        (0..61).try_for_each(|number| flow.paragraph(&number.to_string()))?;
        flow.page_break()?;
        flow.page_break()?;
        flow.paragraph("end")
    });
    let pages = pages.unwrap();
    assert_eq!(pages.iter().map(|page| (page.number, page.lines.len())).collect::<Vec<_>>(), [(1, 60), (2, 1), (3, 1)]);
    assert_eq!(set(&Limits::default(), |_| Ok(())).unwrap().len(), 1);
}

#[test]
fn a_table_has_columns_under_each_other_and_cells() {
    let limits = Limits::default();
    let rows: &[&[_]] = &[
        &[(0, 1, 1, "Item"), (3, 1, 1, "Price")],
        &[(0, 1, 2, "Tide gauge\nwith mast"), (3, 1, 1, "1,240.00")],
        &[(3, 1, 1, "2.00")],
        &[(0, 4, 1, "total: much")],
    ];
    let pages = set(&limits, |flow| flow.table(sheet(&limits, rows)?)).unwrap();
    let page = &pages[0];
    let expected = ["Item        Price", "Tide gauge  1,240.00", "with mast", "            2.00", "total: much"];
    assert_eq!(texts(page), expected);
    let table = &page.tables[0];
    assert_eq!((table.columns, table.rows.len()), (2, 4));
    let gauge = &table.rows[1].cells[0];
    assert_eq!((gauge.text.as_str(), gauge.rows), ("Tide gauge\nwith mast", 2));
    assert_eq!(gauge.bbox, BBox::new(0.0, 12.0, 60.0, 48.0));
    assert_eq!(table.rows[2].cells[0].column, 1);
    assert_eq!(table.rows[3].cells[0].columns, 2);
    assert_eq!(page.prose(), "Item Price\nTide gauge with mast 1,240.00\n2.00\ntotal: much\n");
}

#[test]
fn tables_go_on_on_the_next_page() {
    let limits = Limits::default();
    let rows: Vec<String> = (0..100).map(|row| format!("row {row}")).collect();
    let rows: Vec<[_; 2]> = rows.iter().map(|text| [(0, 1, 1, text.as_str()), (1, 1, 1, "x")]).collect();
    let rows: Vec<&[_]> = rows.iter().map(|row| &row[..]).collect();
    let pages = set(&limits, |flow| flow.table(sheet(&limits, &rows)?)).unwrap();
    assert_eq!(pages.iter().map(|page| page.tables[0].rows.len()).collect::<Vec<_>>(), [60, 40]);
    assert_eq!(pages[1].tables[0].rows[0].cells[0].text, "row 60");
}

#[test]
fn wide_tables_have_their_cells_broken_and_their_words_whole() {
    let limits = Limits::default();
    let long = "many short words ".repeat(20);
    let url = format!("https://example.org/{}", "x".repeat(60));
    let rows: &[&[_]] = &[&[(0, 1, 1, long.as_str()), (1, 1, 1, &url), (2, 1, 1, &long)]];
    let pages = set(&limits, |flow| flow.table(sheet(&limits, rows)?)).unwrap();
    let page = &pages[0];
    assert!(page.lines.len() > 3 && page.lines.iter().all(|line| line.text.len() <= 250), "{:?}", texts(page));
    assert!(page.lines[0].words.iter().any(|word| word.text == url));
    assert_eq!(page.tables[0].rows[0].cells[0].text, long.trim());
    // A cell that takes more than a page loses nothing.
    let endless = "word ".repeat(20_000);
    let pages = set(&limits, |flow| flow.table(sheet(&limits, &[&[(0, 1, 1, &endless), (1, 1, 1, "b")]])?)).unwrap();
    let words = pages.iter().flat_map(|page| &page.lines).map(|line| line.words.len()).sum::<usize>();
    assert_eq!(words, 20_001);
}

#[test]
fn no_table_is_held_that_could_not_be_said() {
    let limits = Limits { words: 10, output_bytes: 2_000, ..Limits::default() };
    let mut sheet = Sheet::new(&limits);
    let entry = |text: String| vec![Entry { column: u32::MAX, columns: u32::MAX, rows: u32::MAX, text }];
    let too_much = (0..).find_map(|_| sheet.push(entry("a".into())).err());
    assert_eq!(too_much, Some(Limit::Words(10).into()));
    let error = Sheet::new(&limits).push(entry("a".repeat(3_000))).unwrap_err();
    assert_eq!(error, Limit::OutputBytes(2_000).into());
    let mut absurd = Sheet::new(&limits);
    absurd.push(entry("here".into())).unwrap();
    let pages = set(&limits, |flow| flow.table(absurd)).unwrap();
    assert_eq!(pages[0].tables[0].rows[0].cells[0].columns, 1);
}
