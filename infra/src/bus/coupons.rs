//! Who has redeemed which code: one record for each code beside the accounts, changed only if
//! nobody else has changed it meanwhile. It says how many credits an account may have of a code;
//! the credits themselves are in the ledger, each under its own name.

use super::{Bus, BusError};
use async_nats::jetstream::kv::{CreateErrorKind, Operation, UpdateErrorKind};
use schemas::ids::AccountId;
use schemas::records::{CouponRecord, CouponRecordV1};
use schemas::subjects;

/// How often a claim is tried while others claim of the same code.
const CLAIM_ATTEMPTS_MAX: u32 = 64;

/// How often a code may be redeemed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CouponLimits {
    /// By one account.
    pub account_max: u32,
    /// By all together.
    pub total_max: u32,
}

/// What came of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The account's credit of this number is claimed now; it is to be written to the ledger.
    Number(u32),
    /// The account has had it as often as it may.
    AccountMax,
    /// All together have.
    TotalMax,
}

impl Bus {
    /// How often an account has claimed a code.
    ///
    /// # Errors
    /// When NATS can't be asked or the record can't be read.
    pub async fn coupon_claims(&self, code: &str, account: &AccountId) -> Result<u32, BusError> {
        let (record, _) = self.coupon(code).await?;
        Ok(record.redeemed.get(account).copied().unwrap_or(0))
    }

    /// Claims a code once more for an account, if limits allow.
    ///
    /// # Errors
    /// When NATS doesn't confirm it: then it may be claimed, and whoever asks again is given it.
    pub async fn claim_coupon(
        &self,
        code: &str,
        account: &AccountId,
        limits: CouponLimits,
    ) -> Result<Claim, BusError> {
        let bucket = self.bucket(subjects::ACCOUNTS_BUCKET).await?;
        let name = subjects::coupon_record(code);
        for _ in 0..CLAIM_ATTEMPTS_MAX {
            let (mut record, revision) = self.coupon(code).await?;
            let total = record.redeemed.values().fold(0_u32, |sum, n| sum.saturating_add(*n));
            let had = record.redeemed.get(account).copied().unwrap_or(0);
            if had >= limits.account_max {
                return Ok(Claim::AccountMax);
            }
            if total >= limits.total_max {
                return Ok(Claim::TotalMax);
            }
            record.redeemed.insert(account.clone(), had + 1);
            let body = serde_json::to_vec(&CouponRecord::V1(record))
                .map_err(|error| BusError::request("encoding a coupon", error))?;
            let failed = |error: &dyn std::fmt::Display| BusError::request("a coupon", error);
            let written = match revision {
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
            if written {
                return Ok(Claim::Number(had + 1));
            }
        }
        Err(BusError::request("claiming a coupon", "others claim it all the time"))
    }

    async fn coupon(&self, code: &str) -> Result<(CouponRecordV1, Option<u64>), BusError> {
        let bucket = self.bucket(subjects::ACCOUNTS_BUCKET).await?;
        let name = subjects::coupon_record(code);
        let entry = bucket.entry(&name).await;
        let entry = entry.map_err(|error| BusError::request("reading a coupon", error))?;
        let Some(entry) = entry.filter(|entry| entry.operation == Operation::Put) else {
            return Ok((CouponRecordV1::default(), None));
        };
        let CouponRecord::V1(record) = serde_json::from_slice(&entry.value).map_err(|error| {
            BusError::Unreadable { subject: name.clone(), cause: error.to_string() }
        })?;
        Ok((record, Some(entry.revision)))
    }
}
