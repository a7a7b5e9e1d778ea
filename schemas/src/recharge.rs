//! Auto-recharge: the record of what an account wishes, whose card pays, and how its charges stand.
//! Only arithmetic: each step makes the next record of a given one, and whoever writes it does so
//! only if nobody else has. At most one charge runs, and no number is used twice, ever.

use crate::ids::AccountId;
use crate::money::{MicroUsd, Money};
use serde::{Deserialize, Serialize};

/// The record of an account's auto-recharge. The version is the variant's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RechargeRecord {
    /// A record.
    V1(RechargeRecordV1),
}

/// An account's auto-recharge. It is never removed: its numbers must not begin anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RechargeRecordV1 {
    /// Whose.
    pub account: AccountId,
    /// How many charges have begun: the number of the last one.
    pub begun: u64,
    /// What is wished; nothing is charged without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wish: Option<RechargeWish>,
    /// When that was wished: milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wished_ms: Option<u64>,
    /// The card that pays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card: Option<SavedCard>,
    /// Cards that were saved before are forgotten, whoever tells of them later: milliseconds since
    /// 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forgotten_ms: Option<u64>,
    /// The charge that runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<RechargeAttempt>,
    /// Why nothing is charged any more, until it is wished again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<RechargeStop>,
    /// What was charged in the last month that anything was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub month: Option<RechargeMonth>,
    /// What was charged in another currency before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub month_before: Option<RechargeMonth>,
}

/// What an account wishes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RechargeWish {
    /// It is charged when the balance is less than this.
    pub below: MicroUsd,
    /// What is charged at once.
    pub price: Money,
    /// What is charged in a calendar month at most, in the smallest unit of the same currency.
    pub month_max: u64,
}

/// A card that Stripe keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedCard {
    /// Stripe's name of the customer.
    pub customer: String,
    /// Stripe's name of the card.
    pub payment_method: String,
    /// When it was saved: milliseconds since 1970.
    pub saved_ms: u64,
}

/// A charge: all that Stripe is told of it, so that it is the same whoever asks for it, and how
/// often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RechargeAttempt {
    /// Its number.
    pub sequence: u64,
    /// When it began: milliseconds since 1970.
    pub begun_ms: u64,
    /// Which plan it buys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// What is charged.
    pub price: Money,
    /// The credit that it brings.
    pub credit: MicroUsd,
    /// What comes on top.
    pub bonus: MicroUsd,
    /// The card.
    pub card: SavedCard,
}

/// Why nothing is charged any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RechargeStop {
    /// Since when: milliseconds since 1970.
    pub at_ms: u64,
    /// Stripe's word for it, such as `insufficient_funds`, or one of our own below.
    pub reason: String,
}

impl RechargeStop {
    /// The reason when a purchase was refunded or disputed: whoever wants his money back must not
    /// be charged anew because his balance fell with it.
    pub const RETURNED: &str = "returned";

    /// The reason when unused credit ended: who uses nothing needs nothing.
    pub const EXPIRED: &str = "expired";

    /// The reason when the wished amount isn't sold any more.
    pub const NOT_SOLD: &str = "not_sold";
}

/// What was charged in a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RechargeMonth {
    /// When the month is over, in seconds since 1970: its name.
    pub ends_seconds: u64,
    /// What was charged, and is being charged.
    pub charged: Money,
}

/// How an auto-recharge stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RechargeStanding {
    /// Nothing is wished.
    Off,
    /// It waits for a card.
    NoCard,
    /// A charge failed; it must be wished again.
    Stopped,
    /// A charge runs.
    Charging,
    /// The month's most would be passed.
    MonthFull,
    /// It charges when the balance falls.
    On,
}

impl RechargeStanding {
    /// Its name in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::NoCard => "no_card",
            Self::Stopped => "stopped",
            Self::Charging => "charging",
            Self::MonthFull => "month_full",
            Self::On => "on",
        }
    }
}

impl RechargeRecordV1 {
    /// The record of an account that never wished anything.
    pub fn of(account: AccountId) -> Self {
        Self {
            account,
            begun: 0,
            wish: None,
            wished_ms: None,
            card: None,
            forgotten_ms: None,
            running: None,
            stopped: None,
            month: None,
            month_before: None,
        }
    }

    /// How it stands in the month that ends then.
    pub fn standing(&self, ends_seconds: u64) -> RechargeStanding {
        let Some(wish) = &self.wish else { return RechargeStanding::Off };
        if self.running.is_some() {
            return RechargeStanding::Charging;
        }
        if self.stopped.is_some() {
            return RechargeStanding::Stopped;
        }
        if self.card.is_none() {
            return RechargeStanding::NoCard;
        }
        let charged = self.charged(ends_seconds, wish.price);
        if charged.saturating_add(wish.price.minor) > wish.month_max {
            return RechargeStanding::MonthFull;
        }
        RechargeStanding::On
    }

    /// What was charged in the month that ends then, in the smallest unit of a currency.
    pub fn charged(&self, ends_seconds: u64, like: Money) -> u64 {
        let same = |month: &&RechargeMonth| {
            month.ends_seconds == ends_seconds && month.charged.currency == like.currency
        };
        self.months().find(same).map_or(0, |month| month.charged.minor)
    }

    fn months(&self) -> impl Iterator<Item = &RechargeMonth> {
        self.month.iter().chain(&self.month_before)
    }

    /// With no charges any more until it is wished again; `None` where that changes nothing.
    pub fn stopping(self, stop: RechargeStop) -> Option<Self> {
        let is_due = self.wish.is_some() && self.stopped.is_none();
        is_due.then_some(Self { stopped: Some(stop), ..self })
    }

    /// With a wish; what stopped it is over.
    #[must_use]
    pub fn wishing(self, wish: RechargeWish, now_ms: u64) -> Self {
        Self { wish: Some(wish), wished_ms: Some(now_ms), stopped: None, ..self }
    }

    /// With nothing wished and no card. A charge that runs is with Stripe and goes on.
    #[must_use]
    pub fn ended(self, now_ms: u64) -> Self {
        let forgotten_ms = Some(now_ms);
        Self { wish: None, card: None, stopped: None, forgotten_ms, ..self }
    }

    /// With a card, if none is newer and it isn't forgotten.
    pub fn with_card(self, card: SavedCard) -> Option<Self> {
        let latest = self.card.as_ref().map(|known| known.saved_ms).max(self.forgotten_ms);
        let is_newer = latest.is_none_or(|latest| card.saved_ms > latest);
        is_newer.then_some(Self { card: Some(card), ..self })
    }

    /// With a charge that begins, if one may; `make` says what is bought for the wished price.
    pub fn beginning(
        self,
        now_ms: u64,
        ends_seconds: u64,
        (plan, credit, bonus): (Option<String>, MicroUsd, MicroUsd),
    ) -> Option<Self> {
        if self.standing(ends_seconds) != RechargeStanding::On {
            return None;
        }
        let (price, card) = (self.wish.as_ref()?.price, self.card.clone()?);
        let sequence = self.begun + 1;
        let minor = self.charged(ends_seconds, price).saturating_add(price.minor);
        let charged = Money { minor, ..price };
        // There are two currencies: what is known of the other one stays.
        let of_other = |month: &&RechargeMonth| month.charged.currency != price.currency;
        let month_before = self.months().find(of_other).copied();
        let attempt =
            RechargeAttempt { sequence, begun_ms: now_ms, plan, price, credit, bonus, card };
        Some(Self {
            begun: sequence,
            running: Some(attempt),
            month: Some(RechargeMonth { ends_seconds, charged }),
            month_before,
            ..self
        })
    }

    /// With its charge of this number done; `None` when that one doesn't run.
    pub fn done(self, sequence: u64) -> Option<Self> {
        self.running.as_ref().filter(|attempt| attempt.sequence == sequence)?;
        Some(Self { running: None, ..self })
    }

    /// With its charge of this number failed: nothing was charged. A reason stops it all.
    pub fn failed(self, sequence: u64, stop: Option<RechargeStop>) -> Option<Self> {
        let attempt = self.running.clone().filter(|attempt| attempt.sequence == sequence)?;
        let price = attempt.price;
        let month = self.month.map(|month| {
            let same = month.charged.currency == price.currency;
            let back = if same { price.minor } else { 0 };
            let minor = month.charged.minor.saturating_sub(back);
            RechargeMonth { charged: Money { minor, ..month.charged }, ..month }
        });
        // Whoever has ended it meanwhile needn't hear of a card that he took away.
        let stopped = self.stopped.or(stop).filter(|_| self.wish.is_some());
        Some(Self { running: None, stopped, month, ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Currency;

    const MONTH: u64 = 1_000;

    fn yen(minor: u64) -> Money {
        Money { currency: Currency::Jpy, minor }
    }

    fn card(saved_ms: u64) -> SavedCard {
        SavedCard { customer: "cus_1".into(), payment_method: "pm_1".into(), saved_ms }
    }

    fn ready() -> RechargeRecordV1 {
        let wish = RechargeWish { below: MicroUsd(5), price: yen(1_000), month_max: 2_500 };
        let record = RechargeRecordV1::of(AccountId::parse("acct_a").unwrap());
        record.wishing(wish, 1).with_card(card(10)).unwrap()
    }

    fn begin(record: RechargeRecordV1, month: u64) -> Option<RechargeRecordV1> {
        record.beginning(1, month, (None, MicroUsd(10), MicroUsd::ZERO))
    }

    fn stop() -> Option<RechargeStop> {
        Some(RechargeStop { at_ms: 2, reason: "card_declined".into() })
    }

    #[test]
    fn one_charge_runs_and_its_number_is_never_used_again() {
        let first = begin(ready(), MONTH).unwrap();
        assert_eq!(first.standing(MONTH), RechargeStanding::Charging);
        assert_eq!(begin(first.clone(), MONTH), None, "one runs");
        assert_eq!(first.clone().done(2), None, "another one doesn't run");
        let idle = first.done(1).unwrap();
        assert_eq!(idle.clone().done(1), None, "it is done once");
        let second = begin(idle, MONTH).unwrap();
        assert_eq!(second.running.as_ref().unwrap().sequence, 2);
        let gone = second.done(2).unwrap().ended(20);
        assert_eq!((gone.standing(MONTH), gone.begun), (RechargeStanding::Off, 2));
    }

    #[test]
    fn a_month_has_its_most_and_what_failed_does_not_count() {
        let two = begin(begin(ready(), MONTH).unwrap().done(1).unwrap(), MONTH).unwrap();
        let full = two.clone().done(2).unwrap();
        assert_eq!(full.standing(MONTH), RechargeStanding::MonthFull);
        assert_eq!(begin(full.clone(), MONTH), None);
        assert!(begin(full, MONTH + 1).is_some(), "the next month begins at nothing");
        let failed = two.failed(2, None).unwrap();
        assert_eq!(failed.charged(MONTH, yen(0)), 1_000);
        assert!(begin(failed, MONTH).is_some());
    }

    #[test]
    fn a_month_has_its_most_in_each_currency_whatever_is_wished_in_between() {
        let full = begin(begin(ready(), MONTH).unwrap().done(1).unwrap(), MONTH).unwrap();
        let full = full.done(2).unwrap();
        let in_yen = full.wish.clone().unwrap();
        let ten_dollars = Money { currency: Currency::Usd, minor: 1_000 };
        let in_dollars = RechargeWish { price: ten_dollars, month_max: 1_000, ..in_yen.clone() };
        let changed = begin(full.wishing(in_dollars.clone(), 1), MONTH).unwrap().done(3).unwrap();
        assert_eq!(changed.standing(MONTH), RechargeStanding::MonthFull);
        let back = changed.wishing(in_yen, 1);
        assert_eq!(back.standing(MONTH), RechargeStanding::MonthFull);
        assert_eq!(back.charged(MONTH, yen(0)), 2_000);
        assert_eq!(back.charged(MONTH, ten_dollars), 1_000);
        let next = begin(back, MONTH + 1).unwrap().done(4).unwrap();
        assert_eq!(next.wishing(in_dollars, 1).standing(MONTH), RechargeStanding::MonthFull);
    }

    #[test]
    fn money_that_goes_back_stops_it_until_it_is_wished_again() {
        let returned = RechargeStop { at_ms: 3, reason: RechargeStop::RETURNED.into() };
        let stopped = ready().stopping(returned.clone()).unwrap();
        assert_eq!(begin(stopped.clone(), MONTH), None);
        assert_eq!(stopped.clone().stopping(returned.clone()), None, "once");
        let wish = stopped.wish.clone().unwrap();
        assert_eq!(stopped.wishing(wish, 1).standing(MONTH), RechargeStanding::On);
        assert_eq!(ready().ended(20).stopping(returned.clone()), None, "nothing is wished");
        let running = begin(ready(), MONTH).unwrap().stopping(returned.clone()).unwrap();
        let done = running.clone().done(1).unwrap();
        assert_eq!(done.standing(MONTH), RechargeStanding::Stopped, "what ran stops nothing");
        let failed = running.failed(1, stop()).unwrap();
        assert_eq!(failed.stopped, Some(returned), "the first reason stays");
    }

    #[test]
    fn a_failure_stops_until_it_is_wished_again() {
        let stopped = begin(ready(), MONTH).unwrap().failed(1, stop()).unwrap();
        assert_eq!(stopped.standing(MONTH), RechargeStanding::Stopped);
        assert_eq!(begin(stopped.clone(), MONTH), None);
        let wish = stopped.wish.clone().unwrap();
        assert_eq!(stopped.wishing(wish, 1).standing(MONTH), RechargeStanding::On);
        let ended = begin(ready(), MONTH).unwrap().ended(20).failed(1, stop()).unwrap();
        assert_eq!(ended.stopped, None, "who has ended it needn't hear of it");
    }

    #[test]
    fn a_forgotten_card_does_not_come_back() {
        assert_eq!(ready().with_card(card(10)), None, "it is told twice");
        assert_eq!(ready().with_card(card(9)), None, "an older one is told late");
        let ended = ready().ended(20);
        assert_eq!(ended.clone().with_card(card(20)), None);
        assert!(ended.with_card(card(21)).unwrap().card.is_some());
    }
}
