//! The only place where environment variables are read. Everything else is handed an
//! [`Environment`], so that tests need no global state and every name is listed here.

use std::collections::BTreeMap;

/// OpenAI's key, for provider workers.
pub const OPENAI_API_KEY: &str = "OPENAI_API_KEY";
/// Anthropic's key, for provider workers.
pub const ANTHROPIC_API_KEY: &str = "ANTHROPIC_API_KEY";
/// Base URL of a server that serves the local model instead of our own worker.
pub const RAKUTEN_LLM_API_BASE: &str = "RAKUTEN_LLM_API_BASE";
/// The GGUF that the rakuten worker loads.
pub const RAKUTEN_MODEL_PATH: &str = "RAKUTEN_MODEL_PATH";
/// `true` or `false`: the answer cache.
pub const ENABLE_CACHING: &str = "ENABLE_CACHING";
/// Seconds for which an answer is kept.
pub const CACHE_TTL: &str = "CACHE_TTL";
/// Cap of every request's answer, in tokens.
pub const MAX_TOKENS_PER_REQUEST: &str = "MAX_TOKENS_PER_REQUEST";
/// Where NATS is.
pub const NATS_URL: &str = "NATS_URL";
/// The certificate (PEM) that signs NATS's own: NATS is reached over TLS alone.
pub const NATS_TLS_CA: &str = "NATS_TLS_CA";
/// Our own certificate (PEM), when NATS wants one.
pub const NATS_TLS_CERT: &str = "NATS_TLS_CERT";
/// The key (PEM) of our own certificate.
pub const NATS_TLS_KEY: &str = "NATS_TLS_KEY";
/// Where Redis is.
pub const REDIS_URL: &str = "REDIS_URL";
/// The key that may create keys.
pub const ADMIN_API_KEY: &str = "ADMIN_API_KEY";
/// Stripe's secret key, for gateways and billing workers.
pub const STRIPE_SECRET_KEY: &str = "STRIPE_SECRET_KEY";
/// What Stripe signs its webhooks with, for gateways.
pub const STRIPE_WEBHOOK_SECRET: &str = "STRIPE_WEBHOOK_SECRET";
/// The header in which a proxy that stands near tells whom it serves, such as `fly-client-ip`.
pub const CLIENT_ADDRESS_HEADER: &str = "CLIENT_ADDRESS_HEADER";
/// Where buyers reach the gateway.
pub const PUBLIC_URL: &str = "PUBLIC_URL";
/// Path of a nats-server to start, when it isn't in PATH.
pub const NATS_SERVER: &str = "NATS_SERVER";
/// Path of a redis-server to start, when it isn't in PATH.
pub const REDIS_SERVER: &str = "REDIS_SERVER";
/// How many threads a role keeps busy.
pub const TOKIO_WORKER_THREADS: &str = "TOKIO_WORKER_THREADS";
/// Whether waiting threads of llama.cpp sleep (`passive`) or spin (`active`).
pub const OMP_WAIT_POLICY: &str = "OMP_WAIT_POLICY";
/// How often a waiting thread of llama.cpp looks before it sleeps.
pub const GOMP_SPINCOUNT: &str = "GOMP_SPINCOUNT";
/// Keeps llama.cpp from starting a debugger when it aborts.
pub const GGML_NO_BACKTRACE: &str = "GGML_NO_BACKTRACE";
/// How many threads a nats-server that we start keeps busy.
pub const GOMAXPROCS: &str = "GOMAXPROCS";
/// Filter of log lines, as `info` or `gateway=debug`.
pub const FLY_LLM_LOG: &str = "FLY_LLM_LOG";
/// `json` for log lines as JSON.
pub const FLY_LLM_LOG_FORMAT: &str = "FLY_LLM_LOG_FORMAT";
/// Address of an OpenTelemetry collector (OTLP over HTTP, such as `http://HOST:4318`).
pub const OTEL_EXPORTER_OTLP_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// Headers for the collector, `name=value` with commas between.
pub const OTEL_EXPORTER_OTLP_HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
/// What the process is called in traces, instead of `fly-llm-ROLE`.
pub const OTEL_SERVICE_NAME: &str = "OTEL_SERVICE_NAME";
/// The share of traces to keep, from 0 to 1.
pub const OTEL_TRACES_SAMPLER_ARG: &str = "OTEL_TRACES_SAMPLER_ARG";
/// The API that `fly-llm chat` talks to, ending in `/v1`.
pub const FLY_LLM_BASE_URL: &str = "FLY_LLM_BASE_URL";
/// The API key that `fly-llm chat` talks with.
pub const FLY_LLM_API_KEY: &str = "FLY_LLM_API_KEY";
/// Where to look for programs.
pub const PATH: &str = "PATH";

/// Where caches are kept, when not below HOME.
pub const XDG_CACHE_HOME: &str = "XDG_CACHE_HOME";
/// The user's folder.
pub const HOME: &str = "HOME";

/// What may also lie in a file, whose name is in the variable with `_FILE` at its end: secrets.
const IN_FILES: [&str; 8] = [
    OTEL_EXPORTER_OTLP_HEADERS,
    OPENAI_API_KEY,
    ANTHROPIC_API_KEY,
    NATS_URL,
    REDIS_URL,
    ADMIN_API_KEY,
    STRIPE_SECRET_KEY,
    STRIPE_WEBHOOK_SECRET,
];

/// How the names of variables end that hold secrets, whoever chose them, as in
/// `api_key: ${OUR_API_KEY}`.
const SECRET_ENDS: [&str; 4] = ["_KEY", "_SECRET", "_TOKEN", "_PASSWORD"];

/// Whether a variable holds a secret, or names the file of one: as far as its name tells. That of
/// our own certificate's key is a path, which a worker needs.
fn is_secret(name: &str) -> bool {
    if name == NATS_TLS_KEY {
        return false;
    }
    let name = name.strip_suffix("_FILE").unwrap_or(name);
    IN_FILES.contains(&name) || SECRET_ENDS.iter().any(|end| name.ends_with(end))
}

/// The names of our own process's variables that a child is not given unasked: a server or
/// llama.cpp that was taken over finds no vendor's key in its environment.
#[expect(clippy::disallowed_methods, reason = "this is the one reader")]
pub(crate) fn names_of_secrets() -> Vec<String> {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    names.filter(|name| is_secret(name)).collect()
}

/// A file that was named and can't be read.
#[derive(Debug, thiserror::Error)]
#[error("environment variable {name}_FILE: {file}: {cause}")]
pub struct FileError {
    name: &'static str,
    file: String,
    cause: std::io::Error,
}

/// A snapshot of environment variables.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The process's own, as it is now. Names and values that aren't UTF-8 are left out.
    #[expect(clippy::disallowed_methods, reason = "this is the one reader")]
    pub fn of_process() -> Self {
        let pairs = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Self(pairs.collect())
    }

    /// The same with the secrets that lie in files. A variable that is set itself wins.
    ///
    /// # Errors
    /// When a file that is named can't be read.
    pub fn with_files(mut self) -> Result<Self, FileError> {
        for name in IN_FILES {
            let file = self.get(&format!("{name}_FILE")).map(str::to_owned);
            let Some(file) = file.filter(|_| self.get(name).is_none()) else { continue };
            let text = std::fs::read_to_string(&file).map_err(|cause| FileError {
                name,
                file: file.clone(),
                cause,
            })?;
            self.0.insert(name.to_owned(), text.trim_end_matches(['\r', '\n']).to_owned());
        }
        Ok(self)
    }

    /// One made by hand.
    pub fn of<const N: usize>(pairs: [(&str, &str); N]) -> Self {
        Self(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
    }

    /// A variable's value; empty counts as absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Replaces every `${NAME}` and `${NAME:-default}` in a text. `None` when the text is made of
    /// nothing but variables that are absent: then the value itself is absent.
    pub fn expand(&self, text: &str) -> Option<String> {
        let (mut expanded, mut rest) = (String::with_capacity(text.len()), text);
        while let Some((before, after)) = rest.split_once("${") {
            let Some((inside, tail)) = after.split_once('}') else { break };
            expanded.push_str(before);
            let (name, default) = inside.split_once(":-").unwrap_or((inside, ""));
            expanded.push_str(self.get(name).unwrap_or(default));
            rest = tail;
        }
        expanded.push_str(rest);
        (!expanded.is_empty()).then_some(expanded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_may_lie_in_files() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "from-file\n").unwrap();
        let path = file.path().to_str().unwrap();
        let of = |set| Environment::of([("ADMIN_API_KEY_FILE", path), ("ADMIN_API_KEY", set)]);
        assert_eq!(of("").with_files().unwrap().get(ADMIN_API_KEY), Some("from-file"));
        assert_eq!(of("set").with_files().unwrap().get(ADMIN_API_KEY), Some("set"));
        let missing = Environment::of([("REDIS_URL_FILE", "no/such/file")]).with_files();
        let said = missing.err().unwrap().to_string();
        assert!(said.contains("REDIS_URL_FILE") && said.contains("no/such/file"), "{said}");
        let other = Environment::of([("PATH_FILE", path)]).with_files().unwrap();
        assert_eq!(other.get(PATH), None, "only secrets");
    }

    #[test]
    fn what_holds_a_secret_is_told_by_its_name() {
        for name in
            ["OPENAI_API_KEY", "REDIS_URL", "STRIPE_SECRET_KEY_FILE", "AWS_SECRET_ACCESS_KEY"]
        {
            assert!(is_secret(name), "{name}");
        }
        for name in ["NATS_TLS_KEY", "PATH", "RAKUTEN_MODEL_PATH", "OMP_WAIT_POLICY"] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn variables_are_expanded_or_absent() {
        let environment = Environment::of([("A", "x"), ("EMPTY", "")]);
        assert_eq!(environment.expand("${A}-${B:-y}"), Some("x-y".into()));
        assert_eq!(environment.expand("${B}"), None);
        assert_eq!(environment.expand("${EMPTY}"), None);
        assert_eq!(environment.expand("plain ${unclosed"), Some("plain ${unclosed".into()));
    }
}
