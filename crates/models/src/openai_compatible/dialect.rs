//! What a server understands, found out by what it refuses.

/// How the answer's shape is asked for, strictest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Format {
    /// A JSON schema with lengths, which keep small models from rambling.
    #[default]
    BoundedSchema,
    /// A JSON schema without lengths; some servers know a part of JSON schema only.
    Schema,
    /// Any JSON object.
    JsonObject,
    /// Nothing but the prompt asks for JSON.
    Plain,
}

/// The parts of a request that not every server accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Dialect {
    pub(super) format: Format,
    /// Whether the temperature has to be left at the server's default.
    pub(super) fixed_temperature: bool,
    /// Whether `max_tokens` is called `max_completion_tokens`.
    pub(super) completion_tokens: bool,
}

impl Dialect {
    /// A simpler dialect, if the server's complaint is about something that can be left out.
    pub(super) fn without(self, complaint: &str) -> Option<Self> {
        let complaint = complaint.to_lowercase();
        let about = |words: &[&str]| words.iter().any(|word| complaint.contains(word));
        if !self.completion_tokens && about(&["max_completion_tokens"]) {
            return Some(Self { completion_tokens: true, ..self });
        }
        if !self.fixed_temperature && about(&["temperature"]) {
            return Some(Self { fixed_temperature: true, ..self });
        }
        if !about(&["response_format", "json_schema", "json_object", "schema", "structured output", "grammar"]) {
            return None;
        }
        let format = match self.format {
            Format::BoundedSchema => Format::Schema,
            Format::Schema => Format::JsonObject,
            Format::JsonObject => Format::Plain,
            Format::Plain => return None,
        };
        Some(Self { format, ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_complaint_ends_in_a_dialect_that_has_nothing_left_to_complain_about() {
        let mut dialect = Dialect::default();
        let everything = "temperature, max_completion_tokens and response_format are not supported";
        let mut steps = 0;
        while let Some(simpler) = dialect.without(everything) {
            dialect = simpler;
            steps += 1;
        }
        assert_eq!((steps, dialect.format), (5, Format::Plain));
        assert_eq!(Dialect::default().without("no such model"), None);
    }
}
