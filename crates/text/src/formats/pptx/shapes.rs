//! What is on a slide: boxes of text and tables, with their places.

use std::ops::AddAssign;

use crate::config::Limits;
use crate::error::Error;
use crate::formats::flow::{Entry, Sheet};
use crate::formats::xml::{Node, Source, Tag, Xml};

/// Shapes whose upper edges are within so much of each other stand side by side: a tenth of an inch, in 914,400 per inch.
const ROW: i64 = 91_440;

/// Columns of a table, of which PowerPoint allows 75.
const COLUMNS: u32 = 1_000;

/// Levels of text.
const LEVELS: usize = 8;

/// What is on a slide.
pub(super) struct Shapes {
    pub(super) list: Vec<Shape>,
    pub(super) is_hidden: bool,
    pub(super) drawn: Drawn,
}

/// What is drawn and has no text that is read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Drawn {
    pictures: usize,
    charts: usize,
}

impl AddAssign for Drawn {
    fn add_assign(&mut self, other: Self) {
        self.pictures += other.pictures;
        self.charts += other.charts;
    }
}

impl Drawn {
    pub(super) fn warning(self) -> Option<String> {
        let Self { pictures, charts } = self;
        (pictures + charts > 0)
            .then(|| format!("not read: what {pictures} pictures and {charts} charts or diagrams show"))
    }
}

/// A box.
pub(super) struct Shape {
    /// Its upper left corner, if it says so itself.
    place: Option<(i64, i64)>,
    /// What it holds the place of: its kind and index on the layout.
    holder: Option<(String, u32)>,
    pub(super) content: Content,
}

/// What is in a box.
pub(super) enum Content {
    Text(Vec<Paragraph>),
    Table(Sheet),
}

/// A paragraph in a box.
#[derive(Default)]
pub(super) struct Paragraph {
    pub(super) level: usize,
    pub(super) mark: String,
    pub(super) text: String,
}

impl Shape {
    fn new() -> Self {
        Self { place: None, holder: None, content: Content::Text(Vec::new()) }
    }

    fn kind(&self) -> Option<&str> {
        self.holder.as_ref().map(|(kind, _)| kind.as_str())
    }

    pub(super) fn is_title(&self) -> bool {
        self.kind().is_some_and(|kind| matches!(kind, "title" | "ctrTitle"))
    }

    /// Whether it is the text of notes, rather than the number or date beside it.
    pub(super) fn is_body(&self) -> bool {
        self.kind() == Some("body")
    }

    pub(super) fn has_text(&self) -> bool {
        match &self.content {
            Content::Text(paragraphs) => paragraphs.iter().any(|paragraph| !paragraph.text.trim().is_empty()),
            Content::Table(sheet) => !sheet.is_empty(),
        }
    }

    /// Dates and numbers of slides are as much part of them as page numbers are; they say nothing.
    fn is_decoration(&self) -> bool {
        self.kind().is_some_and(|kind| matches!(kind, "sldNum" | "dt"))
    }
}

/// From the places within a group to those on the slide.
#[derive(Clone, Copy)]
struct Frame {
    offset: (i64, i64),
    scale: (f64, f64),
}

impl Frame {
    const SLIDE: Self = Self { offset: (0, 0), scale: (1.0, 1.0) };

    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "order is all that matters")]
    fn place(self, (x, y): (i64, i64)) -> (i64, i64) {
        let scaled = |value: i64, scale: f64| (value as f64 * scale) as i64;
        (self.offset.0.saturating_add(scaled(x, self.scale.0)), self.offset.1.saturating_add(scaled(y, self.scale.1)))
    }
}

impl Shapes {
    pub(super) fn read(source: &Source<'_>, limits: &Limits) -> Result<Self, Error> {
        let mut xml = source.read();
        let mut shapes = Self { list: Vec::new(), is_hidden: false, drawn: Drawn::default() };
        loop {
            match xml.next()? {
                Node::Open(tag) if tag.name() == "sld" => {
                    shapes.is_hidden = tag.get("show").is_some_and(|show| show == "0" || show == "false");
                }
                Node::Open(tag) if tag.name() == "spTree" => shapes.tree(&mut xml, Frame::SLIDE, limits)?,
                Node::End => return Ok(shapes),
                _ => {}
            }
        }
    }

    /// From top to bottom, and side by side from left to right; what does not say its place has that of the layout.
    pub(super) fn sort(&mut self, layout: Option<&Self>) {
        self.list.retain(|shape| !shape.is_decoration());
        let holder = |shape: &Shape| {
            let (kind, index) = shape.holder.as_ref()?;
            let holders = || layout.into_iter().flat_map(|layout| &layout.list);
            let by_index =
                holders().find(|other| other.holder.as_ref().is_some_and(|(_, other)| other == index && *index > 0));
            let by_kind = || holders().find(|other| other.holder.as_ref().is_some_and(|(other, _)| other == kind));
            by_index.or_else(by_kind)?.place
        };
        for shape in &mut self.list {
            shape.place = shape.place.or_else(|| holder(shape));
        }
        self.list.sort_by_key(|shape| {
            // Titles first where nobody says where they are.
            let (x, y) = shape.place.unwrap_or((0, if shape.is_title() { i64::MIN } else { 0 }));
            (y.div_euclid(ROW), x)
        });
    }

    /// Reads the rest of a tree of shapes, or of a group of them.
    fn tree(&mut self, xml: &mut Xml<'_>, frame: Frame, limits: &Limits) -> Result<(), Error> {
        let within = xml.depth();
        let mut inner = frame;
        let mut is_read = Vec::new();
        while xml.depth() >= within {
            match xml.next()? {
                Node::Open(tag) => match tag.name() {
                    "grpSpPr" => inner = group(xml, frame)?,
                    "grpSp" => self.tree(xml, inner, limits)?,
                    "sp" | "graphicFrame" => {
                        let mut shape = self.shape(xml, limits)?;
                        shape.place = shape.place.map(|place| inner.place(place));
                        self.list.push(shape);
                    }
                    "pic" => {
                        self.drawn.pictures += 1;
                        xml.skip()?;
                    }
                    "AlternateContent" => is_read.push(false),
                    "Choice" | "Fallback" if is_read.last() == Some(&true) => xml.skip()?,
                    "Choice" | "Fallback" => is_read.iter_mut().last().into_iter().for_each(|read| *read = true),
                    _ => {}
                },
                Node::Close(name) if name.as_str() == "AlternateContent" => drop(is_read.pop()),
                Node::End => break,
                _ => {}
            }
        }
        Ok(())
    }

    fn shape(&mut self, xml: &mut Xml<'_>, limits: &Limits) -> Result<Shape, Error> {
        let within = xml.depth();
        let mut shape = Shape::new();
        while xml.depth() >= within {
            match xml.next()? {
                Node::Open(tag) => match tag.name() {
                    "ph" => {
                        let kind = tag.get("type").unwrap_or_else(|| "obj".to_owned());
                        shape.holder = Some((kind, tag.number("idx").unwrap_or(0)));
                    }
                    "off" => shape.place = tag.number("x").zip(tag.number("y")),
                    "txBody" => shape.content = Content::Text(paragraphs(xml)?),
                    "tbl" => shape.content = Content::Table(table(xml, limits)?),
                    "chart" | "relIds" => self.drawn.charts += 1,
                    _ => {}
                },
                Node::End => break,
                _ => {}
            }
        }
        Ok(shape)
    }
}

/// The frame that a group's shapes have their places in.
#[expect(clippy::cast_precision_loss, reason = "order is all that matters")]
fn group(xml: &mut Xml<'_>, outer: Frame) -> Result<Frame, Error> {
    let within = xml.depth();
    let (mut places, mut sizes) = ([(0_i64, 0_i64); 2], [(1_i64, 1_i64); 2]);
    let pair = |tag: &Tag<'_>, x: &str, y: &str| Some((tag.number::<i64>(x)?, tag.number::<i64>(y)?));
    while xml.depth() >= within {
        match xml.next()? {
            Node::Open(tag) => match tag.name() {
                "off" => places[0] = pair(&tag, "x", "y").unwrap_or_default(),
                "chOff" => places[1] = pair(&tag, "x", "y").unwrap_or_default(),
                "ext" => sizes[0] = pair(&tag, "cx", "cy").unwrap_or((1, 1)),
                "chExt" => sizes[1] = pair(&tag, "cx", "cy").unwrap_or((1, 1)),
                _ => {}
            },
            Node::End => break,
            _ => {}
        }
    }
    let ratio = |whole: i64, part: i64| if part == 0 { 1.0 } else { whole as f64 / part as f64 };
    let scale = (ratio(sizes[0].0, sizes[1].0), ratio(sizes[0].1, sizes[1].1));
    let own = Frame { offset: places[0], scale };
    let (x, y) = own.place((places[1].0.saturating_neg(), places[1].1.saturating_neg()));
    let scale = (scale.0 * outer.scale.0, scale.1 * outer.scale.1);
    Ok(Frame { offset: outer.place((x, y)), scale })
}

/// The paragraphs of a box that was just opened.
fn paragraphs(xml: &mut Xml<'_>) -> Result<Vec<Paragraph>, Error> {
    let within = xml.depth();
    let mut paragraphs: Vec<Paragraph> = Vec::new();
    let mut counted = [0_u32; LEVELS + 1];
    while xml.depth() >= within {
        match xml.next()? {
            Node::Open(tag) => match (tag.name(), paragraphs.last_mut()) {
                ("p", _) => paragraphs.push(Paragraph::default()),
                ("pPr", Some(paragraph)) => {
                    paragraph.level = tag.number::<usize>("lvl").unwrap_or(0).min(LEVELS);
                }
                ("buChar", Some(paragraph)) => "- ".clone_into(&mut paragraph.mark),
                ("buAutoNum", Some(paragraph)) => {
                    let count = &mut counted[paragraph.level];
                    *count = tag.number("startAt").filter(|_| *count == 0).unwrap_or(count.saturating_add(1));
                    paragraph.mark = format!("{count}. ");
                }
                ("t", Some(paragraph)) => paragraph.text.push_str(&xml.text()?),
                ("br", Some(paragraph)) => paragraph.text.push('\n'),
                _ => {}
            },
            Node::End => break,
            _ => {}
        }
    }
    Ok(paragraphs)
}

/// A table that was just opened.
fn table(xml: &mut Xml<'_>, limits: &Limits) -> Result<Sheet, Error> {
    let within = xml.depth();
    let mut sheet = Sheet::new(limits);
    let (mut row, mut column) = (Vec::new(), 0_u32);
    while xml.depth() >= within {
        match xml.next()? {
            Node::Open(tag) if tag.name() == "tc" => {
                let span = |name: &str| tag.number::<u32>(name).unwrap_or(1).clamp(1, COLUMNS);
                let (columns, rows) = (span("gridSpan"), span("rowSpan"));
                let is_covered =
                    ["hMerge", "vMerge"].iter().any(|name| tag.get(name).is_some_and(|on| on == "1" || on == "true"));
                let texts: Vec<String> = paragraphs(xml)?.into_iter().map(|paragraph| paragraph.text).collect();
                if !is_covered {
                    row.push(Entry { column, columns, rows, text: texts.join("\n") });
                }
                column = column.saturating_add(1);
            }
            Node::Close(name) if name.as_str() == "tr" => {
                column = 0;
                sheet.push(std::mem::take(&mut row))?;
            }
            Node::End => break,
            _ => {}
        }
    }
    Ok(sheet)
}
