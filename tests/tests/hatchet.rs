//! Workflows walked by Hatchet: by a server that speaks its protocol, which the official SDK runs on as well.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where it stopped")]

#[path = "hatchet/live.rs"]
mod live;
#[path = "hatchet/referee.rs"]
mod referee;
#[path = "hatchet/stage.rs"]
mod stage;
#[path = "hatchet/walks.rs"]
mod walks;
