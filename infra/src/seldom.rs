//! What would be said with every request while a server is away, said once in some seconds: the
//! log shows that it lasts, and isn't filled by it. It decides nothing else.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Between two times.
const SAID_INTERVAL: Duration = Duration::from_secs(5);

/// One thing that may be said.
#[derive(Debug, Default)]
pub struct Seldom {
    /// From when it may be said again, in milliseconds since the first of all.
    again_ms: AtomicU64,
}

impl Seldom {
    /// It may be said at once.
    pub const fn new() -> Self {
        Self { again_ms: AtomicU64::new(0) }
    }

    /// Says it, unless it was said a moment ago.
    pub fn say(&self, it: impl FnOnce()) {
        static BEGAN: OnceLock<Instant> = OnceLock::new();
        self.say_at(BEGAN.get_or_init(Instant::now).elapsed(), it);
    }

    fn say_at(&self, now: Duration, it: impl FnOnce()) {
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let (now_ms, again_ms) = (milliseconds(now), self.again_ms.load(Ordering::Relaxed));
        let next_ms = milliseconds(now + SAID_INTERVAL);
        let is_due = now_ms >= again_ms;
        // Of several at the same moment one says it.
        let swap = |from, to| {
            self.again_ms.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed)
        };
        if is_due && swap(again_ms, next_ms).is_ok() {
            it();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_at_once_and_then_once_in_a_while() {
        let (seldom, mut said) = (Seldom::new(), 0);
        let mut now = Duration::ZERO;
        for _ in 0..100 {
            seldom.say_at(now, || said += 1);
            now += SAID_INTERVAL / 10;
        }
        assert_eq!(said, 10);
        seldom.say(|| ());
    }
}
