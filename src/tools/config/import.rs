//! LiteLLM's configuration → ours: models, fallbacks, the settings that mean the same here. All
//! else is told by name, so that nothing is lost unseen.

use super::deployment::{self, Deployment, variable};
use super::prices::Prices;
use infra::progress::{Progress, Unit};
use serde_json::{Map, Value};
use serde_saphyr::DuplicateKeyPolicy;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Stands where `config check` misses a price.
const UNPRICED: &str = "# no file tells price, context and max_output: write them here";

/// What came of it.
pub(super) struct Imported {
    /// Our configuration.
    pub(super) config: String,
    /// What could not be carried over.
    pub(super) notes: Vec<String>,
}

/// What is gathered on the way.
#[derive(Default)]
struct Gathered {
    /// Each model's deployments, at least one.
    models: Vec<Vec<Deployment>>,
    aliases: BTreeMap<String, Vec<String>>,
    fallbacks: BTreeMap<String, Vec<String>>,
    longer: BTreeMap<String, Vec<String>>,
    /// Section and key to value.
    settings: BTreeMap<(&'static str, &'static str), String>,
    notes: Vec<String>,
}

/// Reads LiteLLM's configuration.
///
/// # Errors
/// When it is none, or no model of it can be carried over.
pub(super) fn import(text: &str, prices: &Prices) -> Result<Imported, String> {
    // As PyYAML, which LiteLLM reads its file with: of a key that stands twice the last one counts.
    let options = serde_saphyr::options! { duplicate_keys: DuplicateKeyPolicy::LastWins };
    let read: Value =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| error.to_string())?;
    let root = read.as_object().ok_or("this is no configuration of LiteLLM: it has no keys")?;
    let models = root.get("model_list").and_then(Value::as_array);
    let models = models.ok_or("this is no configuration of LiteLLM: model_list is missing")?;
    let mut gathered = Gathered::default();
    let mut progress = Progress::begin("importing", Unit::Things("models"), models.len() as u64);
    for (number, entry) in models.iter().enumerate() {
        progress.at(number as u64);
        let Some(entry) = entry.as_object() else {
            gathered.notes.push("an entry of model_list that has no keys".into());
            continue;
        };
        match deployment::read(entry, prices, &mut gathered.notes) {
            Ok(deployment) => gathered.add(deployment),
            Err(why) => gathered.notes.push(why),
        }
    }
    progress.end();
    for (section, value) in root {
        match (section.as_str(), value.as_object()) {
            ("model_list", _) => {}
            ("litellm_settings" | "router_settings", Some(settings)) => {
                for (key, value) in settings {
                    gathered.setting(section, key, value);
                }
            }
            ("general_settings", Some(settings)) => {
                let hint = |key: &str| match key {
                    "master_key" => ": set ADMIN_API_KEY in the gateway's environment",
                    "database_url" => ": keys and money are kept in NATS",
                    _ => "",
                };
                let said = settings.iter().filter(|(_, value)| !value.is_null());
                let told = said.map(|(key, _)| format!("general_settings.{key}{}", hint(key)));
                gathered.notes.extend(told);
            }
            (section, _) => gathered.notes.push(section.to_owned()),
        }
    }
    if gathered.models.is_empty() {
        let why = gathered.notes.join("\n  ");
        return Err(format!("no model could be carried over:\n  {why}"));
    }
    gathered.resolve();
    Ok(Imported { config: gathered.written(), notes: gathered.notes })
}

impl Gathered {
    /// Adds a deployment. Several of one model here are one model with several keys if nothing else
    /// differs, one with several deployments if vendor and price are the same, else models that are
    /// tried one after the other.
    fn add(&mut self, mut deployment: Deployment) {
        let name = deployment.name.clone();
        let keyless = |it: &Deployment| Deployment { api_keys: Vec::new(), ..it.clone() };
        let alike = self.models.iter_mut().flatten();
        if let Some(alike) = { alike }.find(|it| keyless(it) == keyless(&deployment)) {
            alike.api_keys.append(&mut deployment.api_keys);
            return;
        }
        if let Some(model) = self.models.iter_mut().find(|it| it[0].is_as(&deployment)) {
            model.push(deployment);
            return;
        }
        let taken = self.models.iter().map(|model| &model[0].name).collect::<BTreeSet<_>>();
        if taken.contains(&name) {
            let free = |name: &String| !taken.contains(name);
            let another = (2..1_000).map(|number| format!("{name}-{number}")).find(free);
            let Some(another) = another else { return };
            self.notes.push(format!(
                "model '{name}': balancing over different vendors or prices: '{another}' is tried \
                 when '{name}' fails"
            ));
            deployment.name.clone_from(&another);
            self.fallbacks.entry(name).or_default().push(another);
        }
        self.models.push(vec![deployment]);
    }

    fn setting(&mut self, section: &str, key: &str, value: &Value) {
        let seconds = || value.as_f64().filter(|it| *it >= 1.0).map(|it| format!("{it:.0}"));
        let carried = match key {
            "fallbacks" => self.chains(false, value),
            "context_window_fallbacks" => self.chains(true, value),
            "default_fallbacks" => {
                let names = names(value);
                let chain = self.fallbacks.entry("*".into()).or_default();
                chain.extend(names.iter().cloned());
                !names.is_empty()
            }
            "model_group_alias" => self.alias(value),
            "drop_params" => match value.as_bool() {
                Some(true) => self.set(("gateway", "drop_params"), Some("all".into())),
                _ => true,
            },
            "request_timeout" | "timeout" => {
                self.set(("gateway", "request_seconds_max"), seconds())
            }
            "cache" => self.set(("cache", "enabled"), value.as_bool().map(|it| it.to_string())),
            "cache_params" => {
                let ttl = value.get("ttl").and_then(Value::as_f64).map(|it| format!("{it:.0}"));
                let fields = value.as_object().into_iter().flat_map(Map::keys);
                let others: Vec<&String> = fields.filter(|field| *field != "ttl").collect();
                let told = others.iter().map(|field| format!("{section}.cache_params.{field}"));
                self.notes.extend(told);
                ttl.is_none() || self.set(("cache", "ttl_seconds"), ttl)
            }
            "allowed_fails" => {
                let failures = value.as_u64().and_then(|fails| fails.checked_add(1));
                self.set(("breaker", "failures_max"), failures.map(|it| it.to_string()))
            }
            "cooldown_time" => self.set(("breaker", "cool_down_seconds"), seconds()),
            _ => false,
        };
        if !carried {
            let hint = match key {
                "num_retries" => ": before the first token fallbacks are tried",
                "routing_strategy" => ": a worker with a free slot takes the job",
                "redis_host" | "redis_port" | "redis_password" | "redis_url" => ": set REDIS_URL",
                "callbacks" | "success_callback" | "failure_callback" => {
                    ": see docs/metrics.md and /api/receipts"
                }
                _ => "",
            };
            self.notes.push(format!("{section}.{key}{hint}"));
        }
    }

    fn set(&mut self, place: (&'static str, &'static str), value: Option<String>) -> bool {
        value.map(|value| self.settings.insert(place, value)).is_some()
    }

    /// A list of maps, each a model and what is tried instead of it.
    fn chains(&mut self, is_longer: bool, value: &Value) -> bool {
        let Some(maps) = value.as_array() else { return false };
        for (model, chain) in maps.iter().filter_map(Value::as_object).flatten() {
            let chains = if is_longer { &mut self.longer } else { &mut self.fallbacks };
            chains.entry(model.clone()).or_default().extend(names(chain));
        }
        true
    }

    fn alias(&mut self, value: &Value) -> bool {
        let Some(aliases) = value.as_object() else { return false };
        for (alias, model) in aliases {
            let model = model.as_str().or_else(|| model.get("model")?.as_str());
            let known = self.models.iter().any(|it| Some(it[0].name.as_str()) == model);
            let is_free = self.models.iter().all(|it| it[0].name != *alias);
            match model.filter(|_| known && is_free) {
                Some(model) => {
                    self.aliases.entry(model.to_owned()).or_default().push(alias.clone());
                }
                None => self.notes.push(format!("model_group_alias.{alias}")),
            }
        }
        true
    }

    /// Leaves out of fallbacks what is no model here.
    fn resolve(&mut self) {
        let aliases = self.aliases.values().flatten().cloned();
        let names: BTreeSet<String> =
            self.models.iter().map(|model| model[0].name.clone()).chain(aliases).collect();
        for (what, chains) in
            [("fallbacks", &mut self.fallbacks), ("context_window_fallbacks", &mut self.longer)]
        {
            chains.retain(|model, chain| {
                chain.retain(|name| {
                    let is_known = names.contains(name);
                    if !is_known {
                        self.notes.push(format!("{what}: '{name}' after '{model}'"));
                    }
                    is_known
                });
                let is_known = model == "*" || names.contains(model);
                if !is_known {
                    self.notes.push(format!("{what}: those of '{model}'"));
                }
                is_known && !chain.is_empty()
            });
        }
    }

    fn written(&self) -> String {
        let mut out = String::from("models:\n");
        for model in &self.models {
            let none = Vec::new();
            write_model(&mut out, model, self.aliases.get(&model[0].name).unwrap_or(&none));
        }
        for (name, chains) in
            [("fallbacks", &self.fallbacks), ("context_window_fallbacks", &self.longer)]
        {
            if !chains.is_empty() {
                let _ = writeln!(out, "\n{name}:");
            }
            for (model, chain) in chains {
                let _ = writeln!(out, "  {}: {}", quoted(model), list(chain));
            }
        }
        let mut section = "";
        for ((of, key), value) in &self.settings {
            if section != *of {
                let _ = writeln!(out, "\n{of}:");
                section = of;
            }
            let _ = writeln!(out, "  {key}: {value}");
        }
        out
    }
}

fn write_model(out: &mut String, deployments: &[Deployment], aliases: &[String]) {
    let model = &deployments[0];
    let mut say = |key: &str, value: String| {
        let _ = writeln!(out, "    {key}: {value}");
    };
    say("name", quoted(&model.name));
    if !aliases.is_empty() {
        say("aliases", list(aliases));
    }
    say("pool", "cloud".into());
    say("vendor", model.vendor.into());
    if let Some(preset) = model.preset {
        say("preset", preset.into());
    }
    if let [only] = deployments {
        for (key, value) in place(only) {
            say(key, value);
        }
    } else {
        let places = deployments.iter().map(|at| {
            let keys: Vec<String> =
                place(at).into_iter().map(|(key, value)| format!("{key}: {value}")).collect();
            format!("\n      - {{{}}}", keys.join(", "))
        });
        say("deployments", places.collect());
    }
    if let Some(source) = &model.told_by {
        say("# From Fly-LLM's own table", source.clone());
    }
    match &model.known {
        None => {
            let _ = writeln!(out, "    {UNPRICED}");
        }
        Some(known) => {
            say("price", known.price.clone());
            say("context", known.context.to_string());
            if let Some(max_output) = known.max_output {
                say("max_output", max_output.to_string());
            }
            say("capabilities", format!("[{}]", known.capabilities.join(", ")));
        }
    }
    if let Some(start) = out.rfind("    name: ") {
        out.replace_range(start..start + 4, "  - ");
    }
}

/// Where a deployment is, as keys and values.
fn place(at: &Deployment) -> Vec<(&'static str, String)> {
    let mut place = vec![("upstream", quoted(&at.upstream))];
    if let Some(base) = &at.api_base {
        place.push(("api_base", quoted(base)));
    }
    if let Some(version) = &at.api_version {
        place.push(("api_version", quoted(version)));
    }
    match at.api_keys.as_slice() {
        [] => {}
        [key] => place.push(("api_key", quoted(key))),
        keys => place.push(("api_keys", list(keys))),
    }
    place
}

fn names(value: &Value) -> Vec<String> {
    let names = value.as_array().into_iter().flatten().filter_map(Value::as_str);
    names.map(variable).collect()
}

fn list(names: &[String]) -> String {
    format!("[{}]", names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", "))
}

/// JSON's texts are YAML's, too.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use infra::config::Config;
    use infra::environment::Environment;
    use schemas::catalogue::Vendor;

    const PRICES: &str = include_str!("examples/prices.json");

    fn imported(text: &str) -> (Config, Vec<String>) {
        let Imported { config, notes } = import(text, &Prices::parse(PRICES).unwrap()).unwrap();
        let environment = Environment::of([("OPENAI_API_KEY", "sk-x"), ("KEY_EU", "one")]);
        let parsed = Config::parse(&priced(&config), "imported", &environment);
        (parsed.unwrap_or_else(|error| panic!("{error}\n{config}")), notes)
    }

    /// With a price for each model that has none, as its owner would write it.
    fn priced(config: &str) -> String {
        let price = "price: {input: 1, cached_input: 1, cache_write: 1, output: 1}";
        config.replace(UNPRICED, &format!("{price}\n    context: 10\n    max_output: 5"))
    }

    fn noted(notes: &[String], part: &str) -> bool {
        notes.iter().any(|note| note.contains(part))
    }

    #[test]
    fn a_small_team_with_two_vendors() {
        let (config, notes) = imported(include_str!("examples/small-team.yaml"));
        let names: Vec<&str> = config.models.iter().map(|model| model.name.as_str()).collect();
        assert_eq!(names, ["assistant", "assistant-large", "embedder"]);
        let model = config.models.get("assistant").unwrap();
        assert_eq!((model.vendor, model.upstream.as_str()), (Vendor::Openai, "gpt-4o-mini"));
        assert_eq!((model.price.input.0, model.price.cached_input.0), (150_000, 75_000));
        assert_eq!(model.api_keys.len(), 1);
        let large = config.models.get("assistant-large").unwrap();
        assert_eq!((large.vendor, large.price.cache_write.0), (Vendor::Anthropic, 3_750_000));
        assert_eq!(config.fallbacks_of("assistant"), ["assistant-large"]);
        assert_eq!(config.context_fallbacks_of("assistant"), ["assistant-large"]);
        assert!(config.cache.enabled && config.cache.ttl_seconds == 600);
        assert_eq!(config.gateway.drop_params, infra::config::DropParams::All);
        for part in ["general_settings.master_key: set ADMIN", "num_retries", "'drawings'", "rpm"] {
            assert!(noted(&notes, part), "{part}: {notes:#?}");
        }
    }

    #[test]
    fn one_model_on_several_deployments() {
        let (config, notes) = imported(include_str!("examples/azure-pair.yaml"));
        let model = config.models.get("gpt").unwrap();
        let at = model.deployments();
        let names: Vec<&str> = at.iter().map(|at| at.upstream.as_str()).collect();
        assert_eq!((model.vendor, names), (Vendor::Azure, vec!["chat-eu", "chat-us"]));
        assert_eq!(at[1].api_base.as_deref(), Some("https://us.openai.azure.com"));
        assert!(at.iter().all(|at| at.api_version.as_deref() == Some("2024-10-21")));
        let keys: Vec<usize> = at.iter().map(|at| at.api_keys.len()).collect();
        assert_eq!(keys, [1, 0], "one key is in the environment");
        assert_eq!(config.fallbacks_of("gpt"), ["gpt-2"]);
        assert_eq!(config.models.get("gpt-2").unwrap().vendor, Vendor::Openai);
        assert!(config.models.get("old-name").is_some_and(|it| it.name == "gpt"));
        assert_eq!(config.breaker.failures_max, 4);
        assert_eq!(config.breaker.cool_down_seconds, 30);
        assert_eq!(config.gateway.request_seconds_max, 120);
        for part in ["balancing", "routing_strategy", "REDIS_URL", "environment_variables"] {
            assert!(noted(&notes, part), "{part}: {notes:#?}");
        }
    }

    #[test]
    fn models_of_ones_own_and_providers_that_have_no_protocol() {
        let (config, notes) = imported(include_str!("examples/local-and-many.yaml"));
        let names: Vec<&str> = config.models.iter().map(|model| model.name.as_str()).collect();
        assert_eq!(names, ["local", "house", "fast", "unpriced"]);
        let house = config.models.get("house").unwrap();
        assert_eq!((house.vendor, house.context), (Vendor::Compatible, 32_768));
        assert_eq!(house.upstream, "org/model-7b");
        let keys = &config.models.get("fast").unwrap().api_keys;
        assert_eq!(keys.len(), 1, "of two keys one is set here");
        for part in ["bedrock", "wildcard", "'unpriced': no input_cost_per_token", "'gone'"] {
            assert!(noted(&notes, part), "{part}: {notes:#?}");
        }
    }

    #[test]
    fn what_the_table_knows_is_not_said_to_be_missing() {
        let text = "model_list:\n  - model_name: gpt-5.2\n    litellm_params:\n      \
            model: openai/gpt-5.2\n";
        let Imported { notes, .. } = import(text, &Prices::default()).unwrap();
        let told = "model 'gpt-5.2': no max_input_tokens and max_output_tokens are known";
        assert!(notes.len() == 1 && notes[0].starts_with(told), "{notes:?}");
    }

    /// What comes of a configuration without a price file.
    fn imported_alone(text: &str) -> (String, Config, Vec<String>) {
        let Imported { config, notes } = import(text, &Prices::default()).unwrap();
        let parsed = Config::parse(&priced(&config), "imported", &Environment::default());
        let parsed = parsed.unwrap_or_else(|error| panic!("{error}\n{config}"));
        (config, parsed, notes)
    }

    #[test]
    fn many_providers_with_fallbacks_from_one_to_the_other() {
        let (text, config, notes) = imported_alone(include_str!("examples/many-providers.yaml"));
        let names: Vec<&str> = config.models.iter().map(|model| model.name.as_str()).collect();
        let all = ["writer", "deepseek/writer", "groq/writer", "openai/small", "openai/large"];
        assert_eq!(names, all);
        let others = ["groq/writer", "deepseek/writer", "openai/small"];
        assert_eq!(config.fallbacks_of("writer"), others);
        assert_eq!(config.fallbacks_of("deepseek/writer"), ["groq/writer", "writer"]);
        // What no file prices stays a mistake, told where it stands.
        let mistakes = Config::mistakes(&text, "imported", &Environment::default());
        let told: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        assert!(told.len() == 1 && told[0].contains("model 'groq/writer'"), "{told:?}");
        assert_eq!(config.gateway.request_seconds_max, 120);
        let small = config.models.get("openai/small").unwrap();
        assert_eq!((small.price.input.0, small.context), (150_000, 128_000));
        assert!(small.can(schemas::catalogue::Capability::JsonSchema));
        for part in [
            "'groq/writer': no input_cost_per_token",
            "callbacks: see docs/metrics.md",
            "custom_auth",
            "'openai/large': litellm_params.max_tokens: clients send it",
        ] {
            assert!(noted(&notes, part), "{part}: {notes:#?}");
        }
        assert!(!noted(&notes, "database_url"), "what is null says nothing: {notes:#?}");
    }

    #[test]
    fn a_cloud_with_keys_of_its_own_and_ollama_elsewhere() {
        let (text, config, notes) = imported_alone(include_str!("examples/cloud-and-ollama.yaml"));
        let names: Vec<&str> = config.models.iter().map(|model| model.name.as_str()).collect();
        assert_eq!(names, ["helper", "gpt-4.1", "unlisted"]);
        let helper = config.models.get("helper").unwrap();
        assert_eq!(helper.api_base.as_deref(), Some("http://127.0.0.1:11434/v1"));
        assert!(text.contains("${OLLAMA_HELPER_URL:-http://127.0.0.1:11434}/v1"), "{text}");
        assert!(text.contains("    # From Fly-LLM's own table: https://"), "{text}");
        for part in
            ["provider 'vertex_ai' has no protocol", "store_model_in_db", "agents", "'unlisted'"]
        {
            assert!(noted(&notes, part), "{part}: {notes:#?}");
        }
    }

    #[test]
    fn one_address_for_many_models_and_two_keys_for_one() {
        let (_, config, notes) = imported_alone(include_str!("examples/one-address.yaml"));
        let names: Vec<&str> = config.models.iter().map(|model| model.name.as_str()).collect();
        assert_eq!(names, ["openai/house/model", "gemini/flash"]);
        let house = config.models.get("openai/house/model").unwrap();
        assert_eq!((house.vendor, house.upstream.as_str()), (Vendor::Compatible, "house/model"));
        assert!(config.models.get("gemini/flash").unwrap().key_wanted);
        for part in ["extra_body", "'nameless' doesn't tell its provider", "routing_strategy"] {
            assert!(noted(&notes, part), "{part}: {notes:#?}");
        }
    }

    #[test]
    fn what_is_no_configuration_of_litellm_is_refused() {
        let prices = Prices::default();
        for text in ["models: []", "[1]", "model_list: []", "a: [", "model_list: [{}]"] {
            assert!(import(text, &prices).is_err(), "{text}");
        }
    }
}
