//! Room for large requests while they are read and looked through: both take memory that is many
//! times their size, so only so many bytes of them are worked on at once. Small requests neither
//! ask for room nor wait.

use tokio::sync::{Semaphore, SemaphorePermit};

/// A smaller request is worked on at once: about 10 ms of work.
const HEAVY_BYTES_MIN: u64 = 64 * 1024;

/// Bytes of large requests that are worked on at once; a larger one is worked on alone.
const HEAVY_BYTES_AT_ONCE_MAX: u64 = 4 * 1024 * 1024;

/// What the room is counted in.
const UNIT_BYTES: u64 = 1_024;

static ROOM: Semaphore = Semaphore::const_new((HEAVY_BYTES_AT_ONCE_MAX / UNIT_BYTES) as usize);

/// Whether a request keeps a core busy for long.
pub(crate) fn is_heavy(bytes: u64) -> bool {
    bytes > HEAVY_BYTES_MIN
}

/// Waits for the room that a request of so many bytes takes, in the order in which they came; who
/// has some asks for none. Dropping it gives it back.
pub(crate) async fn room(bytes: u64) -> Option<SemaphorePermit<'static>> {
    room_of(&ROOM, bytes).await
}

async fn room_of(room: &Semaphore, bytes: u64) -> Option<SemaphorePermit<'_>> {
    if !is_heavy(bytes) {
        return None;
    }
    let units = bytes.min(HEAVY_BYTES_AT_ONCE_MAX).div_ceil(UNIT_BYTES);
    // Nobody closes it.
    room.acquire_many(u32::try_from(units).unwrap_or(u32::MAX)).await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[test]
    fn what_is_large_waits_for_room_and_what_is_small_never() {
        let all = Semaphore::new((HEAVY_BYTES_AT_ONCE_MAX / UNIT_BYTES) as usize);
        let ask = |bytes| room_of(&all, bytes).now_or_never();
        let half = ask(HEAVY_BYTES_AT_ONCE_MAX / 2).flatten();
        assert!(half.is_some());
        assert!(ask(u64::MAX).is_none(), "it waits until it is alone");
        assert!(matches!(ask(HEAVY_BYTES_MIN), Some(None)));
        assert!(ask(HEAVY_BYTES_AT_ONCE_MAX / 2).flatten().is_some());
        drop(half);
        assert!(ask(u64::MAX).flatten().is_some());
    }
}
