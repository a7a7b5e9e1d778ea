//! The credit for the worst case, reserved before any work. Nobody can publish without what this
//! step gives, because it alone can make a [`Held`]. When Redis is away nothing starts, and nothing
//! when the ledger takes no charge.

use super::lead::Lead;
use super::recall::Seen;
use super::route::Routed;
use crate::cache::AnswerKey;
use crate::credits::{self, WorstCase};
use crate::exchange::stop_execution;
use crate::state::Gateway;
use crate::tokens;
use infra::config::Model;
use infra::seldom::Seldom;
use infra::store::StoreError;
use infra::store::enter::{Entered, Entering};
use infra::store::holds::{Reservation, Reserved, Sought};
use schemas::catalogue::Tokenizer;
use schemas::error::Problem;
use schemas::ids::RequestId;
use schemas::job::JobKind;
use schemas::ledger::VoidReason;
use schemas::money::MicroUsd;
use schemas::records::KeyRecordV1;
use std::collections::BTreeSet;
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

/// What came of holding.
pub(super) enum Holding {
    /// The worst case is paid for.
    Held(Box<Held>),
    /// Nothing is held: there is a kept answer, or somebody asks for it.
    Seen(Box<Seen>),
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
            self.gateway.core.void(&self.request, &self.key, VoidReason::NotPublished);
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
pub(super) async fn hold(gateway: &Arc<Gateway>, mut routed: Routed) -> Result<Holding, Problem> {
    if !gateway.bus.ledger().is_open() {
        return Err(credits::not_recorded());
    }
    let authenticated = routed.authenticated();
    let mut guard = Guard {
        gateway: Arc::clone(gateway),
        request: authenticated.received.request.clone(),
        key: Arc::clone(&authenticated.key),
        armed: true,
    };
    let mut costs = Costs::of(gateway, &routed);
    let mut reserved = match seek(gateway, &mut routed, &costs).await {
        Ok(Sought::Lead(reserved)) => reserved,
        Ok(Sought::Known(look)) => {
            guard.armed = false;
            return Ok(Holding::Seen(Box::new(routed.missed.seen(look))));
        }
        Err(Unreserved { problem, may_be_held }) => {
            guard.armed = may_be_held && !routed.missed.masked.admitted.passage.is_refused();
            return Err(problem);
        }
    };
    // Bytes are an upper bound that costs nothing. Only who is refused by it is counted.
    if let Some(left) = left(reserved)
        && count(gateway, &mut routed, left).await
    {
        costs = Costs::of(gateway, &routed);
        reserved = reserve(gateway, &routed, &costs).await.map_err(|unreserved| {
            guard.armed = unreserved.may_be_held;
            unreserved.problem
        })?;
    }
    let (wanted, enough) = (costs.wanted(), costs.enough());
    if let Some(problem) = gateway.refusal_of(reserved, enough) {
        guard.armed = false;
        return Err(problem);
    }
    let amount = match reserved {
        Reserved::Held(amount) => amount,
        _ => wanted,
    };
    gateway.core.may_charge()?;
    if amount < wanted {
        let before = routed.candidates.len();
        let mut affordable = costs.0.iter().map(|(_, least)| *least <= amount);
        routed.candidates.retain(|_| affordable.next().unwrap_or(false));
        let is_less = routed.candidates.len() < before;
        routed.reason.push_str(if is_less { ";affordable" } else { ";shorter" });
    }
    Ok(Holding::Held(Box::new(Held { routed, amount, guard })))
}

/// For each candidate what it may cost at most, and what is enough for it to answer at all.
struct Costs(Vec<(MicroUsd, MicroUsd)>);

impl Costs {
    fn of(gateway: &Gateway, routed: &Routed) -> Self {
        let cost = |model: &Arc<Model>| {
            let worst =
                |max_tokens| worst(routed, model, routed.prompt_tokens_max(model), max_tokens);
            let max_tokens = gateway.config.limits.max_tokens_per_request;
            (worst(max_tokens), worst(least_tokens(routed, max_tokens)))
        };
        Self(routed.candidates.iter().map(cost).collect())
    }

    fn wanted(&self) -> MicroUsd {
        self.0.iter().map(|(most, _)| *most).max().unwrap_or(MicroUsd::ZERO)
    }

    fn enough(&self) -> MicroUsd {
        self.0.iter().map(|(_, least)| *least).min().unwrap_or(MicroUsd::ZERO)
    }
}

fn worst(routed: &Routed, model: &Model, prompt_tokens_max: u64, max_tokens: u64) -> MicroUsd {
    let received = routed.received();
    let asked = (&*received.chat, prompt_tokens_max);
    WorstCase::of(received.kind, asked, model, max_tokens).amount
}

/// How long an answer has to be able to be.
fn least_tokens(routed: &Routed, max_tokens: u64) -> u64 {
    let received = routed.received();
    match received.chat.answer_tokens_max() {
        // The client knows how long the answer may have to be.
        Some(_) => max_tokens,
        None => max_tokens.min(ANSWER_TOKENS_MIN),
    }
}

/// What there was when it was too little.
fn left(reserved: Reserved) -> Option<MicroUsd> {
    match reserved {
        Reserved::Insufficient(left) | Reserved::Budget(_, left) | Reserved::TotalBudget(left) => {
            Some(left)
        }
        Reserved::Held(_) | Reserved::Settled | Reserved::Rebuilding => None,
    }
}

/// Counts the prompt with the tokenizers that its candidates have, if what is left could pay for an
/// answer at all. Returns whether anything was counted.
async fn count(gateway: &Gateway, routed: &mut Routed, left: MicroUsd) -> bool {
    if routed.received().kind == JobKind::Embeddings {
        return false;
    }
    let least = least_tokens(routed, gateway.config.limits.max_tokens_per_request);
    let may_pay = |model: &&Arc<Model>| worst(routed, model, 0, least) <= left;
    let known = routed.candidates.iter().filter(may_pay).filter_map(|model| model.tokenizer);
    let known: BTreeSet<Tokenizer> = known.collect();
    for tokenizer in known {
        let chat = &routed.received().chat;
        if let Some(tokens) = tokens::prompt_tokens_max(chat, tokenizer).await {
            routed.counted.insert(tokenizer, tokens);
        }
    }
    !routed.counted.is_empty()
}

/// Why nothing is known to be reserved.
struct Unreserved {
    problem: Problem,
    /// The answer of Redis may be lost.
    may_be_held: bool,
}

impl From<Problem> for Unreserved {
    fn from(problem: Problem) -> Self {
        Self { problem, may_be_held: true }
    }
}

/// Reserves; and if nobody has looked for a kept answer yet, only when there is none.
async fn seek(
    gateway: &Arc<Gateway>,
    routed: &mut Routed,
    costs: &Costs,
) -> Result<Sought, Unreserved> {
    let keep = routed.missed.keep.as_ref().filter(|_| routed.missed.is_unseen);
    let key = keep.map(|keep| keep.key.clone());
    let wanted = wanted(gateway, routed, costs);
    // Dropped before the answer, it gives back what Redis may have given.
    let lead = key.as_ref().map(|key| Lead::asked(&gateway.core, key, &wanted.request));
    let sought = look_and_reserve(gateway, routed, key.as_ref(), &wanted).await;
    let is_refused = routed.missed.masked.admitted.passage.is_refused();
    match (&sought, lead) {
        (Ok(Sought::Lead(_)), Some(lead)) => {
            gateway.metrics.cache_total.with_label_values(&["miss"]).inc();
            routed.missed.lead = Some(lead.keep());
            routed.missed.is_unseen = false;
        }
        (Err(unreserved), lead) if unreserved.may_be_held && !is_refused => drop(lead),
        (_, lead) => lead.into_iter().for_each(Lead::end),
    }
    sought
}

/// The look for what is kept under a key, if there may be anything, and the reservation; with them
/// the limits if nobody has asked them yet.
async fn look_and_reserve(
    gateway: &Gateway,
    routed: &Routed,
    key: Option<&AnswerKey>,
    wanted: &Reservation,
) -> Result<Sought, Unreserved> {
    let looking = key.map(|key| (key.tenant(), Lead::looking(gateway, key, &wanted.request)));
    let passage = &routed.missed.masked.admitted.passage;
    let admission = passage.unasked();
    match gateway.together.enter(Entering { admission, looking, wanted }).await {
        Ok(Entered::Passed(standing, sought)) => {
            match standing {
                Some(standing) => passage.hear(gateway, standing)?,
                // Whoever couldn't ask them has not passed.
                None => passage.pass(gateway).await?,
            }
            Ok(sought)
        }
        Ok(Entered::Refused(standing)) => {
            Err(passage.hear(gateway, standing).err().unwrap_or_else(credits::away).into())
        }
        Err(error) if admission.is_some() => {
            static AWAY: Seldom = Seldom::new();
            AWAY.say(|| tracing::error!(%error, "neither limits nor credit can be asked"));
            Err(Unreserved { problem: passage.unheard(), may_be_held: !error.is_refusal() })
        }
        Err(error) => Err(away(error)),
    }
}

async fn reserve(
    gateway: &Gateway,
    routed: &Routed,
    costs: &Costs,
) -> Result<Reserved, Unreserved> {
    gateway.store.reserve(&wanted(gateway, routed, costs)).await.map_err(away)
}

fn wanted(gateway: &Gateway, routed: &Routed, costs: &Costs) -> Reservation {
    let authenticated = routed.authenticated();
    let request = &authenticated.received.request;
    gateway.reservation(request, &authenticated.key, costs.wanted(), costs.enough())
}

fn away(error: StoreError) -> Unreserved {
    static AWAY: Seldom = Seldom::new();
    AWAY.say(|| tracing::error!(%error, "credit can't be reserved"));
    Unreserved { problem: credits::away(), may_be_held: !error.is_refusal() }
}
