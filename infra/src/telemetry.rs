//! Log lines on standard error, as text or JSON. Never a prompt, an answer, a key or a value from
//! the environment.

use crate::environment::{Environment, FLY_LLM_LOG, FLY_LLM_LOG_FORMAT};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// What is logged when nothing is said: our own lines, what the operator does, and warnings of
/// libraries.
const DEFAULT_FILTER: &str = "warn,audit=info,fly_llm=info,gateway=info,infra=info,payments=info,\
     worker_job=info,worker_provider=info,worker_rakuten=info,worker_billing=info";

/// What stays when a filter has a level for everything.
const ALWAYS: &str = "audit=info";

/// The filter that is meant: what it says of some targets changes these, and a level for
/// everything counts for everything but the operator's deeds, unless it names them.
fn meant(wanted: &str) -> String {
    let is_for_all = |part: &str| !part.contains(['=', '[']) && part.parse::<LevelFilter>().is_ok();
    let names_all = wanted.split(',').any(|part| is_for_all(part.trim()));
    [if names_all { ALWAYS } else { DEFAULT_FILTER }, wanted].join(",")
}

/// Starts logging. A second call in the same process changes nothing.
pub fn start(environment: &Environment) {
    let wanted = environment.get(FLY_LLM_LOG).map(meant);
    let read = wanted.as_ref().map(EnvFilter::try_new).transpose();
    let is_unreadable = read.is_err();
    let filter = read.ok().flatten().unwrap_or_else(|| EnvFilter::new(DEFAULT_FILTER));
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
    if is_unreadable {
        tracing::warn!(
            "{FLY_LLM_LOG} can't be read, so the default filter counts: write such as \
             info or gateway=debug"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use tracing::Level;

    /// Up to which level a target is heard.
    fn heard(filter: &str, target: &str) -> String {
        let mut levels = BTreeMap::new();
        for part in filter.split(',') {
            let (target, level) = part.split_once('=').unwrap_or(("", part));
            levels.insert(target, level);
        }
        levels.get(target).or(levels.get("")).unwrap().to_string()
    }

    #[test]
    fn the_operators_deeds_are_always_heard_and_a_target_silences_nobody() {
        assert_eq!(heard(DEFAULT_FILTER, "audit"), "info");
        let one = meant("gateway=debug");
        assert_eq!((heard(&one, "gateway"), heard(&one, "infra")), ("debug".into(), "info".into()));
        assert_eq!(heard(&one, "audit"), "info");
        let all = meant("error");
        assert_eq!((heard(&all, "gateway"), heard(&all, "audit")), ("error".into(), "info".into()));
        assert_eq!(heard(&meant("warn,audit=off"), "audit"), "off");
        for filter in [&one, &all, DEFAULT_FILTER] {
            EnvFilter::try_new(filter).unwrap();
        }
        let default = EnvFilter::new(DEFAULT_FILTER);
        assert_eq!(default.max_level_hint(), Some(LevelFilter::from_level(Level::INFO)));
    }
}
