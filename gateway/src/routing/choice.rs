//! Which model takes a request: hard limits first, then expected quality against price and wait.
//! It never returns a candidate that breaks a hard limit, whatever the preferences say.

use super::features::Features;
use super::reason::{Reason, Why};
use schemas::catalogue::{Capability, Tier};
use schemas::money::MicroUsd;

/// What the client asked of the choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Preferences {
    /// Quality before price; `Some(false)` is price before quality.
    pub prefer_quality: Option<bool>,
    /// Our own models before vendors'.
    pub prefer_local: bool,
    /// The most that the request may cost at worst.
    pub max_cost: Option<MicroUsd>,
    /// What the account still has: a model beyond it cannot be held.
    pub credit: Option<MicroUsd>,
}

/// A model that could take the request, as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Its name in the catalogue.
    pub name: String,
    /// What the quality axis says of it.
    pub tier: Tier,
    /// It runs in our own worker.
    pub local: bool,
    /// What it can be asked for.
    pub capabilities: Vec<Capability>,
    /// Tokens of prompt and answer together.
    pub context: u64,
    /// What this request costs on it at worst.
    pub price: MicroUsd,
    /// The tokens of the answer that the price counts.
    pub answer_tokens: u64,
    /// How long the request would wait for a slot.
    pub expected_wait_ms: u64,
    /// Somebody serves it now.
    pub healthy: bool,
    /// It is taken when the router is unsure.
    pub default: bool,
    /// It answered this conversation's last turn and has its prompt in cache.
    pub pinned: bool,
    /// It answered this conversation, and the user was not content with that.
    pub disliked: bool,
}

/// What speaks for and against a candidate: for whoever wants to see why another was chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weighed {
    /// Expected quality, 0 to 1.
    pub quality: f32,
    /// What λ weighs: USD per thousand tokens.
    pub usd_per_thousand_tokens: f32,
    /// What μ weighs.
    pub wait_seconds: f32,
    /// Quality less both: the highest is tried first unless a rule names another.
    pub value: f32,
    /// The first hard limit that leaves it out.
    pub left_out: Option<NoCandidate>,
}

/// Weighs one candidate for a request.
pub fn weigh(
    features: &Features,
    preferences: &Preferences,
    candidate: &Candidate,
    settings: &Settings,
) -> Weighed {
    let quality = features.quality.of(candidate.tier, candidate.local);
    let wait_seconds = candidate.expected_wait_ms as f32 / 1_000.0;
    let usd_per_thousand_tokens = usd_per_thousand_tokens(features, candidate);
    let cost =
        settings.price_weight * usd_per_thousand_tokens + settings.wait_weight * wait_seconds;
    Weighed {
        quality,
        usd_per_thousand_tokens,
        wait_seconds,
        value: quality - settings.factor(preferences) * cost,
        left_out: left_out(features, preferences, candidate),
    }
}

/// How quality, price and wait are weighed.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// λ: quality given up for one USD less per thousand tokens.
    pub price_weight: f32,
    /// μ: quality given up for one second less of waiting.
    pub wait_weight: f32,
    /// What both weights are multiplied by when quality comes first.
    pub quality_first: f32,
    /// What both weights are multiplied by when price comes first.
    pub price_first: f32,
    /// A local model with a longer wait is passed over.
    pub local_wait_ms_max: u64,
    /// Japanese shopping requests go to the local model.
    pub shopping_goes_local: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            price_weight: 15.0,
            wait_weight: 0.01,
            quality_first: 0.1,
            price_first: 3.0,
            local_wait_ms_max: 30_000,
            shopping_goes_local: true,
        }
    }
}

impl Settings {
    fn factor(&self, preferences: &Preferences) -> f32 {
        match preferences.prefer_quality {
            Some(true) => self.quality_first,
            Some(false) => self.price_first,
            None => 1.0,
        }
    }
}

/// The order in which candidates are tried.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// Indexes into the candidates, best first; only those that pass every hard limit.
    pub ordered: Vec<usize>,
    /// Short and fit for a header.
    pub reason: String,
}

/// No candidate passes the hard limits. They stand in the order in which they are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum NoCandidate {
    /// There are no candidates at all.
    #[error("no model is configured for auto")]
    None,
    /// None can do what the request asks for.
    #[error("no model has the capabilities that the request needs")]
    Capabilities,
    /// The prompt and the answer asked for fit into none.
    #[error("no model has a context long enough for the request")]
    Context,
    /// None is served now.
    #[error("no model that could take the request is available now")]
    Unhealthy,
    /// All cost more than `max_cost` at worst.
    #[error("every model could cost more than user_preferences.max_cost")]
    MaxCost,
    /// All cost more than the account has.
    #[error("the remaining credit cannot hold any model")]
    Credit,
}

/// Orders the candidates for a request.
///
/// # Errors
/// When no candidate passes the hard limits; the error names the limit that left none.
pub fn choose(
    features: &Features,
    preferences: &Preferences,
    candidates: &[Candidate],
    settings: &Settings,
) -> Result<Choice, NoCandidate> {
    let weighed: Vec<Weighed> = candidates
        .iter()
        .map(|candidate| weigh(features, preferences, candidate, settings))
        .collect();
    let mut ordered = eligible(&weighed)?;
    let short_of_credit = weighed.iter().any(|w| w.left_out == Some(NoCandidate::Credit));
    // The sort is stable: of equals the one configured first wins.
    ordered.sort_by(|a, b| weighed[*b].value.total_cmp(&weighed[*a].value));
    let why = match anchor(features, preferences, (candidates, &ordered), settings) {
        Some((anchor, why)) => put_first(&mut ordered, anchor, why, &|at| {
            let lifts = preferences.prefer_quality == Some(true) && why != Why::PreferLocal;
            let quality =
                |at: usize| features.quality.of(candidates[at].tier, candidates[at].local);
            at == anchor || (lifts && quality(at) >= quality(anchor))
        }),
        None => Why::Best,
    };
    let tier = ordered.first().map(|at| candidates[*at].tier);
    let reason = Reason { features, preferences, tier, why, short_of_credit };
    Ok(Choice { reason: reason.to_string(), ordered })
}

/// Moves the first candidate that `may` come first there. Who asks for quality gets the anchor or
/// better, never worse: so a stronger wish for quality never ends at a weaker model.
fn put_first(
    ordered: &mut Vec<usize>,
    anchor: usize,
    why: Why,
    may: &dyn Fn(usize) -> bool,
) -> Why {
    let first = ordered.iter().copied().find(|at| may(*at)).unwrap_or(anchor);
    ordered.retain(|at| *at != first);
    ordered.insert(0, first);
    if first == anchor { why } else { Why::Best }
}

/// The candidates that pass every hard limit; else the limit that left out the last ones.
fn eligible(weighed: &[Weighed]) -> Result<Vec<usize>, NoCandidate> {
    let passes = |at: &usize| weighed[*at].left_out.is_none();
    let left: Vec<usize> = (0..weighed.len()).filter(passes).collect();
    match weighed.iter().filter_map(|weighed| weighed.left_out).max() {
        Some(limit) if left.is_empty() => Err(limit),
        None if left.is_empty() => Err(NoCandidate::None),
        _ => Ok(left),
    }
}

/// The first hard limit that a candidate breaks.
fn left_out(
    features: &Features,
    preferences: &Preferences,
    candidate: &Candidate,
) -> Option<NoCandidate> {
    let tokens =
        features.prompt_tokens_estimate.saturating_add(features.answer_tokens_max.unwrap_or(1));
    let within = |limit: Option<MicroUsd>| limit.is_none_or(|most| candidate.price <= most);
    let limits = [
        (is_capable(features, candidate), NoCandidate::Capabilities),
        (tokens <= candidate.context, NoCandidate::Context),
        (candidate.healthy, NoCandidate::Unhealthy),
        (within(preferences.max_cost), NoCandidate::MaxCost),
        (within(preferences.credit), NoCandidate::Credit),
    ];
    limits.into_iter().find(|(passes, _)| !passes).map(|(_, limit)| limit)
}

fn is_capable(features: &Features, candidate: &Candidate) -> bool {
    let can = |capability: Capability| candidate.capabilities.contains(&capability);
    can(Capability::Chat)
        && (can(Capability::Tools) || !features.needs.tools)
        && (can(Capability::Vision) || !features.needs.vision)
        && (can(Capability::JsonSchema) || !features.needs.json_schema)
}

/// The candidate that a rule names before any weighing, and which rule.
fn anchor(
    features: &Features,
    preferences: &Preferences,
    (candidates, ordered): (&[Candidate], &[usize]),
    settings: &Settings,
) -> Option<(usize, Why)> {
    let first =
        |is: &dyn Fn(&Candidate) -> bool| ordered.iter().copied().find(|at| is(&candidates[*at]));
    let ready = |c: &Candidate| c.local && c.expected_wait_ms <= settings.local_wait_ms_max;
    let shopping = features.is_japanese_shopping() && settings.shopping_goes_local;
    if let (true, Some(at)) = (preferences.prefer_local, first(&ready)) {
        return Some((at, Why::PreferLocal));
    }
    if let Some(at) = better_than_disliked(features, candidates, ordered) {
        return Some((at, Why::Escalated));
    }
    // One short turn about a price is no reason to leave the model that knows the conversation.
    if let Some(at) = first(&|candidate| candidate.pinned) {
        return Some((at, Why::Pinned));
    }
    if let (true, Some(at)) = (shopping, first(&ready)) {
        return Some((at, Why::LocalShopping));
    }
    if let (true, Some(at)) = (features.unsure, first(&|candidate| candidate.default)) {
        return Some((at, Why::Unsure));
    }
    None
}

/// Where the user was not content, the best of those of whom more can be expected.
fn better_than_disliked(
    features: &Features,
    candidates: &[Candidate],
    ordered: &[usize],
) -> Option<usize> {
    let quality = |at: usize| features.quality.of(candidates[at].tier, candidates[at].local);
    let disliked = (0..candidates.len()).filter(|at| candidates[*at].disliked);
    let bar = disliked.map(quality).max_by(f32::total_cmp)?;
    ordered.iter().copied().find(|at| quality(*at) > bar)
}

/// The price of a request by its size, so that λ means the same for short and long ones.
fn usd_per_thousand_tokens(features: &Features, candidate: &Candidate) -> f32 {
    let tokens = features.prompt_tokens_estimate.saturating_add(candidate.answer_tokens).max(1);
    (candidate.price.0 as f64 / tokens as f64 / 1_000.0) as f32
}
