//! What is left blank on a page: strips between columns, and the bands within which they go on.

use protocol::document::BBox;

/// What has a place in the reading frame.
pub(super) trait Frame {
    /// Its box: x along the text, y across it.
    fn frame(&self) -> BBox;
}

/// Items below each other between which the same strips stay blank.
pub(super) struct Band<T> {
    pub(super) items: Vec<T>,
    /// Blank places along the lines, in order, from one side of the page to the other.
    pub(super) blank: Vec<(f32, f32)>,
    /// Where its items begin and end along the lines.
    pub(super) extent: (f32, f32),
}

/// Cuts items into bands from top to bottom.
pub(super) fn bands<T: Frame>(items: Vec<T>, around: BBox, gutter: f32) -> Vec<Band<T>> {
    let mut bands: Vec<Band<T>> = Vec::new();
    for row in rows(items) {
        let (blank, extent) = (blanks(&row, around), extent(&row));
        let Some(band) = bands.last_mut() else {
            bands.push(Band { items: row, blank, extent });
            continue;
        };
        let common = common(&band.blank, &blank);
        let both = (band.extent.0.min(extent.0), band.extent.1.max(extent.1));
        let is_cut = |blank: &[(f32, f32)], extent| !inner(blank, extent, gutter).is_empty();
        let was_cut = is_cut(&band.blank, band.extent) || is_cut(&blank, extent);
        if was_cut && !is_cut(&common, both) {
            bands.push(Band { items: row, blank, extent });
        } else {
            band.items.extend(row);
            (band.blank, band.extent) = (common, both);
        }
    }
    bands
}

/// The strips that part what is within `extent`: blank, wide enough, and with something on both sides.
pub(super) fn inner(blank: &[(f32, f32)], (left, right): (f32, f32), gutter: f32) -> Vec<(f32, f32)> {
    blank.iter().copied().filter(|(from, to)| to - from >= gutter && *from > left && *to < right).collect()
}

/// Items that overlap from top to bottom, whatever stands between them.
fn rows<T: Frame>(mut items: Vec<T>) -> Vec<Vec<T>> {
    /// Boxes of lines overlap a little where lines are close, by this part of their height.
    const CLOSE: f32 = 0.2;
    items.sort_by(|a, b| a.frame().y0.total_cmp(&b.frame().y0));
    let mut below = f32::MIN;
    let mut rows: Vec<Vec<T>> = Vec::new();
    for item in items {
        let frame = item.frame();
        let is_below = frame.y0 >= below - CLOSE * frame.height();
        below = below.max(frame.y1);
        match rows.last_mut() {
            Some(row) if !is_below => row.push(item),
            _ => rows.push(vec![item]),
        }
    }
    rows
}

fn extent<T: Frame>(items: &[T]) -> (f32, f32) {
    let ends = items.iter().map(|item| (item.frame().x0, item.frame().x1));
    ends.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).unwrap_or_default()
}

/// What the items leave blank, from one side of the page to the other.
fn blanks<T: Frame>(items: &[T], around: BBox) -> Vec<(f32, f32)> {
    let mut covered: Vec<(f32, f32)> = items.iter().map(|item| (item.frame().x0, item.frame().x1)).collect();
    covered.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut blank = Vec::new();
    let mut end = around.x0;
    for (from, to) in covered {
        if from > end {
            blank.push((end, from));
        }
        end = end.max(to);
    }
    if around.x1 > end {
        blank.push((end, around.x1));
    }
    blank
}

/// What is blank in both.
fn common(one: &[(f32, f32)], other: &[(f32, f32)]) -> Vec<(f32, f32)> {
    let mut common = Vec::new();
    let (mut a, mut b) = (0, 0);
    while let (Some(left), Some(right)) = (one.get(a), other.get(b)) {
        let (from, to) = (left.0.max(right.0), left.1.min(right.1));
        if from < to {
            common.push((from, to));
        }
        if left.1 < right.1 { a += 1 } else { b += 1 }
    }
    common
}
