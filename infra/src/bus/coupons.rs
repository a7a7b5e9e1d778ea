//! Who has redeemed which code: one record for each code beside the accounts, changed only if
//! nobody else has changed it meanwhile. It says how many credits an account may have of a code;
//! the credits themselves are in the ledger, each under its own name.

use super::records::{Record, Stored};
use super::{Bus, BusError};
use schemas::ids::AccountId;
use schemas::records::{CouponRecord, CouponRecordV1};
use schemas::subjects;

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

impl Record for CouponRecordV1 {
    type Id = str;
    const BUCKET: &'static str = subjects::ACCOUNTS_BUCKET;
    const NAMES: &'static str = subjects::COUPON_RECORDS;
    const READING: &'static str = "reading a coupon";
    const WRITING: &'static str = "claiming a coupon";
    // Many redeem one code in the minute in which it is told.
    const CHANGE_ATTEMPTS_MAX: u32 = 64;

    fn name(code: &str) -> String {
        subjects::coupon_record(code)
    }

    fn encoded(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(&CouponRecord::V1(self.clone()))
    }

    fn decoded(body: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(body).map(|CouponRecord::V1(record)| record)
    }
}

impl Bus {
    /// How often an account has claimed a code.
    ///
    /// # Errors
    /// When NATS can't be asked or the record can't be read.
    pub async fn coupon_claims(&self, code: &str, account: &AccountId) -> Result<u32, BusError> {
        let there: Option<Stored<CouponRecordV1>> = self.record_of(code).await?;
        Ok(there.map_or(0, |stored| claims(&stored.record, account)))
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
        let claim = |there: Option<CouponRecordV1>| {
            let mut record = there.unwrap_or_default();
            let total = record.redeemed.values().fold(0_u32, |sum, n| sum.saturating_add(*n));
            let had = claims(&record, account);
            if had >= limits.account_max {
                return Err(Claim::AccountMax);
            }
            if total >= limits.total_max {
                return Err(Claim::TotalMax);
            }
            record.redeemed.insert(account.clone(), had + 1);
            Ok(record)
        };
        let claimed = self.change_or_create(code, claim).await?;
        let number = |stored: Stored<_>| Claim::Number(claims(&stored.record, account));
        Ok(claimed.map_or_else(|refused| refused, number))
    }
}

fn claims(record: &CouponRecordV1, account: &AccountId) -> u32 {
    record.redeemed.get(account).copied().unwrap_or(0)
}
