//! What tesseract says about a picture: a table of words.

/// A recognised word.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) text: String,
    /// Left, upper, right and lower edge in pixels.
    pub(super) edges: [f32; 4],
    /// From 0 to 1.
    pub(super) confidence: f32,
    /// Which line of which paragraph of which block it is in.
    pub(super) line: [u32; 3],
}

/// The words of a table as `tesseract … tsv` prints it: a line of titles, then twelve columns. Lines of other shape are
/// left out.
pub(super) fn words(table: &str) -> Vec<Found> {
    table.lines().skip(1).filter_map(word).collect()
}

fn word(line: &str) -> Option<Found> {
    /// Words, as opposed to pages, blocks, paragraphs and lines.
    const WORD: u32 = 5;
    let mut columns = line.splitn(12, '\t');
    let mut number = || columns.next()?.parse::<u32>().ok();
    let (level, _page, block, paragraph, line, _word) =
        (number()?, number()?, number()?, number()?, number()?, number()?);
    let (left, top, width, height) = (number()?, number()?, number()?, number()?);
    let confidence: f32 = columns.next()?.parse().ok()?;
    let text = columns.next()?.trim();
    if level != WORD || text.is_empty() || width == 0 || height == 0 {
        return None;
    }
    // Pictures have far fewer pixels a side than an f32 counts exactly.
    #[expect(clippy::cast_precision_loss, reason = "see above")]
    let edges = [left, top, left.saturating_add(width), top.saturating_add(height)].map(|edge| edge as f32);
    let confidence = (confidence / 100.0).clamp(0.0, 1.0);
    let found = Found { text: text.to_owned(), edges, confidence, line: [block, paragraph, line] };
    (!found.is_noise()).then_some(found)
}

impl Found {
    /// Specks and rules that were taken for letters.
    fn is_noise(&self) -> bool {
        const UNSURE: f32 = 0.3;
        self.confidence < UNSURE && !self.text.chars().any(char::is_alphanumeric)
    }
}

/// How surely the words were recognised, from 0 to 1: long ones count more.
pub(super) fn confidence(words: &[Found]) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "a page has few letters")]
    let letters = |word: &Found| word.text.chars().count() as f32;
    let all: f32 = words.iter().map(letters).sum();
    if all == 0.0 { 0.0 } else { words.iter().map(|word| letters(word) * word.confidence).sum::<f32>() / all }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_with_their_places() {
        let table = "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext\n\
                     1\t1\t0\t0\t0\t0\t0\t0\t600\t800\t-1\t\n\
                     5\t1\t1\t2\t3\t1\t10\t20\t30\t8\t91.5\tTotal:\n\
                     5\t1\t1\t2\t3\t2\t45\t20\t3\t8\t12\t|\n\
                     5\t1\t1\t2\t3\t3\t50\t20\t3\t8\t12\t7\n\
                     5\t1\tnonsense\n";
        let found = words(table);
        let total =
            Found { text: "Total:".into(), edges: [10.0, 20.0, 40.0, 28.0], confidence: 0.915, line: [1, 2, 3] };
        assert_eq!(found[0], total);
        assert_eq!(found.iter().map(|word| word.text.as_str()).collect::<Vec<_>>(), ["Total:", "7"]);
        assert!((confidence(&found) - (6.0 * 0.915 + 0.12) / 7.0).abs() < 1e-6);
        assert_eq!(confidence(&[]), 0.0);
    }
}
