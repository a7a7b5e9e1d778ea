//! How a table in memory is fed by NATS KV: read whole at the start, then followed for as long as
//! the gateway runs, and read anew when NATS has gone back to a backup.

use crate::state::Core;
use futures::StreamExt;
use infra::bus::BusError;
use infra::bus::records::{Record, RecordChange, Stored};
use std::sync::Arc;
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
                error = follow::<T>(&watched, &mut ready) => {
                    tracing::warn!(%error, bucket = T::Record::BUCKET, "a watch starts anew");
                    tokio::time::sleep(RESTART_PAUSE).await;
                }
            }
        }
    });
    let failed = |cause: String| BusError::request(T::Record::READING, cause);
    let read = tokio::time::timeout(FIRST_READING_SECONDS_MAX, read).await;
    let read = read.map_err(|_| failed("not all were told in time".into()))?;
    read.map_err(|error| failed(error.to_string()))
}

async fn follow<T: Table>(core: &Core, ready: &mut Option<oneshot::Sender<()>>) -> BusError {
    let table = T::of(core);
    let mut changes = match core.bus.watch_records::<T::Record>().await {
        Ok(changes) => changes,
        Err(error) => return error,
    };
    let mut connections = core.bus.connections();
    connections.borrow_and_update();
    let is_rewound = async || core.bus.is_rewound::<T::Record>(table.newest()).await;
    let mut anew = match is_rewound().await {
        Ok(is_rewound) => is_rewound.then(Vec::new),
        Err(error) => return error,
    };
    loop {
        let change = tokio::select! {
            change = changes.next() => change,
            Ok(()) = connections.changed() => match is_rewound().await {
                Ok(false) => continue,
                Ok(true) => return BusError::request(T::Record::READING, "NATS has gone back"),
                Err(error) => return error,
            }
        };
        match change {
            None => return BusError::request(T::Record::READING, "the watch ended"),
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
                if let Some(ready) = ready.take() {
                    // Nobody waits any more when the start was given up.
                    let _ = ready.send(());
                }
            }
            Some(Err(error @ BusError::Unreadable { .. })) => {
                tracing::error!(%error, "a record is skipped");
            }
            Some(Err(error)) => return error,
        }
    }
}
