use super::*;

fn times(expression: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let (cron, zone) = (expression.parse::<Cron>().unwrap(), TimeZone::get(zone).unwrap());
    let moment: Timestamp = after.parse().unwrap();
    cron.after(&zone, moment).take(count).map(|at| at.to_string()).collect()
}

#[test]
fn fields_take_lists_ranges_steps_and_names() {
    assert_eq!(
        times("0,30 9-11/2 * * mon-fri", "UTC", "2026-11-27T10:00:00Z", 4),
        ["2026-11-27T11:00:00Z", "2026-11-27T11:30:00Z", "2026-11-30T09:00:00Z", "2026-11-30T09:30:00Z"]
    );
    assert_eq!(
        times("5/20 0 1 jan *", "UTC", "2026-01-01T00:05:00Z", 2),
        ["2026-01-01T00:25:00Z", "2026-01-01T00:45:00Z"]
    );
    assert_eq!(times("@weekly", "UTC", "2026-11-26T00:00:00Z", 1), ["2026-11-29T00:00:00Z"]);
    assert_eq!(times("0 0 * * 7", "UTC", "2026-11-26T00:00:00Z", 1), ["2026-11-29T00:00:00Z"]);
}

#[test]
fn a_time_is_never_its_own_next() {
    assert_eq!(
        times("*/15 * * * *", "UTC", "2026-11-26T12:00:00Z", 2),
        ["2026-11-26T12:15:00Z", "2026-11-26T12:30:00Z"]
    );
    assert_eq!(times("0 12 * * *", "UTC", "2026-11-26T12:00:00Z", 1), ["2026-11-27T12:00:00Z"]);
    assert_eq!(times("* * * * *", "UTC", "2026-11-26T12:00:00.5Z", 1), ["2026-11-26T12:01:00Z"]);
}

#[test]
fn when_both_days_are_named_either_is_enough() {
    assert_eq!(
        times("0 0 13 * fri", "UTC", "2026-11-01T00:00:00Z", 3),
        ["2026-11-06T00:00:00Z", "2026-11-13T00:00:00Z", "2026-11-20T00:00:00Z"]
    );
}

#[test]
fn rare_days_are_found_and_impossible_ones_are_not() {
    assert_eq!(times("0 0 29 2 *", "UTC", "2097-01-01T00:00:00Z", 1), ["2104-02-29T00:00:00Z"]);
    assert!(times("0 0 30 2 *", "UTC", "2026-01-01T00:00:00Z", 1).is_empty());
    assert!(times("0 * 31 4 *", "UTC", "2026-01-01T00:00:00Z", 1).is_empty());
}

#[test]
fn a_local_time_moves_with_the_season() {
    assert_eq!(
        times("0 6 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z", 3),
        ["2026-03-28T05:00:00Z", "2026-03-29T04:00:00Z", "2026-03-30T04:00:00Z"]
    );
}

#[test]
fn a_time_that_the_clock_leaves_out_comes_true_when_the_clock_is_put_forward() {
    // On that Sunday 02:00 to 02:59 do not exist; the clock is put forward at 01:00 UTC.
    assert_eq!(
        times("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 2),
        ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
    );
    assert_eq!(
        times("*/20 2 * * *", "Europe/Berlin", "2026-03-29T00:30:00Z", 2),
        ["2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"],
        "once for all of them"
    );
}

#[test]
fn a_time_that_stands_on_the_clock_twice_comes_true_the_first_time() {
    // On that Sunday 02:00 to 02:59 come twice, from 00:00 UTC and from 01:00 UTC.
    assert_eq!(
        times("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2),
        ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
    );
    assert_eq!(times("30 2 * * *", "Europe/Berlin", "2026-10-25T00:45:00Z", 1), ["2026-10-26T01:30:00Z"]);
}

#[test]
fn a_rhythm_goes_on_while_clocks_are_changed() {
    assert_eq!(
        times("*/30 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", 4),
        ["2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:00:00Z"]
    );
    assert_eq!(
        times("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", 3),
        ["2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"]
    );
}

#[test]
fn zones_that_are_not_whole_hours_off_and_midnights_that_do_not_exist_are_no_exception() {
    assert_eq!(times("15 * * * *", "Asia/Kathmandu", "2026-11-26T12:00:00Z", 1), ["2026-11-26T12:30:00Z"]);
    // Lebanon puts its clocks forward at midnight.
    assert_eq!(times("0 0 * * *", "Asia/Beirut", "2026-03-28T12:00:00Z", 1), ["2026-03-28T22:00:00Z"]);
}

#[test]
fn what_cannot_be_understood_is_named() {
    let error = |text: &str| text.parse::<Cron>().unwrap_err().to_string();
    assert!(error("* * * *").contains("five fields"));
    assert_eq!(error("60 * * * *"), "minute: \"60\" is not a number from 0 to 59");
    assert_eq!(error("* * * * frx"), "day of the week: \"frx\" is not a number from 0 to 7");
    assert_eq!(error("*/0 * * * *"), "minute: the step of \"*/0\" has to be a number from 1");
    assert_eq!(error("* 5-3 * * *"), "hour: \"5-3\" ends before it begins");
}
