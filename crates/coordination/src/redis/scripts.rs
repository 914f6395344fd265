//! What has to happen in Redis in one step.

use redis::Script;

/// Returns nothing when the lease is the caller's now, else who holds it.
const TAKE_LEASE: &str = r"
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return holder end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return false";

/// Prolongs every key whose holder is the argument of the same number, after the time; returns 1 for those, else 0.
const RENEW_LEASES: &str = r"
local kept = {}
for number, key in ipairs(KEYS) do
    if redis.call('GET', key) == ARGV[number + 1] then
        kept[number] = redis.call('PEXPIRE', key, ARGV[1])
    else
        kept[number] = 0
    end
end
return kept";

const RELEASE_LEASE: &str = r"
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return false";

#[derive(Debug)]
pub(super) struct Scripts {
    pub(super) take_lease: Script,
    pub(super) renew_leases: Script,
    pub(super) release_lease: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            take_lease: Script::new(TAKE_LEASE),
            renew_leases: Script::new(RENEW_LEASES),
            release_lease: Script::new(RELEASE_LEASE),
        }
    }
}
