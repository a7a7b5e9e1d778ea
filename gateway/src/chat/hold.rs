//! The credit for the worst case, reserved before any work. Nobody can publish without what this
//! step gives, because it alone can make a [`Held`]. When Redis is away nothing starts.

use super::route::Routed;
use crate::budgets;
use crate::credits::{self, WorstCase};
use crate::exchange::stop_execution;
use crate::state::Gateway;
use infra::config::Model;
use infra::store::holds::Reserved;
use infra::store::spending::Spender;
use schemas::error::{ErrorCode, Problem};
use schemas::ids::RequestId;
use schemas::ledger::VoidReason;
use schemas::money::MicroUsd;
use schemas::records::KeyRecordV1;
use std::sync::Arc;

/// The shortest answer, in tokens, that is worth asking for when the credit affords no longer one.
const ANSWER_TOKENS_MIN: u64 = 256;

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
            // Past the queue a worker may have the job already.
            stop_in_background(&self.gateway, &self.request);
            self.gateway.void(&self.request, &self.key, VoidReason::NotPublished);
        }
    }
}

/// Tells whoever runs a request that nobody waits for it.
fn stop_in_background(gateway: &Arc<Gateway>, request: &RequestId) {
    let Some(execution) = gateway.exchange.cancel(request) else { return };
    let (teller, request) = (Arc::clone(gateway), request.clone());
    gateway.settlements.spawn("stop", async move {
        stop_execution(&teller, &request, &execution).await;
    });
}

/// Reserves the dearest candidate's worst case. When the credit and the budgets leave less, then as
/// much as they leave, if some candidate may answer with it: an answer whose length the client left
/// to us becomes shorter, and candidates that are too dear are left out.
pub(super) async fn hold(gateway: &Arc<Gateway>, mut routed: Routed) -> Result<Held, Problem> {
    let authenticated = &routed.missed.masked.admitted.authenticated;
    let mut guard = Guard {
        gateway: Arc::clone(gateway),
        request: authenticated.received.request.clone(),
        key: Arc::clone(&authenticated.key),
        armed: true,
    };
    let costs = costs(gateway, &routed);
    let wanted = costs.iter().map(|(most, _)| *most).max().unwrap_or(MicroUsd::ZERO);
    let enough = costs.iter().map(|(_, least)| *least).min().unwrap_or(MicroUsd::ZERO);
    let reserved = reserve(gateway, &routed, wanted, enough).await?;
    if let Some(problem) = gateway.refusal_of(reserved, enough) {
        guard.armed = false;
        return Err(problem);
    }
    let amount = match reserved {
        Reserved::Held(amount) => amount,
        _ => wanted,
    };
    if amount < wanted {
        let before = routed.candidates.len();
        let mut affordable = costs.iter().map(|(_, least)| *least <= amount);
        routed.candidates.retain(|_| affordable.next().unwrap_or(false));
        let is_less = routed.candidates.len() < before;
        routed.reason.push_str(if is_less { ";affordable" } else { ";shorter" });
    }
    Ok(Held { routed, amount, guard })
}

impl Gateway {
    /// Counts what came of a reservation, and says why it was refused if it was.
    pub(super) fn refusal_of(&self, reserved: Reserved, amount: MicroUsd) -> Option<Problem> {
        let (label, refusal) = match reserved {
            Reserved::Held(_) => ("held", None),
            Reserved::Settled => ("settled", Some(settled_before())),
            Reserved::Insufficient(left) => ("insufficient", Some(insufficient(amount, left))),
            Reserved::Budget(budget, left) => {
                let label = match budget.spender {
                    Spender::Key => "key_budget",
                    Spender::Account => "account_budget",
                };
                (label, Some(budgets::over(budget, left, self.config.budget.time_zone)))
            }
            Reserved::TotalBudget(left) => ("total_budget", Some(over_total(left))),
            Reserved::Rebuilding => ("rebuilding", Some(credits::away())),
        };
        self.metrics.holds_total.with_label_values(&[label]).inc();
        refusal
    }
}

/// For each candidate what it may cost at most, and what is enough for it to answer at all.
fn costs(gateway: &Gateway, routed: &Routed) -> Vec<(MicroUsd, MicroUsd)> {
    let received = &routed.missed.masked.admitted.authenticated.received;
    let asked = (&received.chat, routed.prompt_tokens_max);
    let max_tokens = gateway.config.limits.max_tokens_per_request;
    let cost = |model: &Arc<Model>| {
        let worst = |max_tokens| WorstCase::of(received.kind, asked, model, max_tokens).amount;
        let least = match received.chat.answer_tokens_max() {
            // The client knows how long the answer may have to be.
            Some(_) => worst(max_tokens),
            None => worst(max_tokens.min(ANSWER_TOKENS_MIN)),
        };
        (worst(max_tokens), least)
    };
    routed.candidates.iter().map(cost).collect()
}

async fn reserve(
    gateway: &Gateway,
    routed: &Routed,
    amount: MicroUsd,
    enough: MicroUsd,
) -> Result<Reserved, Problem> {
    let authenticated = &routed.missed.masked.admitted.authenticated;
    let request = &authenticated.received.request;
    let wanted = gateway.reservation(request, &authenticated.key, amount, enough);
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

fn over_total(left: MicroUsd) -> Problem {
    let left = left.max(MicroUsd::ZERO);
    Problem::new(
        ErrorCode::InsufficientQuota,
        format!("サービス全体の予算の残り (${left}) では足りません。管理者に連絡してください。"),
        format!(
            "The service's budget (${left} left) doesn't cover the request. \
             Ask whoever runs the service."
        ),
    )
}
