//! One model as written → one model as it is used: what only some vendors know, prices, addresses.
//! Each mistake names the model and what to write instead.

use super::file::{FileDeployment, FileLlama, FileModel, FilePrice, PerMillion};
use super::load::Mistake;
use super::model::{Deployment, Llama, Model};
use super::{presets, vendors};
use crate::environment::{ANTHROPIC_API_KEY, Environment, OPENAI_API_KEY};
use crate::secret::Secret;
use schemas::catalogue::{Capability, Preset, Vendor};
use schemas::money::Price;
use std::path::PathBuf;

/// Checks one model; `line` is where it stands.
pub(super) fn check_model(
    written: FileModel,
    line: u64,
    environment: &Environment,
) -> Result<Model, Mistake> {
    let usual_key = usual_key(&written);
    let name = written.name;
    let fail = |what: String| (line, format!("model '{name}': {what}"));
    if name.is_empty() || name.len() > 128 || name.chars().any(char::is_control) {
        return Err(fail("a name has 1 to 128 printable characters".into()));
    }
    let kind @ (vendor, preset) = (written.vendor, written.preset);
    let upstream = written.upstream.as_ref().unwrap_or(&name);
    let known = vendors::known_model(vendor, preset, upstream);
    let capabilities = written.capabilities.or_else(|| known?.capabilities.clone());
    let capabilities = capabilities.unwrap_or_else(|| vec![Capability::Chat]);
    let embeds_only = capabilities == [Capability::Embeddings];
    let lengths = (written.context, written.max_output);
    let (context, max_output) = check_lengths(lengths, known, embeds_only).map_err(&fail)?;
    let own = FileDeployment {
        upstream: Some(written.upstream.unwrap_or_else(|| name.clone())),
        api_base: written.api_base,
        api_version: written.api_version,
        api_key: written.api_key.or(usual_key),
        api_keys: written.api_keys,
    };
    let places = check_places(kind, &own, written.deployments, environment).map_err(&fail)?;
    let own = check_place(kind, &own, &own, environment).map_err(&fail)?;
    if places.is_empty() {
        check_vendor(vendor, preset, &own).map_err(&fail)?;
    }
    let listed = known.and_then(|known| known.price);
    let price = check_price("price", written.price.or(listed), embeds_only).map_err(&fail)?;
    let of_cost = |cost| check_price("cost", Some(cost), embeds_only);
    let cost = written.cost.or(listed).map(of_cost).transpose().map_err(&fail)?;
    let is_llama = vendor == Vendor::Llama;
    check_own(is_llama, written.llama.is_some(), &capabilities).map_err(&fail)?;
    let of_llama = || check_llama(written.llama.unwrap_or_default(), environment);
    let llama = is_llama.then(of_llama).transpose().map_err(&fail)?;
    Ok(Model {
        upstream: own.upstream,
        aliases: written.aliases,
        pool: written.pool,
        vendor,
        preset,
        local: written.local.unwrap_or(is_llama),
        moved: false,
        api_base: own.api_base,
        api_version: own.api_version,
        api_keys: own.api_keys,
        key_wanted: own.key_wanted,
        places,
        price,
        cost,
        context,
        max_output,
        capabilities,
        unsupported: written.unsupported,
        passes: written.passes,
        sound_at_text_price: written.sound_at_text_price,
        tier: written.tier,
        tokenizer: written.tokenizer.or_else(|| known?.tokenizer),
        llama,
        name,
    })
}

/// A model's context and its longest answer, in tokens: as written, or as known of it.
fn check_lengths(
    (context, max_output): (Option<u64>, Option<u64>),
    known: Option<&vendors::Known>,
    embeds_only: bool,
) -> Result<(u64, u64), String> {
    let context = context.or_else(|| known?.context).unwrap_or(0);
    // What is known is of the whole context; one that is written may be shorter.
    let known_output = || known?.max_output.map(|most| most.min(context));
    let max_output = max_output.or_else(known_output).or(embeds_only.then_some(1));
    let max_output = max_output.unwrap_or(0);
    if context == 0 || max_output == 0 || max_output > context {
        return Err("context and max_output are tokens, max_output from 1 to context".into());
    }
    Ok((context, max_output))
}

/// The key of a vendor's own API where the file names none: nobody is served there without one.
fn usual_key(written: &FileModel) -> Option<String> {
    let variable = match written.vendor {
        Vendor::Openai => OPENAI_API_KEY,
        Vendor::Anthropic => ANTHROPIC_API_KEY,
        _ => return None,
    };
    let is_told = written.api_base.is_some() || !written.api_keys.is_empty();
    (!is_told && written.deployments.is_empty()).then(|| format!("${{{variable}}}"))
}

/// What our own worker runs, and nobody else.
fn check_own(is_llama: bool, has_llama: bool, capabilities: &[Capability]) -> Result<(), String> {
    if !is_llama && has_llama {
        return Err("llama: is only for vendor: llama; remove it".into());
    }
    if is_llama && capabilities.len() > 1 && capabilities.contains(&Capability::Embeddings) {
        let what =
            "a GGUF writes or makes vectors: capabilities: [embeddings] alone, or without it";
        return Err(what.into());
    }
    Ok(())
}

/// Several places where a model is served; none when its own keys tell the only one.
fn check_places(
    (vendor, preset): (Vendor, Option<Preset>),
    own: &FileDeployment,
    written: Vec<FileDeployment>,
    environment: &Environment,
) -> Result<Vec<Deployment>, String> {
    if vendor == Vendor::Llama && !written.is_empty() {
        return Err("deployments: are for vendors that are called; remove them".into());
    }
    let check = |place: &FileDeployment| {
        let place = check_place((vendor, preset), place, own, environment)?;
        check_vendor(vendor, preset, &place)?;
        Ok(place)
    };
    let places: Result<Vec<_>, String> = written.iter().map(check).collect();
    places.map_err(|what| format!("deployments: {what}"))
}

/// One place as written; what it leaves out is the model's own.
fn check_place(
    (vendor, preset): (Vendor, Option<Preset>),
    written: &FileDeployment,
    own: &FileDeployment,
    environment: &Environment,
) -> Result<Deployment, String> {
    let has_key = |place: &FileDeployment| place.api_key.is_some() || !place.api_keys.is_empty();
    let keys = if has_key(written) { written } else { own };
    let api_keys = keys.api_key.iter().chain(&keys.api_keys);
    let base = written.api_base.as_ref().or(own.api_base.as_ref());
    let upstream = written.upstream.as_ref().or(own.upstream.as_ref());
    let version = written.api_version.as_ref().or(own.api_version.as_ref());
    if version.is_some() && vendor != Vendor::Azure {
        return Err("api_version: is only for vendor: azure; remove it".into());
    }
    Ok(Deployment {
        upstream: upstream.cloned().unwrap_or_default(),
        api_base: check_api_base(base, preset, environment)?,
        api_version: version.cloned(),
        api_keys: api_keys.filter_map(|key| environment.expand(key).map(Secret::new)).collect(),
        key_wanted: has_key(keys),
    })
}

/// The address as written, or the preset's.
fn check_api_base(
    written: Option<&String>,
    preset: Option<Preset>,
    environment: &Environment,
) -> Result<Option<String>, String> {
    let written = written.and_then(|base| environment.expand(base));
    let base = written.or_else(|| preset.and_then(presets::api_base).map(ToOwned::to_owned));
    match base {
        Some(base) if !base.starts_with("http://") && !base.starts_with("https://") => {
            Err(format!("api_base '{base}' is not a URL: write https://HOST/v1"))
        }
        base => Ok(base.map(|base| base.trim_end_matches('/').to_owned())),
    }
}

/// What only one vendor knows, and what a vendor can't do without.
fn check_vendor(vendor: Vendor, preset: Option<Preset>, place: &Deployment) -> Result<(), String> {
    if preset.is_some() && vendor != Vendor::Compatible {
        return Err("preset: is only for vendor: compatible; remove it".into());
    }
    let (api_version, api_base) = (place.api_version.as_deref(), place.api_base.as_deref());
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if api_version.is_some_and(|version| version.is_empty() || !version.chars().all(is_plain)) {
        return Err("api_version: write a version such as 2024-10-21".into());
    }
    match (vendor, api_base) {
        (Vendor::Compatible, None) => {
            Err("vendor: compatible needs api_base: https://HOST/v1, or a preset: with one".into())
        }
        (Vendor::Azure, None) => {
            Err("vendor: azure needs api_base: https://RESOURCE.openai.azure.com".into())
        }
        _ => Ok(()),
    }
}

/// What embeds only has no output and no cache: its other prices are never applied, so they needn't
/// be written.
pub(super) fn check_price(
    section: &str,
    written: Option<FilePrice>,
    embeds_only: bool,
) -> Result<Price, String> {
    let missing = |field: &str| {
        format!(
            "{section}.{field} is missing: write its exact price in USD per million tokens (0 \
                 only if it really costs nothing)"
        )
    };
    let written = written.ok_or_else(|| missing("input, cached_input, cache_write, output"))?;
    let need = |price: Option<PerMillion>, field: &str| {
        price.map(|price| price.0).ok_or_else(|| missing(field))
    };
    let input = need(written.input, "input")?;
    let other = |price: Option<PerMillion>, field: &str| match price {
        None if embeds_only => Ok(input),
        price => need(price, field),
    };
    Ok(Price {
        input,
        cached_input: other(written.cached_input, "cached_input")?,
        cache_write: other(written.cache_write, "cache_write")?,
        cache_write_hour: written.cache_write_hour.map(|price| price.0),
        output: other(written.output, "output")?,
    })
}

fn check_llama(written: FileLlama, environment: &Environment) -> Result<Llama, String> {
    if written.slots == 0 || written.slots > 64 {
        return Err("llama.slots: write 1 to 64".into());
    }
    if written.batch_tokens_max < 16 || written.batch_tokens_max > 4_096 {
        return Err("llama.batch_tokens_max: write 16 to 4096".into());
    }
    if written.gpu_layers > 1_000 {
        return Err("llama.gpu_layers: write 0 to 1000; 1000 is every layer".into());
    }
    if written.temperature.is_some_and(|value| !(0.0..=2.0).contains(&value)) {
        return Err("llama.temperature: write 0 to 2".into());
    }
    if written.top_p.is_some_and(|value| !(0.0..=1.0).contains(&value)) {
        return Err("llama.top_p: write 0 to 1".into());
    }
    if written.repetition_penalty.is_some_and(|value| !(1.0..=10.0).contains(&value)) {
        return Err("llama.repetition_penalty: write 1 to 10".into());
    }
    Ok(Llama {
        file: written.file.and_then(|file| environment.expand(&file)).map(PathBuf::from),
        slots: written.slots,
        threads: written.threads,
        batch_tokens_max: written.batch_tokens_max,
        instructions: written.instructions,
        gpu_layers: written.gpu_layers,
        system_prompt: written.system_prompt,
        temperature: written.temperature,
        top_p: written.top_p,
        repetition_penalty: written.repetition_penalty,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use std::sync::Arc;

    const MODEL: &str = "models:\n  - name: m\n    pool: cloud\n    vendor: openai\n    \
        price: {input: 0.15, cached_input: 0.075, cache_write: 0, output: 0.60}\n    \
        context: 1000\n    max_output: 100\n";

    #[test]
    fn what_only_embeds_needs_the_price_of_its_input_alone() {
        let smallest = "models:\n  - name: m\n    pool: cloud\n    vendor: openai\n    \
            price: {input: 0.02}\n    context: 8191\n    capabilities: [embeddings]\n";
        let config = Config::parse(smallest, "c", &Environment::default()).unwrap();
        assert_eq!(config.models.get("m").unwrap().price.input.0, 20_000);
        assert_eq!(config.models.get("m").unwrap().cost, None, "nobody said");
        let told = smallest.replace("    context", "    cost: {input: 0.01}\n    context");
        let config = Config::parse(&told, "c", &Environment::default()).unwrap();
        assert_eq!(config.models.get("m").unwrap().cost.unwrap().input.0, 10_000);
        let half = told.replace("input: 0.01", "output: 1");
        let refused = Config::parse(&half, "c", &Environment::default()).unwrap_err();
        assert!(refused.to_string().contains("cost.input is missing"), "{refused}");
        let chats = smallest.replace("[embeddings]", "[chat, embeddings]");
        assert!(Config::parse(&chats, "c", &Environment::default()).is_err());
        let priceless = smallest.replace("input: 0.02", "output: 1");
        assert!(Config::parse(&priceless, "c", &Environment::default()).is_err());
    }

    #[test]
    fn a_vendors_own_api_wants_its_usual_key() {
        let set = Environment::of([(OPENAI_API_KEY, "o"), (ANTHROPIC_API_KEY, "a")]);
        let keys = |text: &str, environment: &Environment| {
            let config = Config::parse(text, "c", environment).unwrap();
            let model = config.models.get("m").unwrap().clone();
            let keys = model.api_keys.iter().map(|key| key.reveal().to_owned());
            (keys.collect::<Vec<_>>(), model.can_be_called())
        };
        for (vendor, key) in [("openai", "o"), ("anthropic", "a")] {
            let plain = MODEL.replace("vendor: openai", &format!("vendor: {vendor}"));
            assert_eq!(keys(&plain, &set), (vec![key.to_owned()], true));
            assert_eq!(keys(&plain, &Environment::default()), (Vec::new(), false));
            let own = format!("{plain}    api_key: own\n");
            assert_eq!(keys(&own, &set), (vec!["own".to_owned()], true));
            // Somebody else's server may want none.
            let elsewhere = format!("{plain}    api_base: http://b\n");
            assert_eq!(keys(&elsewhere, &set), (Vec::new(), true));
        }
    }

    #[test]
    fn a_model_of_our_own_writes_or_makes_vectors_in_a_pool_of_its_own() {
        let own = MODEL.replace("vendor: openai", "vendor: llama");
        let refused =
            |text: &str| Config::parse(text, "c", &Environment::default()).unwrap_err().to_string();
        let vectors = format!("{own}    capabilities: [embeddings]\n");
        assert!(Config::parse(&vectors, "c", &Environment::default()).is_ok());
        let both = vectors.replace("[embeddings]", "[chat, embeddings]");
        assert!(refused(&both).contains("[embeddings] alone"));
        let second = vectors.replace("models:\n", "").replace("name: m", "name: n");
        assert!(refused(&format!("{own}{second}")).contains("a pool of its own"));
        let apart = second.replace("pool: cloud", "pool: vectors");
        assert!(Config::parse(&format!("{own}{apart}"), "c", &Environment::default()).is_ok());
    }

    #[test]
    fn several_deployments_have_what_they_say_and_the_models_own_else() {
        let written = |vendor: &str, places: &str| {
            let vendor = format!("vendor: {vendor}\n    deployments:\n{places}");
            Config::parse(
                &MODEL.replace("vendor: openai\n", &vendor),
                "c",
                &Environment::of([("KEY", "k"), ("EMPTY", "")]),
            )
        };
        let two = "      - {api_base: 'https://a.openai.azure.com/', api_key: '${KEY}'}\n      \
            - {upstream: b, api_base: 'http://b', api_keys: ['x', 'y'], api_version: v2}\n      \
            - {api_base: 'http://c', api_key: '${EMPTY}'}\n    api_version: v1\n";
        let config = written("azure", two).unwrap();
        let places = config.models.get("m").unwrap().deployments();
        let told: Vec<_> = places
            .iter()
            .map(|at| (at.upstream.as_str(), at.api_version.as_deref(), at.api_keys.len()))
            .collect();
        assert_eq!(told, [("m", Some("v1"), 1), ("b", Some("v2"), 2), ("m", Some("v1"), 0)]);
        assert_eq!(places[0].api_base.as_deref(), Some("https://a.openai.azure.com"));
        let callable: Vec<_> = places.iter().map(Deployment::can_be_called).collect();
        assert_eq!(callable, [true, true, false]);
        assert!(config.models.get("m").unwrap().can_be_called());
        let shared = "      - {api_base: 'http://a/v1'}\n      - {api_base: 'http://b/v1'}\n    \
            api_key: k\n";
        let config = written("compatible", shared).unwrap();
        let places = config.models.get("m").unwrap().deployments();
        assert!(places.iter().all(|at| at.api_keys.len() == 1 && at.key_wanted));
        for (vendor, places) in [
            ("azure", "      - {api_key: k}\n"),
            ("compatible", "      - {api_base: 'ftp://a'}\n"),
            ("openai", "      - {api_version: v1}\n"),
            ("openai", "      - {name: a}\n"),
            ("llama", "      - {api_base: 'http://a'}\n"),
        ] {
            assert!(written(vendor, places).is_err(), "{vendor} {places}");
        }
    }

    #[test]
    fn vendors_have_what_they_need_and_nothing_of_others() {
        let planted = |vendor: &str, more: &str| {
            let vendor = format!("vendor: {vendor}\n    {more}\n");
            Config::parse(&MODEL.replace("vendor: openai\n", &vendor), "c", &Environment::default())
        };
        let model = |vendor: &str, more: &str| {
            let config = planted(vendor, more).unwrap();
            let model = Arc::clone(config.models.get("m").unwrap());
            (model.api_base.clone(), model.provider())
        };
        for preset in Preset::ALL {
            let (more, base) = match presets::api_base(preset) {
                Some(base) => (format!("preset: {}", preset.as_str()), base),
                None => {
                    let bare = format!("preset: {}", preset.as_str());
                    assert!(planted("compatible", &bare).is_err(), "{bare}");
                    (format!("{bare}\n    api_base: http://h/v1"), "http://h/v1")
                }
            };
            assert_eq!(model("compatible", &more), (Some(base.to_owned()), preset.as_str()));
        }
        let own = model("compatible", "preset: ollama\n    api_base: http://gpu:11434/v1/");
        assert_eq!(own.0.as_deref(), Some("http://gpu:11434/v1"));
        assert_eq!(model("gemini", "tier: economy"), (None, "gemini"));
        assert_eq!(model("azure", "api_base: https://r.openai.azure.com").1, "azure");
        for (vendor, more) in [
            ("azure", "tier: economy"),
            ("azure", "api_base: https://h\n    api_version: 'a b'"),
            ("openai", "preset: groq"),
            ("openai", "api_version: 2024-10-21"),
            ("compatible", "preset: nobody"),
        ] {
            assert!(planted(vendor, more).is_err(), "{vendor} {more}");
        }
    }
}
