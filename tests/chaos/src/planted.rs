//! Faults that the product must never have, done to it from outside with the operator's power: the
//! checker has to find each of them, or it would find none. Nothing of this is in the program.

use crate::answer;
use crate::check::names;
use crate::evidence::Eyes;
use crate::vendor::Vendor;
use futures::StreamExt;
use infra::store::holds::Reservation;
use infra::store::keys;
use schemas::ids::{AccountId, KeyId, RequestId};
use schemas::ledger::{Event, EventV1, Fact};
use schemas::money::MicroUsd;
use schemas::subjects;
use serde_json::json;
use std::time::Duration;

/// Longer than any answer takes.
const ANSWER_TIME: Duration = Duration::from_secs(3);

/// How long an overdraft is there to be seen.
const OVERDRAFT_TIME: Duration = Duration::from_millis(600);

/// A planted fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    /// An answer is charged again under another name.
    ChargeTwice,
    /// A charge is applied to the balance twice.
    ApplyTwice,
    /// A request ends in the ledger a second time.
    EndTwice,
    /// A piece of each answer is lost, and nobody sees it.
    LosePieces,
    /// A worker runs a job that it has not claimed.
    RunWithoutClaim,
    /// A hold is never given back.
    ForgetAHold,
    /// More is held than there is.
    Overdraw,
    /// A job stays in the queue.
    LeaveAJob,
}

impl Planted {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::ChargeTwice,
        Self::ApplyTwice,
        Self::EndTwice,
        Self::LosePieces,
        Self::RunWithoutClaim,
        Self::ForgetAHold,
        Self::Overdraw,
        Self::LeaveAJob,
    ];

    /// The invariants that it breaks.
    pub fn breaks(self) -> &'static [&'static str] {
        match self {
            Self::ChargeTwice => &[names::TERMINAL, names::CHARGED],
            Self::ApplyTwice => &[names::SUMS],
            Self::EndTwice => &[names::TERMINAL],
            Self::LosePieces => &[names::PREFIX, names::WHOLE, names::RECEIPT],
            Self::RunWithoutClaim => &[names::NO_SECOND],
            Self::ForgetAHold => &[names::HOLDS],
            Self::Overdraw => &[names::OVERDRAWN],
            Self::LeaveAJob => &[names::QUEUE],
        }
    }
}

/// What the saboteur works on.
pub(crate) struct Sabotage<'a> {
    pub(crate) eyes: &'a Eyes,
    pub(crate) vendor: &'a Vendor,
    /// Whom it harms.
    pub(crate) account: &'a AccountId,
    pub(crate) key: &'a KeyId,
}

impl Sabotage<'_> {
    /// Does it, while the load runs.
    pub(crate) async fn commit(&self, planted: Planted) {
        let Eyes { bus, store, .. } = self.eyes;
        match planted {
            Planted::LosePieces => self.vendor.lose_pieces(),
            Planted::ChargeTwice => {
                let mut event = self.a_charge().await;
                if let Fact::Use(charged) = &mut event.fact {
                    charged.request = RequestId::fresh();
                }
                bus.record(&event).await.unwrap();
            }
            Planted::EndTwice => {
                let event = self.a_charge().await;
                let subject = format!("{}-again", event.subject());
                self.publish(subject, serde_json::to_vec(&Event::V1(event)).unwrap()).await;
            }
            Planted::LeaveAJob => {
                self.publish(subjects::chat("nobody", "fast"), b"{}".to_vec()).await;
            }
            Planted::ApplyTwice => {
                let charge = self.a_charge().await.amount.0;
                self.change_balance(charge).await;
            }
            Planted::Overdraw => {
                let much = -1_000_000_000_000;
                self.change_balance(much).await;
                tokio::time::sleep(OVERDRAFT_TIME).await;
                self.change_balance(-much).await;
            }
            Planted::ForgetAHold => {
                let hold = Reservation {
                    request: RequestId::fresh(),
                    account: self.account.clone(),
                    key: self.key.clone(),
                    amount: MicroUsd(1),
                    lifetime_ms: 3_600_000,
                    budgets: Vec::new(),
                    enough: MicroUsd(1),
                    total_budget: None,
                };
                store.reserve(&hold).await.unwrap();
            }
            Planted::RunWithoutClaim => self.run_without_claim().await,
        }
    }

    async fn publish(&self, subject: String, body: Vec<u8>) {
        let sent = self.eyes.bus.jetstream().publish(subject, body.into()).await;
        sent.unwrap().await.unwrap();
    }

    async fn change_balance(&self, by: i64) {
        let mut connection = self.eyes.redis.get_multiplexed_async_connection().await.unwrap();
        let mut change = redis::cmd("HINCRBY");
        change.arg(keys::account(self.account)).arg("balance").arg(by);
        change.query_async::<()>(&mut connection).await.unwrap();
    }

    /// Any charge that was made in the harmed account.
    async fn a_charge(&self) -> EventV1 {
        harness::wait_for("a charge", async || {
            let ledger = self.eyes.ledger().await;
            let is_charge = |event: &EventV1| event.account == *self.account && event.amount.0 < 0;
            ledger.into_iter().map(|entry| entry.event).find(is_charge)
        })
        .await
    }

    /// Hears a job on its way to the queue, and runs it when its own worker has answered it.
    async fn run_without_claim(&self) {
        let mut jobs = self.eyes.bus.client().subscribe(subjects::CHAT_SUBJECTS).await.unwrap();
        let job = harness::within("a job", jobs.next()).await.unwrap();
        let text = String::from_utf8_lossy(&job.payload).into_owned();
        let (_, rest) = text.split_once(&answer::question("")).unwrap();
        let id: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric()).collect();
        tokio::time::sleep(ANSWER_TIME).await;
        let body = json!({"model": "fast", "stream": false,
            "messages": [{"role": "user", "content": answer::question(&id)}]});
        let http = reqwest::Client::builder().timeout(ANSWER_TIME).tls_certs_only([]).no_proxy();
        let url = format!("{}/v1/chat/completions", self.vendor.url());
        let asked = http.build().unwrap().post(url).json(&body);
        asked.send().await.unwrap();
    }
}
