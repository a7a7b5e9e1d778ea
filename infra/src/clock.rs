//! The wall clock as numbers. Durations are measured with `std::time::Instant`, never with this.
//! A wall clock may jump: what must not, such as a deadline, is told by [`steady_ms`].

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread::ThreadId;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

static IS_SHIFTED: AtomicBool = AtomicBool::new(false);
static SHIFTS: LazyLock<Mutex<HashMap<ThreadId, i64>>> = LazyLock::new(Mutex::default);
static START: LazyLock<(Instant, u64)> = LazyLock::new(|| (Instant::now(), system_ms()));

/// Milliseconds since 1970 (UTC), as the machine's clock has it.
pub fn unix_ms() -> u64 {
    let now = system_ms();
    if !IS_SHIFTED.load(Ordering::Relaxed) {
        return now;
    }
    let shifts = SHIFTS.lock().unwrap_or_else(PoisonError::into_inner);
    let shift = shifts.get(&std::thread::current().id()).copied().unwrap_or(0);
    now.saturating_add_signed(shift)
}

/// Milliseconds since 1970 as this process counts them: the machine's clock of its start, and what
/// was measured since. It never jumps. Two processes, or one and its successor, may differ.
pub fn steady_ms() -> u64 {
    let (began, at) = &*START;
    at.saturating_add(milliseconds(began.elapsed()))
}

/// Lets the clock of whatever runs on a thread jump, for tests: nothing from outside reaches this.
/// A role of a test has a runtime with one thread of its own.
pub fn shift(thread: ThreadId, by_ms: i64) {
    // The steady clock starts first, or it would be shifted, too.
    LazyLock::force(&START);
    SHIFTS.lock().unwrap_or_else(PoisonError::into_inner).insert(thread, by_ms);
    IS_SHIFTED.store(true, Ordering::Relaxed);
}

fn system_ms() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    milliseconds(elapsed)
}

/// A time in whole milliseconds; one that is too long is the longest.
pub fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
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
    fn a_jump_is_seen_by_its_thread_and_by_nothing_that_is_steady() {
        const HOUR: i64 = 3_600_000;
        let here = || (unix_ms(), steady_ms());
        let (before, steady) = here();
        shift(std::thread::current().id(), HOUR);
        let (after, still) = here();
        let another = std::thread::Builder::new().name("another".into()).spawn(unix_ms);
        let elsewhere = another.unwrap().join().unwrap();
        shift(std::thread::current().id(), -HOUR);
        let (back, again) = here();
        let jump = HOUR.unsigned_abs();
        assert!(after >= before + jump && elsewhere < before + jump);
        assert!(back < before && steady <= still && still <= again && again < steady + jump);
    }

    #[test]
    fn moments_survive_their_text() {
        let moment = parse_rfc3339("2025-12-31T23:59:59Z").unwrap();
        assert_eq!(rfc3339(moment), "2025-12-31T23:59:59Z");
        assert_eq!(day_of(moment), "2025-12-31");
        assert_eq!(parse_rfc3339("2025-12-31T23:59:59+09:00"), Some(moment - 9 * 3_600_000));
        assert_eq!(parse_rfc3339("yesterday"), None);
    }
}
