//! What signs the messages to an endpoint, and until when.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use outbound::signature::{InvalidSecret, Secret};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Endpoint;

/// How many secrets an endpoint may have at a time: the old one, the new one, and one that was called back.
pub const MOST_SECRETS: usize = 3;

/// A secret in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signing {
    /// The secret.
    pub secret: Secret,
    /// When it stops signing; `None` for the one in force.
    pub until: Option<Timestamp>,
}

/// A secret as it is sealed.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Kept {
    InForce(String),
    Replaced { secret: String, until: Timestamp },
}

impl Signing {
    /// Whether it signs messages at that time.
    #[must_use]
    pub fn signs_at(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

impl From<Secret> for Signing {
    fn from(secret: Secret) -> Self {
        Self { secret, until: None }
    }
}

impl Endpoint {
    /// The same endpoint, whose messages `new` signs from `now` on, and for `keep` those that did before. No more than
    /// [`MOST_SECRETS`] sign: the longest replaced goes first.
    #[must_use]
    pub fn rotated(self, new: Secret, keep: Duration, now: Timestamp) -> Self {
        let end =
            SignedDuration::try_from(keep).ok().and_then(|keep| now.checked_add(keep).ok()).unwrap_or(Timestamp::MAX);
        let earlier = self.secrets.into_iter().map(|one| {
            let until = one.until.map_or(end, |until| until.min(end));
            Signing { until: Some(until), ..one }
        });
        let secrets = [Signing::from(new)].into_iter().chain(earlier);
        Self { secrets: secrets.filter(|one| one.signs_at(now)).take(MOST_SECRETS).collect(), ..self }
    }
}

/// Secrets as they are sealed.
pub(super) fn written(secrets: &[Signing]) -> Result<Value, serde_json::Error> {
    let kept = |one: &Signing| match one.until {
        None => Kept::InForce(one.secret.expose()),
        Some(until) => Kept::Replaced { secret: one.secret.expose(), until },
    };
    serde_json::to_value(secrets.iter().map(kept).collect::<Vec<_>>())
}

/// Secrets as they were sealed. What is wrong with them is not repeated.
pub(super) fn read(opened: Value) -> Result<Vec<Signing>, InvalidSecret> {
    let kept: Vec<Kept> = serde_json::from_value(opened).map_err(|_| InvalidSecret)?;
    let signing = kept.into_iter().map(|one| match one {
        Kept::InForce(secret) => Ok(Signing { secret: secret.parse()?, until: None }),
        Kept::Replaced { secret, until } => Ok(Signing { secret: secret.parse()?, until: Some(until) }),
    });
    signing.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours)
    }

    fn endpoint() -> Endpoint {
        Endpoint {
            id: "a".to_owned(),
            url: "https://hooks.example.com/a".to_owned(),
            events: Vec::new(),
            description: String::new(),
            enabled: true,
            disabled_because: None,
            secrets: vec![Secret::generate().unwrap().into()],
        }
    }

    #[test]
    fn a_replaced_secret_signs_for_a_while_and_never_longer_than_it_was_promised() {
        let (hour, first) = (Duration::from_secs(3600), endpoint());
        let ends = |endpoint: &Endpoint| endpoint.secrets.iter().map(|one| one.until).collect::<Vec<_>>();
        let second = first.rotated(Secret::generate().unwrap(), 24 * hour, at(0));
        assert_eq!(ends(&second), [None, Some(at(24))]);
        let third = second.clone().rotated(Secret::generate().unwrap(), 48 * hour, at(1));
        assert_eq!(ends(&third), [None, Some(at(49)), Some(at(24))]);
        let fourth = third.clone().rotated(Secret::generate().unwrap(), 48 * hour, at(2));
        assert_eq!(ends(&fourth), [None, Some(at(50)), Some(at(49))], "the longest replaced goes first");
        let at_once = third.rotated(Secret::generate().unwrap(), Duration::ZERO, at(3));
        assert_eq!(ends(&at_once), [None], "nobody who stole an old one signs any more");
        assert_eq!(ends(&second.rotated(Secret::generate().unwrap(), hour, at(30))), [None, Some(at(31))]);
    }

    #[test]
    fn secrets_read_back_as_they_were_sealed_and_those_of_earlier_versions_too() {
        let rotated = endpoint().rotated(Secret::generate().unwrap(), Duration::from_secs(60), at(0));
        assert_eq!(read(written(&rotated.secrets).unwrap()), Ok(rotated.secrets.clone()));
        let earlier = serde_json::json!([rotated.secrets[0].secret.expose()]);
        assert_eq!(read(earlier), Ok(rotated.secrets[..1].to_vec()));
        assert_eq!(read(serde_json::json!(["whsec_short"])), Err(InvalidSecret));
    }
}
