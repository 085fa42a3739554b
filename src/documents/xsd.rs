//! Values of XML Schema types (XML Schema Part 2).

use crate::env::Time;
use std::fmt::Write;
use std::time::Duration;

const MILLIS_OF_DAY: i64 = 86_400_000;

/// An `xs:boolean`.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// How a boolean is written.
pub(super) fn boolean_text(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

/// A number of one of the unsigned types. They allow a plus sign.
pub(super) fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

/// An `xs:dateTime` from 1970 on, with or without fraction and time zone; without one it is taken as UTC. What is
/// finer than a millisecond is dropped.
pub(super) fn date_time(text: &str) -> Option<Time> {
    let (date, time) = text.split_once('T')?;
    let (year, rest) = date.split_once('-')?;
    let (month, day) = rest.split_once('-')?;
    if year.len() < 4 || year.len() > 6 || (year.len() > 4 && year.starts_with('0')) {
        return None;
    }
    let (year, month, day) = (digits(year)?, two(month)?, two(day)?);
    let zone_at = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (time, zone) = time.split_at(zone_at);
    let (hour, rest) = time.split_once(':')?;
    let (minute, second) = rest.split_once(':')?;
    let (second, fraction) = second.split_once('.').map_or((second, None), |(s, f)| (s, Some(f)));
    let (hour, minute, second) = (two(hour)?, two(minute)?, two(second)?);
    let millis = fraction.map_or(Some(0), milliseconds)?;
    if minute > 59 || second > 59 || hour > 24 || (hour == 24 && (minute, second, millis) != (0, 0, 0)) {
        return None;
    }
    let days = days_before_year(year) + day_of_year(year, month, day)?;
    let seconds = hour * 3600 + minute * 60 + second - zone_seconds(zone)?;
    let moment = days * MILLIS_OF_DAY + seconds * 1000 + millis;
    u64::try_from(moment).ok().map(Time::from_millis)
}

/// Writes a moment as `YYYY-MM-DDThh:mm:ssZ`; the fraction of a second is dropped.
pub(super) fn date_time_text(time: Time) -> String {
    let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    let (days, seconds) = (millis / MILLIS_OF_DAY, millis % MILLIS_OF_DAY / 1000);
    // At most one year off: leap years are not spread evenly.
    let mut year = 1970 + days * 400 / 146_097;
    while days_before_year(year) > days {
        year -= 1;
    }
    while days_before_year(year + 1) <= days {
        year += 1;
    }
    let mut day = days - days_before_year(year) + 1;
    let mut month = 1;
    while day > days_of_month(year, month) {
        day -= days_of_month(year, month);
        month += 1;
    }
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// An `xs:duration` of fixed length: days, hours, minutes and seconds. Years and months have none, so they must be
/// zero. What is finer than a millisecond is dropped.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let text = text.strip_prefix('P')?;
    let (date, time) = text.split_once('T').map_or((text, None), |(date, time)| (date, Some(time)));
    if (date.is_empty() && time.is_none()) || time.is_some_and(str::is_empty) {
        return None;
    }
    let mut millis = 0_u64;
    for (part, units) in [
        (date, [('Y', None), ('M', None), ('D', Some(86_400_000))]),
        (time.unwrap_or_default(), [('H', Some(3_600_000)), ('M', Some(60_000)), ('S', Some(1000))]),
    ] {
        let mut units = units.into_iter();
        let mut rest = part;
        while !rest.is_empty() {
            let at = rest.find(|c: char| c != '.' && !c.is_ascii_digit())?;
            let (count, after) = rest.split_at(at);
            let unit = after.chars().next()?;
            rest = after.get(1..)?;
            // The units come in this order, each at most once.
            let (_, length) = units.find(|(name, _)| *name == unit)?;
            let (whole, fraction) = match count.split_once('.') {
                Some((whole, fraction)) if unit == 'S' => (whole, milliseconds(fraction)?),
                Some(_) => return None,
                None => (count, 0),
            };
            let whole: u64 = if is_digits(whole) { whole.parse().ok()? } else { return None };
            match length {
                Some(length) => millis = millis.checked_add(whole.checked_mul(length)?)?,
                None if whole != 0 => return None,
                None => {}
            }
            millis = millis.checked_add(u64::try_from(fraction).ok()?)?;
        }
    }
    Some(Duration::from_millis(millis))
}

/// Writes a span in hours, minutes and seconds, for instance `PT1H30M`.
pub(super) fn duration_text(span: Duration) -> String {
    let (seconds, millis) = (span.as_secs(), span.subsec_millis());
    let mut text = "PT".to_owned();
    for (count, unit) in [(seconds / 3600, 'H'), (seconds / 60 % 60, 'M')] {
        if count > 0 {
            // Writing into a String cannot fail.
            let _ = write!(text, "{count}{unit}");
        }
    }
    let _ = match (seconds % 60, millis) {
        (0, 0) if text.len() > 2 => Ok(()),
        (seconds, 0) => write!(text, "{seconds}S"),
        (seconds, millis) => write!(text, "{seconds}.{millis:03}S"),
    };
    text
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn digits(text: &str) -> Option<i64> {
    if is_digits(text) { text.parse().ok() } else { None }
}

fn two(text: &str) -> Option<i64> {
    if text.len() == 2 { digits(text) } else { None }
}

/// Milliseconds of the digits behind the point.
fn milliseconds(fraction: &str) -> Option<i64> {
    if !is_digits(fraction) {
        return None;
    }
    let first = fraction.bytes().chain(*b"00").take(3);
    Some(first.fold(0, |millis, digit| millis * 10 + i64::from(digit - b'0')))
}

/// Seconds that a time zone is ahead of UTC.
fn zone_seconds(zone: &str) -> Option<i64> {
    let (sign, offset) = match zone.split_at_checked(1) {
        None | Some(("Z", "")) => return Some(0),
        Some(("+", offset)) => (1, offset),
        Some(("-", offset)) => (-1, offset),
        Some(_) => return None,
    };
    let (hours, minutes) = offset.split_once(':')?;
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    (minutes < 60 && hours * 60 + minutes <= 14 * 60).then_some(sign * (hours * 3600 + minutes * 60))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days from 1 January 1970 to 1 January of `year`.
fn days_before_year(year: i64) -> i64 {
    let leap_days = |before: i64| (before - 1) / 4 - (before - 1) / 100 + (before - 1) / 400;
    365 * (year - 1970) + leap_days(year) - leap_days(1970)
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1 January to this day; `None` if the year has no such day.
fn day_of_year(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=days_of_month(year, month)).contains(&day) {
        return None;
    }
    Some((1..month).map(|month| days_of_month(year, month)).sum::<i64>() + day - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn is(text: &str, seconds: u64) {
        assert_eq!(date_time(text), Some(Time::from_millis(seconds * 1000)), "{text}");
        assert_eq!(date_time_text(Time::from_millis(seconds * 1000 + 999)), text);
    }

    #[test]
    fn moments_go_there_and_back() {
        is("1970-01-01T00:00:00Z", 0);
        is("1970-12-31T23:59:59Z", 365 * 86_400 - 1);
        is("1972-02-29T00:00:00Z", 789 * 86_400);
        is("1999-12-31T23:59:59Z", 946_684_799);
        is("2000-02-29T12:00:00Z", 951_825_600);
        is("2000-03-01T00:00:00Z", 951_868_800);
        is("2027-11-21T00:00:00Z", 1_826_755_200);
        is("2100-02-28T23:59:59Z", 4_107_542_399);
        is("2100-03-01T00:00:00Z", 4_107_542_400);
        is("2400-02-29T00:00:00Z", 13_574_563_200);
        is("9999-12-31T23:59:59Z", 253_402_300_799);
        is("10000-01-01T00:00:00Z", 253_402_300_800);
    }

    #[test]
    fn every_day_of_a_whole_cycle_of_leap_years_follows_the_one_before() {
        let mut previous = (1969, 12, 31);
        for day in 0..146_097_u64 {
            let text = date_time_text(Time::from_millis(day * 86_400_000));
            let field = |range: std::ops::Range<usize>| text[range].parse::<i64>().unwrap();
            let date = (field(0..4), field(5..7), field(8..10));
            let (year, month, last) = previous;
            let next_month = if month == 12 { (year + 1, 1, 1) } else { (year, month + 1, 1) };
            assert!(
                date == (year, month, last + 1) && last < days_of_month(year, month) || date == next_month
            );
            assert_eq!(date_time(&text), Some(Time::from_millis(day * 86_400_000)));
            previous = date;
        }
        assert_eq!(previous, (2369, 12, 31));
    }

    #[test]
    fn the_forms_seen_in_the_field_are_read() {
        let at = |millis| Some(Time::from_millis(millis));
        assert_eq!(date_time("2027-11-21T00:00:00"), at(1_826_755_200_000));
        assert_eq!(date_time("2027-11-21T00:00:00.5"), at(1_826_755_200_500));
        assert_eq!(date_time("2027-11-21T00:00:00.123456789Z"), at(1_826_755_200_123));
        assert_eq!(date_time("2027-11-21T01:30:00+01:30"), at(1_826_755_200_000));
        assert_eq!(date_time("2027-11-20T10:00:00-14:00"), at(1_826_755_200_000));
        assert_eq!(date_time("2027-11-20T24:00:00Z"), at(1_826_755_200_000));
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "T",
            "2027-11-21",
            "2027-11-21T",
            "2027-11-21T00:00Z",
            "2027-13-01T00:00:00Z",
            "2027-00-01T00:00:00Z",
            "2027-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "2027-04-31T00:00:00Z",
            "2027-11-00T00:00:00Z",
            "2027-11-21T24:00:01Z",
            "2027-11-21T25:00:00Z",
            "2027-11-21T00:60:00Z",
            "2027-11-21T00:00:60Z",
            "2027-11-21T00:00:00.Z",
            "2027-11-21T00:00:00z",
            "2027-11-21T00:00:00+14:01",
            "2027-11-21T00:00:00+1:00",
            "2027-11-21T00:00:00ZZ",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+00:01",
            "02027-11-21T00:00:00Z",
            "-2027-11-21T00:00:00Z",
            "+027-11-21T00:00:00Z",
            "2027-1-21T00:00:00Z",
            "9999999-01-01T00:00:00Z",
            "2027-11-21T0\u{e9}:00:00Z",
            "\u{661}970-01-01T00:00:00Z",
        ] {
            assert_eq!(date_time(text), None, "{text}");
        }
    }

    #[test]
    fn the_end_of_time_is_written() {
        assert_eq!(date_time_text(Time::from_millis(u64::MAX)), "292278994-08-17T07:12:55Z");
    }

    #[test]
    fn durations_go_there_and_back() {
        for (text, millis) in [
            ("PT30S", 30_000),
            ("PT1H", 3_600_000),
            ("PT0S", 0),
            ("PT1H30M5.250S", 5_405_250),
            ("PT59M", 3_540_000),
            ("PT100H", 360_000_000),
            ("PT1M1S", 61_000),
            ("PT0.001S", 1),
        ] {
            assert_eq!(duration(text), Some(Duration::from_millis(millis)), "{text}");
            assert_eq!(duration_text(Duration::from_millis(millis)), text);
        }
        for (text, seconds) in
            [("P1D", 86_400), ("P0Y0M2DT1S", 172_801), ("PT90S", 90), ("P0D", 0), ("PT007S", 7)]
        {
            assert_eq!(duration(text), Some(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_fixed_duration_is_refused() {
        for text in [
            "",
            "P",
            "PT",
            "P1DT",
            "30S",
            "-PT30S",
            "PT-30S",
            "PT30",
            "PT30X",
            "P1Y",
            "P1M",
            "PT1S1M",
            "PT1S1S",
            "P1H",
            "PT1.5H",
            "PT.5S",
            "PT1.S",
            "PT1..5S",
            "PT1.5.5S",
            "PTS",
            "PT18446744073709551616S",
            "PT18446744073709551615S",
            "P999999999999D",
            "PT\u{661}S",
            "PT1\u{e9}",
        ] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_and_booleans_keep_to_their_type() {
        assert_eq!((number::<u8>("255"), number::<u8>("256"), number::<u8>("-1")), (Some(255), None, None));
        assert_eq!((number::<u32>("+7"), number::<u32>(""), number::<u32>("1 ")), (Some(7), None, None));
        assert_eq!((boolean("1"), boolean("false"), boolean("True")), (Some(true), Some(false), None));
    }
}
