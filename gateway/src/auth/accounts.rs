//! The table of accounts in memory, fed by a watch of NATS KV: what an account's keys may do
//! together is known without any I/O. An account that isn't known yet has no limits of its own.

use crate::state::Gateway;
use futures::StreamExt;
use infra::bus::BusError;
use infra::bus::records::{AccountChange, StoredAccount};
use schemas::ids::AccountId;
use schemas::records::AccountRecordV1;
use schemas::subjects;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// How long the first reading of the table may take.
const FIRST_READING_SECONDS_MAX: Duration = Duration::from_secs(30);

/// Pause before the watch starts anew after an error.
const RESTART_PAUSE: Duration = Duration::from_millis(500);

type Known = HashMap<AccountId, (u64, Arc<AccountRecordV1>)>;

/// All accounts.
#[derive(Default)]
pub(crate) struct AccountTable(RwLock<Known>);

impl AccountTable {
    /// Takes a record, unless a newer one is known.
    pub(crate) fn learn(&self, stored: StoredAccount) {
        let StoredAccount { record, revision } = stored;
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.get(&record.account).is_some_and(|(newest, _)| *newest >= revision) {
            return;
        }
        known.insert(record.account.clone(), (revision, Arc::new(record)));
    }

    /// The newest change that is known.
    fn newest(&self) -> u64 {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.values().map(|(revision, _)| *revision).max().unwrap_or(0)
    }

    /// Forgets all, and takes these.
    fn replace(&self, records: Vec<StoredAccount>) {
        let stored = |StoredAccount { record, revision }: StoredAccount| {
            (record.account.clone(), (revision, Arc::new(record)))
        };
        let known = records.into_iter().map(stored).collect();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = known;
    }

    /// An account's record.
    pub(crate) fn get(&self, account: &AccountId) -> Option<Arc<AccountRecordV1>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.get(account).map(|(_, record)| Arc::clone(record))
    }
}

/// Reads the whole table, then follows it in the background.
pub(crate) async fn watch(gateway: &Arc<Gateway>) -> Result<(), BusError> {
    let (ready, read) = tokio::sync::oneshot::channel();
    let watched = Arc::clone(gateway);
    gateway.background.spawn_vital("accounts", async move {
        let stop = watched.background.stop().clone();
        let mut ready = Some(ready);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                error = follow(&watched, &mut ready) => {
                    tracing::warn!(%error, "watching accounts starts anew");
                    tokio::time::sleep(RESTART_PAUSE).await;
                }
            }
        }
    });
    let unread = |_| BusError::request("reading the table of accounts", "no answer in time");
    let read = tokio::time::timeout(FIRST_READING_SECONDS_MAX, read).await.map_err(unread)?;
    read.map_err(|error| BusError::request("reading the table of accounts", error))
}

async fn follow(
    gateway: &Gateway,
    ready: &mut Option<tokio::sync::oneshot::Sender<()>>,
) -> BusError {
    let changes = match gateway.bus.watch_accounts().await {
        Ok(changes) => changes,
        Err(error) => return error,
    };
    tokio::pin!(changes);
    let mut connections = gateway.bus.connections();
    connections.borrow_and_update();
    let is_rewound =
        async || gateway.bus.is_rewound(subjects::ACCOUNTS_BUCKET, gateway.accounts.newest()).await;
    let mut anew = match is_rewound().await {
        Ok(is_rewound) => is_rewound.then(Vec::new),
        Err(error) => return error,
    };
    loop {
        let change = tokio::select! {
            change = changes.next() => change,
            Ok(()) = connections.changed() => match is_rewound().await {
                Ok(false) => continue,
                Ok(true) => return BusError::request("watching accounts", "NATS has gone back"),
                Err(error) => return error,
            }
        };
        match change {
            None => break,
            Some(Ok(AccountChange::Put(stored))) => match &mut anew {
                Some(anew) => anew.push(*stored),
                None => gateway.accounts.learn(*stored),
            },
            Some(Ok(AccountChange::Current)) => {
                if let Some(anew) = anew.take() {
                    tracing::warn!(
                        "NATS has gone back to earlier records of accounts: these count"
                    );
                    gateway.accounts.replace(anew);
                }
                if let Some(ready) = ready.take() {
                    // Nobody waits any more when the start was given up.
                    let _ = ready.send(());
                }
            }
            Some(Err(error @ BusError::Unreadable { .. })) => {
                tracing::error!(%error, "an account is skipped");
            }
            Some(Err(error)) => return error,
        }
    }
    BusError::request("watching accounts", "the watch ended")
}
