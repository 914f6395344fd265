//! Typed values out of free text: numbers, dates, amounts of money, e-mail addresses, yes and no, JSON as
//! language models write it, and where in a document a value stands.
//!
//! Everything here is a pure function of its arguments. What is ambiguous on its own, `03/04/2024` or
//! `1.234`, is decided by the [`Conventions`] of the document it stands in, and flagged when those do not say.

pub mod boolean;
pub mod currency;
pub mod date;
pub mod email;
pub mod fold;
pub mod json;
pub mod number;

mod coerce;
mod conventions;
mod locate;

pub use coerce::{Coerced, coerce, is_absent};
pub use conventions::{Conventions, DateOrder, DecimalMark, Vote};
pub use date::Date;
pub use locate::{Locator, locate};
pub use number::Number;
