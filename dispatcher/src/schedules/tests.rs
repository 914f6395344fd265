use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Hourly, due at six, looked at when `now` says.
fn plan(misfire: Misfire, now: &str) -> (Vec<String>, u64, String) {
    let cron: Cron = "0 * * * *".parse().unwrap();
    let plan = Plan::make(&cron, &TimeZone::UTC, misfire, at("2026-11-26T06:00:00Z"), at(now));
    let kept = plan.kept.iter().map(|at| at.strftime("%H:%M").to_string()).collect();
    (kept, plan.left_out, plan.next_at.unwrap().strftime("%H:%M").to_string())
}

fn hours(hours: &[&str]) -> Vec<String> {
    hours.iter().map(|hour| (*hour).to_owned()).collect()
}

#[test]
fn a_time_that_is_kept_in_time_is_kept_whatever_the_policy() {
    for misfire in [Misfire::Skip, Misfire::Once, Misfire::All] {
        assert_eq!(plan(misfire, "2026-11-26T06:00:00.2Z"), (hours(&["06:00"]), 0, "07:00".to_owned()), "{misfire:?}");
    }
}

#[test]
fn missed_times_are_left_out_made_up_for_once_or_all() {
    let now = "2026-11-26T08:30:00Z";
    assert_eq!(plan(Misfire::Skip, now), (hours(&[]), 3, "09:00".to_owned()));
    assert_eq!(plan(Misfire::Once, now), (hours(&["08:00"]), 2, "09:00".to_owned()));
    assert_eq!(plan(Misfire::All, now), (hours(&["06:00", "07:00", "08:00"]), 0, "09:00".to_owned()));
}

#[test]
fn the_time_that_has_just_come_is_kept_even_after_missed_ones() {
    assert_eq!(plan(Misfire::Skip, "2026-11-26T08:00:30Z"), (hours(&["08:00"]), 2, "09:00".to_owned()));
}

#[test]
fn a_long_absence_is_not_made_up_for_without_bound() {
    let (kept, left_out, next) = plan(Misfire::All, "2027-11-26T06:30:00Z");
    assert_eq!((kept.len(), next.as_str()), (MADE_UP_FOR, "07:00"));
    assert!(left_out > 0);
    let cron: Cron = "* * * * *".parse().unwrap();
    let plan = Plan::make(&cron, &TimeZone::UTC, Misfire::Once, at("2020-01-01T00:00:00Z"), at("2026-11-26T06:00:00Z"));
    assert_eq!(plan.kept, [at("2026-11-26T06:00:00Z")]);
}

#[test]
fn a_yearly_time_that_was_missed_long_ago_is_made_up_for() {
    let cron: Cron = "0 0 1 1 *".parse().unwrap();
    let due = at("2026-01-01T00:00:00Z");
    let plan = Plan::make(&cron, &TimeZone::UTC, Misfire::Once, due, at("2026-11-26T06:00:00Z"));
    assert_eq!((plan.kept, plan.next_at), (vec![due], Some(at("2027-01-01T00:00:00Z"))));
}
