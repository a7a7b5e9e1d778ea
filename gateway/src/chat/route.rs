//! Which model, and which instead of it when it fails before its first token. A name is looked up;
//! `auto` is chosen by the router. Only models that somebody serves and the key may use are taken.

use super::recall::Missed;
use crate::credits::{self, WorstCase};
use crate::routing;
use crate::state::Gateway;
use infra::config::{Config, Model};
use schemas::catalogue::{Capability, Vendor};
use schemas::error::{ErrorCode, Problem};
use schemas::money::MicroUsd;
use schemas::openai::{ChatRequest, Content};
use std::sync::Arc;

/// Models tried for one request at most, the first included.
const CANDIDATES_MAX: usize = 4;

/// A request with the models to try, in order; never empty.
pub(super) struct Routed {
    pub(super) missed: Missed,
    pub(super) candidates: Vec<Arc<Model>>,
    pub(super) reason: String,
    /// The prompt counts no more tokens than this under any tokenizer.
    pub(super) prompt_tokens_max: u64,
}

/// Chooses.
pub(super) fn route(gateway: &Gateway, mut missed: Missed) -> Result<Routed, Problem> {
    let authenticated = &mut missed.masked.admitted.authenticated;
    let allowed = authenticated.key.models.clone();
    let chat = &mut authenticated.received.chat;
    let (first, reason) = if chat.model == "auto" {
        choose(gateway, chat, allowed.as_deref())?
    } else {
        let model = named(gateway, &chat.model, allowed.as_deref())?;
        (vec![model], "named".to_owned())
    };
    // What the client wants of the choice is ours to know, and nobody else's.
    chat.user_preferences = None;
    let mut candidates = first;
    if let Some(model) = candidates.first().cloned() {
        for name in gateway.config.fallbacks_of(&model.name) {
            let Some(fallback) = gateway.config.models.get(name) else { continue };
            let usable = gateway.fleet.offers(&fallback.name)
                && may_use(allowed.as_deref(), fallback)
                && can_take(fallback, chat);
            if usable && !candidates.iter().any(|known| known.name == fallback.name) {
                candidates.push(Arc::clone(fallback));
            }
        }
    }
    candidates.truncate(CANDIDATES_MAX);
    let prompt_tokens_max = credits::prompt_tokens_max(chat);
    Ok(Routed { missed, candidates, reason, prompt_tokens_max })
}

/// Whether a fallback can do what the request asks for: one that can't would turn a busy vendor's
/// 503 into a 400.
fn can_take(model: &Model, chat: &ChatRequest) -> bool {
    let tools = chat.tools.as_ref().is_some_and(|tools| !tools.is_empty());
    let schema =
        chat.response_format.as_ref().is_some_and(|format| format["type"] == "json_schema");
    let contents = chat.messages.iter().filter_map(|message| message.content.as_ref());
    let media = contents.into_iter().any(|content| match content {
        Content::Parts(parts) => parts.iter().any(|part| part.kind != "text"),
        Content::Text(_) => false,
    });
    (!tools || model.can(Capability::Tools))
        && (!schema || model.can(Capability::JsonSchema))
        && (!media || model.can(Capability::Vision))
        && credits::prompt_tokens_estimate(chat) < model.context
}

fn may_use(allowed: Option<&[String]>, model: &Model) -> bool {
    allowed.is_none_or(|names| {
        names.iter().any(|name| *name == model.name || model.aliases.contains(name))
    })
}

fn named(gateway: &Gateway, name: &str, allowed: Option<&[String]>) -> Result<Arc<Model>, Problem> {
    let shown: String = name.chars().take(80).collect();
    let model = gateway.config.models.get(name).ok_or_else(|| {
        Problem::new(
            ErrorCode::ModelNotFound,
            format!("モデル '{shown}' はありません。GET /v1/models で一覧を確認してください。"),
            format!("The model '{shown}' does not exist. GET /v1/models lists all."),
        )
        .at("model")
    })?;
    if !may_use(allowed, model) {
        return Err(Problem::new(
            ErrorCode::PermissionDenied,
            format!("このキーではモデル '{shown}' を使えません。"),
            format!("This key may not use the model '{shown}'."),
        )
        .at("model"));
    }
    if !gateway.fleet.offers(&model.name) {
        return Err(Problem::new(
            ErrorCode::ModelNotFound,
            format!(
                "モデル '{shown}' は現在提供されていません。ワーカーとベンダーのAPIキーを確認してください。"
            ),
            format!("The model '{shown}' is not offered now: no worker serves it (is its vendor's key set?)."),
        )
        .at("model"));
    }
    Ok(Arc::clone(model))
}

/// Asks the router about the models that somebody serves.
fn choose(
    gateway: &Gateway,
    chat: &ChatRequest,
    allowed: Option<&[String]>,
) -> Result<(Vec<Arc<Model>>, String), Problem> {
    let offered = |name: &str| gateway.fleet.offers(name);
    let features = routing::features(chat, None);
    let (ordered, reason) = choose_among(&gateway.config, (chat, &features), allowed, &offered)?;
    if let Some(first) = ordered.first() {
        gateway.metrics.routed_total.with_label_values(&[&first.name]).inc();
    }
    Ok((ordered, reason))
}

/// What the router would choose if every configured candidate were served: for `fly-llm route`.
///
/// # Errors
/// When no candidate passes the hard limits.
pub fn rehearse(
    config: &Config,
    chat: &ChatRequest,
    features: &routing::Features,
) -> Result<(String, String), Problem> {
    let (ordered, reason) = choose_among(config, (chat, features), None, &|_| true)?;
    Ok((ordered.first().map(|model| model.name.clone()).unwrap_or_default(), reason))
}

fn choose_among(
    config: &Config,
    (chat, features): (&ChatRequest, &routing::Features),
    allowed: Option<&[String]>,
    offered: &dyn Fn(&str) -> bool,
) -> Result<(Vec<Arc<Model>>, String), Problem> {
    let auto = &config.auto;
    let preferences = preferences(chat, auto.max_cost)?;
    let default = auto.default.as_ref().or_else(|| auto.candidates.first());
    let listed = |model: &&Arc<Model>| {
        auto.candidates.is_empty()
            || auto
                .candidates
                .iter()
                .any(|name| config.models.get(name).is_some_and(|known| known.name == model.name))
    };
    let models: Vec<Arc<Model>> = config
        .models
        .iter()
        .filter(listed)
        .filter(|model| may_use(allowed, model))
        .cloned()
        .collect();
    let max_tokens = config.limits.max_tokens_per_request;
    let prompt_tokens_max = credits::prompt_tokens_max(chat);
    let candidates: Vec<routing::Candidate> = models
        .iter()
        .map(|model| {
            let worst = WorstCase::of(chat, prompt_tokens_max, model, max_tokens);
            routing::Candidate {
                name: model.name.clone(),
                tier: model.tier,
                local: model.vendor == Vendor::Llama,
                capabilities: model.capabilities.clone(),
                context: model.context,
                price: worst.amount,
                answer_tokens: worst.output_tokens_max,
                expected_wait_ms: 0,
                healthy: offered(&model.name),
                default: default == Some(&model.name),
                pinned: false,
            }
        })
        .collect();
    let settings = routing::Settings::default();
    let choice =
        routing::choose(features, &preferences, &candidates, &settings).map_err(no_candidate)?;
    let ordered: Vec<Arc<Model>> =
        choice.ordered.iter().filter_map(|index| models.get(*index).cloned()).collect();
    Ok((ordered, choice.reason))
}

fn preferences(
    chat: &ChatRequest,
    configured: Option<MicroUsd>,
) -> Result<routing::Preferences, Problem> {
    let wanted = chat.user_preferences.clone().unwrap_or_default();
    let max_cost =
        wanted.max_cost.map(|amount| credits::usd(&amount)).transpose().map_err(|()| {
            Problem::new(
                ErrorCode::InvalidRequest,
                "user_preferences.max_cost には USD の金額 (例: 0.05) を指定してください。",
                "'user_preferences.max_cost' must be an amount in USD, such as 0.05.",
            )
            .at("user_preferences.max_cost")
        })?;
    let max_cost = match (max_cost, configured) {
        (Some(asked), Some(configured)) => Some(asked.min(configured)),
        (asked, configured) => asked.or(configured),
    };
    Ok(routing::Preferences {
        prefer_quality: wanted.prefer_quality,
        prefer_local: wanted.prefer_local.unwrap_or(false),
        max_cost,
        credit: None,
    })
}

fn no_candidate(none: routing::NoCandidate) -> Problem {
    use routing::NoCandidate;
    let code = match none {
        NoCandidate::None | NoCandidate::Capabilities => ErrorCode::ModelNotFound,
        NoCandidate::Context => ErrorCode::ContextLengthExceeded,
        NoCandidate::Unhealthy => ErrorCode::NoWorker,
        NoCandidate::MaxCost => ErrorCode::InvalidRequest,
        NoCandidate::Credit => ErrorCode::InsufficientQuota,
    };
    let japanese = match none {
        NoCandidate::None => "auto で選べるモデルが設定されていません。",
        NoCandidate::Capabilities => "必要な機能 (ツール・画像・JSON) を持つモデルがありません。",
        NoCandidate::Context => {
            "プロンプトと回答の長さがどのモデルにも収まりません。短くしてください。"
        }
        NoCandidate::Unhealthy => "対応できるモデルが今は動いていません。少し待ってください。",
        NoCandidate::MaxCost => {
            "どのモデルも max_cost を超えます。max_cost か max_tokens を変えてください。"
        }
        NoCandidate::Credit => "残高で使えるモデルがありません。クレジットを追加してください。",
    };
    Problem::new(code, japanese, format!("Auto found no model: {none}.")).at("model")
}
