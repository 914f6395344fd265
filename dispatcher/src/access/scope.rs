//! What a key is good for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One thing that a key may be good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Look at what the tenant has.
    Read,
    /// Start and cancel runs, and change what the tenant has set up.
    Write,
    /// Look at queues, workers, backends and dead letters of all tenants, replay and drop, register workflows.
    Operate,
    /// Set tenants up and issue keys.
    Admin,
    /// Be a worker: get the secrets of endpoints and adapters.
    Fleet,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Read, Self::Write, Self::Operate, Self::Admin, Self::Fleet];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Operate => "operate",
            Self::Admin => "admin",
            Self::Fleet => "fleet",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == word).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            format!("there is no scope {word:?}; there are {known}")
        })
    }
}

/// What a key is good for: `admin` includes `operate`, `write` and `read`; `write` includes `read`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// These.
    #[must_use]
    pub fn of(scopes: impl IntoIterator<Item = Scope>) -> Self {
        let mut scopes: Vec<Scope> = scopes.into_iter().collect();
        scopes.sort_unstable();
        scopes.dedup();
        Self(scopes)
    }

    /// Whether one of them includes that one.
    #[must_use]
    pub fn include(&self, wanted: Scope) -> bool {
        self.0.iter().any(|scope| match scope {
            Scope::Admin => wanted != Scope::Fleet,
            Scope::Write => matches!(wanted, Scope::Write | Scope::Read),
            scope => *scope == wanted,
        })
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greater_scopes_include_the_smaller_ones() {
        let cases = [
            (Scope::Read, "read"),
            (Scope::Write, "read write"),
            (Scope::Operate, "operate"),
            (Scope::Admin, "read write operate admin"),
            (Scope::Fleet, "fleet"),
        ];
        for (scope, expected) in cases {
            let scopes = Scopes::of([scope]);
            let included = Scopes::of(Scope::ALL.into_iter().filter(|wanted| scopes.include(*wanted)));
            assert_eq!(included.to_string(), expected, "{scope}");
        }
    }

    #[test]
    fn an_unknown_scope_is_told_with_those_there_are() {
        assert_eq!("write".parse(), Ok(Scope::Write));
        let error = "root".parse::<Scope>().unwrap_err();
        assert_eq!(error, "there is no scope \"root\"; there are read, write, operate, admin, fleet");
    }
}
