//! What all requests of a gateway share. It is handed down, never global.

use crate::GatewayError;
use crate::auth::accounts::AccountTable;
use crate::auth::keys::KeyTable;
use crate::breaker::{Breakers, Outcome};
use crate::desk::Desk;
use crate::exchange::Exchange;
use crate::fleet::Fleet;
use crate::line::Line;
use crate::pii;
use crate::portal::Front;
use infra::bus::Bus;
use infra::config::{Config, Privacy};
use infra::metrics::Metrics;
use infra::secret::Secret;
use infra::store::Store;
use infra::tasks::Tasks;
use schemas::ids::GatewayId;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use tokio_util::sync::CancellationToken;

/// What a gateway is given.
pub struct Dependencies {
    /// The configuration.
    pub config: Arc<Config>,
    /// NATS.
    pub bus: Bus,
    /// Redis.
    pub store: Store,
    /// Counters.
    pub metrics: Metrics,
    /// The key that may create keys; without one nobody may.
    pub admin_key: Option<Secret>,
}

/// A running gateway.
pub struct Gateway {
    /// Its name on the bus.
    pub id: GatewayId,
    /// The configuration.
    pub config: Arc<Config>,
    pub(crate) bus: Bus,
    pub(crate) store: Store,
    pub(crate) metrics: Metrics,
    pub(crate) admin_key: Option<Secret>,
    pub(crate) keys: KeyTable,
    pub(crate) accounts: AccountTable,
    pub(crate) fleet: Fleet,
    pub(crate) exchange: Exchange,
    pub(crate) breakers: Breakers,
    pub(crate) line: Arc<Line>,
    pub(crate) masker: pii::Masker,
    pub(crate) desk: Desk,
    pub(crate) front: Front,
    /// Cancelled when the gateway accepts nothing new any more: what never ends by itself ends.
    pub(crate) leaving: CancellationToken,
    /// Tasks that live as long as the gateway.
    pub(crate) background: Tasks,
    /// Responses that run without their client: a shutdown lets them end like those with one.
    pub(crate) detached: Tasks,
    /// Requests being settled after their client or worker left: a shutdown waits for them.
    pub(crate) settlements: Tasks,
}

impl Gateway {
    pub(crate) fn new(
        given: Dependencies,
        background: Tasks,
        leaving: CancellationToken,
    ) -> Result<Arc<Self>, GatewayError> {
        let breakers = Breakers::new(given.config.breaker.clone());
        let line = Line::new(given.config.queue.clone());
        let masker = pii::Masker::new(privacy_settings(&given.config.privacy)?)?;
        let desk = Desk::new(&given.config)?;
        let front = Front::new(given.admin_key.as_ref());
        Ok(Arc::new(Self {
            id: GatewayId::fresh(),
            config: given.config,
            bus: given.bus,
            store: given.store,
            metrics: given.metrics,
            admin_key: given.admin_key,
            keys: KeyTable::default(),
            accounts: AccountTable::default(),
            fleet: Fleet::default(),
            exchange: Exchange::default(),
            breakers,
            line,
            masker,
            desk,
            front,
            leaving,
            background,
            detached: Tasks::new(),
            settlements: Tasks::new(),
        }))
    }

    /// How long a hold is kept, in milliseconds: a request's whole life, and the time to settle it.
    pub(crate) fn hold_lifetime_ms(&self) -> u64 {
        let gateway = &self.config.gateway;
        (gateway.request_seconds_max + gateway.settle_grace_seconds) * 1_000
    }

    /// Between two signs of life while nothing else is to be said.
    pub(crate) fn ping_interval(&self) -> std::time::Duration {
        std::time::Duration::from_secs(self.config.gateway.ping_seconds.max(1))
    }

    /// Learns what came of asking a model's upstream.
    pub(crate) fn learn_outcome(&self, model: &str, outcome: Outcome) {
        let now = Instant::now();
        self.breakers.learn(model, outcome, now);
        let labels = [model, outcome.as_str()];
        self.metrics.upstream_outcomes_total.with_label_values(&labels).inc();
        let standing = self.breakers.standing(model, now).number();
        self.metrics.upstream_state.with_label_values(&[model]).set(standing);
    }

    /// A model's name as a metric label: only names of the catalogue.
    pub(crate) fn label<'a>(&'a self, model: &str) -> &'a str {
        match self.config.models.get(model) {
            Some(model) => &model.name,
            None if model == "auto" => "auto",
            None => "other",
        }
    }
}

/// The configured policy in masking's own words.
///
/// # Errors
/// When a kind is not one that masking knows.
pub fn privacy_settings(privacy: &Privacy) -> Result<pii::Settings, GatewayError> {
    let mut kinds = BTreeMap::new();
    for (name, wanted) in &privacy.kinds {
        let kind = pii::Kind::parse(name).ok_or_else(|| GatewayError::Kind(name.clone()))?;
        kinds.insert(kind, *wanted);
    }
    Ok(pii::Settings {
        mode: privacy.mode,
        kinds,
        patterns: privacy.patterns.clone(),
        allow: privacy.allow.clone(),
        media: privacy.media,
    })
}
