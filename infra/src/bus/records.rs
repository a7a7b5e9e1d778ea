//! Records in NATS KV: of keys, accounts, auto-recharge and coupons. Written by whoever makes them,
//! changed only as they lie there now, and watched by whoever holds a table of them.

use super::{Bus, BusError};
use async_nats::jetstream::kv::{self, CreateErrorKind, Operation, UpdateErrorKind};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use schemas::ids::{AccountId, KeyId};
use schemas::records::{AccountRecord, AccountRecordV1, KeyRecord, KeyRecordV1};
use schemas::subjects;
use std::cmp::Ordering;

/// A kind of record: where it lies, what it is called, how it is written.
pub trait Record: Clone + Send + Sync + 'static {
    /// What a record belongs to.
    type Id: ?Sized + Sync;

    /// The bucket.
    const BUCKET: &'static str;
    /// All names of this kind in the bucket: others lie beside them.
    const NAMES: &'static str;
    /// What fails when it can't be read, and when it can't be written.
    const READING: &'static str;
    /// See [`READING`](Self::READING).
    const WRITING: &'static str;
    /// How often a change is tried while others change the same record.
    const CHANGE_ATTEMPTS_MAX: u32 = 16;

    /// Its name in the bucket.
    fn name(id: &Self::Id) -> String;

    /// As it is written, with its version.
    ///
    /// # Errors
    /// When it has no JSON.
    fn encoded(&self) -> serde_json::Result<Vec<u8>>;

    /// What was written.
    ///
    /// # Errors
    /// When it is none of the versions that are known.
    fn decoded(body: &[u8]) -> serde_json::Result<Self>;
}

/// A record as it lies in NATS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored<R> {
    /// The record.
    pub record: R,
    /// Grows with every change of the bucket: of two of one name the one with the higher is the
    /// newer.
    pub revision: u64,
}

/// Where a bucket stands, compared with what was read of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BucketStanding {
    /// Its end was read.
    Same,
    /// It has something newer.
    Ahead,
    /// It ends before what was read: NATS has gone back to a backup, and whatever is known of the
    /// bucket has to be read anew.
    Rewound,
}

/// A change in a table of records, in the order it happened.
#[derive(Debug)]
pub enum RecordChange<R> {
    /// A record was made or changed.
    Put(Box<Stored<R>>),
    /// All that was there at the start has been told.
    Current,
}

impl Bus {
    pub(super) async fn bucket(&self, name: &str) -> Result<kv::Store, BusError> {
        let opened = self.jetstream().get_key_value(name).await;
        opened.map_err(|error| BusError::request("opening a key-value bucket", error))
    }

    /// Writes a record, whatever lay there, and answers its revision.
    ///
    /// # Errors
    /// When NATS doesn't confirm it.
    pub async fn put_record<R: Record>(&self, id: &R::Id, record: &R) -> Result<u64, BusError> {
        let bucket = self.bucket(R::BUCKET).await?;
        let put = bucket.put(R::name(id), body(record)?).await;
        put.map_err(|error| BusError::request(R::WRITING, error))
    }

    /// Writes a record that nobody has made before, and answers its revision; `None` when somebody
    /// has.
    ///
    /// # Errors
    /// When NATS doesn't confirm it.
    pub async fn create_record<R: Record>(
        &self,
        id: &R::Id,
        record: &R,
    ) -> Result<Option<u64>, BusError> {
        create(&self.bucket(R::BUCKET).await?, id, record).await
    }

    /// A record, if there is one.
    ///
    /// # Errors
    /// When NATS can't be asked or the record can't be read.
    pub async fn record_of<R: Record>(&self, id: &R::Id) -> Result<Option<Stored<R>>, BusError> {
        stored(&self.bucket(R::BUCKET).await?, id).await
    }

    /// Changes a record as it lies in NATS now, so that no change of somebody else is lost: a
    /// deleted key stays deleted. `None` when there is none or `change` wants nothing: then nothing
    /// is written.
    ///
    /// # Errors
    /// When NATS doesn't confirm it, or the record can't be read.
    pub async fn change_record<R: Record>(
        &self,
        id: &R::Id,
        change: impl Fn(R) -> Option<R>,
    ) -> Result<Option<Stored<R>>, BusError> {
        let change = |there: Option<R>| there.and_then(&change).ok_or(());
        self.change_or_create(id, change).await.map(Result::ok)
    }

    /// An account's record, if there is one.
    ///
    /// # Errors
    /// When NATS can't be asked or the record can't be read.
    pub async fn account(&self, account: &AccountId) -> Result<Option<AccountRecordV1>, BusError> {
        let there: Option<Stored<AccountRecordV1>> = self.record_of(account).await?;
        Ok(there.map(|stored| stored.record))
    }

    /// Changes a record as it lies in NATS now, or makes the first. What `change` refuses with is
    /// answered, and nothing is written.
    pub(super) async fn change_or_create<R: Record, E>(
        &self,
        id: &R::Id,
        change: impl Fn(Option<R>) -> Result<R, E>,
    ) -> Result<Result<Stored<R>, E>, BusError> {
        let bucket = self.bucket(R::BUCKET).await?;
        for _ in 0..R::CHANGE_ATTEMPTS_MAX {
            let (there, before) = match stored::<R>(&bucket, id).await? {
                Some(Stored { record, revision }) => (Some(record), Some(revision)),
                None => (None, None),
            };
            let record = match change(there) {
                Ok(record) => record,
                Err(refused) => return Ok(Err(refused)),
            };
            let written = match before {
                Some(before) => update(&bucket, id, &record, before).await?,
                None => create(&bucket, id, &record).await?,
            };
            if let Some(revision) = written {
                return Ok(Ok(Stored { record, revision }));
            }
        }
        Err(BusError::request(R::WRITING, "others change it all the time"))
    }

    /// Follows a table of records: first all that are there, then every change.
    ///
    /// # Errors
    /// When the bucket can't be opened. Later errors end the stream; the caller starts again.
    pub async fn watch_records<R: Record>(
        &self,
    ) -> Result<BoxStream<'static, Result<RecordChange<R>, BusError>>, BusError> {
        let failed = |error: &dyn std::fmt::Display| BusError::request("watching records", error);
        let bucket = self.bucket(R::BUCKET).await?;
        // The library says that all has been told with the last record, so of none it says nothing.
        let subjects = format!("{}{}", bucket.prefix, R::NAMES);
        let there = bucket.stream.info_with_subjects(subjects).await;
        let there = there.map_err(|error| failed(&error))?;
        let is_empty = there.take(1).count().await == 0;
        let watch = bucket.watch_with_history(R::NAMES).await.map_err(|error| failed(&error))?;
        let changes = watch.flat_map(move |entry| {
            let changes = match entry {
                Ok(entry) => {
                    let put = (entry.operation == Operation::Put)
                        .then(|| decoded(&entry).map(|stored| RecordChange::Put(Box::new(stored))));
                    let told = (entry.delta == 0).then_some(Ok(RecordChange::Current));
                    put.into_iter().chain(told).collect()
                }
                Err(error) => vec![Err(failed(&error))],
            };
            futures::stream::iter(changes)
        });
        let start = is_empty.then_some(Ok(RecordChange::Current));
        Ok(futures::stream::iter(start).chain(changes).boxed())
    }

    /// Where a bucket stands, of which was read up to a revision.
    ///
    /// # Errors
    /// When NATS can't be asked.
    pub async fn standing_of_bucket<R: Record>(
        &self,
        revision: u64,
    ) -> Result<BucketStanding, BusError> {
        let mut bucket = self.bucket(R::BUCKET).await?;
        let info = bucket.stream.info().await;
        let info = info.map_err(|error| BusError::request("looking at a bucket", error))?;
        Ok(match info.state.last_sequence.cmp(&revision) {
            Ordering::Less => BucketStanding::Rewound,
            Ordering::Equal => BucketStanding::Same,
            Ordering::Greater => BucketStanding::Ahead,
        })
    }
}

/// Writes the first record; `None` when there is one.
async fn create<R: Record>(
    bucket: &kv::Store,
    id: &R::Id,
    record: &R,
) -> Result<Option<u64>, BusError> {
    match bucket.create(R::name(id), body(record)?).await {
        Err(error) if error.kind() == CreateErrorKind::AlreadyExists => Ok(None),
        created => created.map(Some).map_err(|error| BusError::request(R::WRITING, error)),
    }
}

/// Writes over the record of a revision; `None` when that isn't the newest.
async fn update<R: Record>(
    bucket: &kv::Store,
    id: &R::Id,
    record: &R,
    before: u64,
) -> Result<Option<u64>, BusError> {
    match bucket.update(R::name(id), body(record)?, before).await {
        Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => Ok(None),
        updated => updated.map(Some).map_err(|error| BusError::request(R::WRITING, error)),
    }
}

fn body<R: Record>(record: &R) -> Result<Bytes, BusError> {
    let encoded = record.encoded();
    encoded.map(Bytes::from).map_err(|error| BusError::request(R::WRITING, error))
}

fn decoded<R: Record>(entry: &kv::Entry) -> Result<Stored<R>, BusError> {
    let record = R::decoded(&entry.value).map_err(|error| BusError::Unreadable {
        subject: entry.key.clone(),
        cause: error.to_string(),
    })?;
    Ok(Stored { record, revision: entry.revision })
}

async fn stored<R: Record>(bucket: &kv::Store, id: &R::Id) -> Result<Option<Stored<R>>, BusError> {
    let entry = bucket.entry(R::name(id)).await;
    let entry = entry.map_err(|error| BusError::request(R::READING, error))?;
    let entry = entry.filter(|entry| entry.operation == Operation::Put);
    entry.as_ref().map(decoded).transpose()
}

impl Record for KeyRecordV1 {
    type Id = KeyId;
    const BUCKET: &'static str = subjects::KEYS_BUCKET;
    const NAMES: &'static str = ">";
    const READING: &'static str = "reading a key";
    const WRITING: &'static str = "writing a key";

    fn name(id: &KeyId) -> String {
        id.to_string()
    }

    fn encoded(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(&KeyRecord::V1(self.clone()))
    }

    fn decoded(body: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(body).map(|KeyRecord::V1(record)| record)
    }
}

impl Record for AccountRecordV1 {
    type Id = AccountId;
    const BUCKET: &'static str = subjects::ACCOUNTS_BUCKET;
    // Coupons and recharges lie beside the accounts, under names of two words.
    const NAMES: &'static str = "*";
    const READING: &'static str = "reading an account";
    const WRITING: &'static str = "writing an account";

    fn name(id: &AccountId) -> String {
        id.to_string()
    }

    fn encoded(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(&AccountRecord::V1(self.clone()))
    }

    fn decoded(body: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(body).map(|AccountRecord::V1(record)| record)
    }
}
