//! Calendar periods that budgets are made for, in one time zone for the whole service. Durations
//! are not its business, and it never asks what time it is.

use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime, UtcOffset};

/// Seconds of a minute.
const MINUTE_SECONDS: i32 = 60;

/// The farthest that clocks are set from UTC, in minutes.
const OFFSET_MINUTES_MAX: i32 = 14 * 60;

/// The clocks of a place, by how far they are before UTC, in minutes. Without summer time: a day
/// has 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeZone(i32);

impl TimeZone {
    /// Japan's.
    pub const JAPAN: Self = Self(9 * 60);

    /// Reads `+09:00`, `-03:30` or `UTC`.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "UTC" || text == "Z" {
            return Some(Self(0));
        }
        let (sign, clock) = match text.split_at_checked(1)? {
            ("+", clock) => (1, clock),
            ("-", clock) => (-1, clock),
            _ => return None,
        };
        let (hours, minutes) = clock.split_once(':')?;
        let number = |digits: &str| {
            let is_number = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit());
            is_number.then(|| digits.parse::<i32>().ok()).flatten()
        };
        let (hours, minutes) = (number(hours)?, number(minutes)?);
        let offset = hours * 60 + minutes;
        (minutes < 60 && offset <= OFFSET_MINUTES_MAX).then_some(Self(sign * offset))
    }

    fn offset(self) -> UtcOffset {
        UtcOffset::from_whole_seconds(self.0 * MINUTE_SECONDS).unwrap_or(UtcOffset::UTC)
    }

    /// A moment as the clocks of the place show it, as `2026-11-26T00:00:00+09:00`.
    pub fn rfc3339(self, unix_ms: u64) -> String {
        let shown = moment(unix_ms).to_offset(self.offset());
        shown.format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for TimeZone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            D::Error::custom(format!("'{text}' is no time zone: write +09:00 or UTC"))
        })
    }
}

/// For how long a budget is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// From midnight to midnight.
    Day,
    /// From Monday to Sunday.
    Week,
    /// From the first to the last.
    Month,
}

impl Period {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Day, Self::Week, Self::Month];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// When the period that a moment lies in ends: seconds since 1970.
    pub fn end_seconds(self, at_ms: u64, zone: TimeZone) -> u64 {
        let date = moment(at_ms).to_offset(zone.offset()).date();
        let days = match self {
            Self::Day => 1,
            Self::Week => 7 - i64::from(date.weekday().number_days_from_monday()),
            Self::Month => i64::from(date.month().length(date.year()) - date.day()) + 1,
        };
        let end = date.saturating_add(Duration::days(days)).midnight().assume_offset(zone.offset());
        u64::try_from(end.unix_timestamp()).unwrap_or(0)
    }
}

fn moment(unix_ms: u64) -> OffsetDateTime {
    let seconds = i64::try_from(unix_ms / 1000).unwrap_or(0);
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::parse_rfc3339;

    fn ends(moment: &str, zone: TimeZone) -> [String; 3] {
        let at_ms = parse_rfc3339(moment).unwrap();
        Period::ALL.map(|period| zone.rfc3339(period.end_seconds(at_ms, zone) * 1_000))
    }

    #[test]
    fn periods_end_where_the_clocks_of_the_place_say() {
        // A Saturday in UTC, and a Sunday in Japan already.
        let late = "2026-02-28T15:30:00Z";
        let utc = TimeZone::parse("UTC").unwrap();
        let days = ["2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z", "2026-03-01T00:00:00Z"];
        assert_eq!(ends(late, utc), days);
        let days =
            ["2026-03-02T00:00:00+09:00", "2026-03-02T00:00:00+09:00", "2026-04-01T00:00:00+09:00"];
        assert_eq!(ends(late, TimeZone::JAPAN), days);
        // The last moment of a year, and the first of the next.
        let zone = TimeZone::parse("-03:30").unwrap();
        assert_eq!(ends("2026-12-31T23:59:59-03:30", zone)[2], "2027-01-01T00:00:00-03:30");
        assert_eq!(ends("2027-01-01T00:00:00-03:30", zone)[2], "2027-02-01T00:00:00-03:30");
    }

    #[test]
    fn what_is_no_time_zone_is_refused() {
        assert_eq!(TimeZone::parse("+09:00"), Some(TimeZone::JAPAN));
        for wrong in ["", "+9", "+09:60", "+15:00", "09:00", "Asia/Tokyo", "+0a:00", "＋09:00"] {
            assert_eq!(TimeZone::parse(wrong), None, "{wrong}");
        }
    }
}
