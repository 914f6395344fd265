//! Which backend new runs go to: one for all, others for some workflows, in shares, and beside it another one that repeats
//! them to be compared.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use protocol::{Backend, RunId};
use serde::{Deserialize, Serialize};

/// Where new runs go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// Of every workflow that is not named below; our own engine if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Split>,
    /// Of these workflows.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub workflows: BTreeMap<String, Split>,
    /// Runs of these workflows are repeated on that backend, in hundredths of them, and compared; callers get the answer of
    /// the first.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub shadows: BTreeMap<String, Shadow>,
}

/// Backends with their shares, such as `fleet:90,celery:10`; `temporal` alone is all of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Split(Vec<(Backend, u32)>);

/// A backend that repeats some of the runs of another, such as `temporal:10` for one of ten; `temporal` for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Shadow {
    /// Where.
    pub backend: Backend,
    /// How many of a hundred runs.
    pub percent: u32,
}

/// A setting that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no choice of backends: {reason}")]
pub struct Unreadable {
    text: String,
    reason: String,
}

impl Choice {
    /// The backend of a new run; always the same for the same run.
    #[must_use]
    pub fn pick(&self, workflow: &str, run: RunId, own: Backend) -> Backend {
        let split = self.workflows.get(workflow).or(self.default.as_ref());
        split.map_or(own, |split| split.pick(run))
    }

    /// The backend that repeats a run, unless it is the one it is on.
    #[must_use]
    pub fn shadow(&self, workflow: &str, run: RunId, backend: Backend) -> Option<Backend> {
        let shadow = self.shadows.get(workflow)?;
        // Other digits than those that pick the backend, so that shares of shares come out right.
        let drawn = u32::try_from(draw(run) / 7919 % 100).unwrap_or(0);
        (shadow.backend != backend && drawn < shadow.percent).then_some(shadow.backend)
    }

    /// Every backend that it names, with the workflow it is named for; `None` for all.
    pub fn named(&self) -> impl Iterator<Item = (Option<&str>, Backend)> {
        let default = self.default.iter().flat_map(|split| split.backends().map(|backend| (None, backend)));
        let workflows = self
            .workflows
            .iter()
            .flat_map(|(name, split)| split.backends().map(move |backend| (Some(name.as_str()), backend)));
        let shadows = self.shadows.iter().map(|(name, shadow)| (Some(name.as_str()), shadow.backend));
        default.chain(workflows).chain(shadows)
    }

    /// The same with what another one says instead, where it says something.
    #[must_use]
    pub fn overridden_by(mut self, other: Self) -> Self {
        self.default = other.default.or(self.default);
        self.workflows.extend(other.workflows);
        self.shadows.extend(other.shadows);
        self
    }
}

impl Split {
    /// All on one.
    #[must_use]
    pub fn all(backend: Backend) -> Self {
        Self(vec![(backend, 1)])
    }

    /// The backend of a run.
    #[must_use]
    pub fn pick(&self, run: RunId) -> Backend {
        let total: u64 = self.0.iter().map(|(_, share)| u64::from(*share)).sum();
        let mut drawn = draw(run) % total.max(1);
        for (backend, share) in &self.0 {
            match drawn.checked_sub(u64::from(*share)) {
                Some(rest) => drawn = rest,
                None => return *backend,
            }
        }
        self.0.first().map_or(Backend::default(), |(backend, _)| *backend)
    }

    /// The backends that it names.
    pub fn backends(&self) -> impl Iterator<Item = Backend> {
        self.0.iter().map(|(backend, _)| *backend)
    }
}

/// A number that is spread evenly and always the same for a run: the last bits of its id are random.
fn draw(run: RunId) -> u64 {
    let (_, low) = run.as_uuid().as_u64_pair();
    low & 0xffff_ffff_ffff
}

impl FromStr for Split {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unreadable = |reason: String| Unreadable { text: text.to_owned(), reason };
        let mut shares: Vec<(Backend, u32)> = Vec::new();
        for part in text.split(',').map(str::trim) {
            let (backend, share) = weighted(part, 1).map_err(unreadable)?;
            if shares.iter().any(|(known, _)| *known == backend) {
                return Err(unreadable(format!("{backend} stands there twice")));
            }
            shares.push((backend, share));
        }
        if shares.iter().all(|(_, share)| *share == 0) {
            return Err(unreadable("every share is 0".to_owned()));
        }
        Ok(Self(shares))
    }
}

impl FromStr for Shadow {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unreadable = |reason: String| Unreadable { text: text.to_owned(), reason };
        let (backend, percent) = weighted(text.trim(), 100).map_err(unreadable)?;
        if percent > 100 {
            return Err(unreadable(format!("{percent} of a hundred runs cannot be repeated")));
        }
        Ok(Self { backend, percent })
    }
}

/// A backend with a number behind it, or that number.
fn weighted(part: &str, otherwise: u32) -> Result<(Backend, u32), String> {
    let (name, number) = part.split_once(':').map_or((part, None), |(name, number)| (name, Some(number)));
    let backend = name.trim().parse().map_err(|error: protocol::backend::UnknownBackend| error.to_string())?;
    let number = match number {
        Some(number) => number.trim().parse().map_err(|_| format!("{number:?} is no whole number"))?,
        None => otherwise,
    };
    Ok((backend, number))
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [(backend, _)] = self.0.as_slice() {
            return write!(f, "{backend}");
        }
        for (nth, (backend, share)) in self.0.iter().enumerate() {
            write!(f, "{}{backend}:{share}", if nth == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl fmt::Display for Shadow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.percent == 100 { write!(f, "{}", self.backend) } else { write!(f, "{}:{}", self.backend, self.percent) }
    }
}

macro_rules! text_form {
    ($type:ident) => {
        impl TryFrom<String> for $type {
            type Error = Unreadable;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }
        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.to_string()
            }
        }
    };
}

text_form!(Split);
text_form!(Shadow);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_kept_and_a_run_always_goes_the_same_way() {
        let split: Split = "fleet:90, celery:10".parse().unwrap();
        let runs: Vec<RunId> = (0..10_000).map(|_| RunId::new()).collect();
        let celery = runs.iter().filter(|run| split.pick(**run) == Backend::Celery).count();
        assert!((800..1_200).contains(&celery), "{celery} of 10,000");
        assert!(runs.iter().all(|run| split.pick(*run) == split.pick(*run)));
        assert_eq!(split.to_string(), "fleet:90,celery:10");
        assert_eq!("temporal".parse::<Split>().unwrap().to_string(), "temporal");
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (text, reason) in [
            ("", "\"\" is no backend"),
            ("fleet:x", "\"x\" is no whole number"),
            ("fleet,fleet", "fleet stands there twice"),
            ("fleet:0,celery:0", "every share is 0"),
            ("sidekiq", "\"sidekiq\" is no backend; there are fleet"),
        ] {
            let error = text.parse::<Split>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text:?}: {error}");
        }
        assert!("temporal:101".parse::<Shadow>().is_err());
    }

    #[test]
    fn a_workflow_of_its_own_goes_before_all_and_is_never_its_own_shadow() {
        let choice: Choice = serde_json::from_value(serde_json::json!({
            "default": "celery", "workflows": { "pages": "temporal" }, "shadows": { "pages": "temporal", "other": "fleet:50" }
        }))
        .unwrap();
        let run = RunId::new();
        assert_eq!(choice.pick("pages", run, Backend::Fleet), Backend::Temporal);
        assert_eq!(choice.pick("other", run, Backend::Fleet), Backend::Celery);
        assert_eq!(choice.shadow("pages", run, Backend::Temporal), None);
        let shadowed = (0..1_000).filter(|_| choice.shadow("other", RunId::new(), Backend::Celery).is_some()).count();
        assert!((400..600).contains(&shadowed), "{shadowed} of 1,000");
        assert_eq!(Choice::default().pick("pages", run, Backend::Embedded), Backend::Embedded);
    }
}
