//! When a department serves: local hours of the week, holidays, a time zone.
//!
//! [`Hours`] is what people write; [`Calendar`] is the same, read once, and answers whether a
//! moment is within. The local clock decides: 09:00 is 09:00 on either side of a change to
//! daylight saving. A time the clock jumps over counts as the moment after the jump, and one it
//! shows twice as the first.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::policy::PolicyError;
use crate::model::Moment;

const SPANS_A_DAY_MAX: usize = 8;
const HOLIDAYS_MAX: usize = 400;
const MINUTES_A_DAY: u16 = 24 * 60;
/// Days looked ahead for an opening: every holiday there may be, and a week.
const DAYS_AHEAD: i32 = HOLIDAYS_MAX as i32 + 8;
/// Days looked back and ahead for the ends of a span that goes on over midnight.
const DAYS_OF_A_SPAN: i32 = 8;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Business hours, as people write them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// The name of a time zone, as `Asia/Jakarta`.
    pub time_zone: String,
    /// For each day of the week (`mon` to `sun`) its spans, as `09:00-17:00`. A span ends on its
    /// day, at `24:00` at the latest; what goes on over midnight is written as two.
    #[serde(default)]
    pub weekly: BTreeMap<String, Vec<String>>,
    /// Days on which it does not serve, as `2026-12-25`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holidays: Vec<String>,
}

impl Hours {
    /// Whether every part of it can be read.
    ///
    /// # Errors
    /// The first that cannot.
    pub fn check(&self) -> Result<(), PolicyError> {
        Calendar::new(self).map(|_| ())
    }
}

/// [`Hours`], read.
#[derive(Clone, Debug)]
pub(super) struct Calendar {
    zone: TimeZone,
    /// Minutes of the day, ascending, from Monday on.
    weekly: [Vec<(u16, u16)>; 7],
    holidays: BTreeSet<Date>,
}

/// Whether a department serves now, and until when that stays so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shift {
    pub(super) is_open: bool,
    /// Open: since when. Absent if it was open for more than a week.
    pub(super) since: Option<Moment>,
    /// When it changes, or when to look again; absent if it never does.
    pub(super) until: Option<Moment>,
}

impl Shift {
    /// The shift of a department without hours.
    pub(super) const ALWAYS: Shift = Shift { is_open: true, since: None, until: None };
}

impl Calendar {
    pub(super) fn new(hours: &Hours) -> Result<Calendar, PolicyError> {
        let zone = TimeZone::get(&hours.time_zone).map_err(|_| {
            let reason =
                format!("no time zone is called {:?}; one is Asia/Jakarta", hours.time_zone);
            PolicyError::new("hours.time_zone", reason)
        })?;
        let mut weekly: [Vec<(u16, u16)>; 7] = Default::default();
        for (day, spans) in &hours.weekly {
            let path = format!("hours.weekly.{day}");
            let index = DAYS.iter().position(|name| name == day);
            let index = index.ok_or_else(|| PolicyError::new(&*path, "mon to sun"))?;
            weekly[index] = read_spans(&path, spans)?;
        }
        if hours.holidays.len() > HOLIDAYS_MAX {
            return Err(PolicyError::new("hours.holidays", format!("at most {HOLIDAYS_MAX} days")));
        }
        let holidays = hours.holidays.iter().enumerate();
        let holidays = holidays.map(|(index, text)| {
            let path = || format!("hours.holidays[{index}]");
            text.parse().map_err(|_| PolicyError::new(path(), "a day, as 2026-12-25"))
        });
        Ok(Calendar { zone, weekly, holidays: holidays.collect::<Result<_, _>>()? })
    }

    /// Whether it serves at `now`.
    pub(super) fn at(&self, now: Moment) -> Shift {
        // Beyond the calendar there are no hours to keep.
        self.shift(now).unwrap_or(Shift::ALWAYS)
    }

    fn shift(&self, now: Moment) -> Option<Shift> {
        let today = self.date(now)?;
        let around = self.spans(today, -DAYS_OF_A_SPAN, DAYS_OF_A_SPAN);
        if let Some(&(from, to)) = around.iter().find(|(from, to)| *from <= now && now < *to) {
            // Where the days looked at begin within a span, its beginning is not known.
            let horizon = self.moment(today.checked_sub(days(DAYS_OF_A_SPAN)).ok()?, 0);
            let since = Some(from).filter(|from| Some(*from) != horizon);
            return Some(Shift { is_open: true, since, until: Some(to) });
        }
        let opens = around.iter().map(|(from, _)| *from).find(|from| *from > now);
        let opens = opens.or_else(|| self.opens_later(today, now));
        Some(Shift { is_open: false, since: None, until: opens })
    }

    fn opens_later(&self, today: Date, now: Moment) -> Option<Moment> {
        if self.weekly.iter().all(Vec::is_empty) {
            return None;
        }
        let spans = self.spans(today, DAYS_OF_A_SPAN, DAYS_AHEAD);
        spans.into_iter().map(|(from, _)| from).find(|from| *from > now)
    }

    fn date(&self, at: Moment) -> Option<Date> {
        Timestamp::from_millisecond(at.0).ok().map(|t| self.zone.to_datetime(t).date())
    }

    /// The spans from one day to another, as moments, those that touch made one.
    fn spans(&self, today: Date, first: i32, last: i32) -> Vec<(Moment, Moment)> {
        let mut spans: Vec<(Moment, Moment)> = Vec::new();
        let all = (first..=last).filter_map(|ahead| today.checked_add(days(ahead)).ok());
        for day in all.filter(|day| !self.holidays.contains(day)) {
            for (from, to) in &self.weekly[day_of(day)] {
                let (Some(from), Some(to)) = (self.moment(day, *from), self.moment(day, *to))
                else {
                    continue;
                };
                match spans.last_mut() {
                    Some((_, end)) if *end >= from => *end = to.max(*end),
                    // A span within an hour that the clock jumps over is no span.
                    _ if from < to => spans.push((from, to)),
                    _ => {}
                }
            }
        }
        spans
    }

    fn moment(&self, day: Date, minute: u16) -> Option<Moment> {
        let (day, minute) = match minute {
            MINUTES_A_DAY => (day.tomorrow().ok()?, 0),
            minute => (day, minute),
        };
        let (hour, minute) = (i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?);
        let local = day.at(hour, minute, 0, 0);
        let zoned = self.zone.to_ambiguous_zoned(local).compatible().ok()?;
        Some(Moment(zoned.timestamp().as_millisecond()))
    }
}

fn days(days: i32) -> jiff::Span {
    jiff::Span::new().days(days)
}

fn day_of(day: Date) -> usize {
    match day.weekday() {
        Weekday::Monday => 0,
        Weekday::Tuesday => 1,
        Weekday::Wednesday => 2,
        Weekday::Thursday => 3,
        Weekday::Friday => 4,
        Weekday::Saturday => 5,
        Weekday::Sunday => 6,
    }
}

fn read_spans(path: &str, spans: &[String]) -> Result<Vec<(u16, u16)>, PolicyError> {
    if spans.len() > SPANS_A_DAY_MAX {
        return Err(PolicyError::new(path, format!("at most {SPANS_A_DAY_MAX} spans a day")));
    }
    let mut read = Vec::with_capacity(spans.len());
    for (index, text) in spans.iter().enumerate() {
        let reason = "a span within the day, as 09:00-17:00 or 22:00-24:00";
        let span = read_span(text);
        read.push(span.ok_or_else(|| PolicyError::new(format!("{path}[{index}]"), reason))?);
    }
    read.sort_unstable();
    match read.windows(2).any(|pair| pair[1].0 < pair[0].1) {
        true => Err(PolicyError::new(path, "spans that do not overlap")),
        false => Ok(read),
    }
}

fn read_span(text: &str) -> Option<(u16, u16)> {
    let (from, to) = text.split_once('-')?;
    let (from, to) = (read_minute(from)?, read_minute(to)?);
    (from < to).then_some((from, to))
}

fn read_minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let is_number = |text: &str| text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
    if !is_number(hour) || !is_number(minute) {
        return None;
    }
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    let at = hour * 60 + minute;
    (minute < 60 && at <= MINUTES_A_DAY).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar(zone: &str, weekly: &[(&str, &[&str])], holidays: &[&str]) -> Calendar {
        let spans = |spans: &[&str]| spans.iter().map(|span| (*span).to_owned()).collect();
        let hours = Hours {
            time_zone: zone.to_owned(),
            weekly: weekly.iter().map(|(day, all)| ((*day).to_owned(), spans(all))).collect(),
            holidays: spans(holidays),
        };
        Calendar::new(&hours).unwrap()
    }

    fn every_day<'a>(spans: &'a [&'a str]) -> Vec<(&'a str, &'a [&'a str])> {
        DAYS.iter().map(|day| (*day, spans)).collect()
    }

    fn moment(text: &str) -> Moment {
        Moment::parse(text).unwrap()
    }

    /// What it says at a moment: whether it is open, and until when.
    fn at(calendar: &Calendar, text: &str) -> (bool, Option<String>) {
        let shift = calendar.at(moment(text));
        (shift.is_open, shift.until.map(Moment::to_seconds_string))
    }

    fn until(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn a_span_begins_at_its_first_minute_and_ends_before_its_last() {
        let calendar = calendar("Asia/Jakarta", &[("mon", &["13:00-17:00", "09:00-12:00"])], &[]);
        for (now, want) in [
            ("2026-11-23T01:59:59Z", (false, until("2026-11-23T02:00:00Z"))),
            ("2026-11-23T02:00:00Z", (true, until("2026-11-23T05:00:00Z"))),
            ("2026-11-23T05:00:00Z", (false, until("2026-11-23T06:00:00Z"))),
            ("2026-11-23T09:59:59Z", (true, until("2026-11-23T10:00:00Z"))),
            ("2026-11-23T10:00:00Z", (false, until("2026-11-30T02:00:00Z"))),
        ] {
            assert_eq!(at(&calendar, now), want, "{now}");
        }
        let shift = calendar.at(moment("2026-11-23T03:00:00Z"));
        assert_eq!(shift.since, Some(moment("2026-11-23T02:00:00Z")));
    }

    #[test]
    fn the_local_clock_decides_on_either_side_of_daylight_saving() {
        // In Berlin the clock goes from 02:00 to 03:00 on 2027-03-28, and on 2026-10-25 from 03:00
        // to 02:00.
        let calendar = calendar("Europe/Berlin", &every_day(&["09:00-17:00"]), &[]);
        for (now, opens) in [
            ("2027-03-27T18:00:00Z", "2027-03-28T07:00:00Z"),
            ("2027-03-26T18:00:00Z", "2027-03-27T08:00:00Z"),
            ("2026-10-24T18:00:00Z", "2026-10-25T08:00:00Z"),
            ("2026-10-23T18:00:00Z", "2026-10-24T07:00:00Z"),
        ] {
            assert_eq!(at(&calendar, now), (false, until(opens)), "{now}");
        }
    }

    #[test]
    fn a_time_the_clock_jumps_over_is_after_the_jump_and_one_it_shows_twice_is_the_first() {
        let night = calendar("Europe/Berlin", &every_day(&["02:30-04:00"]), &[]);
        assert_eq!(at(&night, "2027-03-28T00:00:00Z"), (false, until("2027-03-28T01:30:00Z")));
        assert_eq!(at(&night, "2026-10-25T00:00:00Z"), (false, until("2026-10-25T00:30:00Z")));
        let gone = calendar("Europe/Berlin", &every_day(&["02:00-03:00"]), &[]);
        assert_eq!(
            at(&gone, "2027-03-27T12:00:00Z"),
            (false, until("2027-03-29T00:00:00Z")),
            "an hour that is not there"
        );
    }

    #[test]
    fn what_goes_on_over_midnight_is_one_span() {
        let calendar =
            calendar("UTC", &[("mon", &["22:00-24:00"]), ("tue", &["00:00-06:00"])], &[]);
        let shift = calendar.at(moment("2026-11-24T01:00:00Z"));
        assert_eq!(shift.since, Some(moment("2026-11-23T22:00:00Z")));
        assert_eq!(shift.until, Some(moment("2026-11-24T06:00:00Z")));
    }

    #[test]
    fn on_a_holiday_nobody_serves() {
        let calendar =
            calendar("Asia/Jakarta", &every_day(&["09:00-17:00"]), &["2026-12-25", "2026-12-26"]);
        assert_eq!(at(&calendar, "2026-12-25T03:00:00Z"), (false, until("2026-12-27T02:00:00Z")));
    }

    #[test]
    fn who_never_opens_says_so_and_who_never_closes_is_looked_at_again() {
        assert_eq!(at(&calendar("UTC", &[], &[]), "2026-11-23T00:00:00Z"), (false, None));
        let always = calendar("UTC", &every_day(&["00:00-24:00"]), &[]);
        let now = moment("2026-11-23T12:00:00Z");
        let shift = always.at(now);
        assert!(shift.is_open && shift.since.is_none());
        assert!(shift.until.is_some_and(|until| until > now));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let hours = |day: &str, spans: &[&str], holidays: &[&str]| Hours {
            time_zone: "UTC".into(),
            weekly: [(day.into(), spans.iter().map(|s| (*s).into()).collect())].into(),
            holidays: holidays.iter().map(|s| (*s).into()).collect(),
        };
        for (hours, path) in [
            (hours("monday", &[], &[]), "hours.weekly.monday"),
            (hours("mon", &["9-17"], &[]), "hours.weekly.mon[0]"),
            (hours("mon", &["09:00-17:00", "17:00-09:00"], &[]), "hours.weekly.mon[1]"),
            (hours("mon", &["09:00-24:01"], &[]), "hours.weekly.mon[0]"),
            (hours("mon", &["09:00-12:00", "11:00-13:00"], &[]), "hours.weekly.mon"),
            (hours("mon", &["00:00-00:01"; 9], &[]), "hours.weekly.mon"),
            (hours("mon", &[], &["2026-12-25", "25.12."]), "hours.holidays[1]"),
        ] {
            assert_eq!(hours.check().unwrap_err().path, path);
        }
    }
}
