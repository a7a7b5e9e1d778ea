//! Log lines on standard error, as text or JSON. Never a prompt, an answer, a key or a value from
//! the environment.

use crate::environment::{Environment, FLY_LLM_LOG, FLY_LLM_LOG_FORMAT};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// What is logged when nothing is said: our own lines, and warnings of libraries.
const DEFAULT_FILTER: &str = "warn,fly_llm=info,gateway=info,infra=info,worker_job=info,\
     worker_provider=info,worker_rakuten=info,worker_billing=info";

/// Starts logging. A second call in the same process changes nothing.
pub fn start(environment: &Environment) {
    let wanted = environment.get(FLY_LLM_LOG).unwrap_or(DEFAULT_FILTER);
    let filter = EnvFilter::try_new(wanted).unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        // A line that can't be written is lost: to tell so would be another such line, and panic.
        .log_internal_errors(false);
    let started = match environment.get(FLY_LLM_LOG_FORMAT) {
        Some("json") => lines.json().try_init(),
        _ => lines.compact().try_init(),
    };
    if started.is_err() {
        tracing::debug!("logging had been started before");
    }
}
