//! What has to happen in Redis in one step.

use redis::Script;

/// Takes every key for the holder that is the argument of the same number, after the time, unless it has another;
/// returns for each nothing, or who has it.
const TAKE_LEASES: &str = r"
local holders = {}
for number, key in ipairs(KEYS) do
    local holder = redis.call('GET', key)
    if holder and holder ~= ARGV[number + 1] then
        holders[number] = holder
    else
        redis.call('SET', key, ARGV[number + 1], 'PX', ARGV[1])
        holders[number] = false
    end
end
return holders";

/// Prolongs or takes every key for the holder that is the argument of the same number, after the time, unless it has
/// another; returns 1 for those, else 0.
const RENEW_LEASES: &str = r"
local kept = {}
for number, key in ipairs(KEYS) do
    local holder = redis.call('GET', key)
    if holder and holder ~= ARGV[number + 1] then
        kept[number] = 0
    else
        redis.call('SET', key, ARGV[number + 1], 'PX', ARGV[1])
        kept[number] = 1
    end
end
return kept";

const RELEASE_LEASE: &str = r"
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return false";

/// Under the key lies when the bucket will be full, in microseconds; nothing there means that it is. The arguments are
/// the refill times of the wanted tokens and of all. Returns 0 when they were taken, else how long until they can be.
const TAKE_TOKENS: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now) + ARGV[1]
local wait = full_at - now - ARGV[2]
if wait > 0 then return wait end
local ttl = math.max(math.ceil((full_at - now) / 1000), 1)
redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', string.format('%.0f', ttl))
return 0";

#[derive(Debug)]
pub(super) struct Scripts {
    pub(super) take_leases: Script,
    pub(super) renew_leases: Script,
    pub(super) release_lease: Script,
    pub(super) take_tokens: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            take_leases: Script::new(TAKE_LEASES),
            renew_leases: Script::new(RENEW_LEASES),
            release_lease: Script::new(RELEASE_LEASE),
            take_tokens: Script::new(TAKE_TOKENS),
        }
    }
}
