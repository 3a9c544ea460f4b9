//! Moments, as the log keeps them: milliseconds of Unix time, shown as RFC 3339 in UTC.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Milliseconds since 1970 in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub i64);

impl Moment {
    /// Now, by the wall clock.
    pub fn now() -> Moment {
        Moment(Timestamp::now().as_millisecond())
    }

    /// Whole seconds of Unix time.
    pub fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Milliseconds from `earlier` to this moment, never negative.
    pub fn ms_since(self, earlier: Moment) -> u64 {
        self.0.saturating_sub(earlier.0).max(0).unsigned_abs()
    }

    /// `2025-01-24T10:30:00Z`: the form with seconds, where the seeds show seconds.
    pub fn to_seconds_string(self) -> String {
        format_utc(self.0.div_euclid(1000) * 1000, false)
    }

    /// Reads any RFC 3339 time.
    pub fn parse(text: &str) -> Option<Moment> {
        text.parse::<Timestamp>().ok().map(|t| Moment(t.as_millisecond()))
    }
}

/// Written digit by digit: a list of ten thousand agents has twenty thousand of these.
fn format_utc(ms: i64, with_ms: bool) -> String {
    // Beyond the calendar, the calendar's end.
    let t = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX);
    let civil = TimeZone::UTC.to_datetime(t);
    let mut text = String::with_capacity(24);
    let mut put = |value: u32, digits: u32, behind: char| {
        for place in (0..digits).rev() {
            let digit = value / 10_u32.pow(place) % 10;
            text.push(char::from_digit(digit, 10).unwrap_or('0'));
        }
        text.push(behind);
    };
    // The calendar begins in the year -9999, and no clock is set there.
    put(u32::try_from(civil.year()).unwrap_or(0), 4, '-');
    put(civil.month().unsigned_abs().into(), 2, '-');
    put(civil.day().unsigned_abs().into(), 2, 'T');
    put(civil.hour().unsigned_abs().into(), 2, ':');
    put(civil.minute().unsigned_abs().into(), 2, ':');
    if with_ms {
        put(civil.second().unsigned_abs().into(), 2, '.');
        put(civil.millisecond().unsigned_abs().into(), 3, 'Z');
    } else {
        put(civil.second().unsigned_abs().into(), 2, 'Z');
    }
    text
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format_utc(self.0, true))
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Moment, D::Error> {
        let text = String::deserialize(deserializer)?;
        Moment::parse(&text).ok_or_else(|| serde::de::Error::custom("not an RFC 3339 time"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_shown_in_milliseconds_or_seconds_of_utc() {
        let m = Moment::parse("2025-01-24T10:30:00.5Z").unwrap();
        assert_eq!(m.to_string(), "2025-01-24T10:30:00.500Z");
        assert_eq!(m.to_seconds_string(), "2025-01-24T10:30:00Z");
        assert_eq!(Moment::parse(&m.to_string()), Some(m));
    }
}
