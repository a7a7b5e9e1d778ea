//! Waiting on conditions: bounded, and with a message that says what did not come. It never waits
//! for a time alone.

use std::time::Duration;
use tokio::time::Instant;

/// How long anything may take: generous, because a machine may be busy. Nothing is timed with it.
pub const WAIT_MAX: Duration = Duration::from_secs(30);

/// Between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// Waits until a condition holds.
///
/// # Panics
/// When it doesn't within 30 s.
pub async fn wait_until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let limit = Instant::now() + WAIT_MAX;
    while !condition().await {
        assert!(Instant::now() < limit, "waited {WAIT_MAX:?} in vain until {what}");
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// Waits until there is something, and gives it.
///
/// # Panics
/// When there is nothing within 30 s.
pub async fn wait_for<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let limit = Instant::now() + WAIT_MAX;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < limit, "waited {WAIT_MAX:?} in vain for {what}");
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// Awaits a future that must end by itself.
///
/// # Panics
/// When it doesn't within 30 s.
pub async fn within<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(WAIT_MAX, future).await {
        Ok(output) => output,
        Err(_) => panic!("waited {WAIT_MAX:?} in vain for {what}"),
    }
}
