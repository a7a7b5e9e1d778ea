//! `"model": "auto"`: the router asked about the configured models, with what this request would
//! cost on each at worst. It keeps no state and sends nothing.

use crate::credits::{self, WorstCase};
use crate::routing;
use infra::config::{Config, Model};
use schemas::catalogue::{Capability, Vendor};
use schemas::error::{ErrorCode, Problem};
use schemas::job::JobKind;
use schemas::money::MicroUsd;
use schemas::openai::ChatRequest;
use std::sync::Arc;

/// Whether a key that is limited to some models may use this one.
pub(crate) fn may_use(allowed: Option<&[String]>, model: &Model) -> bool {
    allowed.is_none_or(|names| {
        names.iter().any(|name| *name == model.name || model.aliases.contains(name))
    })
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
    let (ordered, reason) = choose(config, (chat, features), None, &|_| true)?;
    Ok((ordered.first().map(|model| model.name.clone()).unwrap_or_default(), reason))
}

/// Orders the configured candidates that somebody serves and the key may use.
///
/// # Errors
/// When no candidate passes the hard limits, or a preference can't be read.
pub(crate) fn choose(
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
        .filter(|model| may_use(allowed, model) && model.can(Capability::Chat))
        .cloned()
        .collect();
    let max_tokens = config.limits.max_tokens_per_request;
    let prompt_tokens_max = credits::prompt_tokens_max(chat);
    let candidates: Vec<routing::Candidate> = models
        .iter()
        .map(|model| {
            let worst = WorstCase::of(JobKind::Chat, (chat, prompt_tokens_max), model, max_tokens);
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
