//! Places of values as the replaced system's viewers take them: `[page, base_y, height, page_height]`, pages from 0, lengths
//! from the top of the page, here in points.

use indexmap::IndexMap;
use protocol::answer::Evidence;
use protocol::document::Document;

/// By prompt: its places.
pub(super) fn of<'a>(
    evidence: &'a IndexMap<String, Vec<Evidence>>,
    document: &Document,
) -> IndexMap<&'a str, Vec<[f32; 4]>> {
    let place = |evidence: &Evidence| {
        let page = document.page(evidence.page)?;
        let [_, _, _, base_y]: [f32; 4] = evidence.bbox.into();
        Some([evidence.page.saturating_sub(1) as f32, base_y, rounded(evidence.bbox.height()), rounded(page.height)])
    };
    evidence.iter().map(|(name, places)| (name.as_str(), places.iter().filter_map(place).collect())).collect()
}

/// Hundredths of a point, as boxes have them.
fn rounded(length: f32) -> f32 {
    (length * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use protocol::document::{BBox, Page};

    use super::*;

    #[test]
    fn a_place_is_told_by_its_page_its_lower_edge_and_two_heights() {
        let evidence = Evidence { page: 2, bbox: BBox::new(10.0, 40.0, 90.0, 52.5), quote: "7".to_owned() };
        let unknown = Evidence { page: 3, ..evidence.clone() };
        let evidence = IndexMap::from([("total".to_owned(), vec![evidence, unknown]), ("iban".to_owned(), vec![])]);
        let page = |number| Page { number, width: 595.0, height: 842.0, lines: Vec::new(), ..Page::default() };
        let document =
            Document { media_type: "application/pdf".to_owned(), pages: vec![page(1), page(2)], ..Document::default() };

        let places = of(&evidence, &document);

        assert_eq!(places["total"], [[1.0, 52.5, 12.5, 842.0]]);
        assert!(places["iban"].is_empty());
    }
}
