//! Which model, and which instead of it when it fails before its first token. A name is looked up;
//! `auto` is chosen by the router. Only models that somebody serves and the key may use are taken.

use super::authenticate::Authenticated;
use super::mask::Masked;
use super::recall::Missed;
use super::receive::Received;
use crate::abilities;
use crate::auto;
use crate::conversation::Past;
use crate::credits::{self, WorstCase};
use crate::estimate::prompt_tokens_estimate;
use crate::problems::no_worker;
use crate::state::Gateway;
use infra::config::{DropParams, Model};
use schemas::catalogue::{Capability, Tokenizer};
use schemas::error::{ErrorCode, Problem};
use schemas::job::JobKind;
use schemas::money::MicroUsd;
use schemas::openai::ChatRequest;
use schemas::records::KeyRecordV1;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

/// Models tried for one request at most, the first included.
const CANDIDATES_MAX: usize = 4;

/// A request with the models to try, in order; never empty.
pub(super) struct Routed {
    pub(super) missed: Missed,
    pub(super) candidates: Vec<Arc<Model>>,
    pub(super) reason: String,
    /// Those that are tried only when the conversation doesn't fit another's context.
    pub(super) for_context: Vec<Arc<Model>>,
    /// The router chose, and this is what its choice is remembered under.
    pub(super) chosen: Option<Chosen>,
    /// The prompt counts no more tokens than this under any tokenizer.
    prompt_tokens_max: u64,
    /// And no more than these under some, if somebody has counted.
    pub(super) counted: BTreeMap<Tokenizer, u64>,
}

/// A choice of the router.
pub(super) struct Chosen {
    /// Where the conversation stands; absent when none is remembered.
    pub(super) digest: Option<String>,
}

impl Routed {
    /// Who asks.
    pub(super) fn authenticated(&self) -> &Authenticated {
        &self.missed.masked.admitted.authenticated
    }

    /// What is asked.
    pub(super) fn received(&self) -> &Received {
        &self.authenticated().received
    }

    /// The prompt counts no more tokens than this on a model.
    pub(super) fn prompt_tokens_max(&self, model: &Model) -> u64 {
        let counted = model.tokenizer.and_then(|tokenizer| self.counted.get(&tokenizer));
        counted.map_or(self.prompt_tokens_max, |tokens| self.prompt_tokens_max.min(*tokens))
    }

    /// Why the router chose, if it did.
    pub(super) fn route(&self) -> Option<String> {
        self.chosen.as_ref().map(|_| self.reason.clone())
    }
}

/// Chooses.
pub(super) async fn route(gateway: &Arc<Gateway>, mut missed: Missed) -> Result<Routed, Problem> {
    let authenticated = &mut missed.masked.admitted.authenticated;
    let key = Arc::clone(&authenticated.key);
    let allowed = key.limits.models.clone();
    let mut chosen = None;
    let (kind, policy) = (authenticated.received.kind, authenticated.received.drop_params);
    let chat = &mut authenticated.received.chat;
    let (first, reason) = if chat.model == "auto" && kind == JobKind::Chat {
        let past = gateway.past(&key.account, chat).await;
        let (ordered, reason) = choose(gateway, (chat, &key), &past)?;
        chosen = Some(Chosen { digest: past.digest });
        (able(ordered, chat, policy)?, reason)
    } else {
        let model = named(gateway, &chat.model, allowed.as_deref())?;
        check_kind(&model, kind)?;
        if kind == JobKind::Chat
            && let Some(problem) = abilities::refusal(&model, chat, policy)
        {
            return Err(problem);
        }
        (vec![model], "named".to_owned())
    };
    let max_cost = auto::max_cost(&gateway.config, chat);
    // What the client wants of the choice is ours to know, and nobody else's.
    chat.user_preferences = None;
    let (mut candidates, mut reason) = (first, reason);
    let prompt_tokens_max = credits::prompt_tokens_max(chat);
    let (mut for_context, counted) = (Vec::new(), BTreeMap::new());
    // Another model's vectors can't be compared with the one's that was asked for.
    if kind == JobKind::Chat
        && let Some(model) = candidates.first().cloned()
    {
        let fits = |fallback: &Model| {
            gateway.fleet.offers(&fallback.name)
                && fallback.can(Capability::Chat)
                && auto::may_use(allowed.as_deref(), fallback)
                && abilities::refusal(fallback, chat, policy).is_none()
                && prompt_tokens_estimate(chat) < fallback.context
                && max_cost.is_none_or(|most| worst(gateway, chat, fallback) <= most)
        };
        for fallback in known(gateway, gateway.config.fallbacks_of(&model.name), &fits) {
            add(&mut candidates, fallback);
        }
        // What surely fits needs nobody with a longer context, and holds no credit for one.
        if prompt_tokens_max >= model.context {
            let longer = |fallback: &Model| fallback.context > model.context && fits(fallback);
            for_context = known(gateway, gateway.config.context_fallbacks_of(&model.name), &longer);
            for_context.retain(|longer| add(&mut candidates, Arc::clone(longer)));
        }
        if prompt_tokens_estimate(chat) >= model.context && !for_context.is_empty() {
            candidates.sort_by_key(|known| !contains(&for_context, known));
            for_context.clear();
            reason.push_str(";context");
        }
    }
    if missed.masked.local_only {
        candidates.retain(|model| model.local);
        if candidates.is_empty() {
            return Err(only_local(gateway));
        }
    }
    if prefer_well(gateway, &mut candidates, &for_context) {
        reason.push_str(";cooling");
    }
    candidates.truncate(CANDIDATES_MAX);
    Ok(Routed { missed, candidates, reason, for_context, chosen, prompt_tokens_max, counted })
}

impl Authenticated {
    /// The model that it names, if it names one, as far as that needs no look at what it asks.
    ///
    /// # Errors
    /// When there is none, not for this key, or nobody serves it and no kept answer can either.
    pub(super) fn named_model(&self, gateway: &Gateway) -> Result<Option<Arc<Model>>, Problem> {
        let Self { received, key } = self;
        if received.chat.model == "auto" && received.kind == JobKind::Chat {
            return Ok(None);
        }
        let model = configured(gateway, &received.chat.model, key.limits.models.as_deref())?;
        check_kind(&model, received.kind)?;
        // A kept answer needs nobody.
        if !received.may_be_told(gateway) {
            offered(gateway, &model)?;
        }
        Ok(Some(model))
    }
}

impl Masked {
    /// Whether its model is named and will be found: whatever else is asked of the choice isn't
    /// known without looking.
    pub(super) fn is_surely_routed(&self, gateway: &Gateway) -> bool {
        let authenticated = &self.admitted.authenticated;
        let (received, allowed) =
            (&authenticated.received, authenticated.key.limits.models.as_deref());
        let chat = &received.chat;
        if self.local_only || chat.model == "auto" || chat.user_preferences.is_some() {
            return false;
        }
        named(gateway, &chat.model, allowed).is_ok_and(|model| {
            check_kind(&model, received.kind).is_ok()
                && abilities::refusal(&model, chat, received.drop_params).is_none()
        })
    }
}

/// What a chat may cost on a model.
fn worst(gateway: &Gateway, chat: &ChatRequest, model: &Model) -> MicroUsd {
    let max_tokens = gateway.config.limits.max_tokens_per_request;
    let asked = (chat, credits::prompt_tokens_max(chat));
    WorstCase::of(JobKind::Chat, asked, model, max_tokens).amount
}

/// The configured models of these names that fit.
fn known(gateway: &Gateway, names: &[String], fits: &dyn Fn(&Model) -> bool) -> Vec<Arc<Model>> {
    let models = names.iter().filter_map(|name| gateway.config.models.get(name));
    models.filter(|model| fits(model)).cloned().collect()
}

/// Adds a candidate that isn't there yet; whether it was added.
fn add(candidates: &mut Vec<Arc<Model>>, model: Arc<Model>) -> bool {
    let is_new = !contains(candidates, &model);
    if is_new {
        candidates.push(model);
    }
    is_new
}

fn contains(models: &[Arc<Model>], model: &Model) -> bool {
    models.iter().any(|known| known.name == model.name)
}

/// Puts models whose upstream cools down behind the others; whether the first is another one now.
/// With nobody else they are asked all the same.
fn prefer_well(
    gateway: &Gateway,
    candidates: &mut [Arc<Model>],
    for_context: &[Arc<Model>],
) -> bool {
    let now = Instant::now();
    let first = candidates.first().map(|model| model.name.clone());
    candidates.sort_by_key(|model| {
        (contains(for_context, model), !gateway.breakers.is_usable(&model.name, now))
    });
    candidates.first().map(|model| &model.name) != first.as_ref()
}

fn only_local(gateway: &Gateway) -> Problem {
    let local = gateway.config.models.iter().filter(|model| model.local);
    let names = local.map(|model| format!("\"{}\"", model.name)).collect::<Vec<_>>();
    let (japanese, english) = match names.is_empty() {
        true => ("設定にローカルモデルがありません。".to_owned(), "none is configured.".to_owned()),
        false => {
            let names = names.join(", ");
            (
                format!("{names} か \"auto\" を使ってください。"),
                format!("use {names}, or \"auto\"."),
            )
        }
    };
    Problem::new(
        ErrorCode::ContentBlocked,
        format!(
            "個人情報（または画像・音声・ファイル）はローカルモデルでのみ処理できます。{japanese}"
        ),
        format!(
            "The request holds personal data (or an image, a sound or a file) that only a local \
             model may see: {english}"
        ),
    )
    .at("model")
}

/// Those that can take the request; if none can, what the first lacks.
fn able(
    mut ordered: Vec<Arc<Model>>,
    chat: &ChatRequest,
    policy: DropParams,
) -> Result<Vec<Arc<Model>>, Problem> {
    let lacking = ordered.first().and_then(|first| abilities::refusal(first, chat, policy));
    ordered.retain(|model| abilities::refusal(model, chat, policy).is_none());
    match lacking {
        Some(problem) if ordered.is_empty() => Err(problem),
        _ => Ok(ordered),
    }
}

/// A model that only embeds answers no chat, and the other way round.
fn check_kind(model: &Model, kind: JobKind) -> Result<(), Problem> {
    let name = &model.name;
    let (capability, japanese, english) = match kind {
        JobKind::Chat => (Capability::Chat, "チャット", "no chat: use /v1/embeddings"),
        JobKind::Embeddings => (Capability::Embeddings, "埋め込み", "no embeddings"),
    };
    if model.can(capability) {
        return Ok(());
    }
    Err(Problem::new(
        ErrorCode::InvalidRequest,
        format!("モデル '{name}' は{japanese}に対応していません。"),
        format!("The model '{name}' makes {english}."),
    )
    .at("model"))
}

fn named(gateway: &Gateway, name: &str, allowed: Option<&[String]>) -> Result<Arc<Model>, Problem> {
    let model = configured(gateway, name, allowed)?;
    offered(gateway, &model)?;
    Ok(model)
}

/// A model by its name, if the key may use it.
fn configured(
    gateway: &Gateway,
    name: &str,
    allowed: Option<&[String]>,
) -> Result<Arc<Model>, Problem> {
    let shown: String = name.chars().take(80).collect();
    let model = gateway.config.models.get(name).ok_or_else(|| {
        Problem::new(
            ErrorCode::ModelNotFound,
            format!("モデル '{shown}' はありません。GET /v1/models で一覧を確認してください。"),
            format!("The model '{shown}' does not exist. GET /v1/models lists all."),
        )
        .at("model")
    })?;
    if !auto::may_use(allowed, model) {
        return Err(Problem::new(
            ErrorCode::PermissionDenied,
            format!("このキーではモデル '{shown}' を使えません。"),
            format!("This key may not use the model '{shown}'."),
        )
        .at("model"));
    }
    Ok(Arc::clone(model))
}

/// Refuses a model that nobody serves.
fn offered(gateway: &Gateway, model: &Model) -> Result<(), Problem> {
    if gateway.fleet.knows_nothing() {
        return Err(no_worker());
    }
    let name = &model.name;
    if !gateway.fleet.offers(name) {
        return Err(Problem::new(
            ErrorCode::ModelNotFound,
            format!(
                "モデル '{name}' は現在提供されていません。ワーカーとモデル提供元のAPIキーを確認してください。"
            ),
            format!(
                "The model '{name}' is not offered now: no worker serves it (is its vendor's key \
                 set?)."
            ),
        )
        .at("model"));
    }
    Ok(())
}

/// Asks the router about the models that somebody serves.
fn choose(
    gateway: &Gateway,
    (chat, key): (&ChatRequest, &KeyRecordV1),
    past: &Past,
) -> Result<(Vec<Arc<Model>>, String), Problem> {
    let asked = auto::Asked {
        chat,
        features: &gateway.features(chat, &key.account),
        allowed: key.limits.models.as_deref(),
        offered: &|name: &str| gateway.fleet.offers(name),
        wait_ms: &|model: &Model| gateway.expected_wait_ms(model, (&key.account, key.priority)),
        past,
    };
    let (ordered, reason) = auto::choose(&gateway.config, &asked)?;
    if let Some(first) = ordered.first() {
        gateway.metrics.routed_total.with_label_values(&[&first.name]).inc();
    }
    Ok((ordered, reason))
}
