//! Which model takes a request: hard limits first, then expected quality against price and wait.
//! It never returns a candidate that breaks a hard limit, whatever the preferences say.

use super::features::Features;
use super::language::Language;
use super::reason::{Reason, Why};
use super::task::Task;
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

/// No candidate passes the hard limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
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
    let (eligible, short_of_credit) = eligible(features, preferences, candidates)?;
    let factor = settings.factor(preferences);
    let utility = |at: usize| {
        let candidate = &candidates[at];
        let quality = features.quality.of(candidate.tier, candidate.local);
        let wait = candidate.expected_wait_ms as f32 / 1_000.0;
        let price = usd_per_thousand_tokens(features, candidate);
        quality - factor * (settings.price_weight * price + settings.wait_weight * wait)
    };
    let mut ordered = eligible;
    // The sort is stable: of equals the one configured first wins.
    ordered.sort_by(|a, b| utility(*b).total_cmp(&utility(*a)));
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

/// The candidates that pass every hard limit, and whether the credit left some out.
fn eligible(
    features: &Features,
    preferences: &Preferences,
    candidates: &[Candidate],
) -> Result<(Vec<usize>, bool), NoCandidate> {
    let mut left: Vec<usize> = (0..candidates.len()).collect();
    if left.is_empty() {
        return Err(NoCandidate::None);
    }
    let tokens =
        features.prompt_tokens_estimate.saturating_add(features.answer_tokens_max.unwrap_or(1));
    let within = |price: MicroUsd, limit: Option<MicroUsd>| limit.is_none_or(|most| price <= most);
    let mut keep = |passes: &dyn Fn(&Candidate) -> bool, otherwise: NoCandidate| {
        let before = left.len();
        left.retain(|at| passes(&candidates[*at]));
        if left.is_empty() { Err(otherwise) } else { Ok(left.len() < before) }
    };
    keep(&|candidate| is_capable(features, candidate), NoCandidate::Capabilities)?;
    keep(&|candidate| tokens <= candidate.context, NoCandidate::Context)?;
    keep(&|candidate| candidate.healthy, NoCandidate::Unhealthy)?;
    keep(&|candidate| within(candidate.price, preferences.max_cost), NoCandidate::MaxCost)?;
    let poor = keep(&|candidate| within(candidate.price, preferences.credit), NoCandidate::Credit)?;
    Ok((left, poor))
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
    let shopping = features.task == Task::Ecommerce && features.language == Language::Japanese;
    if let (true, Some(at)) = (preferences.prefer_local, first(&ready)) {
        return Some((at, Why::PreferLocal));
    }
    if let (true, Some(at)) = (shopping && settings.shopping_goes_local, first(&ready)) {
        return Some((at, Why::LocalShopping));
    }
    if let Some(at) = first(&|candidate| candidate.pinned) {
        return Some((at, Why::Pinned));
    }
    if let (true, Some(at)) = (features.unsure, first(&|candidate| candidate.default)) {
        return Some((at, Why::Unsure));
    }
    None
}

/// The price of a request by its size, so that λ means the same for short and long ones.
fn usd_per_thousand_tokens(features: &Features, candidate: &Candidate) -> f32 {
    let tokens = features.prompt_tokens_estimate.saturating_add(candidate.answer_tokens).max(1);
    (candidate.price.0 as f64 / tokens as f64 / 1_000.0) as f32
}
