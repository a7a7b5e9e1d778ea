//! Room for large requests while they are read and looked through: both take memory that is many
//! times their size, so only so many bytes of them are worked on at once. An account has half of it
//! at most, beside a request that is larger: so its next ones stand behind those of others. Small
//! requests neither ask for room nor wait. Nobody keeps it while Redis or a client is waited for.

use crate::entrance::{Counted, busy};
use infra::metrics::Metrics;
use schemas::error::Problem;
use schemas::ids::AccountId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// A smaller request is worked on at once: about 10 ms of work.
const HEAVY_BYTES_MIN: u64 = 64 * 1024;

/// Bytes of large requests that are worked on at once; a larger one is worked on alone.
const HEAVY_BYTES_AT_ONCE_MAX: u64 = 4 * 1024 * 1024;

/// The same of one account, those included that are the next to be worked on: half of all, so that
/// others find room at once beside any number. With one that is larger it has no other.
const ACCOUNT_BYTES_AT_ONCE_MAX: u64 = 2 * 1024 * 1024;

/// Bytes of one account's large requests that are worked on or wait for it: all of them are kept
/// meanwhile, and whoever comes beyond is refused at once. One that is larger is let in alone.
const ACCOUNT_BYTES_KEPT_MAX: u64 = 64 * 1024 * 1024;

/// The longest wait.
const ROOM_TIME_MAX: Duration = Duration::from_secs(30);

/// What the room is counted in.
const UNIT_BYTES: u64 = 1_024;

/// Whether a request keeps a core busy for long.
pub(crate) fn is_heavy(bytes: u64) -> bool {
    bytes > HEAVY_BYTES_MIN
}

/// The room of a gateway.
pub(crate) struct Heavy {
    all: Semaphore,
    /// Those of accounts that have or want some.
    accounts: Mutex<HashMap<AccountId, OfAccount>>,
}

/// What an account has or wants.
struct OfAccount {
    room: Arc<Semaphore>,
    /// Of all its requests.
    bytes: u64,
}

/// Some of the room; dropping it gives it back.
pub(crate) struct Room<'a> {
    _of_all: SemaphorePermit<'a>,
    _of_account: Option<Share<'a>>,
}

/// What an account has of the room for one request, or wants.
struct Share<'a> {
    heavy: &'a Heavy,
    account: &'a AccountId,
    bytes: u64,
    permit: Option<OwnedSemaphorePermit>,
}

impl Default for Heavy {
    fn default() -> Self {
        let all = Semaphore::new(units(u64::MAX, HEAVY_BYTES_AT_ONCE_MAX) as usize);
        Self { all, accounts: Mutex::default() }
    }
}

impl Heavy {
    /// Waits for the room that a request of so many bytes takes, in the order in which accounts
    /// came; the operator is no account. A small one gets none and needs none.
    ///
    /// # Errors
    /// When it takes too long, or the account wants too much at once.
    pub(crate) async fn room<'a>(
        &'a self,
        account: Option<&'a AccountId>,
        bytes: u64,
        metrics: &Metrics,
    ) -> Result<Option<Room<'a>>, Problem> {
        if !is_heavy(bytes) {
            return Ok(None);
        }
        let _counted = Counted::new(metrics.heavy_waiting.with_label_values::<&str>(&[]));
        // Boxed: a future is as large as its largest branch, and few wait.
        let room = Box::pin(tokio::time::timeout(ROOM_TIME_MAX, self.wait(account, bytes))).await;
        // Nobody closes it.
        room.ok().flatten().ok_or_else(busy).map(Some)
    }

    async fn wait<'a>(&'a self, account: Option<&'a AccountId>, bytes: u64) -> Option<Room<'a>> {
        let share = match account {
            Some(account) => Some(self.share(account, bytes).await?),
            None => None,
        };
        let permit = self.all.acquire_many(units(bytes, HEAVY_BYTES_AT_ONCE_MAX)).await.ok()?;
        Some(Room { _of_all: permit, _of_account: share })
    }

    async fn share<'a>(&'a self, account: &'a AccountId, bytes: u64) -> Option<Share<'a>> {
        let room = self.ask_for(account, bytes)?;
        let mut share = Share { heavy: self, account, bytes, permit: None };
        let units = units(bytes, ACCOUNT_BYTES_AT_ONCE_MAX);
        share.permit = Some(room.acquire_many_owned(units).await.ok()?);
        Some(share)
    }

    /// Counts so many bytes more of an account, if it may have them; dropping its share ends that.
    fn ask_for(&self, account: &AccountId, bytes: u64) -> Option<Arc<Semaphore>> {
        let new = || {
            let units = units(u64::MAX, ACCOUNT_BYTES_AT_ONCE_MAX) as usize;
            OfAccount { room: Arc::new(Semaphore::new(units)), bytes: 0 }
        };
        let mut accounts = self.accounts();
        let known = accounts.entry(account.clone()).or_insert_with(new);
        let all = known.bytes.saturating_add(bytes);
        if known.bytes > 0 && all > ACCOUNT_BYTES_KEPT_MAX {
            return None;
        }
        known.bytes = all;
        Some(Arc::clone(&known.room))
    }

    fn accounts(&self) -> MutexGuard<'_, HashMap<AccountId, OfAccount>> {
        // A panic while holding the lock leaves a usable table: every change is one call.
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share<'_> {
    /// An account that nobody has or wants room for is forgotten.
    fn drop(&mut self) {
        drop(self.permit.take());
        let mut accounts = self.heavy.accounts();
        let Some(known) = accounts.get_mut(self.account) else { return };
        known.bytes = known.bytes.saturating_sub(self.bytes);
        if known.bytes == 0 {
            accounts.remove(self.account);
        }
    }
}

/// What a request of so many bytes takes of so much room.
fn units(bytes: u64, most: u64) -> u32 {
    u32::try_from(bytes.min(most).div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::error::ErrorCode;
    use std::pin::pin;
    use tokio::time::Instant;

    const ALL: u64 = HEAVY_BYTES_AT_ONCE_MAX;

    #[tokio::test(start_paused = true)]
    async fn what_is_large_waits_for_room_and_what_is_small_never() {
        let (heavy, metrics) = (Heavy::default(), Metrics::new().unwrap());
        let waiting = metrics.heavy_waiting.with_label_values::<&str>(&[]);
        let ask = |bytes| heavy.room(None, bytes, &metrics);
        let half = ask(ALL / 2).await.unwrap();
        assert!(half.is_some());
        let mut alone = pin!(ask(u64::MAX));
        assert!(futures::poll!(&mut alone).is_pending(), "it waits until it is alone");
        assert!(ask(HEAVY_BYTES_MIN).await.unwrap().is_none());
        let mut next = pin!(ask(HEAVY_BYTES_MIN + 1));
        assert!(futures::poll!(&mut next).is_pending(), "it doesn't pass who came before");
        assert_eq!(waiting.get(), 2);
        drop(half);
        let alone = alone.await.unwrap();
        assert!(futures::poll!(&mut next).is_pending());
        drop(alone);
        assert!(next.await.unwrap().is_some());
        assert_eq!(waiting.get(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_of_one_account_keeps_no_other_waiting_for_all_of_it() {
        let (heavy, metrics) = (Heavy::default(), Metrics::new().unwrap());
        let (one, other) = (AccountId::fresh(), AccountId::fresh());
        let ask = |account, bytes| Box::pin(heavy.room(Some(account), bytes, &metrics));
        let first = ask(&one, ALL).await.unwrap();
        let mut burst: Vec<_> = (0..5).map(|_| ask(&one, ALL)).collect();
        for next in &mut burst {
            assert!(futures::poll!(next).is_pending());
        }
        let mut small = ask(&other, 100_000);
        assert!(futures::poll!(&mut small).is_pending());
        drop(first);
        let small = small.await.unwrap();
        assert!(small.is_some(), "one of the others has ended");
        drop(small);
        assert_eq!(heavy.accounts().len(), 1, "who has room and wants none is forgotten");
        assert!(burst.remove(0).await.unwrap().is_some());
        drop(burst);
        assert!(heavy.accounts().is_empty());
        // Any number of what is not that large leaves half of the room to others.
        let many: Vec<_> = (0..100).map(|_| ask(&one, 100_000)).collect();
        let mut many = futures::future::join_all(many);
        assert!(futures::poll!(&mut many).is_pending());
        assert!(ask(&other, ALL / 2).await.unwrap().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn what_an_account_lets_wait_is_bounded() {
        let (heavy, metrics) = (Heavy::default(), Metrics::new().unwrap());
        let (one, other) = (AccountId::fresh(), AccountId::fresh());
        let ask = |account| Box::pin(heavy.room(Some(account), ALL, &metrics));
        let mut waiting: Vec<_> = (0..ACCOUNT_BYTES_KEPT_MAX / ALL).map(|_| ask(&one)).collect();
        let _first = waiting.remove(0).await.unwrap();
        for next in &mut waiting {
            assert!(futures::poll!(next).is_pending());
        }
        let began = Instant::now();
        assert!(ask(&one).await.is_err() && began.elapsed().is_zero());
        assert!(futures::poll!(ask(&other)).is_pending());
        waiting.pop();
        assert!(futures::poll!(ask(&one)).is_pending());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever() {
        let (heavy, metrics) = (Heavy::default(), Metrics::new().unwrap());
        let account = AccountId::fresh();
        let ask = || heavy.room(Some(&account), ALL, &metrics);
        let _kept = ask().await.unwrap();
        let began = Instant::now();
        let refused = ask().await.err().unwrap();
        assert_eq!(refused.code, ErrorCode::ServiceUnavailable);
        assert!(refused.retry_after_ms.is_some());
        assert_eq!(began.elapsed().as_secs(), ROOM_TIME_MAX.as_secs());
    }
}
