//! A file as written → the configuration, or everything that is wrong with it: where, and what to
//! write instead. Nothing is guessed.

use super::check_coupons::check_coupons;
use super::check_model::check_model;
use super::check_stripe::check_stripe;
use super::check_times::check_times;
use super::file::{File, FileModel};
use super::guards::{FileGuards, Guards};
use super::load::Mistake;
use super::model::{Catalogue, Model};
use super::{Cache, Config, Gateway, Limits};
use crate::environment::Environment;
use serde_saphyr::Spanned;
use std::collections::{BTreeMap, HashSet};

/// How much of NATS's message is left for the job around a body, in bytes.
const PAYLOAD_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Models of one configuration.
const MODELS_MAX: usize = 1_000;

/// The highest limit of requests or tokens: beyond it Redis's scripts would round.
pub const LIMIT_MAX: u64 = 1_000_000_000_000;

/// Everything that is wrong with a file, or the configuration that it is.
pub(super) fn check(file: File, environment: &Environment) -> Result<Config, Vec<Mistake>> {
    let mut mistakes: Vec<Mistake> = Vec::new();
    let sections =
        [check_gateway(&file.gateway), check_limits(&file.limits), check_cache(&file.cache)];
    mistakes.extend(sections.into_iter().filter_map(Result::err));
    mistakes.extend(check_times(&file));
    let (models, names) = check_models(file.models, environment, &mut mistakes);
    let fallbacks = chains(file.fallbacks, "fallbacks:", &names, &mut mistakes);
    let longer = file.context_window_fallbacks;
    let context_window_fallbacks =
        chains(longer, "context_window_fallbacks:", &names, &mut mistakes);
    for name in file.auto.candidates.iter().chain(&file.auto.default) {
        mistakes.extend(known(&names, 1, name, "auto:").err());
    }
    mistakes.extend(check_coupons(&file.coupons).err());
    let guards = check_guards(file.guards);
    let stripe = check_stripe(file.stripe, &file.plans, environment);
    let (guards, stripe) = match (guards, stripe) {
        (Ok(guards), Ok(stripe)) if mistakes.is_empty() => (guards, stripe),
        (guards, stripe) => {
            mistakes.extend(guards.err().into_iter().chain(stripe.err()));
            return Err(mistakes);
        }
    };
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
        idempotency: file.idempotency,
        budget: file.budget,
        privacy: file.privacy,
        guards,
        plans: file.plans,
        coupons: file.coupons,
        stripe,
    })
}

/// All models that are right, and the names of all.
fn check_models(
    written: Vec<Spanned<FileModel>>,
    environment: &Environment,
    mistakes: &mut Vec<Mistake>,
) -> (Vec<Model>, HashSet<String>) {
    let (mut models, mut names) = (Vec::with_capacity(written.len()), HashSet::new());
    if written.is_empty() {
        mistakes.push((1, "models: is empty: write at least one model".into()));
    }
    if let Some(beyond) = written.get(MODELS_MAX) {
        let what =
            format!("models: more than {MODELS_MAX}: take out from here on what nobody asks");
        mistakes.push((beyond.referenced.line(), what));
    }
    for written in written.into_iter().take(MODELS_MAX) {
        let (line, written) = (written.referenced.line(), written.value);
        for name in std::iter::once(&written.name).chain(&written.aliases) {
            if name == "auto" {
                let what = "the name 'auto' is the router's own: choose another";
                mistakes.push((line, what.into()));
            }
            if !names.insert(name.clone()) {
                let what = format!("the name '{name}' is used twice: rename one of them");
                mistakes.push((line, what));
            }
        }
        match check_model(written, line, environment) {
            Ok(model) => {
                mistakes.extend(own_pool(&model, &models, line).err());
                models.push(model);
            }
            Err(mistake) => mistakes.push(mistake),
        }
    }
    (models, names)
}

/// Who runs a model of our own serves nothing else: a job of its pool must be for that model.
fn own_pool(model: &Model, others: &[Model], line: u64) -> Result<(), Mistake> {
    let is_alone = |other: &Model| model.llama.is_none() && other.llama.is_none();
    match others.iter().find(|other| other.pool == model.pool && !is_alone(other)) {
        Some(other) => Err((
            line,
            format!(
                "model '{}': is in the pool '{}' with '{}', and a model of vendor: llama has a \
                 pool of its own: choose another",
                model.name, model.pool, other.name
            ),
        )),
        None => Ok(()),
    }
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
    mistakes: &mut Vec<Mistake>,
) -> BTreeMap<String, Vec<String>> {
    let mut chains = BTreeMap::new();
    for (model, chain) in written {
        let line = chain.first().map_or(1, |name| name.referenced.line());
        if model != "*" {
            mistakes.extend(known(names, line, &model, place).err());
        }
        for name in &chain {
            mistakes.extend(known(names, name.referenced.line(), &name.value, place).err());
        }
        chains.insert(model, chain.into_iter().map(|name| name.value).collect());
    }
    chains
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
    if let Some(name) = &gateway.client_address_header
        && !is_header(name)
    {
        let what = format!(
            "gateway.client_address_header: '{name}' is no header's name: write small letters, \
             digits and '-', such as fly-client-ip"
        );
        return Err((1, what));
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

/// Whether it can be looked for as it stands: names of headers come in small letters.
pub(super) fn is_header(name: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    !name.is_empty() && name.chars().all(is_letter)
}

fn check_limits(limits: &Limits) -> Result<(), Mistake> {
    let Limits {
        requests_per_minute,
        tokens_per_minute,
        parallel,
        max_tokens_per_request,
        account,
    } = limits;
    for (name, limit) in [
        ("requests_per_minute", Some(*requests_per_minute)),
        ("tokens_per_minute", Some(*tokens_per_minute)),
        ("parallel", Some(*parallel)),
        ("max_tokens_per_request", Some(*max_tokens_per_request)),
        ("account.requests_per_minute", account.requests_per_minute),
        ("account.tokens_per_minute", account.tokens_per_minute),
        ("account.parallel", account.parallel),
        ("account.keys_max", Some(account.keys_max)),
    ] {
        if let Some(limit) = limit.filter(|limit| !(1..=LIMIT_MAX).contains(limit)) {
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
    let (similarity, temperature) = (cache.semantic_similarity_min, cache.semantic_temperature_max);
    if !(0.8..=1.0).contains(&similarity) {
        let what = format!(
            "cache.semantic_similarity_min: {similarity} would share answers of other questions, \
             or none: write 0.8 to 1"
        );
        return Err((1, what));
    }
    if !(0.0..=2.0).contains(&temperature) {
        let what = format!(
            "cache.semantic_temperature_max: {temperature} is no temperature: write 0 to 2"
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

/// Patterns are compiled here and nowhere else.
fn check_guards(written: FileGuards) -> Result<Guards, Mistake> {
    let lines: Vec<u64> = written.block.iter().map(|rule| rule.referenced.line()).collect();
    let rules = written.block.into_iter().map(|rule| rule.value).collect();
    Guards::new(rules).map_err(|(number, what)| (lines.get(number).copied().unwrap_or(1), what))
}
