//! The record of money: one event per fact, for ever. The event's subject is the identity of the
//! fact, so writing it twice is refused by the stream. It never holds a prompt or an answer.

use crate::counted::Counted;
use crate::ids::{AccountId, KeyId, RequestId};
use crate::money::{MicroUsd, Money, Price};
use crate::snapshots::{Closing, Cut, Snapshot};
use crate::usage::{TokenSource, Usage};
use crate::{json, subjects};
use serde::{Deserialize, Serialize};

/// A ledger event. The version is the variant's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// An event.
    V1(EventV1),
}

/// The same, of what stays where it is.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Written<'a> {
    V1(&'a EventV1),
}

/// One fact about an account's money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventV1 {
    /// Whose money.
    pub account: AccountId,
    /// When it was written: milliseconds since 1970.
    pub at_ms: u64,
    /// What the balance changes by: negative for a charge.
    pub amount: MicroUsd,
    /// What happened.
    pub fact: Fact,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// A request was answered, in whole or in part.
    Use(Use),
    /// A request ended without anything to charge. It stands on the same subject as `Use`, so that
    /// exactly one of the two exists for a request.
    Void(Void),
    /// An operator gave credit.
    Grant {
        /// Names the grant: a second one with the same name is refused.
        unique: String,
        /// Why, for the statement.
        note: String,
    },
    /// Credit was bought.
    TopUp(TopUp),
    /// What a purchase brings on top.
    Bonus {
        /// The payment that it comes with.
        payment: String,
        /// When the rest of it ends: milliseconds since 1970.
        expires_ms: u64,
    },
    /// Money went back to the buyer, and its credit with it.
    Refund {
        /// Stripe's name of the refund.
        refund: String,
        /// The payment that it is of.
        payment: String,
        /// What went back.
        money: Money,
        /// 0 for what was taken at first. What the purchase no longer had then, and has again, is
        /// taken later: these are counted from 1.
        #[serde(default, skip_serializing_if = "is_zero")]
        rest: u32,
    },
    /// A refund did not reach the buyer: its credit is back.
    RefundFailed {
        /// Stripe's name of the refund.
        refund: String,
        /// The payment that it was of.
        payment: String,
    },
    /// The buyer's bank took the money back, or gave it again.
    Dispute {
        /// Stripe's name of the dispute.
        dispute: String,
        /// The payment that it is about.
        payment: String,
        /// How it stands.
        standing: DisputeStanding,
        /// What it is about.
        money: Money,
        /// As of a refund.
        #[serde(default, skip_serializing_if = "is_zero")]
        rest: u32,
    },
    /// What was left of a lot at its end.
    Expiry {
        /// Bought, or a bonus.
        kind: LotKind,
        /// The payment that it came from.
        source: String,
    },
    /// What the account had at a cut. It changes nothing.
    Snapshot(Box<Snapshot>),
    /// What the account's requests came to between two cuts. It changes nothing.
    Counted(Box<Counted>),
    /// Where a part of the ledger is cut.
    Cut(Cut),
    /// All snapshots of a cut are there.
    Closing(Closing),
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The name of what a refund or dispute took, at first or later.
fn numbered(name: &str, rest: u32) -> String {
    match rest {
        0 => name.to_owned(),
        rest => format!("{name}-{rest}"),
    }
}

impl Fact {
    /// Whether it takes credit because its money goes back.
    pub fn takes_back(&self) -> bool {
        matches!(
            self,
            Self::Refund { .. } | Self::Dispute { standing: DisputeStanding::Opened, .. }
        )
    }
}

/// An event that reaches the ledger so long after its time, in milliseconds, is late: it counts for
/// nothing, because its month may be closed. It stays where it is, and is reported.
pub const LATE_AFTER_MS: u64 = 86_400_000;

/// Where a part of a balance comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LotKind {
    /// It was bought.
    Paid,
    /// It came on top of a purchase.
    Bonus,
    /// An operator gave it.
    Grant,
}

impl LotKind {
    /// Its name in subjects and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Paid => "paid",
            Self::Bonus => "bonus",
            Self::Grant => "grant",
        }
    }
}

/// A purchase of credit. A payment is credited once, whoever hears of it first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopUp {
    /// The identity of the purchase: Stripe's name of the payment.
    pub payment: String,
    /// What was paid.
    pub paid: Money,
    /// Which plan; none for an amount of the buyer's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// How it came about.
    pub source: TopUpSource,
    /// When the rest of it ends: milliseconds since 1970.
    pub expires_ms: u64,
}

/// How a purchase came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TopUpSource {
    /// The buyer paid on Stripe's page.
    Checkout,
    /// The saved card was charged, as the account had asked.
    Recharge,
}

/// How a dispute stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisputeStanding {
    /// The money is gone, at least for now.
    Opened,
    /// It was decided for us: the money is back.
    Won,
}

impl DisputeStanding {
    fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Won => "won",
        }
    }
}

/// The charge of one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// Which request.
    pub request: RequestId,
    /// With which key.
    pub key: KeyId,
    /// Answered by which model of the catalogue.
    pub model: String,
    /// What was consumed.
    pub usage: Usage,
    /// Who counted.
    pub source: TokenSource,
    /// The price it was charged at.
    pub price: Price,
    /// The credit that was held for it.
    pub hold: MicroUsd,
    /// How it ended.
    pub outcome: Outcome,
    /// Which process wrote it.
    pub writer: Writer,
    /// The answer had been kept: nobody consumed anything for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cached: bool,
    /// Why the auto-router chose the model, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
}

/// The end of a request that costs nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Void {
    /// Which request.
    pub request: RequestId,
    /// With which key.
    pub key: KeyId,
    /// Why nothing is charged.
    pub reason: VoidReason,
    /// Which process wrote it.
    pub writer: Writer,
}

/// How an answered request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was answered to its end.
    Done,
    /// The client left; what was produced is charged.
    Cancelled,
    /// It broke on the way; what was produced is charged.
    Partial,
}

/// Why a request costs nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VoidReason {
    /// It never reached a queue.
    NotPublished,
    /// No candidate could answer.
    Failed,
    /// The client left before anything was produced.
    Cancelled,
    /// Nobody finished it in time.
    Expired,
}

/// Which kind of process wrote an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Writer {
    /// The worker that answered.
    Worker,
    /// The gateway, for a worker that died.
    Gateway,
    /// The sweeper, for a hold that nobody settled.
    Sweeper,
    /// An operator's tool.
    Operator,
}

/// The largest grant, and the most that a plan or a coupon brings: a million dollars. Nobody means
/// more, and a slip must not fill the sums up.
pub const GRANT_MAX: MicroUsd = MicroUsd(GRANT_MICRO_USD_MAX);

const GRANT_MICRO_USD_MAX: i64 = 1_000_000_000_000;

/// No event moves more than a billion dollars, in millionths: thousands of those add up within 63
/// bits.
const AMOUNT_MAX: u64 = 1_000_000_000_000_000;

/// Whether somebody may be given so much at once.
pub fn is_grantable(amount: MicroUsd) -> bool {
    amount > MicroUsd::ZERO && amount <= GRANT_MAX
}

impl EventV1 {
    /// The end of a request that costs nothing.
    pub fn void(account: AccountId, at_ms: u64, void: Void) -> Self {
        Self { account, at_ms, amount: MicroUsd::ZERO, fact: Fact::Void(void) }
    }

    /// Whether its amount can be one. What has another counts for nothing, so that it is in
    /// nobody's way.
    pub fn is_possible(&self) -> bool {
        self.amount.0.unsigned_abs() <= AMOUNT_MAX
    }

    /// The event as the ledger has it: an [`Event`] as JSON.
    ///
    /// # Errors
    /// When it can't be written as JSON.
    pub fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        json::to_vec(&Written::V1(self))
    }

    /// The subject that is this fact's identity.
    pub fn subject(&self) -> String {
        match &self.fact {
            Fact::Use(Use { request, .. }) | Fact::Void(Void { request, .. }) => {
                subjects::ledger(&self.account, "use", request.as_str())
            }
            Fact::Grant { unique, .. } => self.named("grant", unique),
            Fact::TopUp(TopUp { payment, .. }) => self.named("topup", payment),
            Fact::Bonus { payment, .. } => self.named("bonus", payment),
            Fact::Refund { refund, rest, .. } => self.named("refund", &numbered(refund, *rest)),
            Fact::RefundFailed { refund, .. } => self.named("refund_failed", refund),
            Fact::Dispute { dispute, standing, rest, .. } => {
                let name = format!("{dispute}-{}", standing.as_str());
                self.named("dispute", &numbered(&name, *rest))
            }
            Fact::Expiry { kind, source } => {
                self.named("expiry", &format!("{source}-{}", kind.as_str()))
            }
            Fact::Snapshot(snapshot) => self.named("snapshot", &snapshot.month),
            Fact::Counted(counted) => {
                let Counted { account, month, number, .. } = &**counted;
                subjects::ledger_counted(account, month, *number)
            }
            Fact::Cut(Cut { partition, month, .. }) => subjects::ledger_cut(*partition, month),
            Fact::Closing(Closing { cut, .. }) => {
                subjects::ledger_closing(cut.partition, &cut.month)
            }
        }
    }

    /// Whether this event may stand on a subject. Who may write on it is decided by its subject, so
    /// a fact on the subject of another one is a forgery; and so is the end of a request that gives
    /// credit.
    pub fn may_stand_on(&self, subject: &str) -> bool {
        let amount_fits = match &self.fact {
            Fact::Use(_) => self.amount <= MicroUsd::ZERO,
            Fact::Void(_)
            | Fact::Snapshot(_)
            | Fact::Counted(_)
            | Fact::Cut(_)
            | Fact::Closing(_) => self.amount == MicroUsd::ZERO,
            _ => true,
        };
        let own = self.subject();
        amount_fits && (own == subject || subjects::amended(&own).as_deref() == Some(subject))
    }

    /// Whether it is too late for one that the ledger took at a time, in milliseconds since 1970.
    pub fn is_late(&self, taken_ms: u64) -> bool {
        taken_ms.saturating_sub(self.at_ms) > LATE_AFTER_MS
    }

    /// The request that the event settles, if it settles one.
    pub fn request(&self) -> Option<&RequestId> {
        match &self.fact {
            Fact::Use(Use { request, .. }) | Fact::Void(Void { request, .. }) => Some(request),
            _ => None,
        }
    }

    fn named(&self, kind: &str, unique: &str) -> String {
        subjects::ledger(&self.account, kind, unique)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn use_and_void_of_a_request_are_the_same_subject() {
        let account = AccountId::parse("acct_a").unwrap();
        let request = RequestId::parse("req_1").unwrap();
        let key = KeyId::parse("key_1").unwrap();
        let void = EventV1 {
            account: account.clone(),
            at_ms: 1,
            amount: MicroUsd::ZERO,
            fact: Fact::Void(Void {
                request,
                key,
                reason: VoidReason::Expired,
                writer: Writer::Sweeper,
            }),
        };
        let expected = format!("led.{}.acct_a.use.req_1", subjects::partition(&account));
        assert_eq!(void.subject(), expected);
        assert!(void.may_stand_on(&expected));
        assert!(!void.may_stand_on(&expected.replace("req_1", "req_2")));
        let giving = EventV1 { amount: MicroUsd(1), ..void };
        assert!(!giving.may_stand_on(&expected));
    }

    #[test]
    fn a_gift_may_not_stand_where_a_worker_may_write() {
        let account = AccountId::parse("acct_a").unwrap();
        let fact = Fact::Grant { unique: "req_1".into(), note: String::new() };
        let gift = EventV1 { account, at_ms: 1, amount: MicroUsd(1), fact };
        assert!(gift.may_stand_on(&gift.subject()));
        assert!(!gift.may_stand_on(&gift.subject().replace(".grant.", ".use.")));
    }
}
