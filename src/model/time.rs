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

fn format_utc(ms: i64, with_ms: bool) -> String {
    // Beyond the calendar, the calendar's end.
    let t = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX);
    let civil = TimeZone::UTC.to_datetime(t);
    let (y, mo, d) = (civil.year(), civil.month(), civil.day());
    let (h, mi, s) = (civil.hour(), civil.minute(), civil.second());
    if with_ms {
        let sub_ms = civil.millisecond();
        format!("{y:04}-{mo:02}-{d:02}T{h:02}:{mi:02}:{s:02}.{sub_ms:03}Z")
    } else {
        format!("{y:04}-{mo:02}-{d:02}T{h:02}:{mi:02}:{s:02}Z")
    }
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
