//! What is drawn on a page besides text: rules, filled areas and images.

use pdfium_render::prelude::*;
use protocol::document::BBox;

use super::frame::Frame;
use crate::layout::Rule;

/// No more objects of a page are looked at: maps and charts have many, and tables few.
const MOST_OBJECTS: u32 = 20_000;

/// No more rules of a page are collected.
const MOST_RULES: usize = 4_000;

/// No more filled areas and images of a page are remembered: each character may be looked for in all of them.
const MOST_AREAS: usize = 1_000;

/// Forms within forms are looked into so deep.
const DEEPEST: u32 = 6;

/// A path with more points is a drawing.
const MOST_POINTS: u32 = 128;

/// A filled rectangle no thicker than so many points is a rule.
const THICKEST_RULE: f32 = 3.0;

/// A rule may lean by so many points.
const LEAN: f32 = 0.7;

/// A shorter one is a speck, in points.
const SHORTEST_RULE: f32 = 2.0;

/// What is drawn on a page besides text.
#[derive(Debug, Default)]
pub(super) struct Graphics {
    /// The lines along the sides of the page, among them the edges of rectangles.
    pub(super) rules: Vec<Rule>,
    /// Where something other than white is filled in.
    pub(super) filled: Vec<BBox>,
    /// Where images are.
    pub(super) images: Vec<BBox>,
    looked_at: u32,
}

impl Graphics {
    pub(super) fn of(page: &PdfPage<'_>, frame: &Frame) -> Self {
        let mut graphics = Self::default();
        for object in page.objects().iter() {
            if !graphics.look_at(&object, frame, Matrix::IDENTITY, 0) {
                break;
            }
        }
        graphics
    }

    /// Which part of a page of that size images cover, at most 1.
    pub(super) fn part_under_images(&self, frame: &Frame) -> f32 {
        let visible = |image: &BBox| {
            let (x0, y0) = (image.x0.max(0.0), image.y0.max(0.0));
            (image.x1.min(frame.width) - x0).max(0.0) * (image.y1.min(frame.height) - y0).max(0.0)
        };
        let page = (frame.width * frame.height).max(1.0);
        (self.images.iter().map(visible).sum::<f32>() / page).min(1.0)
    }

    /// Takes an object in; says whether to go on.
    fn look_at(&mut self, object: &PdfPageObject<'_>, frame: &Frame, outer: Matrix, depth: u32) -> bool {
        self.looked_at += 1;
        if self.looked_at > MOST_OBJECTS || self.rules.len() > MOST_RULES {
            return false;
        }
        match object {
            PdfPageObject::Path(path) => self.take_path(path, frame, outer),
            PdfPageObject::Image(image) => {
                if self.images.len() < MOST_AREAS
                    && let Ok(matrix) = image.matrix()
                {
                    // An image is the unit square, placed.
                    let matrix = Matrix::of(matrix).then(outer);
                    let corners = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)];
                    self.images.extend(around(corners.map(|corner| matrix.apply(frame, corner))));
                }
            }
            PdfPageObject::XObjectForm(form) if depth < DEEPEST => {
                let inner = form.matrix().map_or(outer, |matrix| Matrix::of(matrix).then(outer));
                return form.iter().all(|object| self.look_at(&object, frame, inner, depth + 1));
            }
            PdfPageObject::XObjectForm(_)
            | PdfPageObject::Text(_)
            | PdfPageObject::Shading(_)
            | PdfPageObject::Unsupported(_) => {}
        }
        true
    }

    fn take_path(&mut self, path: &PdfPagePathObject<'_>, frame: &Frame, outer: Matrix) {
        let is_filled = path.fill_mode().is_ok_and(|mode| mode != PdfPathFillMode::None);
        let is_stroked = path.is_stroked().unwrap_or(false);
        // Where no colour is set it is black.
        let is_seen =
            |color: Result<PdfColor, PdfiumError>| color.map_or(true, |color| color.alpha() > 0 && !is_white(color));
        let (is_filled, is_stroked) =
            (is_filled && is_seen(path.fill_color()), is_stroked && is_seen(path.stroke_color()));
        let segments = path.segments();
        if !(is_filled || is_stroked) || segments.len() > MOST_POINTS {
            return;
        }
        let matrix = path.matrix().map_or(outer, |matrix| Matrix::of(matrix).then(outer));
        let mut outline: Vec<(f32, f32)> = Vec::new();
        for segment in segments.iter() {
            let (x, y) = segment.point();
            let point = matrix.apply(frame, (x.value, y.value));
            if segment.segment_type() == PdfPathSegmentType::MoveTo {
                self.take_outline(&outline, is_filled, is_stroked);
                outline.clear();
            }
            outline.push(point);
            if segment.is_close()
                && let Some(start) = outline.first().copied()
            {
                outline.push(start);
            }
        }
        self.take_outline(&outline, is_filled, is_stroked);
    }

    /// Takes in an outline: its own edges if it is stroked, else those of the rectangle that it fills.
    fn take_outline(&mut self, outline: &[(f32, f32)], is_filled: bool, is_stroked: bool) {
        let Some(bbox) = around(outline.iter().copied()) else { return };
        if is_filled && self.filled.len() < MOST_AREAS {
            self.filled.push(bbox);
        }
        if is_stroked {
            for edge in outline.windows(2) {
                self.rules.extend(rule(BBox::new(edge[0].0, edge[0].1, edge[1].0, edge[1].1), LEAN));
            }
        } else if is_filled && outline.len() <= 6 {
            if bbox.width().min(bbox.height()) <= THICKEST_RULE {
                self.rules.extend(rule(bbox, THICKEST_RULE));
            } else {
                let BBox { x0, y0, x1, y1 } = bbox;
                let edges = [[x0, y0, x1, y0], [x0, y1, x1, y1], [x0, y0, x0, y1], [x1, y0, x1, y1]];
                self.rules.extend(edges.into_iter().filter_map(|edge| rule(BBox::from(edge), LEAN)));
            }
        }
    }
}

/// The rule that runs along the longer side of a thin box.
fn rule(bbox: BBox, thickest: f32) -> Option<Rule> {
    let (width, height) = (bbox.width(), bbox.height());
    let rule = if width >= height {
        Rule { is_horizontal: true, at: f32::midpoint(bbox.y0, bbox.y1), from: bbox.x0, to: bbox.x1 }
    } else {
        Rule { is_horizontal: false, at: f32::midpoint(bbox.x0, bbox.x1), from: bbox.y0, to: bbox.y1 }
    };
    (width.max(height) >= SHORTEST_RULE && width.min(height) <= thickest).then_some(rule)
}

fn around(points: impl IntoIterator<Item = (f32, f32)>) -> Option<BBox> {
    let bbox = BBox::around(points.into_iter().map(|(x, y)| BBox { x0: x, y0: y, x1: x, y1: y }))?;
    [bbox.x0, bbox.y0, bbox.x1, bbox.y1].iter().all(|edge| edge.is_finite()).then_some(bbox)
}

/// Whether a colour is white, or so near that nobody tells it from white.
pub(super) fn is_white(color: PdfColor) -> bool {
    const LEAST: u8 = 250;
    color.red().min(color.green()).min(color.blue()) >= LEAST
}

/// An affine map, as PDF writes it.
#[derive(Clone, Copy, Debug)]
struct Matrix([f32; 6]);

impl Matrix {
    const IDENTITY: Self = Self([1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);

    fn of(matrix: PdfMatrix) -> Self {
        Self([matrix.a(), matrix.b(), matrix.c(), matrix.d(), matrix.e(), matrix.f()])
    }

    /// This map, and then that one.
    fn then(self, Self([a, b, c, d, e, f]): Self) -> Self {
        let [p, q, r, s, t, u] = self.0;
        Self([p * a + q * c, p * b + q * d, r * a + s * c, r * b + s * d, t * a + u * c + e, t * b + u * d + f])
    }

    /// Where a point is displayed.
    fn apply(self, frame: &Frame, (x, y): (f32, f32)) -> (f32, f32) {
        let [a, b, c, d, e, f] = self.0;
        frame.point(a * x + c * y + e, b * x + d * y + f)
    }
}
