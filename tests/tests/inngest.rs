//! Workflows walked by Inngest: by a server that speaks its protocol, which the official SDKs run on as well.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where it stopped")]

#[path = "inngest/live.rs"]
mod live;
#[path = "inngest/referees.rs"]
mod referees;
#[path = "inngest/stage.rs"]
mod stage;
#[path = "inngest/walks.rs"]
mod walks;
