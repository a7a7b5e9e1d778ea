//! What all requests of a gateway share, and what those of one configuration share. It is handed
//! down, never global.

use crate::GatewayError;
use crate::api::keys::KeysInMaking;
use crate::auth::accounts::AccountTable;
use crate::auth::keys::KeyTable;
use crate::breaker::{Breakers, Outcome};
use crate::cache::Makers;
use crate::chat::{Leads, ParallelPlaces};
use crate::desk::Desk;
use crate::entrance::Entrance;
use crate::exchange::Exchange;
use crate::fleet::Fleet;
use crate::heavy::Heavy;
use crate::limits::Roomy;
use crate::line::Line;
use crate::pii;
use crate::portal::Front;
use crate::unconfirmed::Unconfirmed;
use infra::bus::Bus;
use infra::bus::seal::Sealer;
use infra::config::{Config, Privacy};
use infra::metrics::Metrics;
use infra::secret::Secret;
use infra::store::Store;
use infra::store::together::Together;
use infra::tasks::Tasks;
use schemas::ids::GatewayId;
use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, PoisonError, RwLock};
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

/// What lives as long as the gateway, whatever its configuration: what runs beside the requests is
/// given this alone, so that it can't keep to a configuration that counts no longer.
pub struct Core {
    /// Its name on the bus.
    pub id: GatewayId,
    pub(crate) bus: Bus,
    pub(crate) store: Store,
    pub(crate) together: Together,
    pub(crate) metrics: Metrics,
    pub(crate) admin_key: Option<Secret>,
    pub(crate) keys: KeyTable,
    pub(crate) keys_in_making: KeysInMaking,
    pub(crate) accounts: AccountTable,
    pub(crate) fleet: Fleet,
    pub(crate) exchange: Exchange,
    pub(crate) breakers: Breakers,
    pub(crate) line: Arc<Line>,
    pub(crate) unconfirmed: Unconfirmed,
    pub(crate) leads: Leads,
    pub(crate) places: ParallelPlaces,
    pub(crate) roomy: Roomy,
    pub(crate) entrance: Arc<Entrance>,
    pub(crate) heavy: Heavy,
    pub(crate) desk: Desk,
    pub(crate) front: Front,
    /// Cancelled when the gateway is asked to stop: it isn't ready any more, and what never ends by
    /// itself ends.
    pub(crate) leaving: CancellationToken,
    /// Tasks that live as long as the gateway.
    pub(crate) background: Tasks,
    /// Responses that run without their client: a shutdown lets them end like those with one.
    pub(crate) detached: Tasks,
    /// Requests being settled after their client or worker left: a shutdown waits for them.
    pub(crate) settlements: Tasks,
    /// The configuration that the next request begins with.
    latest: RwLock<Arc<Config>>,
}

impl Core {
    /// The configuration that counts now. Ask again each time: another one may come.
    pub(crate) fn latest_config(&self) -> Arc<Config> {
        Arc::clone(&self.latest.read().unwrap_or_else(PoisonError::into_inner))
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
}

/// A running gateway with one configuration: each request keeps the one that it began with.
pub struct Gateway {
    /// What it shares with the gateway of every other configuration.
    pub(crate) core: Arc<Core>,
    /// The configuration.
    pub config: Arc<Config>,
    pub(crate) masker: pii::Masker,
    pub(crate) makers: Makers,
}

impl Deref for Gateway {
    type Target = Core;

    fn deref(&self) -> &Core {
        &self.core
    }
}

impl Gateway {
    pub(crate) fn new(
        given: Dependencies,
        sealer: &Sealer,
        background: Tasks,
        leaving: CancellationToken,
    ) -> Result<Arc<Self>, GatewayError> {
        let config = given.config;
        let masker = pii::Masker::new(privacy_settings(&config.privacy)?)?;
        let makers = Makers::of(&config.models);
        let core = Core {
            id: GatewayId::fresh(),
            together: Together::start(&given.store, &background),
            bus: given.bus,
            store: given.store,
            metrics: given.metrics,
            keys: KeyTable::default(),
            keys_in_making: KeysInMaking::default(),
            accounts: AccountTable::default(),
            fleet: Fleet::default(),
            exchange: Exchange::default(),
            breakers: Breakers::new(config.breaker.clone()),
            line: Line::new(config.queue.clone()),
            unconfirmed: Unconfirmed::default(),
            leads: Leads::default(),
            places: ParallelPlaces::default(),
            roomy: Roomy::default(),
            entrance: Arc::default(),
            heavy: Heavy::default(),
            desk: Desk::new(&config)?,
            front: Front::new(sealer, given.admin_key.as_ref()),
            admin_key: given.admin_key,
            leaving,
            background,
            detached: Tasks::new(),
            settlements: Tasks::new(),
            latest: RwLock::new(Arc::clone(&config)),
        };
        Ok(Arc::new(Self { core: Arc::new(core), config, masker, makers }))
    }

    /// The same gateway with another configuration, which counts from now on.
    ///
    /// # Errors
    /// When masking can't be set up.
    pub(crate) fn with_config(&self, config: Arc<Config>) -> Result<Arc<Self>, GatewayError> {
        let masker = self.masker.with_settings(privacy_settings(&config.privacy)?)?;
        let makers = Makers::of(&config.models);
        let mut latest = self.latest.write().unwrap_or_else(PoisonError::into_inner);
        *latest = Arc::clone(&config);
        drop(latest);
        Ok(Arc::new(Self { core: Arc::clone(&self.core), config, masker, makers }))
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
