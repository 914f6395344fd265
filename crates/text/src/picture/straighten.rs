//! Turns pictures: by quarters, and by the few degrees that a sheet lay askew on the glass.

use super::{Picture, Placement};

/// Sheets lie no further askew, in degrees.
const MOST_SKEW: f32 = 10.0;

/// A smaller tilt is left as it is: turning blurs, and lines are told apart all the same.
const LEAST_SKEW: f32 = 0.2;

/// How much clearer the lines must stand out at the tilt that is found than without any.
const CLEARER: f64 = 1.05;

/// The picture is looked at no larger than this, in pixels a side.
const LOOKED_AT: u32 = 1000;

impl Picture {
    /// The picture turned clockwise by quarters.
    pub(crate) fn turned(self, turns: u8) -> Self {
        let turns = turns % 4;
        if turns == 0 {
            return self;
        }
        let Placement { width, height, channels, .. } = self.placement;
        let (w, h, c) = (width as usize, height as usize, usize::from(channels));
        let (new_w, new_h) = if turns == 2 { (w, h) } else { (h, w) };
        let mut pixels = Vec::with_capacity(self.pixels.len());
        for y in 0..new_h {
            for x in 0..new_w {
                let (from_x, from_y) = match turns {
                    1 => (y, h - 1 - x),
                    2 => (w - 1 - x, h - 1 - y),
                    _ => (w - 1 - y, x),
                };
                let at = (from_y * w + from_x) * c;
                pixels.extend_from_slice(&self.pixels[at..at + c]);
            }
        }
        let (width, height) = if turns == 2 { (width, height) } else { (height, width) };
        let turns = (self.placement.turns + turns) % 4;
        Self { placement: Placement { width, height, turns, ..self.placement }, pixels }
    }

    /// A grey picture whose lines of text are level; others as they are.
    pub(crate) fn straightened(self) -> Self {
        if self.placement.channels != 1 {
            return self;
        }
        match skew(&self) {
            Some(skew) => self.levelled(skew),
            None => self,
        }
    }

    /// The picture turned about its middle so that what falls by `skew` degrees is level. What comes in from outside is
    /// white.
    fn levelled(self, skew: f32) -> Self {
        let (width, height) = (self.placement.width as usize, self.placement.height as usize);
        let (sin, cos) = skew.to_radians().sin_cos();
        let (middle_x, middle_y) = (width as f32 / 2.0, height as f32 / 2.0);
        let mut pixels = Vec::with_capacity(self.pixels.len());
        for y in 0..height {
            let dy = y as f32 + 0.5 - middle_y;
            for x in 0..width {
                let dx = x as f32 + 0.5 - middle_x;
                let (from_x, from_y) = (dx * cos - dy * sin + middle_x - 0.5, dx * sin + dy * cos + middle_y - 0.5);
                pixels.push(self.between(from_x, from_y));
            }
        }
        Self { placement: Placement { skew: self.placement.skew + skew, ..self.placement }, pixels }
    }

    /// The grey between four pixels.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a mixture of bytes is a byte")]
    fn between(&self, x: f32, y: f32) -> u8 {
        let (left, top) = (x.floor(), y.floor());
        let (right, lower) = (x - left, y - top);
        let grey = |dx: i64, dy: i64| f32::from(self.grey(left as i64 + dx, top as i64 + dy));
        let upper = grey(0, 0) * (1.0 - right) + grey(1, 0) * right;
        let under = grey(0, 1) * (1.0 - right) + grey(1, 1) * right;
        (upper * (1.0 - lower) + under * lower).round() as u8
    }

    fn grey(&self, x: i64, y: i64) -> u8 {
        let (width, height) = (i64::from(self.placement.width), i64::from(self.placement.height));
        let inside = (0..width).contains(&x) && (0..height).contains(&y);
        let at = usize::try_from(y * width + x).ok().filter(|_| inside);
        at.and_then(|at| self.pixels.get(at).copied()).unwrap_or(u8::MAX)
    }
}

/// How far the lines of text fall, in degrees clockwise, if that is worth turning the picture for.
///
/// The ink is projected along lines of every tilt; where the tilt is that of the text, rows with ink and rows without
/// alternate most sharply (W. Postl, "Detection of linear oblique structures and skew scan in digitized documents", 1986).
fn skew(picture: &Picture) -> Option<f32> {
    let ink = ink(picture);
    const ENOUGH: usize = 500;
    if ink.len() < ENOUGH {
        return None;
    }
    let best = |from: f32, to: f32, step: f32| {
        let tilts = (0..).map(|n| from + step * n as f32).take_while(|tilt| *tilt <= to + step / 2.0);
        tilts.map(|tilt| (sharpness(&ink, tilt), tilt)).max_by(|a, b| a.0.total_cmp(&b.0))
    };
    let (_, coarse) = best(-MOST_SKEW, MOST_SKEW, 0.5)?;
    let (sharp, fine) = best(coarse - 0.5, coarse + 0.5, 0.1)?;
    (fine.abs() >= LEAST_SKEW && sharp > sharpness(&ink, 0.0) * CLEARER).then_some(fine)
}

/// Where there is ink, on a picture that was made small, relative to its middle.
fn ink(picture: &Picture) -> Vec<(f32, f32)> {
    let Placement { width, height, .. } = picture.placement;
    let step = (width.max(height) / LOOKED_AT).max(1) as usize;
    let (width, height) = (width as usize, height as usize);
    let threshold = threshold(&picture.pixels);
    let mut ink = Vec::new();
    for (row, y) in (0..height).step_by(step).enumerate() {
        for (column, x) in (0..width).step_by(step).enumerate() {
            if picture.pixels.get(y * width + x).is_some_and(|grey| *grey < threshold) {
                ink.push((column as f32 - (width / step) as f32 / 2.0, row as f32 - (height / step) as f32 / 2.0));
            }
        }
    }
    ink
}

/// The grey between ink and paper (N. Otsu, "A threshold selection method from gray-level histograms", 1979).
fn threshold(pixels: &[u8]) -> u8 {
    let mut histogram = [0_u64; 256];
    for grey in pixels {
        histogram[usize::from(*grey)] += 1;
    }
    let total = pixels.len() as f64;
    let sum: f64 = histogram.iter().enumerate().map(|(grey, count)| grey as f64 * *count as f64).sum();
    let (mut dark, mut dark_sum) = (0.0, 0.0);
    let (mut best, mut threshold) = (0.0, 128);
    for (grey, count) in (0_u8..=255).zip(histogram) {
        dark += count as f64;
        dark_sum += f64::from(grey) * count as f64;
        let light = total - dark;
        if dark == 0.0 || light == 0.0 {
            continue;
        }
        let apart = dark_sum / dark - (sum - dark_sum) / light;
        let between = dark * light * apart * apart;
        if between > best {
            (best, threshold) = (between, grey.saturating_add(1));
        }
    }
    threshold
}

/// How sharply rows with ink and rows without alternate along lines that fall by `tilt` degrees.
fn sharpness(ink: &[(f32, f32)], tilt: f32) -> f64 {
    const ROWS: usize = 4 * LOOKED_AT as usize;
    let (sin, cos) = tilt.to_radians().sin_cos();
    let mut rows = vec![0_u32; ROWS];
    for (x, y) in ink {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is looked up")]
        let row = (y * cos - x * sin + ROWS as f32 / 2.0) as usize;
        if let Some(count) = rows.get_mut(row) {
            *count += 1;
        }
    }
    rows.windows(2).map(|pair| (f64::from(pair[1]) - f64::from(pair[0])).powi(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page with bars for lines of text.
    fn page() -> Picture {
        let (width, height) = (600, 800);
        let placement =
            Placement { width, height, channels: 1, page_width: 300.0, page_height: 400.0, turns: 0, skew: 0.0 };
        let is_ink = |x: u32, y: u32| (100..500).contains(&x) && (100..700).contains(&y) && y % 20 < 8 && x % 50 < 40;
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| if is_ink(x, y) { 20 } else { 240 })).collect();
        Picture { placement, pixels }
    }

    #[test]
    fn a_tilt_is_found_and_taken_out() {
        assert_eq!(page().straightened(), page(), "a level page stays as it is");
        for tilt in [-7.0, -2.0, 1.0, 5.5_f32] {
            let askew = page().levelled(-tilt);
            let level = Picture { placement: page().placement, ..askew }.straightened();
            assert!((level.placement.skew - tilt).abs() < 0.25, "{tilt}: {}", level.placement.skew);
        }
    }

    #[test]
    fn four_quarter_turns_are_none() {
        let small = Picture {
            placement: Placement { width: 3, height: 2, ..page().placement },
            pixels: vec![1, 2, 3, 4, 5, 6],
        };
        let once = small.clone().turned(1);
        assert_eq!((once.placement.width, once.placement.height), (2, 3));
        assert_eq!(once.pixels, [4, 1, 5, 2, 6, 3]);
        assert_eq!(small.clone().turned(2).pixels, [6, 5, 4, 3, 2, 1]);
        assert_eq!(once.clone().turned(2), small.clone().turned(3));
        assert_eq!(once.turned(3), small);
    }

    #[test]
    fn pages_without_lines_are_left_alone() {
        let pixels = vec![255; 600 * 800];
        let blank = Picture { pixels, ..page() };
        assert_eq!(blank.clone().straightened(), blank);
    }
}
