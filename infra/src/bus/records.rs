//! The records of keys and accounts in NATS KV: written by whoever creates them, watched by every
//! gateway.

use super::{Bus, BusError};
use async_nats::jetstream::kv::{self, CreateErrorKind, Operation, UpdateErrorKind};
use futures::stream::BoxStream;
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

/// A change in the table of accounts, in the order it happened.
#[derive(Debug)]
pub enum AccountChange {
    /// An account was made or changed.
    Put(Box<StoredAccount>),
    /// All that was there at the start has been told.
    Current,
}

/// An account's record as it lies in NATS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAccount {
    /// The record.
    pub record: AccountRecordV1,
    /// Grows with every change of the account.
    pub revision: u64,
}

impl Bus {
    pub(super) async fn bucket(&self, name: &str) -> Result<kv::Store, BusError> {
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
        let body = encoded_account(record)?;
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

    /// Changes an account's record as it lies in NATS now, so that no change of somebody else is
    /// lost. `None` when there is no such account.
    ///
    /// # Errors
    /// When NATS doesn't confirm it, or the record can't be read.
    pub async fn change_account(
        &self,
        account: &AccountId,
        change: impl Fn(AccountRecordV1) -> AccountRecordV1,
    ) -> Result<Option<StoredAccount>, BusError> {
        let bucket = self.bucket(subjects::ACCOUNTS_BUCKET).await?;
        for _ in 0..CHANGE_ATTEMPTS_MAX {
            let entry = bucket.entry(account.as_str()).await;
            let entry = entry.map_err(|error| BusError::request("reading an account", error))?;
            let Some(entry) = entry.filter(|entry| entry.operation == Operation::Put) else {
                return Ok(None);
            };
            let record = change(decoded_account(&entry)?);
            let body = encoded_account(&record)?;
            match bucket.update(account.as_str(), body.into(), entry.revision).await {
                Ok(revision) => return Ok(Some(StoredAccount { record, revision })),
                Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => {}
                Err(error) => return Err(BusError::request("writing an account", error)),
            }
        }
        Err(BusError::request("writing an account", "others change it all the time"))
    }

    /// Follows the table of keys: first all that are there, then every change.
    ///
    /// # Errors
    /// When the bucket can't be opened. Later errors end the stream; the caller starts again.
    pub async fn watch_keys(
        &self,
    ) -> Result<impl Stream<Item = Result<KeyChange, BusError>> + Send + use<>, BusError> {
        let read = |entry: &kv::Entry| {
            let stored = |record| StoredKey { record, revision: entry.revision };
            decoded(entry).map(|record| KeyChange::Put(Box::new(stored(record))))
        };
        self.watch(subjects::KEYS_BUCKET, ">", read, || KeyChange::Current).await
    }

    /// Follows the table of accounts: first all that are there, then every change.
    ///
    /// # Errors
    /// When the bucket can't be opened. Later errors end the stream; the caller starts again.
    pub async fn watch_accounts(
        &self,
    ) -> Result<impl Stream<Item = Result<AccountChange, BusError>> + Send + use<>, BusError> {
        let read = |entry: &kv::Entry| {
            let stored = |record| StoredAccount { record, revision: entry.revision };
            decoded_account(entry).map(|record| AccountChange::Put(Box::new(stored(record))))
        };
        // Coupons and recharges lie beside the accounts, under names of two words.
        self.watch(subjects::ACCOUNTS_BUCKET, "*", read, || AccountChange::Current).await
    }

    /// Whether a bucket ends before a revision that was read of it: NATS has gone back to a backup,
    /// and whatever is known of it has to be read anew.
    ///
    /// # Errors
    /// When NATS can't be asked.
    pub async fn is_rewound(&self, bucket: &str, revision: u64) -> Result<bool, BusError> {
        let mut bucket = self.bucket(bucket).await?;
        let info = bucket.stream.info().await;
        let info = info.map_err(|error| BusError::request("looking at a bucket", error))?;
        Ok(info.state.last_sequence < revision)
    }

    pub(super) async fn watch<C: Send + 'static>(
        &self,
        name: &str,
        filter: &str,
        read: impl Fn(&kv::Entry) -> Result<C, BusError> + Send + 'static,
        current: impl Fn() -> C + Send + 'static,
    ) -> Result<BoxStream<'static, Result<C, BusError>>, BusError> {
        let bucket = self.bucket(name).await?;
        // The library says that all has been told with the last record, so of none it says nothing.
        let subjects = format!("{}{filter}", bucket.prefix);
        let there = bucket.stream.info_with_subjects(subjects).await;
        let there = there.map_err(|error| BusError::request("watching records", error))?;
        let empty = there.take(1).count().await == 0;
        let watch = bucket.watch_with_history(filter).await;
        let watch = watch.map_err(|error| BusError::request("watching records", error))?;
        let start: Vec<Result<C, BusError>> = if empty { vec![Ok(current())] } else { Vec::new() };
        let changes = watch.flat_map(move |entry| {
            let changes = match entry {
                Ok(entry) => {
                    let put = (entry.operation == Operation::Put).then(|| read(&entry));
                    let told = (entry.delta == 0).then(|| Ok(current()));
                    put.into_iter().chain(told).collect()
                }
                Err(error) => vec![Err(BusError::request("watching records", error))],
            };
            futures::stream::iter(changes)
        });
        Ok(futures::stream::iter(start).chain(changes).boxed())
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

fn encoded_account(record: &AccountRecordV1) -> Result<Vec<u8>, BusError> {
    serde_json::to_vec(&AccountRecord::V1(record.clone()))
        .map_err(|error| BusError::request("encoding an account", error))
}

fn decoded_account(entry: &kv::Entry) -> Result<AccountRecordV1, BusError> {
    let AccountRecord::V1(record) = serde_json::from_slice(&entry.value).map_err(|error| {
        BusError::Unreadable { subject: entry.key.clone(), cause: error.to_string() }
    })?;
    Ok(record)
}
