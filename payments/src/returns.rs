//! What of a purchase has gone back, and which event is missing yet: worked out from the account's
//! events and what Stripe says of one refund or dispute, and from nothing else. So whoever looks,
//! and however often, comes to the same. All of a purchase together never takes more than it
//! brought, less what has ended unused; what one gives back another that still stands takes.

use crate::credit::Credited;
use crate::offer::share;
use schemas::ledger::{DisputeStanding, EventV1, Fact, LotKind};
use schemas::money::{MicroUsd, Money};

/// How money goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// We send it.
    Refund,
    /// The buyer's bank takes it.
    Dispute,
}

/// A refund or dispute as Stripe has it now.
pub(crate) struct Told {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// In the currency of the payment.
    pub(crate) money: Money,
    /// Whether the money is gone; else it did not go, or is back.
    pub(crate) stands: bool,
}

/// One as the ledger has it.
struct Known {
    name: String,
    kind: Kind,
    money: Money,
    /// What it took, less what it gave back.
    taken: MicroUsd,
    /// Events by which it took.
    takings: u32,
    is_over: bool,
}

/// All that has left a purchase unspent.
pub(crate) struct Returns<'a> {
    payment: &'a str,
    purchase: &'a Credited,
    ended: MicroUsd,
    known: Vec<Known>,
}

impl<'a> Returns<'a> {
    /// Of the events of the account that has bought.
    pub(crate) fn of(payment: &'a str, purchase: &'a Credited, events: &[EventV1]) -> Self {
        let mut returns = Self { payment, purchase, ended: MicroUsd::ZERO, known: Vec::new() };
        events.iter().for_each(|event| returns.add(event));
        returns
    }

    fn add(&mut self, event: &EventV1) {
        let none = Money { minor: 0, ..self.purchase.paid };
        let (kind, name, of, money, is_over) = match &event.fact {
            Fact::Refund { refund, payment, money, .. } => {
                (Kind::Refund, refund, payment, *money, false)
            }
            Fact::RefundFailed { refund, payment } => (Kind::Refund, refund, payment, none, true),
            Fact::Dispute { dispute, payment, standing, money, .. } => {
                let is_over = *standing == DisputeStanding::Won;
                (Kind::Dispute, dispute, payment, *money, is_over)
            }
            Fact::Expiry { kind: LotKind::Paid | LotKind::Bonus, source }
                if source == self.payment =>
            {
                self.ended = self.ended.saturating_add(event.amount.negated());
                return;
            }
            _ => return,
        };
        if of != self.payment {
            return;
        }
        let place = self.known.iter().position(|known| known.name == *name);
        let place = place.unwrap_or_else(|| {
            let (name, taken) = (name.clone(), MicroUsd::ZERO);
            self.known.push(Known { name, kind, money, taken, takings: 0, is_over: false });
            self.known.len() - 1
        });
        let Some(known) = self.known.get_mut(place) else { return };
        known.taken = known.taken.saturating_add(event.amount.negated());
        known.takings += u32::from(!is_over);
        known.is_over |= is_over;
    }

    /// The event that is missing, as the amount that the balance changes by and the fact; nothing
    /// when the ledger says what Stripe says. There may be a next one once it is written.
    pub(crate) fn missing(&self, told: &Told) -> Option<(MicroUsd, Fact)> {
        let own = self.known.iter().find(|known| known.name == told.name);
        match own {
            // Whoever tells that it stands has an older word of it.
            Some(own) if own.is_over => {}
            Some(own) if !told.stands => return Some((own.taken, self.over(told))),
            Some(_) => {}
            // Written although nothing was taken: an older word may still be on its way.
            None if !told.stands => return Some((MicroUsd::ZERO, self.over(told))),
            None => {
                let amount = self.wish(told.money).min(self.left());
                return Some((amount.negated(), self.taking(told.kind, &told.name, told.money, 0)));
            }
        }
        self.known.iter().filter(|known| !known.is_over).find_map(|known| {
            let lacks = self.wish(known.money).0.saturating_sub(known.taken.0);
            let amount = MicroUsd(lacks).min(self.left());
            let fact = || self.taking(known.kind, &known.name, known.money, known.takings);
            (amount > MicroUsd::ZERO).then(|| (amount.negated(), fact()))
        })
    }

    fn brought(&self) -> MicroUsd {
        self.purchase.credit.saturating_add(self.purchase.bonus)
    }

    /// What may still be taken.
    fn left(&self) -> MicroUsd {
        let taken = self.known.iter().fold(0_i64, |sum, known| sum.saturating_add(known.taken.0));
        MicroUsd(self.brought().0.saturating_sub(self.ended.0).saturating_sub(taken).max(0))
    }

    /// What an amount of money is worth. One in another currency is none of the payment's parts.
    fn wish(&self, money: Money) -> MicroUsd {
        let Credited { paid, credit, bonus, .. } = self.purchase;
        if money.currency != paid.currency {
            return self.brought();
        }
        let of = |amount| share(amount, money.minor.min(paid.minor), paid.minor);
        of(*credit).saturating_add(of(*bonus))
    }

    fn taking(&self, kind: Kind, name: &str, money: Money, rest: u32) -> Fact {
        let (name, payment) = (name.to_owned(), self.payment.to_owned());
        match kind {
            Kind::Refund => Fact::Refund { refund: name, payment, money, rest },
            Kind::Dispute => {
                let standing = DisputeStanding::Opened;
                Fact::Dispute { dispute: name, payment, standing, money, rest }
            }
        }
    }

    fn over(&self, told: &Told) -> Fact {
        let (name, payment) = (told.name.clone(), self.payment.to_owned());
        match told.kind {
            Kind::Refund => Fact::RefundFailed { refund: name, payment },
            Kind::Dispute => {
                let (standing, money) = (DisputeStanding::Won, told.money);
                Fact::Dispute { dispute: name, payment, standing, money, rest: 0 }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::ids::AccountId;
    use schemas::money::Currency;

    const PAID: Money = Money { currency: Currency::Jpy, minor: 2_000 };

    fn account() -> AccountId {
        AccountId::parse("acct_a").unwrap()
    }

    fn purchase() -> Credited {
        let (credit, bonus) = (MicroUsd(20), MicroUsd(2));
        Credited { account: account(), paid: PAID, credit, bonus, is_new: false, just_now: false }
    }

    fn event(amount: i64, fact: Fact) -> EventV1 {
        EventV1 { account: account(), at_ms: 1, amount: MicroUsd(amount), fact }
    }

    fn expiry(payment: &str, kind: LotKind) -> Fact {
        Fact::Expiry { kind, source: payment.to_owned() }
    }

    /// `None` of money: all of it.
    fn told(kind: Kind, name: &str, minor: Option<u64>, stands: bool) -> Told {
        let money = minor.map_or(PAID, |minor| Money { minor, ..PAID });
        Told { name: name.to_owned(), kind, money, stands }
    }

    /// Writes what is missing after each word, and answers what each event took or gave.
    fn follow(events: &mut Vec<EventV1>, words: &[Told]) -> Vec<i64> {
        let (purchase, before) = (purchase(), events.len());
        for word in words {
            loop {
                let missing = Returns::of("pi", &purchase, events).missing(word);
                let Some((amount, fact)) = missing else { break };
                let event = event(amount.0, fact);
                let subject = event.subject();
                assert!(events.iter().all(|known| known.subject() != subject), "{subject} twice");
                events.push(event);
            }
            let sum = events.iter().fold(0, |sum, event| sum + event.amount.0);
            assert!((-22..=0).contains(&sum), "{sum}");
        }
        events[before..].iter().map(|event| event.amount.0).collect()
    }

    #[test]
    fn all_together_take_no_more_than_there_was() {
        use Kind::{Dispute, Refund};
        let (refund, payment) = ("re_9".to_owned(), "pi_9".to_owned());
        let of_another = Fact::Refund { refund, payment, money: PAID, rest: 0 };
        let mut events = vec![event(-9, of_another), event(9, expiry("pi_9", LotKind::Paid))];
        let words = [
            told(Refund, "re_1", Some(1_000), true),
            told(Dispute, "dp_1", None, true),
            told(Dispute, "dp_1", None, true),
            told(Refund, "re_2", None, true),
        ];
        assert_eq!(follow(&mut events, &words), [-11, -11, 0]);
        assert_eq!(follow(&mut events, &words), [0_i64; 0], "repeating changes nothing");
    }

    #[test]
    fn what_one_gives_back_another_takes() {
        use Kind::{Dispute, Refund};
        let mut events = Vec::new();
        let words = [
            told(Refund, "re_1", None, true),
            told(Dispute, "dp_1", None, true),
            told(Refund, "re_1", None, false),
            told(Dispute, "dp_1", None, true),
        ];
        assert_eq!(follow(&mut events, &words), [-22, 0, 22, -22]);
        assert_eq!(follow(&mut events, &[told(Dispute, "dp_1", None, false)]), [22]);
        assert_eq!(follow(&mut events, &words), [0_i64; 0], "it is over");

        let mut events = Vec::new();
        let words = [
            told(Dispute, "dp_1", Some(1_000), true),
            told(Refund, "re_1", Some(1_600), true),
            told(Refund, "re_2", Some(1_000), true),
            told(Dispute, "dp_1", Some(1_000), false),
            told(Refund, "re_1", Some(1_600), false),
            told(Refund, "re_2", Some(1_000), false),
        ];
        let moved = [-11, -11, 0, 11, -6, -5, 17, -6, 11];
        assert_eq!(follow(&mut events, &words), moved);
        assert_eq!(events[7].subject().rsplit('.').next(), Some("re_2-2"));
    }

    #[test]
    fn what_is_over_takes_nothing_afterwards() {
        let words = [told(Kind::Refund, "re", None, false), told(Kind::Refund, "re", None, true)];
        assert_eq!(follow(&mut Vec::new(), &words), [0]);
    }

    #[test]
    fn what_has_ended_is_gone_already() {
        let mut events =
            vec![event(-8, expiry("pi", LotKind::Paid)), event(-2, expiry("pi", LotKind::Bonus))];
        assert_eq!(follow(&mut events, &[told(Kind::Dispute, "dp", None, true)]), [-12]);
    }

    #[test]
    fn another_currency_is_not_divided_by_the_payments() {
        let money = Money { currency: Currency::Usd, minor: 1_333 };
        let word = Told { money, ..told(Kind::Dispute, "dp", None, true) };
        assert_eq!(follow(&mut Vec::new(), &[word]), [-22]);
        // An older program took a part.
        let payment = "pi".to_owned();
        let standing = DisputeStanding::Opened;
        let old = Fact::Dispute { dispute: "dp".into(), payment, standing, money, rest: 0 };
        let again = told(Kind::Dispute, "dp", None, true);
        assert_eq!(follow(&mut vec![event(-14, old)], &[again]), [-8]);
    }
}
