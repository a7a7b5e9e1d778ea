//! The provider worker under changing configurations: another one starts a new worker, and the old
//! one takes no more jobs but finishes what it has, however long that takes.

use infra::bus::Bus;
use infra::config::{Config, Model, Workers};
use infra::metrics::Metrics;
use infra::tasks::Tasks;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use worker_provider::RunError;

/// What is left for settling when the drain is over.
const SETTLE_SECONDS_MAX: Duration = Duration::from_secs(15);

/// A worker of one configuration.
struct Generation {
    config: Arc<Config>,
    retired: CancellationToken,
}

/// Serves until `stop`, with whatever configuration counts. When no model can be called it waits
/// for a configuration with one.
///
/// # Errors
/// When NATS refuses what a worker needs.
pub(crate) async fn serve(
    mut configs: watch::Receiver<Arc<Config>>,
    (bus, metrics): (Bus, Metrics),
    stop: CancellationToken,
) -> Result<(), RunError> {
    let workers = Tasks::new();
    let (failed, mut failure) = tokio::sync::mpsc::channel::<RunError>(1);
    let begin = |config: Arc<Config>, former: &BTreeMap<String, Arc<Model>>| {
        let former: Vec<Arc<Model>> = former.values().cloned().collect();
        let retired = CancellationToken::new();
        let generation = Generation { config: Arc::clone(&config), retired: retired.clone() };
        let (given, until, failed) = ((bus.clone(), metrics.clone()), stop.clone(), failed.clone());
        if config.models.iter().any(|model| model.can_be_called()) {
            workers.spawn("provider", async move {
                let served =
                    worker_provider::run_until_retired(&config, &former, given, until, retired);
                let served = served.await;
                if let Err(error) = served {
                    // The first failure counts; nobody waits for a second.
                    let _ = failed.try_send(error);
                }
            });
        }
        generation
    };
    let first = Arc::clone(&configs.borrow_and_update());
    let drain_max = Duration::from_secs(first.workers.drain_seconds_max);
    // Jobs that are queued by a former name must find their model, wherever they come from.
    let mut former = BTreeMap::new();
    let mut current = begin(first, &former);
    let ended = loop {
        tokio::select! {
            () = stop.cancelled() => break None,
            error = failure.recv() => break error,
            () = changed(&mut configs) => {
                let next = Arc::clone(&configs.borrow_and_update());
                if matters(&current.config, &next) {
                    let models = current.config.models.iter();
                    let models = models.filter(|model| model.can_be_called());
                    former.extend(models.map(|model| (model.name.clone(), Arc::clone(model))));
                    let before = std::mem::replace(&mut current, begin(next, &former));
                    before.retired.cancel();
                }
            }
        }
    };
    stop.cancel();
    workers.finish_within(drain_max + SETTLE_SECONDS_MAX).await;
    ended.map_or(Ok(()), Err)
}

/// Ends at another configuration; never when nobody can tell of one.
async fn changed(configs: &mut watch::Receiver<Arc<Config>>) {
    if configs.changed().await.is_err() {
        std::future::pending().await
    }
}

/// Whether a worker works otherwise with another configuration.
fn matters(before: &Config, after: &Config) -> bool {
    let of = |config: &Config| -> (Vec<Arc<Model>>, Workers, u64) {
        let models = config.models.iter().filter(|model| model.can_be_called()).cloned().collect();
        (models, config.workers.clone(), config.gateway.request_seconds_max)
    };
    of(before) != of(after)
}
