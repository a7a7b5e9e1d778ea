//! Codes of coupons, checked: no code twice, limits that a record of its redemptions can hold.

use super::load::Mistake;
use super::sections::Coupon;
use crate::clock;
use schemas::ledger::is_grantable;
use std::collections::HashSet;

/// How often one code may be redeemed: its record names every account.
const TOTAL_MAX: u32 = 1_000;

/// Letters of a code: a short one is guessed.
const CODE_LETTERS: std::ops::RangeInclusive<usize> = 6..=64;

/// Checks.
pub(super) fn check_coupons(coupons: &[Coupon]) -> Result<(), Mistake> {
    let mut codes = HashSet::new();
    for coupon in coupons {
        let code = &coupon.code;
        let wrong = |what: &str| Err((1, format!("coupons: {code}: {what}")));
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if !CODE_LETTERS.contains(&code.len()) || !code.bytes().all(letters) {
            return wrong("code: write 6 to 64 letters, digits, - or _");
        }
        if !codes.insert(code.to_ascii_uppercase()) {
            return wrong("the code stands there twice: rename one of them");
        }
        if !is_grantable(coupon.credit_usd) {
            return wrong("credit_usd: write more than 0, and at most 1000000");
        }
        if !(1..=TOTAL_MAX).contains(&coupon.total_max) {
            return wrong("total_max: write 1 to 1000");
        }
        if !(1..=coupon.total_max).contains(&coupon.account_max) {
            return wrong("account_max: write 1 to total_max");
        }
        let end = coupon.expires_at.as_deref();
        if end.is_some_and(|moment| clock::parse_rfc3339(moment).is_none()) {
            return wrong("expires_at: write a moment such as 2027-01-01T00:00:00+09:00");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::money::MicroUsd;

    fn coupon() -> Coupon {
        Coupon {
            code: "WELCOME-2026".into(),
            credit_usd: MicroUsd(5_000_000),
            account_max: 1,
            total_max: 100,
            expires_at: Some("2027-01-01T00:00:00+09:00".into()),
        }
    }

    #[test]
    fn what_can_not_be_kept_is_refused() {
        assert!(check_coupons(&[coupon()]).is_ok());
        let with = |change: fn(&mut Coupon)| {
            let mut coupon = coupon();
            change(&mut coupon);
            check_coupons(&[coupon])
        };
        assert!(with(|coupon| coupon.code = "short".into()).is_err());
        assert!(with(|coupon| coupon.code = "ようこそようこそ".into()).is_err());
        assert!(with(|coupon| coupon.credit_usd = MicroUsd(0)).is_err());
        assert!(with(|coupon| coupon.total_max = 1_001).is_err());
        assert!(with(|coupon| coupon.account_max = 101).is_err());
        assert!(with(|coupon| coupon.expires_at = Some("soon".into())).is_err());
        let small = Coupon { code: "welcome-2026".into(), ..coupon() };
        assert!(check_coupons(&[coupon(), small]).is_err());
    }
}
