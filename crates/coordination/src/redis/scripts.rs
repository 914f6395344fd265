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

/// Stores what a process says of itself under its name, and before it the time in milliseconds when that is over. All
/// processes are in one hash, which lasts as long as the one that lasts longest.
const CHECK_IN: &str = r"
local time = redis.call('TIME')
local over = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[3]
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', over) .. ' ' .. ARGV[2])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return true";

/// What every process says whose time is not over; the others are forgotten.
const PRESENT: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local all = redis.call('HGETALL', KEYS[1])
local present = {}
for at = 1, #all, 2 do
    local space = string.find(all[at + 1], ' ', 1, true)
    if tonumber(string.sub(all[at + 1], 1, space - 1)) > now then
        present[#present + 1] = string.sub(all[at + 1], space + 1)
    else
        redis.call('HDEL', KEYS[1], all[at])
    end
end
return present";

#[derive(Debug)]
pub(super) struct Scripts {
    pub(super) take_leases: Script,
    pub(super) renew_leases: Script,
    pub(super) release_lease: Script,
    pub(super) take_tokens: Script,
    pub(super) check_in: Script,
    pub(super) present: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            take_leases: Script::new(TAKE_LEASES),
            renew_leases: Script::new(RENEW_LEASES),
            release_lease: Script::new(RELEASE_LEASE),
            take_tokens: Script::new(TAKE_TOKENS),
            check_in: Script::new(CHECK_IN),
            present: Script::new(PRESENT),
        }
    }
}
