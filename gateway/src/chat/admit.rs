//! Room within the limits of the key and its account: requests and tokens a minute, requests at
//! once. All or nothing: a refused request takes nothing. When Redis is away nothing passes. A key
//! that had plenty of room a moment ago is asked later, in one round trip with its credit. What is
//! cheap to know of a refusal is looked at before the request is masked, which is dear.

use super::authenticate::Authenticated;
use super::{Refused, Size};
use crate::cache;
use crate::credits::{self, WorstCase};
use crate::estimate::prompt_tokens_estimate;
use crate::heavy;
use crate::limits::refused;
use crate::state::Gateway;
use infra::config::Model;
use infra::seldom::Seldom;
use infra::store::holds::Reserved;
use infra::store::limits::{Admission, LimitStanding};
use schemas::error::Problem;
use schemas::ids::{AccountId, KeyId};
use schemas::money::MicroUsd;
use schemas::records::KeyRecordV1;
use std::sync::{Arc, OnceLock};

/// How long a place is kept without a sign of its gateway, in milliseconds.
pub(crate) const LEASE_MS: u64 = 20_000;

/// A request that passed its key's limits, or is about to.
pub(super) struct Admitted {
    pub(super) authenticated: Authenticated,
    pub(super) passage: Arc<Passage>,
    pub(super) place: ParallelPlace,
    pub(super) size: Size,
}

/// What a request takes of its key's and its account's minute, and where that leaves them.
pub(super) struct Passage {
    admission: Admission,
    key: Arc<KeyRecordV1>,
    /// A long request passes its limits before anything else is done for it, and counts as one of
    /// the minute's when it is refused: it was read, and most likely masked.
    is_long: bool,
    /// What the limits said; nothing inside when they couldn't be asked.
    told: OnceLock<Option<LimitStanding>>,
}

impl Passage {
    fn new(admission: Admission, key: &Arc<KeyRecordV1>, size: Size) -> Self {
        let (key, is_long) = (Arc::clone(key), heavy::is_heavy(size.read));
        Self { admission, key, is_long, told: OnceLock::new() }
    }

    /// What is to be asked of the limits, if nobody has asked them yet.
    pub(super) fn unasked(&self) -> Option<&Admission> {
        self.told.get().is_none().then_some(&self.admission)
    }

    /// Where the key stands, as far as that is known.
    pub(super) fn standing(&self) -> Option<LimitStanding> {
        self.told.get().copied().flatten()
    }

    /// Whether one of the limits has refused the request: nothing was taken or held then.
    pub(super) fn is_refused(&self) -> bool {
        self.standing().is_some_and(|standing| standing.refusal.is_some())
    }

    /// Asks the limits, unless somebody has.
    ///
    /// # Errors
    /// When one of them refuses, or Redis is away.
    pub(super) async fn pass(&self, gateway: &Gateway) -> Result<(), Problem> {
        match self.told.get() {
            None => match gateway.together.admit(&self.admission).await {
                Ok(standing) => self.hear(gateway, standing),
                Err(error) => {
                    static AWAY: Seldom = Seldom::new();
                    AWAY.say(|| tracing::error!(%error, "limits can't be asked"));
                    Err(self.unheard())
                }
            },
            Some(Some(standing)) => verdict(standing),
            Some(None) => Err(credits::away()),
        }
    }

    /// What the limits said to who asked them together with something else.
    ///
    /// # Errors
    /// When one of them refuses.
    pub(super) fn hear(&self, gateway: &Gateway, standing: LimitStanding) -> Result<(), Problem> {
        gateway.roomy.learn(&self.admission.key, &standing);
        verdict(self.told.get_or_init(|| Some(standing)).as_ref().unwrap_or(&standing))
    }

    /// They couldn't be asked.
    pub(super) fn unheard(&self) -> Problem {
        self.told.get_or_init(|| None);
        credits::away()
    }

    /// The request is refused, and that costs nothing: its place and what was taken of the minute
    /// are there again, and so the client is told. Only a long one that is its client's own fault
    /// stays one of the minute's requests: else who has no credit could have any number read and
    /// masked. Limits that are asked only here take a place that nobody else would give back, also
    /// when the client leaves meanwhile. Who asks too much hears of that first.
    pub(super) async fn refuse(
        self: &Arc<Self>,
        gateway: &Arc<Gateway>,
        problem: Problem,
    ) -> Refused {
        let passed = self.pass(gateway).await;
        let place = ParallelPlace::new(gateway, self);
        if let Err(problem) = passed {
            // Nothing was taken, or what was asked for has given it back.
            place.end();
            return Refused { problem, standing: self.standing() };
        }
        let still_counts = self.is_long && problem.code.status() < 500;
        let standing = match gateway.store.give_back(&self.admission, still_counts).await {
            Ok(standing) => {
                place.end();
                Some(standing)
            }
            Err(error) => {
                static AWAY: Seldom = Seldom::new();
                let told = "what a refused request took comes back only with the minute";
                AWAY.say(|| tracing::warn!(%error, "{told}"));
                self.standing()
            }
        };
        Refused { problem, standing }
    }
}

fn verdict(standing: &LimitStanding) -> Result<(), Problem> {
    match standing.refusal {
        Some((refusal, whose)) => Err(refused(refusal, whose, standing.wait_ms)),
        None => Ok(()),
    }
}

/// A place among the requests at once; dropping it gives it back.
pub(super) struct ParallelPlace {
    gateway: Arc<Gateway>,
    passage: Arc<Passage>,
    /// It was given back.
    is_over: bool,
}

impl ParallelPlace {
    /// The one that a request has, or is about to ask for.
    fn new(gateway: &Arc<Gateway>, passage: &Arc<Passage>) -> Self {
        gateway.places.keep(&passage.admission.request, &passage.key);
        Self { gateway: Arc::clone(gateway), passage: Arc::clone(passage), is_over: false }
    }

    /// Whose it is.
    pub(super) fn owner(&self) -> (&AccountId, &KeyId) {
        (&self.passage.key.account, &self.passage.key.key)
    }

    /// Gives it back before its request has ended: nobody waits for that.
    pub(super) fn give_back(&mut self) {
        if !std::mem::replace(&mut self.is_over, true) {
            self.gateway.places.forget(&self.passage.admission.request);
            self.gateway.leave(&self.passage.key, self.passage.admission.request.clone());
        }
    }

    /// Somebody else has given it back, as whoever keeps the answer does with it.
    pub(super) fn end(mut self) {
        self.gateway.places.forget(&self.passage.admission.request);
        self.is_over = true;
    }
}

impl Drop for ParallelPlace {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// Asks the limits, or leaves that to who holds the credit when they are likely to let it pass.
pub(super) async fn admit(
    gateway: &Arc<Gateway>,
    authenticated: Authenticated,
) -> Result<Admitted, Refused> {
    let Authenticated { received, key } = &authenticated;
    let max_tokens = gateway.config.limits.max_tokens_per_request;
    let asked = received.chat.answer_tokens_max().unwrap_or(0).min(max_tokens);
    let answer = asked * u64::from(received.chat.n.unwrap_or(1));
    let tokens = prompt_tokens_estimate(&received.chat) + answer;
    let size = Size::of(&received.chat);
    let admission = gateway.admission(key, &received.request, tokens);
    let passage = Arc::new(Passage::new(admission, key, size));
    if passage.is_long || !gateway.roomy.has_room(&key.key, tokens) {
        let passed = passage.pass(gateway).await;
        passed.map_err(|problem| Refused { problem, standing: passage.standing() })?;
    }
    // Whoever leaves from here on gives it back.
    let place = ParallelPlace::new(gateway, &passage);
    if let Err(problem) = foresee(gateway, &authenticated, size).await {
        place.end();
        return Err(passage.refuse(gateway, problem).await);
    }
    Ok(Admitted { authenticated, passage, place, size })
}

/// What can be known of a refusal before the request is masked, if no kept answer could serve it
/// all the same: whether its model is there for it, and of a long text whether its account has
/// anything to pay with. That is one more question to Redis, and nothing beside what would be
/// masked in vain.
async fn foresee(
    gateway: &Gateway,
    authenticated: &Authenticated,
    size: Size,
) -> Result<(), Problem> {
    // Of `auto` nobody knows yet whether it takes a model that costs nothing.
    let Some(model) = authenticated.named_model(gateway)? else { return Ok(()) };
    let Authenticated { received, key } = authenticated;
    if !heavy::is_heavy(size.text) {
        return Ok(());
    }
    let max_tokens = gateway.config.limits.max_tokens_per_request;
    let asked = (&*received.chat, credits::prompt_tokens_max(&received.chat));
    let costs = |model: &Model| WorstCase::of(received.kind, asked, model, max_tokens).amount;
    let needed = costs(&model);
    // One that may stand in for it and costs nothing would serve the account all the same.
    let config = &gateway.config;
    let others =
        [config.fallbacks_of(&model.name), config.context_fallbacks_of(&model.name)].concat();
    let mut others = others.iter().filter_map(|name| config.models.get(name));
    if needed == MicroUsd::ZERO || others.any(|model| costs(model) == MicroUsd::ZERO) {
        return Ok(());
    }
    // When Redis doesn't say, nothing will be held.
    let left = gateway.store.left_if_live(&key.account).await.ok().flatten();
    let Some(left) = left.filter(|left| *left <= MicroUsd::ZERO) else { return Ok(()) };
    let cache = &gateway.config.cache;
    if received.may_be_told(gateway) && cache.hit_price_percent == 0 {
        let tenant = cache::tenant(cache, &key.account);
        if gateway.store.keeps_answers(&tenant).await.unwrap_or(false) {
            return Ok(());
        }
    }
    gateway.refusal_of(Reserved::Insufficient(left), needed).map_or(Ok(()), Err)
}
