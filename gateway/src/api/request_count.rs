//! Counts requests for Prometheus, traces them, and logs their ends, whichever surface they came
//! through. It tells names of the catalogue, codes and times, and nothing that a client wrote.

use crate::state::Gateway;
use axum::http::HeaderMap;
use infra::trace::{Context, Kind, Span, TRACEPARENT};
use schemas::error::ErrorCode;
use schemas::ids::RequestId;
use std::sync::Arc;
use std::time::Instant;

/// What OpenAI calls a status that nobody was there to read.
const CLIENT_LEFT: u64 = 499;

/// Counts one request, once, however it ends; a dropped one counts as cancelled.
pub(crate) struct Counted {
    gateway: Arc<Gateway>,
    request: RequestId,
    model: String,
    arrived: Instant,
    span: Span,
    ended: bool,
}

impl Counted {
    /// Begins to count; the model is `other` until it is known.
    pub(crate) fn begin(
        gateway: &Arc<Gateway>,
        request: &RequestId,
        headers: &HeaderMap,
        route: &str,
    ) -> Self {
        gateway.metrics.requests_running.with_label_values::<&str>(&[]).inc();
        let told = headers.get(TRACEPARENT).and_then(|told| told.to_str().ok());
        let parent = told.and_then(Context::read);
        let mut span = Span::begin(format!("POST {route}"), Kind::Server, parent);
        span.set("http.request.method", "POST");
        span.set("http.route", route);
        span.set("fly_llm.request_id", request.as_str());
        Self {
            gateway: Arc::clone(gateway),
            request: request.clone(),
            model: "other".to_owned(),
            arrived: Instant::now(),
            span,
            ended: false,
        }
    }

    /// Names the model asked for: only names of the catalogue become labels.
    pub(crate) fn names(&mut self, model: &str) {
        self.model = self.gateway.label(model).to_owned();
    }

    /// Where the request stands in its trace.
    pub(crate) fn trace(&self) -> Option<Context> {
        self.span.context()
    }

    /// Ends the count; `None` is success.
    pub(crate) fn end(mut self, code: Option<ErrorCode>) {
        let status = code.map_or(200, ErrorCode::status);
        self.count(code.map_or("ok", ErrorCode::as_str), u64::from(status));
    }

    fn count(&mut self, code: &str, status: u64) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let metrics = &self.gateway.metrics;
        metrics.requests_running.with_label_values::<&str>(&[]).dec();
        metrics.requests_total.with_label_values(&[self.model.as_str(), code]).inc();
        let seconds = self.arrived.elapsed().as_secs_f64();
        metrics.request_seconds.with_label_values(&[&self.model]).observe(seconds);
        self.span.set("gen_ai.request.model", self.model.as_str());
        self.span.set("http.response.status_code", status);
        if code != "ok" {
            self.span.fail(code);
        }
        self.log(code, seconds);
    }

    /// One line for each request that didn't end well, by which its name is found; the others only
    /// where details are asked for.
    fn log(&self, code: &str, seconds: f64) {
        let (request, model) = (&self.request, &self.model);
        let trace = self.trace().map(|context| context.trace_id()).unwrap_or_default();
        if code == "ok" {
            tracing::debug!(%request, model, code, seconds, trace, "answered");
        } else {
            tracing::info!(%request, model, code, seconds, trace, "not answered");
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.count("cancelled", CLIENT_LEFT);
    }
}
