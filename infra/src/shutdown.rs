//! Signals: the first SIGINT or SIGTERM asks for an orderly end. What the order is, each role says.

use tokio_util::sync::CancellationToken;

/// Resolves at the first SIGINT or SIGTERM.
pub async fn signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = tokio::signal::ctrl_c() => {}
                }
            }
            Err(error) => {
                tracing::warn!(%error, "SIGTERM can't be watched, only Ctrl-C");
                let _ = tokio::signal::ctrl_c().await;
            }
        }
    }
    #[cfg(not(unix))]
    {
        let _ = tokio::signal::ctrl_c().await;
    }
}

/// Cancels `stop` at the first signal, or ends when it is cancelled by somebody else.
pub async fn stop_on_signal(stop: CancellationToken) {
    tokio::select! {
        () = signal() => {
            tracing::info!("asked to stop");
            stop.cancel();
        }
        () = stop.cancelled() => {}
    }
}
