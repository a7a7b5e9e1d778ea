//! Another configuration while the gateway runs. Each request keeps the one that it began with to
//! its end; the next one begins with the new one. What can't be taken whole isn't taken at all.

use crate::serve::Routes;
use crate::state::Gateway;
use crate::{GatewayError, api};
use infra::config::Config;
use std::sync::Arc;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What is served, by the configuration that counts now.
pub(crate) struct Served {
    pub(crate) api: Routes,
    pub(crate) metrics: Routes,
}

impl Served {
    /// By a gateway's configuration.
    pub(crate) fn new(gateway: &Arc<Gateway>) -> Self {
        Self {
            api: Routes::new(api::router(gateway), gateway.leaving.clone()),
            // Whoever counts goes on until the end.
            metrics: Routes::new(api::health::metrics_router(gateway), CancellationToken::new()),
        }
    }
}

/// Follows configurations as long as the gateway lives.
pub(crate) fn follow(
    gateway: &Arc<Gateway>,
    served: Served,
    mut configs: watch::Receiver<Arc<Config>>,
) {
    let mut current = Arc::clone(gateway);
    gateway.background.spawn_vital("reloads", async move {
        let stop = current.background.stop().clone();
        configs.mark_unchanged();
        loop {
            let changed = tokio::select! {
                () = stop.cancelled() => return,
                changed = configs.changed() => changed,
            };
            if changed.is_err() {
                // Nobody will tell of another one.
                return stop.cancelled().await;
            }
            let config = Arc::clone(&configs.borrow_and_update());
            match take(&current, config).await {
                Ok(next) => {
                    served.api.set(api::router(&next));
                    served.metrics.set(api::health::metrics_router(&next));
                    current = next;
                }
                Err(error) => {
                    tracing::error!(%error, "the gateway keeps its configuration as it was");
                }
            }
        }
    });
}

async fn take(current: &Arc<Gateway>, config: Arc<Config>) -> Result<Arc<Gateway>, GatewayError> {
    let (before, pools) = (current.config.models.pools(), config.models.pools());
    if pools.iter().any(|pool| !before.contains(pool)) {
        current.bus.apply_chat(&config.queue, &pools).await?;
    }
    // Compiling patterns takes long: answers under way must not wait for it.
    let gateway = Arc::clone(current);
    let made = tokio::task::spawn_blocking(move || gateway.with_config(config)).await;
    made.map_err(|_| GatewayError::Reload)?
}
