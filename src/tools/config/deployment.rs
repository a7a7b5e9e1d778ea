//! One entry of LiteLLM's `model_list` → what a model of ours says: whose protocol, where, which
//! keys. What has no place here is told by name.

use super::prices::{self, Known, Prices};
use serde_json::{Map, Value};

/// A deployment, ours to write.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Deployment {
    pub(super) name: String,
    pub(super) vendor: &'static str,
    pub(super) preset: Option<&'static str>,
    pub(super) upstream: String,
    pub(super) api_base: Option<String>,
    pub(super) api_version: Option<String>,
    pub(super) api_keys: Vec<String>,
    /// Nothing when no file tells its price or its context.
    pub(super) known: Option<Known>,
    /// Where the price or the limits come from, when LiteLLM's files don't tell them.
    pub(super) told_by: Option<String>,
}

impl Deployment {
    /// Whether it serves the same model by the same protocol at the same price.
    pub(super) fn is_as(&self, other: &Self) -> bool {
        let own = (&self.name, self.vendor, self.preset, &self.known);
        own == (&other.name, other.vendor, other.preset, &other.known)
    }
}

/// Providers as LiteLLM names them: whose protocol they speak, and which preset they are.
const PROVIDERS: [(&str, &str, Option<&str>); 19] = [
    ("openai", "openai", None),
    ("text-completion-openai", "openai", None),
    ("anthropic", "anthropic", None),
    ("azure", "azure", None),
    ("azure_ai", "compatible", None),
    ("gemini", "gemini", None),
    ("mistral", "compatible", Some("mistral")),
    ("deepseek", "compatible", Some("deepseek")),
    ("groq", "compatible", Some("groq")),
    ("together_ai", "compatible", Some("together")),
    ("openrouter", "compatible", Some("openrouter")),
    ("xai", "compatible", Some("xai")),
    ("ollama", "compatible", Some("ollama")),
    ("ollama_chat", "compatible", Some("ollama")),
    ("hosted_vllm", "compatible", Some("vllm")),
    ("vllm", "compatible", Some("vllm")),
    ("litellm_proxy", "compatible", Some("litellm")),
    ("custom_openai", "compatible", None),
    ("openai_like", "compatible", None),
];

/// How names begin that LiteLLM knows without a provider.
const BARE: [(&str, &str); 8] = [
    ("gpt-", "openai"),
    ("chatgpt-", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
    ("text-embedding-", "openai"),
    ("claude-", "anthropic"),
    ("gemini-", "gemini"),
];

/// Fields of `litellm_params` that are carried.
const CARRIED: [&str; 8] = [
    "model",
    "api_key",
    "api_base",
    "base_url",
    "api_version",
    "custom_llm_provider",
    "input_cost_per_token",
    "output_cost_per_token",
];

/// Reads an entry. What it says beside is noted; an entry that can't be carried is an error.
pub(super) fn read(
    entry: &Map<String, Value>,
    prices: &Prices,
    notes: &mut Vec<String>,
) -> Result<Deployment, String> {
    let name = entry.get("model_name").and_then(Value::as_str).ok_or("it has no model_name")?;
    let fail = |what: &str| format!("model '{name}': {what}");
    let params = entry.get("litellm_params").and_then(Value::as_object);
    let params = params.ok_or_else(|| fail("it has no litellm_params"))?;
    let text = |field: &str| params.get(field).and_then(Value::as_str);
    let model = text("model").ok_or_else(|| fail("litellm_params.model is missing"))?;
    if name.contains('*') || model.contains('*') {
        return Err(fail("a wildcard names no model: write one entry for each"));
    }
    let (provider, bare) = provider(model, text("custom_llm_provider"));
    let provider = provider.ok_or_else(|| fail(&format!("'{model}' doesn't tell its provider")))?;
    let row = PROVIDERS.iter().find(|(known, ..)| *known == provider);
    let (_, mut vendor, preset) = *row.ok_or_else(|| {
        fail(&format!(
            "provider '{provider}' has no protocol here; an OpenAI-compatible address of it has"
        ))
    })?;
    let api_base = text("api_base").or_else(|| text("base_url")).map(variable);
    let api_base = api_base.map(|base| if preset == Some("ollama") { ollama(&base) } else { base });
    let is_elsewhere = |base: &String| !base.starts_with("https://api.openai.com");
    if vendor == "openai" && api_base.as_ref().is_some_and(is_elsewhere) {
        vendor = "compatible";
    }
    if matches!(vendor, "azure") && api_base.is_none()
        || vendor == "compatible"
            && preset.is_none_or(|it| matches!(it, "vllm" | "litellm"))
            && api_base.is_none()
    {
        return Err(fail("litellm_params.api_base is missing"));
    }
    let none = Map::new();
    let info = entry.get("model_info").and_then(Value::as_object).unwrap_or(&none);
    let base_model = info.get("base_model").and_then(Value::as_str).unwrap_or(model);
    let listed = prices.of(&[base_model, model, bare]).unwrap_or(&none);
    let preset = preset.filter(|_| vendor == "compatible");
    let places = [info, params, listed];
    prices::embeds(&places).map_err(|what| fail(&what))?;
    let (known, told_by) = match figures((vendor, preset, bare), &places) {
        Ok((known, told_by)) => (Some(known), told_by),
        Err(what) => {
            let wish = "write it beside the model, or give a price file with --prices";
            notes.push(fail(&format!("{what}: {wish}")));
            (None, None)
        }
    };
    for field in params.keys().filter(|field| !CARRIED.contains(&field.as_str())) {
        notes.push(fail(&format!("litellm_params.{field}{}", hint(field))));
    }
    for field in known.iter().flat_map(|known| &known.conditional) {
        notes.push(fail(&format!("{field}: prices here depend on nothing but the kind of token")));
    }
    Ok(Deployment {
        name: name.to_owned(),
        vendor,
        preset,
        upstream: bare.to_owned(),
        api_base,
        api_version: text("api_version").filter(|_| vendor == "azure").map(variable),
        api_keys: text("api_key").map(variable).into_iter().collect(),
        known,
        told_by,
    })
}

/// Price and limits of a model, and who tells them when it is our own table; or what is missing. A
/// price is taken whole from one place.
fn figures(
    (vendor, preset, name): (&str, Option<&str>, &str),
    places: &[&Map<String, Value>; 3],
) -> Result<(Known, Option<String>), String> {
    let what = match prices::known(places) {
        Ok(known) => return Ok((known, None)),
        Err(what) => what,
    };
    let read = |word: &str| Value::from(word);
    let vendor = serde_json::from_value(read(vendor)).map_err(|_| what.clone())?;
    let preset = preset.map(|preset| serde_json::from_value(read(preset))).transpose();
    let preset = preset.map_err(|_| what.clone())?;
    let row = infra::config::known_model(vendor, preset, name).ok_or_else(|| what.clone())?;
    let [info, params, listed] = places;
    let known = prices::known(&[info, params, listed, &prices::catalogued(row, places)]);
    // With what the table tells, less may be missing.
    Ok((known?, Some(format!("{} ({})", row.source, row.seen))))
}

/// Ollama's address as LiteLLM wants it → the address of its OpenAI-compatible API.
fn ollama(base: &str) -> String {
    let base = base.trim_end_matches('/');
    if base.ends_with("/v1") {
        return base.to_owned();
    }
    match base.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) {
        // Without the variable Ollama is where it is by default.
        Some(name) if !name.contains(":-") => format!("${{{name}:-http://127.0.0.1:11434}}/v1"),
        _ => format!("{base}/v1"),
    }
}

/// The provider and the name there of `provider/name`.
fn provider<'a>(model: &'a str, told: Option<&'a str>) -> (Option<&'a str>, &'a str) {
    if let Some(told) = told {
        let bare = model.strip_prefix(told).and_then(|rest| rest.strip_prefix('/'));
        return (Some(told), bare.unwrap_or(model));
    }
    match model.split_once('/') {
        Some((provider, bare)) => (Some(provider), bare),
        None => {
            let of = BARE.iter().find(|(start, _)| model.starts_with(start));
            (of.map(|(_, provider)| *provider), model)
        }
    }
}

/// `os.environ/NAME` → `${NAME}`.
pub(super) fn variable(text: &str) -> String {
    match text.strip_prefix("os.environ/") {
        Some(name) => format!("${{{name}}}"),
        None => text.to_owned(),
    }
}

/// Where something of ours does what a field did.
fn hint(field: &str) -> &'static str {
    match field {
        "rpm" | "tpm" | "max_parallel_requests" => ": limits belong to keys here (limits:)",
        "timeout" | "stream_timeout" | "request_timeout" => {
            ": times belong to all models (gateway:, workers:)"
        }
        "num_retries" | "max_retries" => ": before the first token fallbacks are tried",
        "temperature" | "max_tokens" | "top_p" | "stop" | "seed" => ": clients send it themselves",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_are_found_in_names() {
        assert_eq!(provider("azure/my/one", None), (Some("azure"), "my/one"));
        assert_eq!(provider("gpt-4o", None), (Some("openai"), "gpt-4o"));
        assert_eq!(provider("my-model", None), (None, "my-model"));
        assert_eq!(provider("org/m", Some("openai")), (Some("openai"), "org/m"));
        assert_eq!(variable("os.environ/KEY"), "${KEY}");
        assert_eq!(variable("${KEY}"), "${KEY}");
    }

    #[test]
    fn ollama_is_called_at_its_compatible_api() {
        for (written, expected) in [
            ("http://h:11434", "http://h:11434/v1"),
            ("http://h:11434/v1/", "http://h:11434/v1"),
            ("${OLLAMA_URL}", "${OLLAMA_URL:-http://127.0.0.1:11434}/v1"),
            ("${OLLAMA_URL:-http://h:1}", "${OLLAMA_URL:-http://h:1}/v1"),
        ] {
            assert_eq!(ollama(written), expected);
        }
    }
}
