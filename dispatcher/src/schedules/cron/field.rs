//! One field of a cron expression.

/// What a field may hold.
pub(super) struct Spec {
    pub(super) name: &'static str,
    pub(super) least: u8,
    pub(super) most: u8,
    /// Words for the numbers from `least` on.
    pub(super) names: &'static [&'static str],
}

/// The numbers that a field allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    /// One bit per number; none is above 63.
    allowed: u64,
    any: bool,
}

impl Field {
    /// Reads a list of `*`, numbers, names and ranges, each with an optional step.
    pub(super) fn read(spec: &Spec, text: &str) -> Result<Self, String> {
        let mut field = Self { allowed: 0, any: text == "*" };
        for part in text.split(',') {
            let (range, step) = match part.split_once('/') {
                Some((range, step)) => (range, Some(step)),
                None => (part, None),
            };
            let step: u8 = match step.map(str::parse) {
                None => 1,
                Some(Ok(step)) if step > 0 => step,
                Some(_) => return Err(format!("{}: the step of {part:?} has to be a number from 1", spec.name)),
            };
            let (from, to) = match range.split_once('-') {
                _ if range == "*" => (spec.least, spec.most),
                Some((from, to)) => (spec.number(from)?, spec.number(to)?),
                // `5/15` goes on to the end, as in other crons.
                None if part.contains('/') => (spec.number(range)?, spec.most),
                None => (spec.number(range)?, spec.number(range)?),
            };
            if from > to {
                return Err(format!("{}: {part:?} ends before it begins", spec.name));
            }
            (from..=to).step_by(step.into()).for_each(|number| field.add(number));
        }
        Ok(field)
    }

    pub(super) fn add(&mut self, number: u8) {
        self.allowed |= 1 << number;
    }

    pub(super) fn contains(&self, number: u8) -> bool {
        self.allowed & (1 << number) != 0
    }

    /// Whether it says `*`.
    pub(super) fn is_any(&self) -> bool {
        self.any
    }

    /// The numbers in order.
    pub(super) fn values(&self) -> impl Iterator<Item = i8> + '_ {
        (0..64_i8).filter(|number| self.contains(number.unsigned_abs()))
    }
}

impl Spec {
    fn number(&self, text: &str) -> Result<u8, String> {
        let word = text.to_ascii_lowercase();
        let named = self.names.iter().position(|name| *name == word);
        let number = match named {
            Some(place) => u8::try_from(place).ok().map(|place| place + self.least),
            None => text.parse().ok(),
        };
        number
            .filter(|number| (self.least..=self.most).contains(number))
            .ok_or_else(|| format!("{}: {text:?} is not a number from {} to {}", self.name, self.least, self.most))
    }
}
