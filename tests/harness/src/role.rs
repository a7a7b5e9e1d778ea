//! The roles as they run in production, each in a runtime of its own: stopped in good order, or
//! killed so that nothing of it runs on and all its connections break, as after `kill -9`.

use crate::wait::{wait_until, within};
use gateway::{Dependencies, Listeners};
use infra::bus::Bus;
use infra::config::Config;
use infra::crash::{self, Point, Reached};
use infra::metrics::Metrics;
use infra::net::PromptListener;
use infra::secret::Secret;
use infra::store::Store;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The operator's key of all tests.
pub const ADMIN_KEY: &str = "admin-key-of-the-tests";

/// What every role is given.
#[derive(Clone)]
pub(crate) struct Given {
    pub(crate) config: Arc<Config>,
    /// Where gateways hear of another one.
    pub(crate) configs: watch::Receiver<Arc<Config>>,
    pub(crate) nats_urls: NatsUrls,
    /// One connection for gateways and workers, as in one process.
    pub(crate) shared: Option<Bus>,
    /// Where gateways find Redis, and where billing does.
    pub(crate) redis_urls: (String, String),
}

impl Given {
    async fn bus(&self, url: &str, name: &str) -> Result<Bus, String> {
        match &self.shared {
            Some(bus) => Ok(bus.clone()),
            None => Bus::connect(url, name).await.map_err(text),
        }
    }
}

/// Where each role finds NATS: with a user of its own, or all with one that may do everything.
#[derive(Clone)]
pub(crate) struct NatsUrls {
    pub(crate) gateway: String,
    pub(crate) worker: String,
    pub(crate) billing: String,
}

/// A running role. Dropping it kills it.
pub(crate) struct Role {
    name: &'static str,
    runtime: Option<Runtime>,
    stop: CancellationToken,
    ended: Option<JoinHandle<Result<(), String>>>,
    metrics: Metrics,
}

/// Where a gateway listens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Addresses {
    pub(crate) api: SocketAddr,
    pub(crate) metrics: SocketAddr,
}

impl Role {
    fn start<F, R>(name: &'static str, run: F) -> Self
    where
        F: FnOnce(Metrics, CancellationToken) -> R,
        R: Future<Output = Result<(), String>> + Send + 'static,
    {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).thread_name(name).enable_all().build().unwrap();
        let (metrics, stop) = (Metrics::new().unwrap(), CancellationToken::new());
        let ended = runtime.spawn(run(metrics.clone(), stop.clone()));
        Self { name, runtime: Some(runtime), stop, ended: Some(ended), metrics }
    }

    /// A gateway, once it listens.
    pub(crate) async fn gateway(given: &Given) -> (Self, Addresses) {
        let (listening, listens) = oneshot::channel();
        let given = given.clone();
        let role = Self::start("gateway", |metrics, stop| async move {
            let dependencies = Dependencies {
                configs: given.configs.clone(),
                config: Arc::clone(&given.config),
                bus: given.bus(&given.nats_urls.gateway, "gateway").await?,
                store: store(&given.redis_urls.0, &given.config).await?,
                metrics,
                admin_key: Some(Secret::new(ADMIN_KEY)),
            };
            let (api, metrics) = (listener().await?, listener().await?);
            let addresses = Addresses {
                api: api.local_address().map_err(text)?,
                metrics: metrics.local_address().map_err(text)?,
            };
            let _ = listening.send(addresses);
            gateway::run(Listeners { api, metrics }, dependencies, stop).await.map_err(text)
        });
        let addresses = within("a gateway's addresses", listens).await;
        (role, addresses.expect("a gateway that started"))
    }

    /// A provider worker.
    pub(crate) fn provider(given: &Given) -> Self {
        let given = given.clone();
        Self::start("provider", |metrics, stop| async move {
            let bus = given.bus(&given.nats_urls.worker, "worker provider").await?;
            worker_provider::run(&given.config, worker_provider::Given { bus, metrics }, stop)
                .await
                .map_err(text)
        })
    }

    /// A billing worker.
    pub(crate) fn billing(given: &Given) -> Self {
        let given = given.clone();
        Self::start("billing", |metrics, stop| async move {
            let bus = Bus::connect(&given.nats_urls.billing, "worker billing").await;
            let bus = bus.map_err(text)?;
            let store = store(&given.redis_urls.1, &given.config).await?;
            let payments = payments::Payments::new(&given.config).map_err(text)?;
            let billing = worker_billing::Billing { bus, store, metrics, payments };
            worker_billing::run(billing, stop).await;
            Ok(())
        })
    }

    /// Lets it die, as far as anybody can see, when it comes to a point; kill it then.
    pub(crate) async fn dies_at(&self, point: Point) -> Reached {
        crash::arm(self.thread().await, point)
    }

    /// Lets its clock jump.
    pub(crate) async fn shift_clock(&self, by_ms: i64) {
        infra::clock::shift(self.thread().await, by_ms);
    }

    /// The thread that all of it runs on.
    async fn thread(&self) -> std::thread::ThreadId {
        let runtime = self.runtime.as_ref().expect("it runs");
        runtime.spawn(async { std::thread::current().id() }).await.unwrap()
    }

    /// Its counters.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Asks it to end, without waiting.
    pub(crate) fn ask_to_stop(&self) {
        self.stop.cancel();
    }

    /// Asks it to end and waits until nothing of it runs any more.
    ///
    /// # Panics
    /// When it fails, or leaves a task behind.
    pub(crate) async fn stop(mut self) {
        self.ask_to_stop();
        let Some(ended) = self.ended.take() else { return };
        let ended = within(&format!("the end of the {}", self.name), ended).await;
        ended.expect("no panic in a role").expect("a role that ends well");
        let Some(runtime) = self.runtime.take() else { return };
        let left = format!("no task of the {} is left", self.name);
        wait_until(&left, async || runtime.metrics().num_alive_tasks() == 0).await;
        runtime.shutdown_background();
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn listener() -> Result<PromptListener, String> {
    PromptListener::bind(([127, 0, 0, 1], 0).into()).await.map_err(text)
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

async fn store(url: &str, config: &Config) -> Result<Store, String> {
    let store = Store::connect(url).await.map_err(text)?;
    Ok(store.in_time_zone(config.budget.time_zone))
}
