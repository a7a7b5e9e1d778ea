//! File → checked configuration: parse, expand `${NAME}`, apply the environment, check. A mistake
//! is told with file, line and what to write instead; nothing is guessed.

use super::Config;
use super::check::{check, is_header};
use super::explain;
use super::file::File;
use super::model::{Catalogue, Model};
use crate::environment::{
    CACHE_TTL, CLIENT_ADDRESS_HEADER, ENABLE_CACHING, Environment, MAX_TOKENS_PER_REQUEST,
    RAKUTEN_LLM_API_BASE,
};
use schemas::catalogue::Vendor;
use std::path::Path;

/// The default configuration: the repository's config.yaml.
pub const DEFAULT_CONFIG: &str = include_str!("../../../config.yaml");

/// How messages call it.
pub const BUILT_IN: &str = "config.yaml (built in)";

/// Largest configuration file, in bytes.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

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

/// A mistake at a line.
pub(super) type Mistake = (u64, String);

impl Config {
    /// Reads the file, or the default configuration when there is none.
    ///
    /// # Errors
    /// When the file or a variable is wrong; the text says where and what to write instead.
    pub fn load(file: Option<&Path>, environment: &Environment) -> Result<Self, ConfigError> {
        let Some(path) = file else {
            return Self::parse(DEFAULT_CONFIG, BUILT_IN, environment);
        };
        Self::parse(&read(path)?, &path.display().to_string(), environment)
    }

    /// Parses and checks a text; `name` stands in messages.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str, name: &str, environment: &Environment) -> Result<Self, ConfigError> {
        match Self::taken(text, environment) {
            Ok(mut config) => {
                apply_environment(&mut config, environment)?;
                Ok(config)
            }
            Err(mistakes) => {
                let first = mistakes.into_iter().min_by_key(|(line, _)| *line);
                let (line, what) = first.unwrap_or((1, "can't be read".into()));
                Err(ConfigError::Wrong { file: name.to_owned(), line, what })
            }
        }
    }

    /// Everything that is wrong with a text, in the order of its lines.
    pub fn mistakes(text: &str, name: &str, environment: &Environment) -> Vec<ConfigError> {
        let mut found = match Self::taken(text, environment) {
            Ok(mut config) => {
                return apply_environment(&mut config, environment).err().into_iter().collect();
            }
            Err(_) => explain::all(text, environment),
        };
        found.sort();
        found.dedup();
        let wrong = |(line, what)| ConfigError::Wrong { file: name.to_owned(), line, what };
        found.into_iter().map(wrong).collect()
    }

    /// What somebody else finds wrong with a text, as `privacy.kinds: …`, told at its line.
    pub fn mistake(text: &str, name: &str, what: String) -> ConfigError {
        let placed = explain::placed(text, vec![(1, what.clone())]).pop();
        let (line, what) = placed.unwrap_or((1, what));
        ConfigError::Wrong { file: name.to_owned(), line, what }
    }

    fn taken(text: &str, environment: &Environment) -> Result<Self, Vec<Mistake>> {
        let file = serde_saphyr::from_str::<File>(text);
        let file = file.map_err(|error| vec![explain::unreadable(text, &error)])?;
        check(file, environment).map_err(|found| explain::placed(text, found))
    }
}

/// Reads a configuration file as text.
///
/// # Errors
/// When it can't be read, or is too large.
pub fn read(path: &Path) -> Result<String, ConfigError> {
    let name = path.display().to_string();
    let unreadable = |cause: String| ConfigError::Unreadable { file: name.clone(), cause };
    let size = std::fs::metadata(path)
        .map_err(|error| unreadable(format!("{error}; `fly-llm config default` prints one")))?;
    if size.len() > FILE_BYTES_MAX {
        return Err(unreadable(format!("larger than {FILE_BYTES_MAX} bytes")));
    }
    std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))
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
    if let Some(name) = environment.get(CLIENT_ADDRESS_HEADER) {
        let name = name.to_ascii_lowercase();
        if !is_header(&name) {
            return Err(variable(CLIENT_ADDRESS_HEADER, "write a header, such as fly-client-ip"));
        }
        config.gateway.client_address_header = Some(name);
    }
    if let Some(base) = environment.get(RAKUTEN_LLM_API_BASE) {
        if !base.starts_with("http://") && !base.starts_with("https://") {
            return Err(variable(RAKUTEN_LLM_API_BASE, "write a URL such as http://HOST:8080/v1"));
        }
        config.models = serve_llama_elsewhere(&config.models, &base_with_path(base));
    }
    Ok(())
}

/// A base URL as OpenAI's clients write it, with `/v1`: added where there is no path at all,
/// because a server's address alone is what people know of it.
fn base_with_path(base: &str) -> String {
    let base = base.trim_end_matches('/');
    let has_path = base.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
    if has_path { base.to_owned() } else { format!("{base}/v1") }
}

/// With a base URL our own models are called there, over OpenAI's protocol. They stay local.
fn serve_llama_elsewhere(models: &Catalogue, base: &str) -> Catalogue {
    let moved = models.iter().map(|model| {
        let mut model = Model::clone(model);
        if model.vendor == Vendor::Llama {
            model.vendor = Vendor::Compatible;
            model.api_base = Some(base.to_owned());
            model.llama = None;
            model.moved = true;
        }
        model
    });
    Catalogue::new(moved.collect())
}

#[cfg(test)]
mod tests {
    use super::super::sections::{Auto, Breaker, Budget, Privacy, Queue, Responses, Workers};
    use super::*;
    use crate::config::{Cache, Gateway, Idempotency, Limits, Stripe};
    use crate::environment::{PUBLIC_URL, STRIPE_SECRET_KEY, STRIPE_WEBHOOK_SECRET};

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
        assert_eq!(config.idempotency, Idempotency::default());
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
        // As with the file that leaves them out, and not with one that says that there are none.
        let [key, signs] = pairs;
        let environment = Environment::of([key, signs, (PUBLIC_URL, "https://fly.example")]);
        let read = |text: &str| Config::parse(text, "c.yaml", &environment).unwrap().stripe;
        for text in [MODEL.to_owned(), format!("{MODEL}stripe: {{seller_name: Shop}}\n")] {
            let stripe = read(&text);
            let secrets = [stripe.secret_key, stripe.webhook_secret];
            let revealed = secrets.each_ref().map(|it| it.as_ref().map(|it| it.reveal()));
            assert_eq!(revealed, [Some("sk_live_x"), Some("whsec_x")]);
            assert_eq!(stripe.public_url.as_deref(), Some("https://fly.example"));
        }
        assert_eq!(read(&format!("{MODEL}stripe: {{secret_key: \"\"}}\n")).secret_key, None);
        let printed = format!("{config:?}");
        assert!(!printed.contains("sk_live_x") && !printed.contains("whsec_x"));
        for (key, value) in [
            ("public_url", "fly.example"),
            ("seller_url", "javascript:alert(1)"),
            ("registration_number", "T123"),
            ("custom_usd_min", "2000"),
            ("custom_usd_min", "0.49"),
            ("api_base", "stripe"),
        ] {
            let text = format!("{MODEL}stripe:\n  {key}: {value}\n");
            assert!(refused(&text).contains(&format!("stripe.{key}")), "{}", refused(&text));
        }
        let plan = "plans:\n  - {id: a, usd: 1.005, jpy: 100, credit_usd: 1, bonus_percent: 0}\n";
        assert!(refused(&format!("{MODEL}{plan}")).contains("plans: a: usd"));
    }

    #[test]
    fn who_sells_for_less_than_the_smallest_amount_needs_no_other_word_for_it() {
        let amounts = |written: &str| {
            let text = format!("{MODEL}stripe: {{{written}}}\n");
            let stripe = Config::parse(&text, "c.yaml", &Environment::default()).unwrap().stripe;
            (stripe.custom_usd_min.0, stripe.custom_usd_max.0)
        };
        assert_eq!(amounts("custom_usd_max: 8"), (8_000_000, 8_000_000));
        assert_eq!(amounts("custom_usd_max: 0.5"), (500_000, 500_000));
        assert_eq!(amounts("custom_usd_max: 999999.99"), (10_000_000, 999_999_990_000));
        assert_eq!(amounts("custom_usd_min: 0.5, custom_usd_max: 8"), (500_000, 8_000_000));
        let both = "custom_usd_min: 9, custom_usd_max: 8";
        for wrong in [both, "custom_usd_max: 0.49", "custom_usd_max: 1000000"] {
            let told = refused(&format!("{MODEL}stripe: {{{wrong}}}\n"));
            assert!(told.contains("the smaller first"), "{told}");
        }
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
    fn a_servers_address_alone_is_enough() {
        for (given, base) in [
            ("http://127.0.0.1:1/", "http://127.0.0.1:1/v1"),
            ("https://rakuten.example", "https://rakuten.example/v1"),
            ("https://rakuten.example/llm/", "https://rakuten.example/llm"),
        ] {
            let environment = Environment::of([("RAKUTEN_LLM_API_BASE", given)]);
            let config = Config::load(None, &environment).unwrap();
            let rakuten = config.models.get("rakuten-llm").unwrap();
            assert_eq!(rakuten.api_base.as_deref(), Some(base), "{given}");
        }
    }

    #[test]
    fn the_seeds_variables_win() {
        let environment = Environment::of([
            ("ENABLE_CACHING", "false"),
            ("CACHE_TTL", "60"),
            ("MAX_TOKENS_PER_REQUEST", "7"),
            ("RAKUTEN_LLM_API_BASE", "http://127.0.0.1:1/v1/"),
            ("CLIENT_ADDRESS_HEADER", "Fly-Client-IP"),
            ("OPENAI_API_KEY", "sk-x"),
        ]);
        let config = Config::load(None, &environment).unwrap();
        assert!(!config.cache.enabled);
        assert_eq!(config.cache.ttl_seconds, 60);
        assert_eq!(config.limits.max_tokens_per_request, 7);
        let rakuten = config.models.get("rakuten-llm").unwrap();
        assert_eq!((rakuten.vendor, rakuten.local), (Vendor::Compatible, true));
        assert_eq!(config.models.moved().iter().count(), 1);
        assert_eq!(config.gateway.client_address_header.as_deref(), Some("fly-client-ip"));
        assert_eq!(rakuten.api_base.as_deref(), Some("http://127.0.0.1:1/v1"));
        assert!(config.models.get("gpt-4o-mini").unwrap().can_be_called());
        assert!(!config.models.get("claude-sonnet-4-6").unwrap().can_be_called());
        let wrong = Environment::of([("CACHE_TTL", "soon")]);
        assert!(Config::load(None, &wrong).unwrap_err().to_string().contains("CACHE_TTL"));
        let wrong = Environment::of([("CLIENT_ADDRESS_HEADER", "x forwarded")]);
        let told = Config::load(None, &wrong).unwrap_err().to_string();
        assert!(told.contains("CLIENT_ADDRESS_HEADER"), "{told}");
    }
}
