//! What all requests of a gateway share. It is handed down, never global.

use crate::GatewayError;
use crate::auth::accounts::AccountTable;
use crate::auth::keys::KeyTable;
use crate::breaker::{Breakers, Outcome};
use crate::cache::Makers;
use crate::chat::Leads;
use crate::desk::Desk;
use crate::entrance::Entrance;
use crate::exchange::Exchange;
use crate::fleet::Fleet;
use crate::limits::Roomy;
use crate::line::Line;
use crate::pii;
use crate::portal::Front;
use infra::bus::Bus;
use infra::config::{Config, Privacy};
use infra::metrics::Metrics;
use infra::secret::Secret;
use infra::store::Store;
use infra::store::together::Together;
use infra::tasks::Tasks;
use schemas::ids::GatewayId;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Instant;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What a gateway is given.
pub struct Dependencies {
    /// The configuration.
    pub config: Arc<Config>,
    /// Others that take its place while the gateway runs.
    pub configs: watch::Receiver<Arc<Config>>,
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
    pub(crate) together: Arc<Together>,
    pub(crate) metrics: Metrics,
    pub(crate) admin_key: Option<Secret>,
    pub(crate) keys: Arc<KeyTable>,
    pub(crate) accounts: Arc<AccountTable>,
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) breakers: Arc<Breakers>,
    pub(crate) line: Arc<Line>,
    pub(crate) masker: pii::Masker,
    pub(crate) makers: Makers,
    pub(crate) leads: Arc<Leads>,
    pub(crate) roomy: Arc<Roomy>,
    pub(crate) entrance: Arc<Entrance>,
    pub(crate) desk: Arc<Desk>,
    pub(crate) front: Arc<Front>,
    /// Cancelled when the gateway is asked to stop: it isn't ready any more, and what never ends by
    /// itself ends.
    pub(crate) leaving: CancellationToken,
    /// Tasks that live as long as the gateway.
    pub(crate) background: Tasks,
    /// Responses that run without their client: a shutdown lets them end like those with one.
    pub(crate) detached: Tasks,
    /// Requests being settled after their client or worker left: a shutdown waits for them.
    pub(crate) settlements: Tasks,
    /// The same gateway with the configuration that counts now.
    latest: Arc<RwLock<Weak<Gateway>>>,
}

impl Gateway {
    pub(crate) fn new(
        given: Dependencies,
        background: Tasks,
        leaving: CancellationToken,
    ) -> Result<Arc<Self>, GatewayError> {
        let breakers = Arc::new(Breakers::new(given.config.breaker.clone()));
        let line = Line::new(given.config.queue.clone());
        let masker = pii::Masker::new(privacy_settings(&given.config.privacy)?)?;
        let desk = Arc::new(Desk::new(&given.config)?);
        let front = Arc::new(Front::new(given.admin_key.as_ref()));
        let makers = Makers::of(&given.config.models);
        let together = Arc::new(Together::start(&given.store, &background));
        Ok(Self::known(Self {
            id: GatewayId::fresh(),
            config: given.config,
            bus: given.bus,
            store: given.store,
            together,
            metrics: given.metrics,
            admin_key: given.admin_key,
            keys: Arc::default(),
            accounts: Arc::default(),
            fleet: Arc::default(),
            exchange: Arc::default(),
            breakers,
            line,
            masker,
            makers,
            leads: Arc::default(),
            roomy: Arc::default(),
            entrance: Arc::default(),
            desk,
            front,
            leaving,
            background,
            detached: Tasks::new(),
            settlements: Tasks::new(),
            latest: Arc::default(),
        }))
    }

    /// The same gateway with another configuration: it shares everything that lives longer than a
    /// request.
    ///
    /// # Errors
    /// When masking can't be set up.
    pub(crate) fn with_config(&self, config: Arc<Config>) -> Result<Arc<Self>, GatewayError> {
        let masker = self.masker.with_settings(privacy_settings(&config.privacy)?)?;
        let makers = Makers::of(&config.models);
        Ok(Self::known(Self {
            id: self.id.clone(),
            config,
            bus: self.bus.clone(),
            store: self.store.clone(),
            together: Arc::clone(&self.together),
            metrics: self.metrics.clone(),
            admin_key: self.admin_key.clone(),
            keys: Arc::clone(&self.keys),
            accounts: Arc::clone(&self.accounts),
            fleet: Arc::clone(&self.fleet),
            exchange: Arc::clone(&self.exchange),
            breakers: Arc::clone(&self.breakers),
            line: Arc::clone(&self.line),
            masker,
            makers,
            leads: Arc::clone(&self.leads),
            roomy: Arc::clone(&self.roomy),
            entrance: Arc::clone(&self.entrance),
            desk: Arc::clone(&self.desk),
            front: Arc::clone(&self.front),
            leaving: self.leaving.clone(),
            background: self.background.clone(),
            detached: self.detached.clone(),
            settlements: self.settlements.clone(),
            latest: Arc::clone(&self.latest),
        }))
    }

    /// Makes a gateway the one whose configuration counts.
    fn known(gateway: Self) -> Arc<Self> {
        let gateway = Arc::new(gateway);
        let mut latest = gateway.latest.write().unwrap_or_else(PoisonError::into_inner);
        *latest = Arc::downgrade(&gateway);
        drop(latest);
        gateway
    }

    /// This gateway with the configuration that counts now, for tasks that outlive requests.
    pub(crate) fn latest(self: &Arc<Self>) -> Arc<Self> {
        let latest = self.latest.read().unwrap_or_else(PoisonError::into_inner);
        latest.upgrade().unwrap_or_else(|| Arc::clone(self))
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
