//! The messages and services of `proto/hatchet`, as the build script compiled them.

#![allow(
    unreachable_pub,
    dead_code,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated; the protocol is written down as far as it is spoken, by either side"
)]

include!(concat!(env!("OUT_DIR"), "/_.rs"));

/// The part of the protocol that has a version.
pub(super) mod v1 {
    include!(concat!(env!("OUT_DIR"), "/v1.rs"));
}
