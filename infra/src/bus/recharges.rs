//! Records of auto-recharge: one for each account beside the accounts, changed only if nobody else
//! has changed it meanwhile. So of several billing workers one begins a charge, and the others see
//! that it has begun.

use super::{Bus, BusError};
use async_nats::jetstream::kv::{self, CreateErrorKind, Operation, UpdateErrorKind};
use futures::stream::BoxStream;
use schemas::ids::AccountId;
use schemas::recharge::{RechargeRecord, RechargeRecordV1};
use schemas::subjects;

/// How often a change is tried while others change the same record.
const CHANGE_ATTEMPTS_MAX: u32 = 16;

/// A change in the table of records, in the order it happened.
#[derive(Debug)]
pub enum RechargeChange {
    /// A record was made or changed.
    Put(Box<RechargeRecordV1>),
    /// All that was there at the start has been told.
    Current,
}

impl Bus {
    /// An account's auto-recharge; nothing is wished where there is no record.
    ///
    /// # Errors
    /// When NATS can't be asked or the record can't be read.
    pub async fn recharge(&self, account: &AccountId) -> Result<RechargeRecordV1, BusError> {
        self.recharge_as_stored(account).await.map(|(record, _)| record)
    }

    /// Changes an account's auto-recharge as it is now, so that no change of somebody else is lost.
    /// `None` when `change` wants nothing: then nothing is written.
    ///
    /// # Errors
    /// When NATS doesn't confirm it, or the record can't be read.
    pub async fn change_recharge(
        &self,
        account: &AccountId,
        change: impl Fn(RechargeRecordV1) -> Option<RechargeRecordV1> + Send,
    ) -> Result<Option<RechargeRecordV1>, BusError> {
        let failed = |error: &dyn std::fmt::Display| BusError::request("an auto-recharge", error);
        let bucket = self.bucket(subjects::ACCOUNTS_BUCKET).await?;
        let name = subjects::recharge_record(account);
        for _ in 0..CHANGE_ATTEMPTS_MAX {
            let (record, revision) = self.recharge_as_stored(account).await?;
            let Some(record) = change(record) else { return Ok(None) };
            let body = serde_json::to_vec(&RechargeRecord::V1(record.clone()));
            let body = body.map_err(|error| failed(&error))?;
            let is_written = match revision {
                Some(revision) => match bucket.update(&name, body.into(), revision).await {
                    Ok(_) => true,
                    Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => false,
                    Err(error) => return Err(failed(&error)),
                },
                None => match bucket.create(&name, body.into()).await {
                    Ok(_) => true,
                    Err(error) if error.kind() == CreateErrorKind::AlreadyExists => false,
                    Err(error) => return Err(failed(&error)),
                },
            };
            if is_written {
                return Ok(Some(record));
            }
        }
        Err(failed(&"others change it all the time"))
    }

    /// Follows the table of records: first all that are there, then every change.
    ///
    /// # Errors
    /// When the bucket can't be opened. Later errors end the stream; the caller starts again.
    pub async fn watch_recharges(
        &self,
    ) -> Result<BoxStream<'static, Result<RechargeChange, BusError>>, BusError> {
        let read = |entry: &kv::Entry| {
            decoded(&entry.key, &entry.value).map(|record| RechargeChange::Put(Box::new(record)))
        };
        let filter = subjects::RECHARGE_RECORDS;
        self.watch(subjects::ACCOUNTS_BUCKET, filter, read, || RechargeChange::Current).await
    }

    async fn recharge_as_stored(
        &self,
        account: &AccountId,
    ) -> Result<(RechargeRecordV1, Option<u64>), BusError> {
        let bucket = self.bucket(subjects::ACCOUNTS_BUCKET).await?;
        let name = subjects::recharge_record(account);
        let entry = bucket.entry(&name).await;
        let entry = entry.map_err(|error| BusError::request("reading an auto-recharge", error))?;
        let Some(entry) = entry.filter(|entry| entry.operation == Operation::Put) else {
            return Ok((RechargeRecordV1::of(account.clone()), None));
        };
        Ok((decoded(&name, &entry.value)?, Some(entry.revision)))
    }
}

fn decoded(name: &str, body: &[u8]) -> Result<RechargeRecordV1, BusError> {
    let RechargeRecord::V1(record) = serde_json::from_slice(body).map_err(|error| {
        BusError::Unreadable { subject: name.to_owned(), cause: error.to_string() }
    })?;
    Ok(record)
}
