//! How values are written into columns and read back.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite};
use uuid::Uuid;

use crate::Error;
use crate::values::{corrupt, parsed};

/// A time for a column.
pub(super) fn micros(time: Timestamp) -> i64 {
    time.as_microsecond()
}

/// An id for a column. Bytes sort like the id itself.
pub(super) fn id(uuid: Uuid) -> Vec<u8> {
    uuid.as_bytes().to_vec()
}

/// Typed columns of a row, by position: names are looked up for every cell otherwise.
pub(super) struct Columns<'r> {
    row: &'r SqliteRow,
    next: usize,
}

impl<'r> Columns<'r> {
    /// Starts at the first column.
    pub(super) fn of(row: &'r SqliteRow) -> Self {
        Self { row, next: 0 }
    }

    /// The next column.
    pub(super) fn get<T: sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite>>(&mut self) -> Result<T, Error> {
        let at = self.next;
        self.next += 1;
        Ok(self.row.try_get(at)?)
    }

    /// The next column, an id.
    pub(super) fn id(&mut self) -> Result<Uuid, Error> {
        let bytes: &[u8] = self.get()?;
        Uuid::from_slice(bytes).map_err(|error| corrupt("id", error))
    }

    /// The next column, an id that may be missing.
    pub(super) fn optional_id(&mut self) -> Result<Option<Uuid>, Error> {
        let bytes: Option<&[u8]> = self.get()?;
        bytes.map(|bytes| Uuid::from_slice(bytes).map_err(|error| corrupt("id", error))).transpose()
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
        self.optional_time()?.ok_or_else(|| corrupt("time", "it is missing"))
    }

    /// The next column, a time that may be missing.
    pub(super) fn optional_time(&mut self) -> Result<Option<Timestamp>, Error> {
        let micros: Option<i64> = self.get()?;
        micros.map(|micros| Timestamp::from_microsecond(micros).map_err(|error| corrupt("time", error))).transpose()
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
