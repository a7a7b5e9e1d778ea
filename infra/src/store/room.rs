//! Room in Redis. A full one refuses every write, and with it every request and every charge. Kept
//! answers only spare a call, so they give way before that: from one share of its memory on no
//! further one is kept, and from a higher one on those that are there are forgotten, one tenant's
//! after the other.

use super::{Store, StoreError, keys};
use crate::tasks::Tasks;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// From this share of Redis's memory on no further answer is kept. What must be written grows
/// slower than kept answers: the rest lasts until they have ended by themselves.
const KEEP_SHARE_MAX: f64 = 0.8;

/// From this share on kept answers are forgotten.
const FORGET_SHARE_MIN: f64 = 0.9;

/// Between two looks at Redis's memory.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Answers forgotten between two looks, about: the last tenant's go with them.
const FORGOTTEN_MAX: u64 = 20_000;

/// Names that one call walks over, about: keeps Redis responsive beside it.
const WALKED_AT_ONCE: usize = 1_000;

/// Calls of a walk between two looks.
const WALKS_MAX: usize = 100;

/// Whether there is room for answers that nobody needs to have kept.
#[derive(Debug, Default)]
pub(super) struct Room {
    is_scarce: AtomicBool,
}

impl Room {
    /// Looks as long as the tasks live. Where Redis has no limit there always is room.
    pub(super) fn watch(store: &Store, tasks: &Tasks) -> Arc<Self> {
        let room = Arc::new(Self::default());
        let (watched, store, stop) = (Arc::clone(&room), store.clone(), tasks.stop().clone());
        tasks.spawn_vital("room in Redis", async move {
            let mut looks = tokio::time::interval(LOOK_INTERVAL);
            let mut walk = 0;
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    _ = looks.tick() => {}
                }
                if let Err(error) = watched.look(&store, &mut walk).await {
                    tracing::debug!(%error, "how much room there is in Redis isn't known now");
                }
            }
        });
        room
    }

    /// Whether there is too little.
    pub(super) fn is_scarce(&self) -> bool {
        self.is_scarce.load(Ordering::Relaxed)
    }

    async fn look(&self, store: &Store, walk: &mut u64) -> Result<(), StoreError> {
        let share = store.memory_share().await?.unwrap_or(0.0);
        let is_scarce = share >= KEEP_SHARE_MAX;
        let percent = (share * 100.0).round();
        match (self.is_scarce.swap(is_scarce, Ordering::Relaxed), is_scarce) {
            (false, true) => tracing::warn!(
                percent,
                "Redis is nearly full: no further answer is kept (raise its maxmemory, or lower \
                 cache.tenant_bytes_max or cache.ttl_seconds)"
            ),
            (true, false) => tracing::info!(percent, "Redis has room again: answers are kept"),
            _ => {}
        }
        if share < FORGET_SHARE_MIN {
            return Ok(());
        }
        let forgotten = store.forget_answers_of_some(walk).await?;
        if forgotten > 0 {
            tracing::warn!(percent, forgotten, "kept answers have made room in Redis");
        }
        Ok(())
    }
}

impl Store {
    /// The share of its memory that Redis uses, from 0 on; nothing where it has no limit
    /// (`maxmemory 0`). Buffers that Redis doesn't count against its limit are left out.
    async fn memory_share(&self) -> Result<Option<f64>, StoreError> {
        let told: String =
            redis::cmd("INFO").arg("memory").query_async(&mut self.connection()).await?;
        let bytes = |name: &str| {
            let value = told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            value.and_then(|value| value.trim().parse::<f64>().ok())
        };
        let used = bytes("used_memory")
            .ok_or_else(|| StoreError::Unreadable("used_memory of INFO".into()))?;
        let uncounted = bytes("mem_not_counted_for_evict").unwrap_or(0.0);
        let most = bytes("maxmemory").filter(|most| *most > 0.0);
        Ok(most.map(|most| (used - uncounted).max(0.0) / most))
    }

    /// Forgets answers of the tenants that a walk over all names comes upon next. Returns how many.
    async fn forget_answers_of_some(&self, walk: &mut u64) -> Result<u64, StoreError> {
        let mut forgotten = 0;
        for _ in 0..WALKS_MAX {
            let mut command = redis::cmd("SCAN");
            command.arg(*walk).arg("MATCH").arg(keys::ANY_ANSWERS);
            command.arg("COUNT").arg(WALKED_AT_ONCE);
            let (next, names): (u64, Vec<String>) =
                command.query_async(&mut self.connection()).await?;
            for tenant in names.iter().filter_map(|name| keys::tenant_of_answers(name)) {
                forgotten += self.forget_answers(&tenant).await?;
            }
            *walk = next;
            if next == 0 || forgotten >= FORGOTTEN_MAX {
                break;
            }
        }
        Ok(forgotten)
    }
}
