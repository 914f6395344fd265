//! Values of form fields that nothing draws.
//!
//! A field holds its value and, apart from it, a drawing of it. Programs that fill in forms often leave the drawing to
//! the viewer (`NeedAppearances`), so the value is written where the drawing would be.

use pdfium_render::prelude::*;
use protocol::document::BBox;

use super::frame::Frame;
use crate::layout::{Glyph, Mark};

/// Height of text in fields that are higher than a line.
const USUAL_SIZE: f32 = 12.0;

/// Width of a character in parts of its height, about that of Helvetica.
const ADVANCE: f32 = 0.5;

/// Height above the baseline in parts of the height.
const ASCENT: f32 = 0.75;

/// What a visible text field or choice holds.
#[derive(Debug)]
pub(super) struct FieldValue {
    value: String,
    /// Left, bottom, right, top, in coordinates of the content.
    bounds: [f32; 4],
}

impl FieldValue {
    /// The value of this annotation, if it is a field with one to be read.
    pub(super) fn of(annotation: &PdfPageAnnotation<'_>) -> Option<Self> {
        let value = match annotation.as_form_field()? {
            PdfFormField::Text(field) if !field.is_password() => field.value(),
            PdfFormField::ComboBox(field) => field.value(),
            PdfFormField::ListBox(field) => field.value(),
            _ => None,
        }?;
        let bounds = annotation.bounds().ok()?;
        let bounds = [bounds.left().value, bounds.bottom().value, bounds.right().value, bounds.top().value];
        let is_finite = bounds.iter().all(|bound| bound.is_finite());
        (is_finite && !value.trim().is_empty()).then_some(Self { value, bounds })
    }

    /// Adds the characters of the value, unless there is text in the field already.
    pub(super) fn write_where_nothing_is(&self, frame: &Frame, marks: &mut Vec<Mark>) {
        let [left, bottom, right, top] = self.bounds;
        let field = frame.bbox(left, bottom, right, top);
        let is_drawn = marks.iter().any(|mark| matches!(mark, Mark::Glyph(glyph) if field.holds(glyph.bbox())));
        if is_drawn || !frame.shows(field) {
            return;
        }
        let lines: Vec<&str> = self.value.lines().collect();
        #[expect(clippy::cast_precision_loss, reason = "a field has few lines")]
        let height = ((top - bottom) / lines.len() as f32).min(USUAL_SIZE);
        let mut y = top - height * ASCENT;
        for line in lines {
            marks.push(Mark::Space);
            let mut x = left;
            for character in line.chars().filter(|character| !character.is_control()) {
                marks.push(if character.is_whitespace() {
                    Mark::Space
                } else {
                    let (low, high) = (y - height * (1.0 - ASCENT), y + height * ASCENT);
                    let bbox: BBox = frame.bbox(x, low, x + height * ADVANCE, high);
                    Mark::Glyph(Glyph::new(character, bbox, frame.point(x, y), frame.direction(1.0, 0.0)))
                });
                x += height * ADVANCE;
            }
            y -= height;
        }
        marks.push(Mark::Space);
    }
}
