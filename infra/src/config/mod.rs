//! config.yaml, checked. The defaults are a file inside the binary (`config.yaml` of the
//! repository); a test holds that file and the values below together. Nothing here does I/O but
//! reading the one file.

/// Sections that are plain values.
mod sections;

/// What no request may say.
mod guards;

/// The section of requests that run once.
mod idempotency;

/// The section of limits.
mod limits;

/// A model as configured.
mod model;

/// What is known of vendors' models.
mod vendors;

/// What is known of the servers behind `preset:`.
mod presets;

/// The file's own shape, with places for error messages.
mod file;

/// What another configuration changes.
mod changes;

/// All of a file, checked.
mod check;

/// One model, checked.
mod check_model;

/// Mistakes, told.
mod explain;

/// Times and counts, checked.
mod check_times;

/// The section of Stripe, checked.
mod check_stripe;

/// Codes of coupons, checked.
mod check_coupons;

/// Reading, expanding, checking.
mod load;

pub use changes::{Change, changes};
pub use check::LIMIT_MAX;
pub use check_stripe::USD_MIN as STRIPE_USD_MIN;
pub use check_times::HOLD_SECONDS_MAX;
pub use guards::{BlockRule, Guards};
pub use idempotency::Idempotency;
pub use limits::Limits;
pub use load::{BUILT_IN, ConfigError, DEFAULT_CONFIG, read};
pub use model::{Catalogue, Deployment, Instructions, Llama, Model};
pub use sections::{
    Auto, Breaker, Budget, Cache, Coupon, DropParams, Gateway, Plan, PoolLimits, Privacy,
    PrivacyMedia, PrivacyMode, Queue, Responses, SemanticCache, Stripe, Workers,
};
pub use vendors::{Known, known_model, known_models};

use std::collections::BTreeMap;

/// The checked configuration. Cheap to share: put it into an `Arc`.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The HTTP side.
    pub gateway: Gateway,
    /// The work queue.
    pub queue: Queue,
    /// The workers.
    pub workers: Workers,
    /// All models.
    pub models: Catalogue,
    /// Model → what to try when it fails before the first token; `*` is for all others.
    pub fallbacks: BTreeMap<String, Vec<String>>,
    /// Model → what to try when the conversation doesn't fit its context; `*` is for all others.
    pub context_window_fallbacks: BTreeMap<String, Vec<String>>,
    /// When a model's upstream is left alone.
    pub breaker: Breaker,
    /// The auto-router.
    pub auto: Auto,
    /// Limits for each key.
    pub limits: Limits,
    /// The answer cache.
    pub cache: Cache,
    /// Responses that are kept.
    pub responses: Responses,
    /// Requests that run once.
    pub idempotency: Idempotency,
    /// What may be spent.
    pub budget: Budget,
    /// Personal data.
    pub privacy: Privacy,
    /// What no request may say.
    pub guards: Guards,
    /// What can be bought.
    pub plans: Vec<Plan>,
    /// What codes bring.
    pub coupons: Vec<Coupon>,
    /// Selling credit.
    pub stripe: Stripe,
}

impl Config {
    /// What an operator should know on a day, such as `2026-01-31`.
    pub fn warnings(&self, today: &str) -> Vec<String> {
        self.models.iter().flat_map(|model| vendors::warnings(model, today)).collect()
    }

    /// The models to try after `model`, in order.
    pub fn fallbacks_of(&self, model: &str) -> &[String] {
        of(&self.fallbacks, model)
    }

    /// The models to try when a conversation doesn't fit the context of `model`, in order.
    pub fn context_fallbacks_of(&self, model: &str) -> &[String] {
        of(&self.context_window_fallbacks, model)
    }
}

fn of<'a>(fallbacks: &'a BTreeMap<String, Vec<String>>, model: &str) -> &'a [String] {
    fallbacks.get(model).or_else(|| fallbacks.get("*")).map_or(&[], Vec::as_slice)
}
