//! The fields of a chat request by name: which of them whose protocol has no word for, as data. Of
//! vendors that translate, those that they know are listed; of servers that speak OpenAI's own
//! protocol, those that they refuse or ignore, so that a field of tomorrow passes.

use super::nested;
use infra::config::Model;
use schemas::anthropic::ANTHROPIC_BETA;
use schemas::catalogue::{Preset, Vendor};
use schemas::openai::ChatRequest;
use serde_json::Value;

/// What says what the answer is. Other fields only steer how it is made.
const DEMANDS: [&str; 10] = [
    "n",
    "logprobs",
    "top_logprobs",
    "tools",
    "tool_choice",
    "functions",
    "response_format",
    "modalities",
    "audio",
    "web_search_options",
];

/// Fields with a place of their own in [`ChatRequest`] that a model may have no word for.
const TYPED: [&str; 11] = [
    "tool_choice",
    "n",
    "logprobs",
    "top_logprobs",
    "seed",
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "stop",
];

/// What no vendor is told by us: their own APIs know it, in a form that isn't the canonical one's.
pub(crate) const NOBODYS: [&str; 5] =
    ["context_management", "speed", "diagnostics", "user_profile_id", "workspace_id"];

/// Words of other APIs that no chat has: what a client says of itself, of how its conversation is
/// kept and of who else might answer. In a chat's request they are what its vendor takes them for.
const OF_OTHER_APIS: [&str; 9] = [
    "client_metadata",
    "access_programs",
    "background_options",
    "fallbacks",
    "fallback_credit_token",
    "billing_policy",
    "compaction",
    "thread",
    "betas",
];

/// What OpenAI's chat knows beside its typed fields. A request that came by another API has
/// nothing of tomorrow's chat in it, and OpenAI refuses what it doesn't know.
const OPENAI_KNOWS: [&str; 18] = [
    "metadata",
    "store",
    "user",
    "safety_identifier",
    "service_tier",
    "reasoning_effort",
    "verbosity",
    "parallel_tool_calls",
    "modalities",
    "audio",
    "prediction",
    "moderation",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "web_search_options",
    "functions",
    "function_call",
];

/// What a protocol knows.
enum Known {
    /// These and nothing else, beside what every chat has.
    Only(&'static [&'static str]),
    /// Everything but these.
    AllBut(&'static [&'static str]),
}

const ANTHROPIC: Known = Known::Only(&[
    "tool_choice",
    "temperature",
    "top_p",
    "top_k",
    "stop",
    "thinking",
    "output_config",
    "cache_control",
    "user",
    "safety_identifier",
    "parallel_tool_calls",
    "functions",
    "function_call",
]);

const GEMINI: Known = Known::Only(&[
    "tool_choice",
    "n",
    "logprobs",
    "top_logprobs",
    "seed",
    "temperature",
    "top_p",
    "top_k",
    "presence_penalty",
    "frequency_penalty",
    "stop",
    "thinking",
    "reasoning_effort",
    "modalities",
    "google",
    "functions",
    "function_call",
]);

/// Our own worker: what it reads (workers/rakuten/src/translate.rs and calls).
const LLAMA: Known = Known::Only(&[
    "tool_choice",
    "n",
    "logprobs",
    "top_logprobs",
    "seed",
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "presence_penalty",
    "frequency_penalty",
    "repetition_penalty",
    "logit_bias",
    "stop",
    "parallel_tool_calls",
]);

/// OpenAI refuses what other vendors know.
const OPENAI: Known =
    Known::AllBut(&["top_k", "thinking", "output_config", "cache_control", "google"]);

/// A server of which nothing is known but that it speaks the protocol.
const COMPATIBLE: Known = Known::AllBut(&["output_config"]);

const MISTRAL: Known = Known::AllBut(&[
    "logprobs",
    "top_logprobs",
    "logit_bias",
    "user",
    "safety_identifier",
    "top_k",
    "store",
    "service_tier",
    "verbosity",
    "web_search_options",
    "modalities",
    "audio",
    "prompt_cache_key",
    "prompt_cache_retention",
    "thinking",
    "output_config",
    "google",
]);

const DEEPSEEK: Known = Known::AllBut(&[
    "n",
    "seed",
    "logit_bias",
    "user",
    "safety_identifier",
    "store",
    "metadata",
    "service_tier",
    "prediction",
    "verbosity",
    "web_search_options",
    "modalities",
    "audio",
    "parallel_tool_calls",
    "prompt_cache_key",
    "prompt_cache_retention",
    "output_config",
    "google",
]);

const GROQ: Known = Known::AllBut(&[
    "n",
    "logprobs",
    "top_logprobs",
    "logit_bias",
    "top_k",
    "store",
    "prediction",
    "verbosity",
    "web_search_options",
    "modalities",
    "audio",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "thinking",
    "output_config",
    "google",
]);

const XAI: Known = Known::AllBut(&[
    "logit_bias",
    "top_k",
    "store",
    "metadata",
    "service_tier",
    "prediction",
    "verbosity",
    "modalities",
    "audio",
    "thinking",
    "output_config",
    "google",
]);

/// As its own page on OpenAI's protocol tells (docs/api/openai-compatibility in its repository): a
/// choice of tools that it ignores must not look as if it was followed.
const OLLAMA: Known = Known::AllBut(&[
    "tool_choice",
    "n",
    "logit_bias",
    "user",
    "safety_identifier",
    "store",
    "metadata",
    "service_tier",
    "prediction",
    "verbosity",
    "web_search_options",
    "modalities",
    "audio",
    "parallel_tool_calls",
    "prompt_cache_key",
    "prompt_cache_retention",
    "output_config",
    "google",
]);

fn known(model: &Model) -> Known {
    match (model.vendor, model.preset) {
        (Vendor::Openai | Vendor::Azure, _) => OPENAI,
        (Vendor::Anthropic, _) => ANTHROPIC,
        (Vendor::Gemini, _) => GEMINI,
        (Vendor::Llama, _) => LLAMA,
        (Vendor::Compatible, Some(Preset::Mistral)) => MISTRAL,
        (Vendor::Compatible, Some(Preset::Deepseek)) => DEEPSEEK,
        (Vendor::Compatible, Some(Preset::Groq)) => GROQ,
        (Vendor::Compatible, Some(Preset::Xai)) => XAI,
        (Vendor::Compatible, Some(Preset::Ollama)) => OLLAMA,
        (Vendor::Compatible, _) => COMPATIBLE,
    }
}

/// The given fields that the model's protocol has no word for, in one order.
pub(super) fn unknown_to(model: &Model, chat: &ChatRequest) -> Vec<String> {
    let known = known(model);
    let is_openais = matches!(model.vendor, Vendor::Openai | Vendor::Azure);
    let is_foreign = |name: &str| {
        OF_OTHER_APIS.contains(&name)
            || (is_openais && !TYPED.contains(&name) && !OPENAI_KNOWS.contains(&name))
    };
    let is_unknown = |name: &str| match known {
        _ if NOBODYS.contains(&name) => true,
        // Everywhere but at Anthropic it names nothing.
        _ if name == ANTHROPIC_BETA => {
            let names = chat.rest.get(name).and_then(Value::as_str);
            model.vendor != Vendor::Anthropic || names.is_none()
        }
        _ if chat.is_translated && is_foreign(name) => true,
        Known::Only(names) => !names.contains(&name),
        Known::AllBut(names) => names.contains(&name),
    };
    let typed = TYPED.iter().copied().filter(|name| is_given(chat, name));
    let others = chat.rest.keys().map(String::as_str).filter(|name| is_given(chat, name));
    typed.chain(others).filter(|name| is_unknown(name)).map(str::to_owned).collect()
}

/// Whether it says what the answer is.
pub(super) fn is_demand(field: &str) -> bool {
    DEMANDS.contains(&field)
}

/// Whether an answer with sound is asked for.
pub(super) fn asks_for_sound(chat: &ChatRequest) -> bool {
    let modalities = chat.rest.get("modalities").and_then(Value::as_array);
    modalities.is_some_and(|names| names.iter().any(|name| name == "audio"))
}

/// Whether a field is there and says something.
pub(super) fn is_given(chat: &ChatRequest, field: &str) -> bool {
    match field {
        "n" => chat.n.is_some_and(|n| n > 1),
        "logprobs" => chat.logprobs == Some(true),
        "top_logprobs" => chat.top_logprobs.is_some(),
        "seed" => chat.seed.is_some(),
        "temperature" => chat.temperature.is_some(),
        "top_p" => chat.top_p.is_some(),
        "presence_penalty" => chat.presence_penalty.is_some(),
        "frequency_penalty" => chat.frequency_penalty.is_some(),
        "logit_bias" => chat.logit_bias.as_ref().is_some_and(|biases| !biases.is_empty()),
        "stop" => chat.stop.is_some(),
        "tools" => chat.tools.as_ref().is_some_and(|tools| !tools.is_empty()),
        // Who leaves it to the model has said nothing.
        "tool_choice" => chat.tool_choice.as_ref().is_some_and(|choice| choice != "auto"),
        "response_format" => chat.response_format.is_some(),
        _ => nested::is_given(chat, field)
            .unwrap_or_else(|| chat.rest.get(field).is_some_and(|value| !value.is_null())),
    }
}

/// Leaves a field out.
pub(super) fn remove(chat: &mut ChatRequest, field: &str) {
    match field {
        "n" => chat.n = None,
        "logprobs" => chat.logprobs = None,
        "top_logprobs" => chat.top_logprobs = None,
        "seed" => chat.seed = None,
        "temperature" => chat.temperature = None,
        "top_p" => chat.top_p = None,
        "presence_penalty" => chat.presence_penalty = None,
        "frequency_penalty" => chat.frequency_penalty = None,
        "logit_bias" => chat.logit_bias = None,
        "stop" => chat.stop = None,
        "tools" => chat.tools = None,
        "tool_choice" => chat.tool_choice = None,
        "response_format" => chat.response_format = None,
        _ if nested::remove(chat, field) => {}
        _ => {
            chat.rest.shift_remove(field);
        }
    }
}
