//! Amounts of memory as operators write them.

use std::fmt;
use std::str::FromStr;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

/// An amount of memory: `512MiB`, `1.5GiB`, or a bare number of MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Size {
    bytes: u64,
}

/// Something that is no amount of memory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a size such as 512MiB or 1.5GiB; a bare number counts MiB")]
pub(crate) struct NotASize;

impl Size {
    /// That many MiB.
    pub(crate) const fn mib(count: u64) -> Self {
        Self { bytes: count * MIB }
    }

    /// The amount in bytes.
    pub(crate) const fn bytes(self) -> u64 {
        self.bytes
    }
}

impl FromStr for Size {
    type Err = NotASize;

    fn from_str(text: &str) -> Result<Self, NotASize> {
        let text = text.trim();
        let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (count, unit) = text.split_at(unit_at);
        let unit = match unit.trim().to_ascii_lowercase().as_str() {
            "kib" => KIB,
            "" | "mib" | "m" => MIB,
            "gib" | "g" => GIB,
            // "MB" is a million bytes to some and 2^20 to others.
            _ => return Err(NotASize),
        };
        let bytes = count.parse::<f64>().map_err(|_not_a_number| NotASize)? * unit as f64;
        // Beyond this an f64 skips whole bytes, and no machine has so much.
        if bytes > (1_u64 << 53) as f64 { Err(NotASize) } else { Ok(Self { bytes: bytes as u64 }) }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bytes {
            bytes if bytes >= GIB && bytes.is_multiple_of(GIB) => write!(f, "{}GiB", bytes / GIB),
            bytes if bytes.is_multiple_of(MIB) => write!(f, "{}MiB", bytes / MIB),
            bytes => write!(f, "{}KiB", bytes / KIB),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_operators_write_them() {
        for (text, bytes) in [
            ("1536", 1536 * MIB),
            ("512MiB", 512 * MIB),
            ("512 mib", 512 * MIB),
            ("64M", 64 * MIB),
            ("1GiB", GIB),
            ("1.5GiB", GIB + GIB / 2),
            ("2g", 2 * GIB),
            ("100KiB", 100 * KIB),
            ("0", 0),
        ] {
            assert_eq!(text.parse::<Size>().map(Size::bytes), Ok(bytes), "{text:?}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_or_in_none_is_refused() {
        for text in ["", "MiB", "512MB", "1GB", "-1", "1.2.3", "much", "1e9", "NaN", "99999999999GiB"] {
            assert_eq!(text.parse::<Size>(), Err(NotASize), "{text:?}");
        }
    }

    #[test]
    fn a_size_is_shown_as_it_can_be_written() {
        for text in ["64MiB", "1536MiB", "2GiB", "100KiB", "0MiB"] {
            assert_eq!(text.parse::<Size>().unwrap().to_string(), text);
        }
    }
}
