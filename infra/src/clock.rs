//! The wall clock as numbers. Durations are measured with `std::time::Instant`, never with this.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970 (UTC).
pub fn unix_ms() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

/// The UTC day of a moment, as `2026-11-25`.
pub fn day_of(unix_ms: u64) -> String {
    let seconds = i64::try_from(unix_ms / 1000).unwrap_or(0);
    let moment = time::OffsetDateTime::from_unix_timestamp(seconds)
        .unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    format!("{:04}-{:02}-{:02}", moment.year(), u8::from(moment.month()), moment.day())
}

/// A moment in RFC 3339, as `2026-11-25T07:00:00Z`.
pub fn rfc3339(unix_ms: u64) -> String {
    let seconds = i64::try_from(unix_ms / 1000).unwrap_or(0);
    time::OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|moment| moment.format(&time::format_description::well_known::Rfc3339).ok())
        .unwrap_or_default()
}

/// Reads RFC 3339; `None` when it isn't one or lies before 1970.
pub fn parse_rfc3339(text: &str) -> Option<u64> {
    let format = &time::format_description::well_known::Rfc3339;
    let moment = time::OffsetDateTime::parse(text, format).ok()?;
    u64::try_from(moment.unix_timestamp_nanos() / 1_000_000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_survive_their_text() {
        let moment = parse_rfc3339("2025-12-31T23:59:59Z").unwrap();
        assert_eq!(rfc3339(moment), "2025-12-31T23:59:59Z");
        assert_eq!(day_of(moment), "2025-12-31");
        assert_eq!(parse_rfc3339("2025-12-31T23:59:59+09:00"), Some(moment - 9 * 3_600_000));
        assert_eq!(parse_rfc3339("yesterday"), None);
    }
}
