//! Directories of tags, which TIFF files have, and photographs within (Exif).

use std::collections::HashSet;

use crate::error::{Error, Limit};

/// Pages of one file, before the limit on pages of any document.
const PAGES: usize = 10_000;

/// Width, height and resolution of a picture, and what it is to the others.
const SUBFILE: u16 = 254;
pub(super) const X_RESOLUTION: u16 = 282;
pub(super) const Y_RESOLUTION: u16 = 283;
pub(super) const RESOLUTION_UNIT: u16 = 296;

/// Bytes of a tag in a directory.
const TAG: usize = 12;

/// Where the directories of pages are. One that is only a small version of another is no page.
pub(super) fn pages(bytes: &[u8]) -> Result<Vec<u32>, Error> {
    let tags = Tags::new(bytes).ok_or_else(|| Error::corrupt("it has no header of a TIFF file"))?;
    let (mut pages, mut seen) = (Vec::new(), HashSet::new());
    let mut next = tags.first();
    while let Some(directory) = next.filter(|directory| *directory != 0 && seen.insert(*directory)) {
        let Some(count) = tags.count(directory) else { break };
        const SMALL: u32 = 1;
        if tags.number(directory, SUBFILE).is_none_or(|kind| kind & SMALL == 0) {
            pages.push(directory);
        }
        if seen.len() > PAGES {
            return Err(Limit::Pages(PAGES as u32).into());
        }
        next = tags.u32(directory as usize + 2 + count * TAG);
    }
    if pages.is_empty() { Err(Error::corrupt("it has no pages")) } else { Ok(pages) }
}

/// Tags of a file.
pub(super) struct Tags<'a> {
    bytes: &'a [u8],
    is_little: bool,
}

impl<'a> Tags<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Option<Self> {
        match bytes.get(..2)? {
            b"II" => Some(Self { bytes, is_little: true }),
            b"MM" => Some(Self { bytes, is_little: false }),
            _ => None,
        }
    }

    /// Where the first directory is.
    pub(super) fn first(&self) -> Option<u32> {
        self.u32(4)
    }

    fn count(&self, directory: u32) -> Option<usize> {
        self.u16(directory as usize).map(usize::from)
    }

    /// Where a tag stands.
    fn find(&self, directory: u32, tag: u16) -> Option<usize> {
        let first = directory as usize + 2;
        (0..self.count(directory)?).map(|index| first + index * TAG).find(|at| self.u16(*at) == Some(tag))
    }

    /// A whole number of a directory.
    pub(super) fn number(&self, directory: u32, tag: u16) -> Option<u32> {
        const SHORT: u16 = 3;
        let at = self.find(directory, tag)?;
        if self.u16(at + 2)? == SHORT { self.u16(at + 8).map(u32::from) } else { self.u32(at + 8) }
    }

    /// A fraction of a directory.
    #[expect(clippy::cast_precision_loss, reason = "a resolution is no such number")]
    pub(super) fn fraction(&self, directory: u32, tag: u16) -> Option<f32> {
        let at = self.u32(self.find(directory, tag)? + 8)? as usize;
        let (part, whole) = (self.u32(at)?, self.u32(at + 4)?);
        (whole > 0).then(|| part as f32 / whole as f32)
    }

    fn u16(&self, at: usize) -> Option<u16> {
        let bytes = self.bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if self.is_little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    }

    fn u32(&self, at: usize) -> Option<u32> {
        let bytes = self.bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if self.is_little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }
}
