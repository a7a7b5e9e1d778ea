//! The credit for the worst case, reserved before any work. Nobody can publish without what this
//! step gives, because it alone can make a [`Held`]. When Redis is away nothing starts.

use super::route::Routed;
use crate::credits::{self, WorstCase};
use crate::state::Gateway;
use infra::config::Model;
use infra::store::holds::{Reservation, Reserved};
use schemas::error::{ErrorCode, Problem};
use schemas::ids::RequestId;
use schemas::ledger::VoidReason;
use schemas::money::MicroUsd;
use schemas::records::KeyRecordV1;
use std::sync::Arc;

/// A request whose worst case is paid for, whichever candidate answers it.
pub(super) struct Held {
    pub(super) routed: Routed,
    /// How much is held: no charge may be higher.
    pub(super) amount: MicroUsd,
    /// Only this step can make one.
    guard: Guard,
}

impl Held {
    /// From here on somebody else sees to it that the hold is settled.
    pub(super) fn hand_over(&mut self) {
        self.guard.armed = false;
    }
}

/// Gives the hold back when the request is dropped on its way to the queue: a client may leave at
/// any point, also while Redis is being asked.
struct Guard {
    gateway: Arc<Gateway>,
    request: RequestId,
    key: Arc<KeyRecordV1>,
    armed: bool,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.armed {
            self.gateway.void(&self.request, &self.key, VoidReason::NotPublished);
        }
    }
}

/// Reserves.
pub(super) async fn hold(gateway: &Arc<Gateway>, mut routed: Routed) -> Result<Held, Problem> {
    let authenticated = &routed.missed.masked.admitted.authenticated;
    let mut guard = Guard {
        gateway: Arc::clone(gateway),
        request: authenticated.received.request.clone(),
        key: Arc::clone(&authenticated.key),
        armed: true,
    };
    let mut costs = costs(gateway, &routed);
    let mut amount = dearest(&costs);
    let mut reserved = reserve(gateway, &routed, amount).await?;
    if let Reserved::Insufficient(available) = reserved {
        // The best that the credit affords is better than none.
        costs.retain(|(_, cost)| *cost <= available);
        if !costs.is_empty() && costs.len() < routed.candidates.len() {
            routed.candidates = costs.iter().map(|(model, _)| Arc::clone(model)).collect();
            routed.reason.push_str(";affordable");
            amount = dearest(&costs);
            reserved = reserve(gateway, &routed, amount).await?;
        }
    }
    match gateway.refusal_of(reserved, amount) {
        None => Ok(Held { routed, amount, guard }),
        Some(problem) => {
            guard.armed = false;
            Err(problem)
        }
    }
}

impl Gateway {
    /// Counts what came of a reservation, and says why it was refused if it was.
    pub(super) fn refusal_of(&self, reserved: Reserved, amount: MicroUsd) -> Option<Problem> {
        let (label, refusal) = match reserved {
            Reserved::Held(_) => ("held", None),
            Reserved::Settled => ("settled", Some(settled_before())),
            Reserved::Insufficient(left) => ("insufficient", Some(insufficient(amount, left))),
            Reserved::KeyBudget(left) => {
                ("key_budget", Some(over_budget("キーの予算", "key's", left)))
            }
            Reserved::TotalBudget(left) => {
                ("total_budget", Some(over_budget("全体の予算", "service's", left)))
            }
            Reserved::Rebuilding => ("rebuilding", Some(credits::away())),
        };
        self.metrics.holds_total.with_label_values(&[label]).inc();
        refusal
    }
}

/// Each candidate with its worst case.
fn costs(gateway: &Gateway, routed: &Routed) -> Vec<(Arc<Model>, MicroUsd)> {
    let received = &routed.missed.masked.admitted.authenticated.received;
    let asked = (&received.chat, routed.prompt_tokens_max);
    let max_tokens = gateway.config.limits.max_tokens_per_request;
    let cost = |model: &Arc<Model>| {
        (Arc::clone(model), WorstCase::of(received.kind, asked, model, max_tokens).amount)
    };
    routed.candidates.iter().map(cost).collect()
}

fn dearest(costs: &[(Arc<Model>, MicroUsd)]) -> MicroUsd {
    costs.iter().map(|(_, cost)| *cost).max().unwrap_or(MicroUsd::ZERO)
}

async fn reserve(
    gateway: &Gateway,
    routed: &Routed,
    amount: MicroUsd,
) -> Result<Reserved, Problem> {
    let authenticated = &routed.missed.masked.admitted.authenticated;
    let key = &authenticated.key;
    let wanted = Reservation {
        request: authenticated.received.request.clone(),
        account: key.account.clone(),
        key: key.key.clone(),
        amount,
        lifetime_ms: gateway.hold_lifetime_ms(),
        key_budget: key.budget_max.or(gateway.config.budget.per_key_usd),
        total_budget: gateway.config.budget.total_usd,
    };
    gateway.store.reserve(&wanted).await.map_err(|error| {
        tracing::error!(%error, "credit can't be reserved");
        credits::away()
    })
}

fn settled_before() -> Problem {
    Problem::new(
        ErrorCode::Conflict,
        "このリクエストIDは既に精算されています。",
        "This request id has been settled already.",
    )
}

fn insufficient(needed: MicroUsd, left: MicroUsd) -> Problem {
    Problem::new(
        ErrorCode::InsufficientQuota,
        format!(
            "残高が足りません (最大 ${needed} 必要、利用可能 ${left})。クレジットを追加するか max_tokens を減らしてください。"
        ),
        format!(
            "The credit doesn't cover the request (up to ${needed} needed, ${left} available). \
             Buy credit, or lower max_tokens."
        ),
    )
}

fn over_budget(japanese: &str, english: &str, left: MicroUsd) -> Problem {
    Problem::new(
        ErrorCode::InsufficientQuota,
        format!("{japanese}の残り (${left}) では足りません。予算を上げてください。"),
        format!("The {english} budget (${left} left) doesn't cover the request. Raise it."),
    )
}
