//! How a table in memory is fed by NATS KV: read whole at the start, then followed for as long as
//! the gateway runs, and read anew when NATS has gone back to a backup. After each reconnect it is
//! asked whether something has been missed: a watch of which NATS has thought that nobody listens
//! any more says nothing by itself.

use crate::state::Core;
use futures::StreamExt;
use infra::bus::BusError;
use infra::bus::records::{BucketStanding, Record, RecordChange, Stored};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;

/// How long the first reading of a table may take.
const FIRST_READING_SECONDS_MAX: Duration = Duration::from_secs(30);

/// Pause before a watch starts anew after an error.
const RESTART_PAUSE: Duration = Duration::from_millis(500);

/// What is known of all records of a kind.
pub(crate) trait Table: Send + Sync + 'static {
    /// The kind.
    type Record: Record;

    /// The gateway's own.
    fn of(core: &Core) -> &Self;

    /// Takes a record, unless a newer one is known: whoever changed it and the watch tell the same
    /// changes, in any order.
    fn learn(&self, stored: Stored<Self::Record>);

    /// The newest change that is known.
    fn newest(&self) -> u64;

    /// Forgets all, and takes these.
    fn replace(&self, records: Vec<Stored<Self::Record>>);

    /// How far it has been followed.
    fn followed(&self) -> &Followed;
}

/// Since which connection to NATS a table is known to lack nothing.
#[derive(Debug, Default)]
pub(crate) struct Followed(AtomicU64);

/// Whether nothing is missing in both tables that was changed while NATS was away.
pub(crate) fn are_current(core: &Core) -> bool {
    let connection = *core.bus.connections().borrow();
    let is_current = |followed: &Followed| followed.0.load(Ordering::Relaxed) == connection;
    is_current(core.keys.followed()) && is_current(core.accounts.followed())
}

/// Why a watch starts anew.
enum Ended {
    /// Something was missed: it is read at once.
    Missed,
    Failed(BusError),
}

impl From<BusError> for Ended {
    fn from(error: BusError) -> Self {
        Self::Failed(error)
    }
}

/// Reads a whole table, then follows it in the background.
pub(crate) async fn watch<T: Table>(core: &Arc<Core>) -> Result<(), BusError> {
    let (ready, read) = oneshot::channel();
    let watched = Arc::clone(core);
    core.background.spawn_vital(T::Record::BUCKET, async move {
        let stop = watched.background.stop().clone();
        let mut ready = Some(ready);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Err(ended) = follow::<T>(&watched, &mut ready) => match ended {
                    Ended::Missed => {
                        tracing::debug!(bucket = T::Record::BUCKET, "a watch has missed something");
                    }
                    Ended::Failed(error) => {
                        tracing::warn!(%error, bucket = T::Record::BUCKET, "a watch starts anew");
                        tokio::time::sleep(RESTART_PAUSE).await;
                    }
                },
            }
        }
    });
    let failed = |cause: String| BusError::request(T::Record::READING, cause);
    let read = tokio::time::timeout(FIRST_READING_SECONDS_MAX, read).await;
    let read = read.map_err(|_| failed("not all were told in time".into()))?;
    read.map_err(|error| failed(error.to_string()))
}

async fn follow<T: Table>(
    core: &Core,
    ready: &mut Option<oneshot::Sender<()>>,
) -> Result<Infallible, Ended> {
    let table = T::of(core);
    let mut connections = core.bus.connections();
    let mut connection = *connections.borrow_and_update();
    let mut changes = core.bus.watch_records::<T::Record>().await?;
    let standing = async || core.bus.standing_of_bucket::<T::Record>(table.newest()).await;
    let mut anew = (standing().await? == BucketStanding::Rewound).then(Vec::new);
    let mut is_read = false;
    loop {
        let change = tokio::select! {
            change = changes.next() => change,
            Ok(()) = connections.changed() => {
                connection = *connections.borrow_and_update();
                match standing().await? {
                    BucketStanding::Same if is_read => {
                        table.followed().0.store(connection, Ordering::Relaxed);
                        continue;
                    }
                    BucketStanding::Same | BucketStanding::Ahead => return Err(Ended::Missed),
                    BucketStanding::Rewound => {
                        return Err(failed::<T>("NATS has gone back").into());
                    }
                }
            }
        };
        match change {
            None => return Err(failed::<T>("the watch ended").into()),
            Some(Ok(RecordChange::Put(stored))) => match &mut anew {
                Some(anew) => anew.push(*stored),
                None => table.learn(*stored),
            },
            Some(Ok(RecordChange::Current)) => {
                if let Some(anew) = anew.take() {
                    let bucket = T::Record::BUCKET;
                    tracing::warn!(bucket, "NATS has gone back to earlier records: these count");
                    table.replace(anew);
                }
                is_read = true;
                table.followed().0.store(connection, Ordering::Relaxed);
                if let Some(ready) = ready.take() {
                    // Nobody waits any more when the start was given up.
                    let _ = ready.send(());
                }
            }
            Some(Err(error @ BusError::Unreadable { .. })) => {
                tracing::error!(%error, "a record is skipped");
            }
            Some(Err(error)) => return Err(error.into()),
        }
    }
}

fn failed<T: Table>(cause: &str) -> BusError {
    BusError::request(T::Record::READING, cause)
}
