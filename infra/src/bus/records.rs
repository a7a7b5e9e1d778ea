//! The records of keys and accounts in NATS KV: written by whoever creates them, watched by every
//! gateway.

use super::{Bus, BusError};
use async_nats::jetstream::kv::{self, CreateErrorKind, Operation, UpdateErrorKind};
use futures::{Stream, StreamExt};
use schemas::ids::{AccountId, KeyId};
use schemas::records::{AccountRecord, AccountRecordV1, KeyRecord, KeyRecordV1};
use schemas::subjects;

/// How often a change is tried while others change the same key.
const CHANGE_ATTEMPTS_MAX: u32 = 16;

/// A change in the table of keys, in the order it happened.
#[derive(Debug)]
pub enum KeyChange {
    /// A key was made or changed.
    Put(Box<StoredKey>),
    /// All that was there at the start has been told.
    Current,
}

/// A key's record as it lies in NATS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// The record.
    pub record: KeyRecordV1,
    /// Grows with every change of the key: of two records the one with the higher is the newer.
    pub revision: u64,
}

impl Bus {
    async fn bucket(&self, name: &str) -> Result<kv::Store, BusError> {
        let opened = self.jetstream().get_key_value(name).await;
        opened.map_err(|error| BusError::request("opening a key-value bucket", error))
    }

    /// Writes the record of a new key and answers its revision.
    ///
    /// # Errors
    /// When NATS doesn't confirm it.
    pub async fn put_key(&self, record: &KeyRecordV1) -> Result<u64, BusError> {
        let body = encoded(record)?;
        let bucket = self.bucket(subjects::KEYS_BUCKET).await?;
        let put = bucket.put(record.key.as_str(), body.into()).await;
        put.map_err(|error| BusError::request("writing a key", error))
    }

    /// Writes the record of a key that nobody has made before; `None` when somebody has.
    ///
    /// # Errors
    /// When NATS doesn't confirm it.
    pub async fn create_key(&self, record: &KeyRecordV1) -> Result<Option<u64>, BusError> {
        let body = encoded(record)?;
        let bucket = self.bucket(subjects::KEYS_BUCKET).await?;
        match bucket.create(record.key.as_str(), body.into()).await {
            Ok(revision) => Ok(Some(revision)),
            Err(error) if error.kind() == CreateErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(BusError::request("writing a key", error)),
        }
    }

    /// Changes a key's record as it lies in NATS now, so that no change of somebody else is lost: a
    /// deleted key stays deleted. `None` when there is no such key or `change` wants nothing.
    ///
    /// # Errors
    /// When NATS doesn't confirm it, or the record can't be read.
    pub async fn change_key(
        &self,
        key: &KeyId,
        change: impl Fn(KeyRecordV1) -> Option<KeyRecordV1>,
    ) -> Result<Option<StoredKey>, BusError> {
        let bucket = self.bucket(subjects::KEYS_BUCKET).await?;
        for _ in 0..CHANGE_ATTEMPTS_MAX {
            let entry = bucket.entry(key.as_str()).await;
            let entry = entry.map_err(|error| BusError::request("reading a key", error))?;
            let Some(entry) = entry.filter(|entry| entry.operation == Operation::Put) else {
                return Ok(None);
            };
            let Some(record) = change(decoded(&entry)?) else { return Ok(None) };
            let body = encoded(&record)?;
            match bucket.update(key.as_str(), body.into(), entry.revision).await {
                Ok(revision) => return Ok(Some(StoredKey { record, revision })),
                Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => {}
                Err(error) => return Err(BusError::request("writing a key", error)),
            }
        }
        Err(BusError::request("writing a key", "others change it all the time"))
    }

    /// Writes an account's record.
    ///
    /// # Errors
    /// When NATS doesn't confirm it.
    pub async fn put_account(&self, record: &AccountRecordV1) -> Result<(), BusError> {
        let body = serde_json::to_vec(&AccountRecord::V1(record.clone()))
            .map_err(|error| BusError::request("encoding an account", error))?;
        let bucket = self.bucket(subjects::ACCOUNTS_BUCKET).await?;
        let put = bucket.put(record.account.as_str(), body.into()).await;
        put.map(drop).map_err(|error| BusError::request("writing an account", error))
    }

    /// An account's record, if there is one.
    ///
    /// # Errors
    /// When NATS can't be asked or the record can't be read.
    pub async fn account(&self, account: &AccountId) -> Result<Option<AccountRecordV1>, BusError> {
        let bucket = self.bucket(subjects::ACCOUNTS_BUCKET).await?;
        let entry = bucket
            .get(account.as_str())
            .await
            .map_err(|error| BusError::request("reading an account", error))?;
        let Some(body) = entry else { return Ok(None) };
        let AccountRecord::V1(record) = serde_json::from_slice(&body).map_err(|error| {
            BusError::Unreadable { subject: account.to_string(), cause: error.to_string() }
        })?;
        Ok(Some(record))
    }

    /// Follows the table of keys: first all that are there, then every change.
    ///
    /// # Errors
    /// When the bucket can't be opened. Later errors end the stream; the caller starts again.
    pub async fn watch_keys(
        &self,
    ) -> Result<impl Stream<Item = Result<KeyChange, BusError>> + Send + use<>, BusError> {
        let bucket = self.bucket(subjects::KEYS_BUCKET).await?;
        let status = bucket.status().await;
        let empty =
            status.map_err(|error| BusError::request("watching keys", error))?.values() == 0;
        let watch = bucket.watch_with_history(">").await;
        let watch = watch.map_err(|error| BusError::request("watching keys", error))?;
        let start = futures::stream::iter(empty.then_some(Ok(KeyChange::Current)));
        let changes = watch.flat_map(|entry| {
            let changes = match entry {
                Ok(entry) => changes_of(&entry),
                Err(error) => vec![Err(BusError::request("watching keys", error))],
            };
            futures::stream::iter(changes)
        });
        Ok(start.chain(changes))
    }
}

fn encoded(record: &KeyRecordV1) -> Result<Vec<u8>, BusError> {
    serde_json::to_vec(&KeyRecord::V1(record.clone()))
        .map_err(|error| BusError::request("encoding a key", error))
}

fn decoded(entry: &kv::Entry) -> Result<KeyRecordV1, BusError> {
    let KeyRecord::V1(record) = serde_json::from_slice(&entry.value).map_err(|error| {
        BusError::Unreadable { subject: entry.key.clone(), cause: error.to_string() }
    })?;
    Ok(record)
}

fn changes_of(entry: &kv::Entry) -> Vec<Result<KeyChange, BusError>> {
    let mut changes = Vec::new();
    if entry.operation == Operation::Put {
        let stored = |record| StoredKey { record, revision: entry.revision };
        changes.push(decoded(entry).map(|record| KeyChange::Put(Box::new(stored(record)))));
    }
    if entry.delta == 0 {
        changes.push(Ok(KeyChange::Current));
    }
    changes
}
