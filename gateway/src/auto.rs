//! `"model": "auto"`: the router asked about the configured models, with what this request would
//! cost on each at worst. It keeps no state and sends nothing.

use crate::conversation::Past;
use crate::credits::{self, WorstCase};
use crate::line::Asking;
use crate::routing;
use crate::state::Gateway;
use infra::config::{Config, Model};
use schemas::catalogue::Capability;
use schemas::error::{ErrorCode, Problem};
use schemas::ids::AccountId;
use schemas::job::JobKind;
use schemas::money::MicroUsd;
use schemas::openai::ChatRequest;
use schemas::records::Priority;
use serde_json::{Value, json};
use std::sync::Arc;

/// Whether a key that is limited to some models may use this one.
pub(crate) fn may_use(allowed: Option<&[String]>, model: &Model) -> bool {
    allowed.is_none_or(|names| {
        names.iter().any(|name| *name == model.name || model.aliases.contains(name))
    })
}

/// A request for the router, and what is known of the moment.
pub(crate) struct Asked<'a> {
    pub(crate) chat: &'a ChatRequest,
    pub(crate) features: &'a routing::Features,
    /// The models that its key may use; all when absent.
    pub(crate) allowed: Option<&'a [String]>,
    /// Whether somebody serves a model.
    pub(crate) offered: &'a dyn Fn(&str) -> bool,
    /// How long it would wait for a model, in milliseconds.
    pub(crate) wait_ms: &'a dyn Fn(&Model) -> u64,
    pub(crate) past: &'a Past,
}

/// What is read of a request: by its own locale, else its account's, else the configured one.
pub fn features(config: &Config, chat: &ChatRequest, account: Option<&str>) -> routing::Features {
    let own = chat.user_preferences.as_ref().and_then(|wanted| wanted.locale.as_deref());
    routing::features(chat, own.or(account).or(config.auto.locale.as_deref()))
}

impl Gateway {
    /// What is read of an account's request.
    pub(crate) fn features(&self, chat: &ChatRequest, account: &AccountId) -> routing::Features {
        let record = self.accounts.get(account);
        let locale = record.as_ref().and_then(|record| record.locale.as_deref());
        features(&self.config, chat, locale)
    }

    /// How long a request of somebody would wait for a model now; the longest wait that is
    /// allowed, when nobody can say.
    pub(crate) fn expected_wait_ms(
        &self,
        model: &Model,
        (account, priority): (&AccountId, Priority),
    ) -> u64 {
        let patience = self.config.queue.wait_max_of(&model.pool);
        let asking = Asking { pool: &model.pool, account, priority, patience };
        let expected = self.line.expected(&asking).unwrap_or(patience);
        u64::try_from(expected.as_millis()).unwrap_or(u64::MAX)
    }
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
    let past = Past::default();
    let (offered, wait_ms) = (&|_: &str| true, &|_: &Model| 0);
    let asked = Asked { chat, features, allowed: None, offered, wait_ms, past: &past };
    let (ordered, reason) = choose(config, &asked)?;
    Ok((ordered.first().map(|model| model.name.clone()).unwrap_or_default(), reason))
}

/// Orders the configured candidates that somebody serves and the key may use.
///
/// # Errors
/// When no candidate passes the hard limits, or a preference can't be read.
pub(crate) fn choose(
    config: &Config,
    asked: &Asked<'_>,
) -> Result<(Vec<Arc<Model>>, String), Problem> {
    let preferences = preferences(asked.chat, config.auto.max_cost)?;
    let models = models(config, asked);
    let candidates = candidates(config, asked, &models);
    let settings = routing::Settings::default();
    let choice = routing::choose(asked.features, &preferences, &candidates, &settings)
        .map_err(no_candidate)?;
    let ordered: Vec<Arc<Model>> =
        choice.ordered.iter().filter_map(|index| models.get(*index).cloned()).collect();
    Ok((ordered, choice.reason))
}

/// Everything that a choice rests on, for a page that shows it.
///
/// # Errors
/// When a preference can't be read.
pub(crate) fn explain(config: &Config, asked: &Asked<'_>) -> Result<Value, Problem> {
    let preferences = preferences(asked.chat, config.auto.max_cost)?;
    let models = models(config, asked);
    let candidates = candidates(config, asked, &models);
    let settings = routing::Settings::default();
    let features = asked.features;
    let shown: Vec<Value> = candidates
        .iter()
        .map(|candidate| {
            let weighed = routing::weigh(features, &preferences, candidate, &settings);
            json!({
                "model": candidate.name,
                "tier": candidate.tier,
                "local": candidate.local,
                "worst_case_usd": candidate.price.as_usd(),
                "expected_quality": weighed.quality,
                "usd_per_thousand_tokens": weighed.usd_per_thousand_tokens,
                "expected_wait_seconds": weighed.wait_seconds,
                "value": weighed.value,
                "pinned": candidate.pinned,
                "disliked": candidate.disliked,
                "left_out": weighed.left_out.map(|limit| limit.to_string()),
            })
        })
        .collect();
    let (order, reason) = match choose(config, asked) {
        Ok((ordered, reason)) => {
            (ordered.iter().map(|model| model.name.clone()).collect::<Vec<_>>(), reason)
        }
        Err(problem) => (Vec::new(), problem.message),
    };
    let quality = &features.quality;
    Ok(json!({
        "object": "route",
        "language": {
            "code": features.language.as_str(), "confidence": features.language_confidence},
        "task": {"name": features.task.as_str(), "confidence": features.task_confidence},
        "score": features.difficulty,
        "expected_quality": {"local": quality.local, "economy": quality.economy,
            "standard": quality.standard, "premium": quality.premium},
        "prompt_tokens_estimate": features.prompt_tokens_estimate,
        "needs": {"tools": features.needs.tools, "vision": features.needs.vision,
            "json_schema": features.needs.json_schema},
        "unsure": features.unsure,
        "weights": {"price": settings.price_weight, "wait": settings.wait_weight},
        "candidates": shown,
        "model": order.first(),
        "order": order,
        "reason": reason,
    }))
}

fn models(config: &Config, asked: &Asked<'_>) -> Vec<Arc<Model>> {
    let auto = &config.auto;
    let listed = |model: &&Arc<Model>| {
        auto.candidates.is_empty()
            || auto
                .candidates
                .iter()
                .any(|name| config.models.get(name).is_some_and(|known| known.name == model.name))
    };
    let able = |model: &&Arc<Model>| may_use(asked.allowed, model) && model.can(Capability::Chat);
    config.models.iter().filter(listed).filter(able).cloned().collect()
}

fn candidates(
    config: &Config,
    asked: &Asked<'_>,
    models: &[Arc<Model>],
) -> Vec<routing::Candidate> {
    let default = config.auto.default.as_ref().or_else(|| config.auto.candidates.first());
    let max_tokens = config.limits.max_tokens_per_request;
    let prompt_tokens_max = credits::prompt_tokens_max(asked.chat);
    let is = |name: &Option<String>, model: &Model| name.as_ref() == Some(&model.name);
    models
        .iter()
        .map(|model| {
            let bound = (asked.chat, prompt_tokens_max);
            let worst = WorstCase::of(JobKind::Chat, bound, model, max_tokens);
            routing::Candidate {
                name: model.name.clone(),
                tier: model.tier,
                local: model.local,
                capabilities: model.capabilities.clone(),
                context: model.context,
                price: worst.amount,
                answer_tokens: worst.output_tokens_max,
                expected_wait_ms: (asked.wait_ms)(model),
                healthy: (asked.offered)(&model.name),
                default: default == Some(&model.name),
                pinned: is(&asked.past.pinned, model),
                disliked: is(&asked.past.disliked, model),
            }
        })
        .collect()
}

/// What a request may cost at worst: as its client says, and for `auto` as the configuration says.
pub(crate) fn max_cost(config: &Config, chat: &ChatRequest) -> Option<MicroUsd> {
    let configured = config.auto.max_cost.filter(|_| chat.model == "auto");
    preferences(chat, configured).ok()?.max_cost
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
                "user_preferences.max_cost には USD の金額（例: 0.05）を指定してください。",
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
        NoCandidate::Capabilities => "必要な機能（ツール・画像・JSON）を持つモデルがありません。",
        NoCandidate::Context => {
            "プロンプトと回答の長さがどのモデルにも収まりません。短くしてください。"
        }
        NoCandidate::Unhealthy => {
            "対応できるモデルが今は動いていません。しばらくしてからもう一度お試しください。"
        }
        NoCandidate::MaxCost => {
            "どのモデルも max_cost を超えます。max_cost か max_tokens を変えてください。"
        }
        NoCandidate::Credit => "残高で使えるモデルがありません。クレジットを追加してください。",
    };
    Problem::new(code, japanese, format!("Auto found no model: {none}.")).at("model")
}
