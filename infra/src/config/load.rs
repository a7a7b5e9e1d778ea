//! File → checked configuration: parse, expand `${NAME}`, apply the environment, check. A mistake
//! is told with file, line and what to write instead; nothing is guessed.

use super::check_coupons::check_coupons;
use super::check_model::check_model;
use super::check_stripe::check_stripe;
use super::file::File;
use super::model::{Catalogue, Model};
use super::{Cache, Config, Gateway, Limits};
use crate::environment::{
    CACHE_TTL, ENABLE_CACHING, Environment, MAX_TOKENS_PER_REQUEST, RAKUTEN_LLM_API_BASE,
};
use schemas::catalogue::Vendor;
use serde_saphyr::Spanned;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;

/// The default configuration: the repository's config.yaml.
pub const DEFAULT_CONFIG: &str = include_str!("../../../config.yaml");

/// Largest configuration file, in bytes.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// How much of NATS's message is left for the job around a body, in bytes.
const PAYLOAD_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A configuration that is refused: where, and what to write instead.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("{file}: {cause}")]
    Unreadable {
        /// Which file.
        file: String,
        /// Why, and what to do.
        cause: String,
    },
    /// The file isn't what it should be.
    #[error("{file}:{line}: {what}")]
    Wrong {
        /// Which file.
        file: String,
        /// Which line, from 1.
        line: u64,
        /// What is wrong and what to write instead.
        what: String,
    },
    /// A variable of the environment isn't what it should be.
    #[error("environment variable {name}: {what}")]
    Variable {
        /// Which variable.
        name: &'static str,
        /// What is wrong and what to write instead.
        what: String,
    },
}

/// The highest limit: beyond it Redis's scripts would round.
const LIMIT_MAX: u64 = 1_000_000_000_000;

/// A mistake at a line.
pub(super) type Mistake = (u64, String);

impl Config {
    /// Reads the file, or the default configuration when there is none.
    ///
    /// # Errors
    /// When the file or a variable is wrong; the text says where and what to write instead.
    pub fn load(file: Option<&Path>, environment: &Environment) -> Result<Self, ConfigError> {
        let Some(path) = file else {
            return Self::parse(DEFAULT_CONFIG, "config.yaml (built in)", environment);
        };
        let name = path.display().to_string();
        let unreadable = |cause: String| ConfigError::Unreadable { file: name.clone(), cause };
        let size = std::fs::metadata(path)
            .map_err(|error| unreadable(format!("{error}; `fly-llm config default` prints one")))?;
        if size.len() > FILE_BYTES_MAX {
            return Err(unreadable(format!("larger than {FILE_BYTES_MAX} bytes")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
        Self::parse(&text, &name, environment)
    }

    /// Parses and checks a text; `name` stands in messages.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str, name: &str, environment: &Environment) -> Result<Self, ConfigError> {
        let wrong =
            |(line, what): Mistake| ConfigError::Wrong { file: name.to_owned(), line, what };
        let file: File = serde_saphyr::from_str(text).map_err(|error| {
            let line = error.location().map_or(1, |location| location.line());
            wrong((line, first_line(&error.to_string())))
        })?;
        let mut config = check(file, environment).map_err(wrong)?;
        apply_environment(&mut config, environment)?;
        Ok(config)
    }
}

/// The parser's message without the excerpt it draws below.
fn first_line(message: &str) -> String {
    let line = message.lines().find(|line| !line.trim().is_empty()).unwrap_or(message);
    line.trim_start_matches("error: ").to_owned()
}

fn check(file: File, environment: &Environment) -> Result<Config, Mistake> {
    check_gateway(&file.gateway)?;
    check_limits(&file.limits)?;
    check_times(&file)?;
    check_cache(&file.cache)?;
    let mut names = HashSet::new();
    let mut models = Vec::with_capacity(file.models.len());
    for written in file.models {
        let line = written.referenced.line();
        let model = check_model(written.value, line, environment)?;
        for name in std::iter::once(&model.name).chain(&model.aliases) {
            if name == "auto" {
                let what = "the name 'auto' is the router's own: choose another";
                return Err((line, what.into()));
            }
            if !names.insert(name.clone()) {
                return Err((line, format!("the name '{name}' is used twice: rename one of them")));
            }
        }
        models.push(model);
    }
    if models.is_empty() {
        return Err((1, "models: is empty: write at least one model".into()));
    }
    let fallbacks = chains(file.fallbacks, "fallbacks:", &names)?;
    let context_window_fallbacks =
        chains(file.context_window_fallbacks, "context_window_fallbacks:", &names)?;
    for name in file.auto.candidates.iter().chain(&file.auto.default) {
        known(&names, 1, name, "auto:")?;
    }
    check_coupons(&file.coupons)?;
    let stripe = check_stripe(file.stripe, &file.plans, environment)?;
    Ok(Config {
        gateway: file.gateway,
        queue: file.queue,
        workers: file.workers,
        models: Catalogue::new(models),
        fallbacks,
        context_window_fallbacks,
        breaker: file.breaker,
        auto: file.auto,
        limits: file.limits,
        cache: file.cache,
        responses: file.responses,
        budget: file.budget,
        privacy: file.privacy,
        plans: file.plans,
        coupons: file.coupons,
        stripe,
    })
}

fn known(names: &HashSet<String>, line: u64, name: &str, place: &str) -> Result<(), Mistake> {
    if names.contains(name) {
        return Ok(());
    }
    let what = format!(
        "{place} names the model '{name}', which models: doesn't have: add it or remove the name"
    );
    Err((line, what))
}

/// Model → models to try instead of it; all of them must be there.
fn chains(
    written: BTreeMap<String, Vec<Spanned<String>>>,
    place: &str,
    names: &HashSet<String>,
) -> Result<BTreeMap<String, Vec<String>>, Mistake> {
    let mut chains = BTreeMap::new();
    for (model, chain) in written {
        let line = chain.first().map_or(1, |name| name.referenced.line());
        if model != "*" {
            known(names, line, &model, place)?;
        }
        for name in &chain {
            known(names, name.referenced.line(), &name.value, place)?;
        }
        chains.insert(model, chain.into_iter().map(|name| name.value).collect());
    }
    Ok(chains)
}

fn check_gateway(gateway: &Gateway) -> Result<(), Mistake> {
    for (name, address) in
        [("listen", &gateway.listen), ("metrics_listen", &gateway.metrics_listen)]
    {
        if address.parse::<std::net::SocketAddr>().is_err() {
            let what = format!(
                "gateway.{name}: '{address}' is not an address: write HOST:PORT \
                                with a numeric host, such as 0.0.0.0:8080"
            );
            return Err((1, what));
        }
    }
    if gateway.body_bytes_max >= PAYLOAD_BYTES_MAX {
        let what = format!(
            "gateway.body_bytes_max: {} doesn't fit a NATS message: write less \
                            than {PAYLOAD_BYTES_MAX}",
            gateway.body_bytes_max
        );
        return Err((1, what));
    }
    Ok(())
}

fn check_limits(limits: &Limits) -> Result<(), Mistake> {
    let Limits { requests_per_minute, tokens_per_minute, parallel, max_tokens_per_request } =
        *limits;
    for (name, limit) in [
        ("requests_per_minute", requests_per_minute),
        ("tokens_per_minute", tokens_per_minute),
        ("parallel", parallel),
        ("max_tokens_per_request", max_tokens_per_request),
    ] {
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err((1, format!("limits.{name}: {limit} is no limit: write 1 to {LIMIT_MAX}")));
        }
    }
    Ok(())
}

/// An account shares its answers with one group, or with nobody.
fn check_cache(cache: &Cache) -> Result<(), Mistake> {
    if cache.hit_price_percent > 100 {
        let what = format!(
            "cache.hit_price_percent: {} is more than the whole: write 0 to 100",
            cache.hit_price_percent
        );
        return Err((1, what));
    }
    let mut seen = HashSet::new();
    for account in cache.groups.values().flatten() {
        if !seen.insert(account) {
            let what = format!("cache.groups: {account} is in two groups: take it out of one");
            return Err((1, what));
        }
    }
    Ok(())
}

/// A limit of zero seconds would refuse everything.
fn check_times(file: &File) -> Result<(), Mistake> {
    let (gateway, queue, workers) = (&file.gateway, &file.queue, &file.workers);
    let breaker = &file.breaker;
    for (name, value) in [
        ("gateway.body_bytes_max", gateway.body_bytes_max as u64),
        ("gateway.request_seconds_max", gateway.request_seconds_max),
        ("gateway.first_token_seconds_max", gateway.first_token_seconds_max),
        ("gateway.stream_idle_seconds_max", gateway.stream_idle_seconds_max),
        ("gateway.ping_seconds", gateway.ping_seconds),
        ("queue.acknowledge_seconds", queue.acknowledge_seconds),
        ("queue.waiting_max", queue.waiting_max as u64),
        ("queue.wait_seconds_max", queue.wait_seconds_max),
        ("queue.weight_high", queue.weight_high.into()),
        ("queue.weight_normal", queue.weight_normal.into()),
        ("queue.weight_low", queue.weight_low.into()),
        ("workers.provider_slots", workers.provider_slots.into()),
        ("workers.connect_seconds_max", workers.connect_seconds_max),
        ("workers.first_byte_seconds_max", workers.first_byte_seconds_max),
        ("workers.idle_seconds_max", workers.idle_seconds_max),
        ("breaker.failures_max", breaker.failures_max.into()),
        ("breaker.cool_down_seconds", breaker.cool_down_seconds),
        ("breaker.cool_down_seconds_max", breaker.cool_down_seconds_max),
        ("breaker.slow_first_token_seconds", breaker.slow_first_token_seconds),
    ] {
        if value == 0 {
            return Err((1, format!("{name}: 0 would refuse everything: write 1 or more")));
        }
    }
    if !matches!(queue.replicas, 1 | 3 | 5) {
        return Err((1, "queue.replicas: write 1, or 3 or 5 in a NATS cluster".into()));
    }
    if queue.deliveries_max < 1 || queue.jobs_max < 1 || queue.bytes_max < 1 {
        let what = "queue.jobs_max, bytes_max and deliveries_max: write 1 or more";
        return Err((1, what.into()));
    }
    Ok(())
}

/// The seed's names win over the file.
fn apply_environment(config: &mut Config, environment: &Environment) -> Result<(), ConfigError> {
    let variable =
        |name: &'static str, what: &str| ConfigError::Variable { name, what: what.to_owned() };
    if let Some(text) = environment.get(ENABLE_CACHING) {
        config.cache.enabled = match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => true,
            "false" | "0" | "no" | "off" => false,
            _ => return Err(variable(ENABLE_CACHING, "write true or false")),
        };
    }
    if let Some(text) = environment.get(CACHE_TTL) {
        let seconds = text.parse().ok().filter(|seconds| (1..=31_536_000).contains(seconds));
        config.cache.ttl_seconds =
            seconds.ok_or_else(|| variable(CACHE_TTL, "write seconds from 1 to 31536000"))?;
    }
    if let Some(text) = environment.get(MAX_TOKENS_PER_REQUEST) {
        let tokens = text.parse().ok().filter(|tokens| *tokens > 0);
        config.limits.max_tokens_per_request = tokens.ok_or_else(|| {
            variable(MAX_TOKENS_PER_REQUEST, "write a number of tokens, 1 or more")
        })?;
    }
    if let Some(base) = environment.get(RAKUTEN_LLM_API_BASE) {
        if !base.starts_with("http://") && !base.starts_with("https://") {
            return Err(variable(RAKUTEN_LLM_API_BASE, "write a URL such as http://HOST:8080/v1"));
        }
        config.models = serve_llama_elsewhere(&config.models, base);
    }
    Ok(())
}

/// With a base URL the local models are called there, over OpenAI's protocol, by provider workers.
fn serve_llama_elsewhere(models: &Catalogue, base: &str) -> Catalogue {
    let moved = models.iter().map(|model| {
        let mut model = Model::clone(model);
        if model.vendor == Vendor::Llama {
            model.vendor = Vendor::Compatible;
            model.api_base = Some(base.trim_end_matches('/').to_owned());
            model.llama = None;
        }
        model
    });
    Catalogue::new(moved.collect())
}

#[cfg(test)]
mod tests {
    use super::super::sections::{Auto, Breaker, Budget, Privacy, Queue, Responses, Workers};
    use super::*;
    use crate::config::Stripe;
    use crate::environment::{STRIPE_SECRET_KEY, STRIPE_WEBHOOK_SECRET};

    const MODEL: &str = "models:\n  - name: m\n    pool: cloud\n    vendor: openai\n    \
        price: {input: 0.15, cached_input: 0.075, cache_write: 0, output: 0.60}\n    \
        context: 1000\n    max_output: 100\n";

    fn refused(text: &str) -> String {
        Config::parse(text, "c.yaml", &Environment::default()).unwrap_err().to_string()
    }

    #[test]
    fn the_default_file_says_what_the_code_says() {
        let config = Config::load(None, &Environment::default()).unwrap();
        assert_eq!(config.gateway, Gateway::default());
        assert_eq!(config.queue, Queue::default());
        assert_eq!(config.workers, Workers::default());
        assert_eq!(config.breaker, Breaker::default());
        assert_eq!(config.limits, Limits::default());
        assert_eq!(config.cache, Cache::default());
        assert_eq!(config.responses, Responses::default());
        assert_eq!(config.budget, Budget::default());
        assert_eq!(config.privacy, Privacy::default());
        let Auto { candidates, default, .. } = config.auto;
        assert!(!candidates.is_empty() && default.is_some());
        assert_eq!(config.plans.len(), 3);
        assert_eq!(config.stripe, Stripe::default());
    }

    #[test]
    fn mistakes_are_shown_where_they_stand() {
        let missing = MODEL.replace(", output: 0.60", "");
        assert!(refused(&missing).starts_with("c.yaml:2: model 'm': price.output is missing"));
        let unknown = format!("{MODEL}limitz: {{}}\n");
        assert!(refused(&unknown).starts_with("c.yaml:8: "), "{}", refused(&unknown));
        let float = MODEL.replace("0.15", "0.0000001");
        assert!(refused(&float).contains("is not a price"), "{}", refused(&float));
        let fallback = format!("{MODEL}fallbacks:\n  m: [n]\n");
        assert!(refused(&fallback).starts_with("c.yaml:9: fallbacks: names the model 'n'"));
        let twice = format!("{MODEL}{}", MODEL.trim_start_matches("models:\n"));
        assert!(refused(&twice).contains("used twice"));
    }

    #[test]
    fn keys_of_stripe_come_from_the_environment_and_are_never_printed() {
        let pairs = [(STRIPE_SECRET_KEY, "sk_live_x"), (STRIPE_WEBHOOK_SECRET, "whsec_x")];
        let config = Config::load(None, &Environment::of(pairs)).unwrap();
        assert_eq!(config.stripe.secret_key.as_ref().map(|key| key.reveal()), Some("sk_live_x"));
        let printed = format!("{config:?}");
        assert!(!printed.contains("sk_live_x") && !printed.contains("whsec_x"));
        for (key, value) in [
            ("public_url", "fly.example"),
            ("registration_number", "T123"),
            ("custom_usd_min", "2000"),
            ("api_base", "stripe"),
        ] {
            let text = format!("{MODEL}stripe:\n  {key}: {value}\n");
            assert!(refused(&text).contains(&format!("stripe.{key}")), "{}", refused(&text));
        }
        let plan = "plans:\n  - {id: a, usd: 1.005, jpy: 100, credit_usd: 1, bonus_percent: 0}\n";
        assert!(refused(&format!("{MODEL}{plan}")).contains("plans: a: usd"));
    }

    #[test]
    fn prices_are_exact() {
        let config = Config::parse(MODEL, "c.yaml", &Environment::default()).unwrap();
        let price = config.models.get("m").unwrap().price;
        assert_eq!(price.input.0, 150_000);
        assert_eq!(price.cached_input.0, 75_000);
        assert_eq!(price.output.0, 600_000);
    }

    #[test]
    fn the_seeds_variables_win() {
        let environment = Environment::of([
            ("ENABLE_CACHING", "false"),
            ("CACHE_TTL", "60"),
            ("MAX_TOKENS_PER_REQUEST", "7"),
            ("RAKUTEN_LLM_API_BASE", "http://127.0.0.1:1/v1/"),
            ("OPENAI_API_KEY", "sk-x"),
        ]);
        let config = Config::load(None, &environment).unwrap();
        assert!(!config.cache.enabled);
        assert_eq!(config.cache.ttl_seconds, 60);
        assert_eq!(config.limits.max_tokens_per_request, 7);
        let rakuten = config.models.get("rakuten-llm").unwrap();
        assert_eq!(rakuten.vendor, Vendor::Compatible);
        assert_eq!(rakuten.api_base.as_deref(), Some("http://127.0.0.1:1/v1"));
        assert!(config.models.get("gpt-4o-mini").unwrap().can_be_called());
        assert!(!config.models.get("claude-sonnet-4-5").unwrap().can_be_called());
        let wrong = Environment::of([("CACHE_TTL", "soon")]);
        assert!(Config::load(None, &wrong).unwrap_err().to_string().contains("CACHE_TTL"));
    }
}
