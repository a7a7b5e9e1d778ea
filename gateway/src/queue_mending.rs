//! The work queue made anew after a restart of NATS: it lives in memory. What was in it is
//! published again by the requests that wait.

use crate::state::Core;
use std::sync::Arc;
use std::time::Duration;

/// Pause after a failed attempt to make the queue anew.
const MEND_PAUSE: Duration = Duration::from_millis(200);

/// Mends as long as the gateway lives.
pub(crate) fn watch(core: &Arc<Core>) {
    let mended = Arc::clone(core);
    core.background.spawn_vital("queue mending", async move {
        let stop = mended.background.stop().clone();
        stop.run_until_cancelled(mend(&mended)).await;
    });
}

/// After each new connection the queue is looked at, and made anew when it is gone.
async fn mend(core: &Core) {
    let mut connections = core.bus.connections();
    connections.borrow_and_update();
    let mut known = None;
    loop {
        let config = core.latest_config();
        let applied = core.bus.apply_chat(&config.queue, &config.models.pools()).await;
        drop(config);
        match applied {
            Ok(made) => {
                if known.as_ref().is_some_and(|known| *known != made) {
                    tracing::warn!("the work queue was lost; waiting jobs are queued again");
                    core.exchange.queue_renewed();
                }
                known = Some(made);
                if connections.changed().await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::error!(%error, "the work queue could not be made anew yet");
                tokio::time::sleep(MEND_PAUSE).await;
            }
        }
    }
}
