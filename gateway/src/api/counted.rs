//! Counts requests for Prometheus, whichever surface they came through.

use crate::state::Gateway;
use schemas::error::ErrorCode;
use std::sync::Arc;
use std::time::Instant;

/// Counts one request, once, however it ends; a dropped one counts as cancelled.
pub(crate) struct Counted {
    gateway: Arc<Gateway>,
    model: String,
    arrived: Instant,
    ended: bool,
}

impl Counted {
    /// Begins to count; the model is `other` until it is known.
    pub(crate) fn begin(gateway: &Arc<Gateway>, arrived: Instant) -> Self {
        gateway.metrics.requests_running.with_label_values::<&str>(&[]).inc();
        Self { gateway: Arc::clone(gateway), model: "other".to_owned(), arrived, ended: false }
    }

    /// Names the model asked for: only names of the catalogue become labels.
    pub(crate) fn names(&mut self, model: &str) {
        self.model = self.gateway.label(model).to_owned();
    }

    /// Ends the count; `None` is success.
    pub(crate) fn end(mut self, code: Option<ErrorCode>) {
        self.count(code.map_or("ok", ErrorCode::as_str));
    }

    fn count(&mut self, code: &str) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let metrics = &self.gateway.metrics;
        metrics.requests_running.with_label_values::<&str>(&[]).dec();
        metrics.requests_total.with_label_values(&[self.model.as_str(), code]).inc();
        let seconds = self.arrived.elapsed().as_secs_f64();
        metrics.request_seconds.with_label_values(&[&self.model]).observe(seconds);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.count("cancelled");
    }
}
