//! How long a task waits before its next attempt.

use std::time::Duration;

use protocol::workflow::RetryPolicy;
use protocol::{ErrorClass, TaskRunId};

/// No provider is obeyed when it asks for a longer pause than this.
const LONGEST_ASKED_FOR_MS: f64 = 24.0 * 3_600_000.0;

/// How long a task waits after an attempt that failed like this and was preceded by `earlier` failures. `asked_for_ms` is what
/// a provider asked for. Public for those who keep the books of a task elsewhere and want our pauses all the same.
#[must_use]
pub fn pause(
    policy: &RetryPolicy,
    class: ErrorClass,
    asked_for_ms: Option<u64>,
    earlier: u32,
    (task, attempt): (TaskRunId, u32),
) -> Duration {
    let spread = spread(task, attempt);
    match asked_for_ms {
        Some(after_ms) => asked_for(after_ms, policy, spread),
        None => delay(policy, class, earlier, spread),
    }
}

/// The delay after a failed attempt that was preceded by `earlier` failures.
///
/// The class picks the curve, the policy's cap limits every curve, and jitter takes away up to its share: a `spread`
/// of 0 leaves the whole delay, one towards 1 the shortest.
fn delay(policy: &RetryPolicy, class: ErrorClass, earlier: u32, spread: f64) -> Duration {
    let ms = match class {
        ErrorClass::RateLimited | ErrorClass::Unavailable => 60_000.0 * power(2.0, earlier),
        ErrorClass::Server => 30_000.0 * (f64::from(earlier) + 1.0),
        // Permanent errors are never tried again, so their curve is never asked for.
        ErrorClass::Transient | ErrorClass::Permanent => in_ms(policy.base) * power(policy.factor, earlier),
    };
    whole_ms(ms.min(in_ms(policy.cap)) * (1.0 - jitter(policy) * spread))
}

/// The delay after a failure for which the provider named one (`Retry-After`); the policy's cap does not apply.
/// Jitter only adds to it, so that nobody comes back too early and yet not everybody at once.
fn asked_for(after_ms: u64, policy: &RetryPolicy, spread: f64) -> Duration {
    whole_ms((after_ms as f64 * (1.0 + jitter(policy) * spread)).min(LONGEST_ASKED_FOR_MS))
}

/// Where in the jitter an attempt lies, from 0 to below 1: a hash of what identifies it (SplitMix64), so that the
/// decision is the same when it is repeated and yet differs between tasks that failed together.
fn spread(id: TaskRunId, attempt: u32) -> f64 {
    let (high, low) = id.as_uuid().as_u64_pair();
    let mixed = [low, u64::from(attempt)].into_iter().fold(mix(high), |hash, word| mix(hash ^ word));
    // The upper 53 bits are what a double holds exactly.
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}

/// One round of SplitMix64 (Steele, Lea and Flood, 2014): every bit of the word changes every bit of the hash.
pub(crate) fn mix(word: u64) -> u64 {
    let mut word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// Finite even where the power is not: a base of 0 has to stay 0.
fn power(factor: f64, exponent: u32) -> f64 {
    factor.powf(f64::from(exponent)).min(f64::MAX)
}

fn jitter(policy: &RetryPolicy) -> f64 {
    policy.jitter.clamp(0.0, 1.0)
}

fn in_ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// The cast saturates: never negative, never an overflow.
fn whole_ms(ms: f64) -> Duration {
    Duration::from_millis(ms.round() as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn policy(jitter: f64) -> RetryPolicy {
        RetryPolicy { jitter, cap: Duration::from_secs(3_600), ..RetryPolicy::default() }
    }

    #[test]
    fn the_class_picks_the_curve() {
        let seconds = |class| [0, 1, 2, 3].map(|earlier| delay(&policy(0.0), class, earlier, 0.5).as_secs());
        assert_eq!(seconds(ErrorClass::RateLimited), [60, 120, 240, 480]);
        assert_eq!(seconds(ErrorClass::Unavailable), [60, 120, 240, 480]);
        assert_eq!(seconds(ErrorClass::Server), [30, 60, 90, 120]);
        assert_eq!(seconds(ErrorClass::Transient), [2, 4, 8, 16]);
    }

    #[test]
    fn the_cap_limits_every_curve() {
        let policy = RetryPolicy { cap: Duration::from_secs(10), ..policy(0.0) };
        for class in [ErrorClass::RateLimited, ErrorClass::Unavailable, ErrorClass::Server, ErrorClass::Transient] {
            assert_eq!(delay(&policy, class, 5, 0.0), Duration::from_secs(10), "{class:?}");
        }
    }

    #[test]
    fn what_a_provider_asks_for_wins_over_the_cap_and_ends_at_a_day() {
        let policy = RetryPolicy { cap: Duration::from_secs(10), ..policy(0.2) };
        assert_eq!(asked_for(60_000, &policy, 0.0), Duration::from_secs(60));
        assert_eq!(asked_for(60_000, &policy, 0.5), Duration::from_secs(66), "later, never earlier");
        assert_eq!(asked_for(u64::MAX, &policy, 0.5), Duration::from_hours(24));
        assert_eq!(asked_for(0, &policy, 0.5), Duration::ZERO);
    }

    #[test]
    fn tasks_that_fail_together_return_apart() {
        let spreads: Vec<f64> = (0..1_000).map(|_| spread(TaskRunId::new(), 1)).collect();
        let mean = spreads.iter().sum::<f64>() / 1_000.0;
        assert!((0.4..0.6).contains(&mean), "mean {mean}");
        let id = TaskRunId::new();
        assert_eq!(spread(id, 1).to_bits(), spread(id, 1).to_bits(), "a repeated decision is the same decision");
        assert_ne!(spread(id, 1).to_bits(), spread(id, 2).to_bits());
    }

    proptest! {
        #[test]
        fn a_delay_lies_within_its_jitter_below_the_cap(
            base in 0_u64..=u64::MAX, cap in 0_u64..=u64::MAX, factor in 1.0..1e300_f64, jitter in 0.0..=1.0_f64,
            earlier in 0..=u32::MAX, spread in 0.0..1.0_f64,
        ) {
            let (base, cap) = (Duration::from_millis(base), Duration::from_millis(cap));
            let policy = RetryPolicy { max_attempts: 3, base, factor, cap, jitter };
            let delay = in_ms(delay(&policy, ErrorClass::Transient, earlier, spread));
            let whole = (in_ms(base) * power(factor, earlier)).min(in_ms(cap));
            prop_assert!(delay <= whole + 1.0, "{delay} > {whole}");
            prop_assert!(delay + 1.0 >= whole * (1.0 - jitter) * (1.0 - 1e-12), "{delay} < {whole}");
        }
    }
}
