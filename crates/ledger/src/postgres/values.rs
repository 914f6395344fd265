//! How values travel to and from Postgres.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgRow, PgTypeInfo, PgValueRef};
use sqlx::{Decode, Encode, Postgres, Row, Type};
use uuid::Uuid;

use crate::Error;
use crate::values::{corrupt, parsed};

/// What Postgres counts microseconds from: 2000-01-01 UTC.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// A time in a `timestamptz` column. sqlx knows other time libraries only.
#[derive(Clone, Copy, Debug)]
pub(super) struct Time(pub(super) Timestamp);

impl Type<Postgres> for Time {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("timestamptz")
    }
}

impl PgHasArrayType for Time {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("_timestamptz")
    }
}

impl Encode<'_, Postgres> for Time {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Postgres>::encode(self.0.as_microsecond() - EPOCH_MICROS, buffer)
    }

    fn size_hint(&self) -> usize {
        size_of::<i64>()
    }
}

impl Decode<'_, Postgres> for Time {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        // Every statement is prepared, so values are binary.
        let micros: i64 = Decode::<Postgres>::decode(value)?;
        Ok(Self(Timestamp::from_microsecond(micros.saturating_add(EPOCH_MICROS))?))
    }
}

/// A text that Postgres takes: it refuses NUL, and one report with a NUL must not block the batch it came in.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

/// Typed columns of a row, by position: names are looked up for every cell otherwise.
pub(super) struct Columns<'r> {
    row: &'r PgRow,
    next: usize,
}

impl<'r> Columns<'r> {
    /// Starts at the first column.
    pub(super) fn of(row: &'r PgRow) -> Self {
        Self { row, next: 0 }
    }

    /// The next column.
    pub(super) fn get<T: Decode<'r, Postgres> + Type<Postgres>>(&mut self) -> Result<T, Error> {
        let at = self.next;
        self.next += 1;
        Ok(self.row.try_get(at)?)
    }

    /// The next column, an id.
    pub(super) fn id(&mut self) -> Result<Uuid, Error> {
        self.get()
    }

    /// The next column, a number that does not fit every integer type.
    pub(super) fn number<T: TryFrom<i64>>(&mut self, what: &'static str) -> Result<T, Error> {
        let number: i64 = self.get()?;
        T::try_from(number).map_err(|_| corrupt(what, number))
    }

    /// The same for a number that may be missing.
    pub(super) fn optional_number<T: TryFrom<i64>>(&mut self, what: &'static str) -> Result<Option<T>, Error> {
        let number: Option<i64> = self.get()?;
        number.map(|number| T::try_from(number).map_err(|_| corrupt(what, number))).transpose()
    }

    /// The next column, a time.
    pub(super) fn time(&mut self) -> Result<Timestamp, Error> {
        self.get::<Time>().map(|time| time.0)
    }

    /// The next column, a time that may be missing.
    pub(super) fn optional_time(&mut self) -> Result<Option<Timestamp>, Error> {
        Ok(self.get::<Option<Time>>()?.map(|time| time.0))
    }

    /// The next column, JSON.
    pub(super) fn json<T: DeserializeOwned>(&mut self, what: &'static str) -> Result<T, Error> {
        let text: &str = self.get()?;
        parsed(what, text)
    }

    /// The next column, JSON that may be missing.
    pub(super) fn optional_json<T: DeserializeOwned>(&mut self, what: &'static str) -> Result<Option<T>, Error> {
        let text: Option<&str> = self.get()?;
        text.map(|text| parsed(what, text)).transpose()
    }

    /// The next column, a word that names a state.
    pub(super) fn state<T>(&mut self, what: &'static str, parse: fn(&str) -> Option<T>) -> Result<T, Error> {
        let word: &str = self.get()?;
        parse(word).ok_or_else(|| corrupt(what, word))
    }
}
