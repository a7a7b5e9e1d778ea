//! Lots: what a balance is made of. An account's events, in the order of the ledger, say how much
//! of each purchase, bonus and grant is left, and when it ends. What ends first is spent first.
//! The rests less what is owed are always the balance.

use crate::ledger::{DisputeStanding, EventV1, Fact, LotKind, TopUp};
use crate::money::MicroUsd;
use crate::snapshots::Snapshot;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;

/// A part of a balance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lot {
    /// Where it comes from.
    pub kind: LotKind,
    /// The payment of a purchase or bonus, the name of a grant.
    pub source: String,
    /// When the rest of it ends: milliseconds since 1970; never, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<u64>,
    /// What it was.
    pub granted: MicroUsd,
    /// What is left of it.
    pub rest: MicroUsd,
    /// Its end has been written: nothing comes back to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    ended: bool,
}

impl Lot {
    /// When it is to end, unless that has been written.
    pub fn ends_ms(&self) -> Option<u64> {
        self.expires_ms.filter(|_| !self.ended)
    }

    /// Whether anything may still be taken from it or given back to it.
    pub(crate) fn may_matter(&self) -> bool {
        self.rest > MicroUsd::ZERO || (self.kind == LotKind::Paid && !self.ended)
    }
}

/// All that a balance is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lots {
    lots: Vec<Lot>,
    owed: MicroUsd,
}

impl Lots {
    /// From an account's events, all of them, in their order.
    pub fn of<'a>(events: impl IntoIterator<Item = &'a EventV1>) -> Self {
        let mut lots = Self::default();
        events.into_iter().for_each(|event| lots.add_event(event));
        lots
    }

    /// From where a snapshot stands; the account's later events are to be added.
    pub fn from_snapshot(snapshot: &Snapshot) -> Self {
        Self { lots: snapshot.lots.clone(), owed: snapshot.owed }
    }

    /// All lots, also such of which nothing is left, in the order they came.
    pub fn all(&self) -> &[Lot] {
        &self.lots
    }

    /// What is owed: credit that went back after it was spent.
    pub fn owed(&self) -> MicroUsd {
        self.owed
    }

    /// What is left of a lot.
    pub fn rest_of(&self, kind: LotKind, source: &str) -> MicroUsd {
        let lot = self.lots.iter().find(|lot| lot.kind == kind && lot.source == source);
        lot.map_or(MicroUsd::ZERO, |lot| lot.rest)
    }

    /// The next event of the account.
    pub fn add_event(&mut self, event: &EventV1) {
        let amount = event.amount;
        match &event.fact {
            Fact::Use(_) | Fact::Void(_) => self.take(amount.negated()),
            Fact::Grant { unique, .. } => self.add(LotKind::Grant, unique, None, amount),
            Fact::TopUp(TopUp { payment, expires_ms, .. }) => {
                self.add(LotKind::Paid, payment, Some(*expires_ms), amount);
            }
            Fact::Bonus { payment, expires_ms } => {
                self.add(LotKind::Bonus, payment, Some(*expires_ms), amount);
            }
            Fact::Refund { payment, .. }
            | Fact::Dispute { payment, standing: DisputeStanding::Opened, .. } => {
                self.take_from(payment, amount.negated());
            }
            Fact::RefundFailed { payment, .. }
            | Fact::Dispute { payment, standing: DisputeStanding::Won, .. } => {
                self.give_back(payment, amount, event.at_ms);
            }
            Fact::Expiry { kind, source } => {
                self.take_lot(*kind, source, amount.negated());
            }
            Fact::Snapshot(_) | Fact::Counted(_) | Fact::Cut(_) | Fact::Closing(_) => {}
        }
    }

    fn add(&mut self, kind: LotKind, source: &str, expires_ms: Option<u64>, amount: MicroUsd) {
        let (source, rest) = (source.to_owned(), self.pay(amount));
        self.lots.push(Lot { kind, source, expires_ms, granted: amount, rest, ended: false });
    }

    /// What is owed is paid first.
    fn pay(&mut self, amount: MicroUsd) -> MicroUsd {
        let paid = amount.min(self.owed).max(MicroUsd::ZERO);
        self.owed = MicroUsd(self.owed.0 - paid.0);
        MicroUsd(amount.0 - paid.0)
    }

    /// Spends: what ends first, then in the order it came.
    fn take(&mut self, amount: MicroUsd) {
        let mut order: Vec<usize> = (0..self.lots.len()).collect();
        order.sort_by_key(|place| {
            let expires_ms = self.lots.get(*place).and_then(|lot| lot.expires_ms);
            Reverse(expires_ms.map_or(0, |at| u64::MAX - at))
        });
        let left = order.into_iter().fold(amount, |left, place| self.take_place(place, left));
        self.owed = self.owed.saturating_add(left);
    }

    /// Takes what goes back from its own purchase first.
    fn take_from(&mut self, payment: &str, amount: MicroUsd) {
        let is_own = |lot: &Lot| lot.kind != LotKind::Grant && lot.source == payment;
        let places: Vec<usize> =
            (0..self.lots.len()).filter(|p| self.lots.get(*p).is_some_and(is_own)).collect();
        let left = places.into_iter().fold(amount, |left, place| self.take_place(place, left));
        self.take(left);
    }

    fn take_lot(&mut self, kind: LotKind, source: &str, amount: MicroUsd) {
        let place = self.lots.iter().position(|lot| lot.kind == kind && lot.source == source);
        let left = place.map_or(amount, |place| self.take_place(place, amount));
        if let Some(lot) = place.and_then(|place| self.lots.get_mut(place)) {
            lot.ended = true;
        }
        self.take(left);
    }

    /// Takes as much as there is; answers what is still to be taken.
    fn take_place(&mut self, place: usize, amount: MicroUsd) -> MicroUsd {
        let Some(lot) = self.lots.get_mut(place) else { return amount };
        let taken = amount.min(lot.rest).max(MicroUsd::ZERO);
        lot.rest = MicroUsd(lot.rest.0 - taken.0);
        MicroUsd(amount.0 - taken.0)
    }

    /// What comes back belongs to its purchase again; if that has ended meanwhile, to nobody's end.
    /// Of the end of a lot of which nothing was left no event tells.
    fn give_back(&mut self, payment: &str, amount: MicroUsd, at_ms: u64) {
        let rest = self.pay(amount);
        let is_own = |lot: &&mut Lot| lot.kind == LotKind::Paid && lot.source == payment;
        let lasts = |lot: &&mut Lot| lot.ends_ms().is_some_and(|ends_ms| ends_ms > at_ms);
        match self.lots.iter_mut().find(is_own).filter(lasts) {
            Some(lot) => lot.rest = lot.rest.saturating_add(rest),
            None => {
                let (kind, source) = (LotKind::Grant, payment.to_owned());
                let lot =
                    Lot { kind, source, expires_ms: None, granted: amount, rest, ended: false };
                self.lots.push(lot);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{AccountId, KeyId, RequestId};
    use crate::ledger::{TopUpSource, Void, VoidReason, Writer};
    use crate::money::{Currency, Money};
    use crate::snapshots::{Cut, Tally};

    fn event(amount: i64, fact: Fact) -> EventV1 {
        let account = AccountId::parse("acct_a").unwrap();
        EventV1 { account, at_ms: 1, amount: MicroUsd(amount), fact }
    }

    fn bought(payment: &str, amount: i64, expires_ms: u64) -> EventV1 {
        let paid = Money { currency: Currency::Usd, minor: 1 };
        let (payment, source) = (payment.to_owned(), TopUpSource::Checkout);
        event(amount, Fact::TopUp(TopUp { payment, paid, plan: None, source, expires_ms }))
    }

    fn bonus(payment: &str, amount: i64, expires_ms: u64) -> EventV1 {
        event(amount, Fact::Bonus { payment: payment.to_owned(), expires_ms })
    }

    fn granted(name: &str, amount: i64) -> EventV1 {
        event(amount, Fact::Grant { unique: name.to_owned(), note: String::new() })
    }

    /// A charge: only its amount matters here.
    fn spent(amount: i64) -> EventV1 {
        let request = RequestId::parse("req_1").unwrap();
        let (key, reason) = (KeyId::parse("key_1").unwrap(), VoidReason::Failed);
        event(-amount, Fact::Void(Void { request, key, reason, writer: Writer::Worker }))
    }

    fn refunded(payment: &str, amount: i64) -> EventV1 {
        let money = Money { currency: Currency::Usd, minor: 1 };
        let (refund, payment) = ("re".to_owned(), payment.to_owned());
        event(-amount, Fact::Refund { refund, payment, money, rest: 0 })
    }

    fn failed(payment: &str, amount: i64) -> EventV1 {
        let (refund, payment) = ("re".to_owned(), payment.to_owned());
        event(amount, Fact::RefundFailed { refund, payment })
    }

    fn ended(payment: &str, amount: i64) -> EventV1 {
        event(-amount, Fact::Expiry { kind: LotKind::Paid, source: payment.to_owned() })
    }

    fn rests(events: &[EventV1]) -> (Vec<i64>, i64) {
        let lots = Lots::of(events);
        let balance: i64 = events.iter().map(|event| event.amount.0).sum();
        let rests: Vec<i64> = lots.all().iter().map(|lot| lot.rest.0).collect();
        assert_eq!(rests.iter().sum::<i64>() - lots.owed().0, balance, "{events:?}");
        assert!(rests.iter().all(|rest| *rest >= 0));
        (rests, lots.owed().0)
    }

    #[test]
    fn what_ends_first_is_spent_first() {
        let events =
            [granted("g", 10), bought("late", 10, 900), bought("soon", 10, 500), spent(15)];
        assert_eq!(rests(&events), (vec![10, 5, 0], 0));
        let events = [granted("g", 10), bought("p", 10, 500), bonus("p", 5, 500), spent(22)];
        assert_eq!(rests(&events), (vec![3, 0, 0], 0));
    }

    #[test]
    fn what_goes_back_is_taken_from_its_own_purchase() {
        let events = [bought("a", 10, 500), bought("b", 10, 900), bonus("b", 2, 900)];
        let with = |more: &[EventV1]| rests(&[events.as_slice(), more].concat());
        assert_eq!(with(&[refunded("b", 12)]), (vec![10, 0, 0], 0));
        assert_eq!(with(&[spent(20), refunded("b", 12)]), (vec![0, 0, 0], 10));
        assert_eq!(with(&[refunded("b", 12), failed("b", 12)]), (vec![10, 12, 0], 0));
        assert_eq!(with(&[spent(22), refunded("b", 12), granted("g", 20)]).0, [0, 0, 0, 8]);
        let late = [refunded("b", 12), ended("b", 0), failed("b", 12)];
        assert_eq!(with(&late), (vec![10, 0, 0, 12], 0), "its end has passed");
        let later = EventV1 { at_ms: 900, ..failed("b", 12) };
        let lots = Lots::of(&[events.as_slice(), &[refunded("b", 12), later]].concat());
        let back = lots.all().last().unwrap();
        assert_eq!((back.rest.0, back.ends_ms()), (12, None), "nothing was left at its end");
    }

    #[test]
    fn the_rests_are_the_balance_whatever_happens() {
        let mut dice = 7_u64;
        let mut roll = |sides: u64| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040);
            (dice >> 33) % sides
        };
        for _ in 0..500 {
            let mut events = Vec::new();
            for number in 0..roll(30) {
                let amount = i64::try_from(roll(50)).unwrap();
                // A payment buys once, and may go back whenever.
                let (new, payment) = (format!("p{number}"), format!("p{}", roll(number + 1)));
                events.push(match roll(6) {
                    0 => bought(&new, amount, roll(1_000)),
                    1 => bonus(&new, amount, roll(1_000)),
                    2 => granted(&number.to_string(), amount),
                    3 => refunded(&payment, amount),
                    4 => failed(&payment, amount),
                    _ => spent(amount),
                });
                let rest = Lots::of(&events).rest_of(LotKind::Paid, &payment).0;
                if roll(8) == 0 {
                    events.push(ended(&payment, rest));
                }
            }
            rests(&events);
            resumes(&events, usize::try_from(roll(30)).unwrap().min(events.len()));
        }
    }

    /// Whoever goes on from a snapshot comes to the same as who has read everything.
    fn resumes(events: &[EventV1], at: usize) {
        let (before, after) = events.split_at(at);
        let mut tally = Tally::default();
        before.iter().for_each(|event| tally.add(event));
        let cut = Cut { partition: 0, month: "2026-11".into(), through: 7 };
        let text = serde_json::to_string(&tally.snapshot(&cut)).unwrap();
        let snapshot: Snapshot = serde_json::from_str(&text).unwrap();
        let mut resumed = Tally::from_snapshot(&snapshot);
        after.iter().for_each(|event| resumed.add(event));
        let mut whole = Tally::default();
        events.iter().for_each(|event| whole.add(event));
        assert_eq!(resumed.snapshot(&cut), whole.snapshot(&cut), "{events:?} at {at}");
    }
}
