//! Records of auto-recharge: one for each account beside the accounts, changed only if nobody else
//! has changed it meanwhile. So of several billing workers one begins a charge, and the others see
//! that it has begun.

use super::records::{Record, Stored};
use super::{Bus, BusError};
use schemas::ids::AccountId;
use schemas::recharge::{RechargeRecord, RechargeRecordV1};
use schemas::subjects;
use std::convert::Infallible;

impl Record for RechargeRecordV1 {
    type Id = AccountId;
    const BUCKET: &'static str = subjects::ACCOUNTS_BUCKET;
    const NAMES: &'static str = subjects::RECHARGE_RECORDS;
    const READING: &'static str = "reading an auto-recharge";
    const WRITING: &'static str = "writing an auto-recharge";

    fn name(id: &AccountId) -> String {
        subjects::recharge_record(id)
    }

    fn encoded(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(&RechargeRecord::V1(self.clone()))
    }

    fn decoded(body: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(body).map(|RechargeRecord::V1(record)| record)
    }
}

impl Bus {
    /// An account's auto-recharge; nothing is wished where there is no record.
    ///
    /// # Errors
    /// When NATS can't be asked or the record can't be read.
    pub async fn recharge(&self, account: &AccountId) -> Result<RechargeRecordV1, BusError> {
        let there: Option<Stored<_>> = self.record_of(account).await?;
        Ok(there.map_or_else(|| RechargeRecordV1::of(account.clone()), |stored| stored.record))
    }

    /// Changes an account's auto-recharge as it is now, so that no change of somebody else is lost.
    /// `None` when `change` wants nothing: then nothing is written.
    ///
    /// # Errors
    /// When NATS doesn't confirm it, or the record can't be read.
    pub async fn change_recharge(
        &self,
        account: &AccountId,
        change: impl Fn(RechargeRecordV1) -> Option<RechargeRecordV1>,
    ) -> Result<Option<RechargeRecordV1>, BusError> {
        let none = || RechargeRecordV1::of(account.clone());
        let change = |there: Option<_>| change(there.unwrap_or_else(none)).ok_or(());
        let changed = self.change_or_create(account, change).await?;
        Ok(changed.ok().map(|stored| stored.record))
    }

    /// Does what [`Bus::change_recharge`] does, for a change that is always wanted.
    ///
    /// # Errors
    /// The same.
    pub async fn set_recharge(
        &self,
        account: &AccountId,
        change: impl Fn(RechargeRecordV1) -> RechargeRecordV1,
    ) -> Result<RechargeRecordV1, BusError> {
        let none = || RechargeRecordV1::of(account.clone());
        let change = |there: Option<_>| Ok::<_, Infallible>(change(there.unwrap_or_else(none)));
        let Ok(changed) = self.change_or_create(account, change).await?;
        Ok(changed.record)
    }
}
