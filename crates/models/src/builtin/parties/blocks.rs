//! Blocks: segments under each other, aligned, without a gap between them.

use super::super::analysis::{Analysis, Segment};
use super::super::concept::Concept;

/// Segments under each other, by their numbers.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) segments: Vec<usize>,
    bottom: f32,
    page: usize,
}

/// How far apart, in points, the edges or centres of a block's lines may be.
const ALIGNED: f32 = 6.0;
/// How far apart lines of a block may be, in heights of a line: as usual in print.
pub(super) const SET_SOLID: f32 = 0.9;
/// How far apart lines of a block may be, in heights of a line: with free lines between them.
pub(super) const SPACED: f32 = 2.4;

/// The blocks of the first and the last page: letters name their parties there.
pub(super) fn read(analysis: &Analysis, leading: f32) -> Vec<Block> {
    let last_page = analysis.lines.last().map_or(0, |line| line.page);
    let mut blocks: Vec<Block> = Vec::new();
    for line in analysis.lines.iter().filter(|line| line.page == 0 || line.page == last_page) {
        for at in line.segments.clone() {
            let segment = &analysis.segments[at];
            let height = segment.bbox.height().max(6.0);
            let open = blocks.iter_mut().rev().take(40).find(|block| {
                let above = &analysis.segments[block.segments[block.segments.len() - 1]];
                block.page == line.page
                    && segment.bbox.y0 >= block.bottom - height * 0.5
                    && segment.bbox.y0 - block.bottom < leading * height
                    && aligned(above, segment)
            });
            match open {
                Some(block) => {
                    block.segments.push(at);
                    block.bottom = segment.bbox.y1;
                }
                None => blocks.push(Block { segments: vec![at], bottom: segment.bbox.y1, page: line.page }),
            }
        }
    }
    blocks
}

fn aligned(above: &Segment, below: &Segment) -> bool {
    let (a, b) = (above.bbox, below.bbox);
    let centre = |bbox: protocol::document::BBox| bbox.x0.midpoint(bbox.x1);
    (a.x0 - b.x0).abs() < ALIGNED || (a.x1 - b.x1).abs() < ALIGNED / 2.0 || (centre(a) - centre(b)).abs() < ALIGNED
}

impl Block {
    /// Whether it holds what a business prints of itself: bank account, tax number, register, telephone, addresses of the net.
    pub(super) fn has_facts(&self, analysis: &Analysis) -> bool {
        self.segments.iter().any(|segment| {
            let words = analysis.segments[*segment].words.clone();
            let net = analysis.words[words.clone()]
                .iter()
                .any(|word| word.text.contains('@') || word.text.contains("www.") || word.text.contains("://"));
            // "VAT 1.25" is a sum.
            let money = analysis.numbers_in(words.clone()).any(|number| number.money);
            let label = !money
                && analysis.labels_in(words).any(|label| {
                    matches!(
                        label.concept,
                        Concept::Iban
                            | Concept::Bic
                            | Concept::SellerVat
                            | Concept::TaxId
                            | Concept::Phone
                            | Concept::Website
                    )
                });
            net || label
        })
    }

    /// Which of its lines is town and postal code, if one is.
    pub(super) fn postal_line(&self, analysis: &Analysis) -> Option<usize> {
        self.segments.iter().take(8).position(|segment| {
            let words = analysis.segments[*segment].words.clone();
            let texts: Vec<&str> =
                analysis.words[words.clone()].iter().map(|word| word.text.trim_matches([',', '.', '(', ')'])).collect();
            let coded = texts.iter().enumerate().any(|(at, text)| is_postal_code(text) && (at > 0 || texts.len() > 1));
            let british = texts.windows(2).any(|pair| is_british(pair[0], pair[1]));
            (coded || british) && words.len() <= 8 && analysis.numbers_in(words).all(|number| !number.money)
        })
    }
}

/// `75018`, `D-63571`, `1025` (before `RX`), `98109-5210`, `40-123`.
fn is_postal_code(text: &str) -> bool {
    let bare = text
        .rsplit_once('-')
        .filter(|(country, _)| country.len() <= 2 && country.chars().all(|ch| ch.is_ascii_uppercase()))
        .map_or(text, |(_, code)| code);
    let digits = bare.chars().filter(char::is_ascii_digit).count();
    let shape = bare.chars().all(|ch| ch.is_ascii_digit() || ch == '-');
    shape && matches!(digits, 4..=6 | 9) && !bare.starts_with('-') && !bare.ends_with('-')
}

/// `SW1A 1AA`
fn is_british(outward: &str, inward: &str) -> bool {
    let inward = inward.as_bytes();
    let letters_first = outward.starts_with(|ch: char| ch.is_ascii_uppercase())
        && (2..=4).contains(&outward.len())
        && outward.contains(|ch: char| ch.is_ascii_digit());
    letters_first && inward.len() == 3 && inward[0].is_ascii_digit() && inward[1..].iter().all(u8::is_ascii_uppercase)
}
