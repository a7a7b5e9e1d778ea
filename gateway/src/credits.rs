//! What a request may cost at worst, before a token of it exists. The bound must never be under
//! the truth: a hold is made with it, and no charge may pass the hold.

use infra::config::Model;
use schemas::money::MicroUsd;
use schemas::openai::{ChatRequest, Content, Message};
use schemas::usage::{token_estimate, token_upper_bound};

/// What a template adds around one message at most, in tokens.
const MESSAGE_TOKENS_MAX: u64 = 32;

/// What a template adds around all messages at most (a default system message, tool
/// instructions), in tokens.
const TEMPLATE_TOKENS_MAX: u64 = 512;

/// What an image, a sound or a file may count at most, in tokens.
const PART_TOKENS_MAX: u64 = 50_000;

/// The worst case of a request on one model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WorstCase {
    /// The prompt counts no more tokens than this.
    pub(crate) input_tokens_max: u64,
    /// All choices of the answer together may have so many tokens.
    pub(crate) output_tokens_max: u64,
    /// So it costs no more than this.
    pub(crate) amount: MicroUsd,
}

impl WorstCase {
    /// The worst case on a model; `max_tokens` caps every answer.
    pub(crate) fn of(chat: &ChatRequest, model: &Model, max_tokens: u64) -> Self {
        let asked = chat.answer_tokens_max().unwrap_or(u64::MAX);
        let choices = u64::from(chat.n.unwrap_or(1).max(1));
        let output_tokens_max = asked.min(max_tokens).min(model.max_output) * choices;
        let input_tokens_max = prompt_tokens_max(chat).min(model.context);
        let amount = model.price.worst_case(input_tokens_max, output_tokens_max);
        Self { input_tokens_max, output_tokens_max, amount }
    }
}

/// An upper bound of the prompt's tokens under any tokenizer.
fn prompt_tokens_max(chat: &ChatRequest) -> u64 {
    let messages: u64 = chat.messages.iter().map(message_tokens_max).sum();
    let described = [&chat.response_format, &chat.tool_choice];
    let described: u64 = described.into_iter().flatten().map(json_tokens_max).sum();
    let tools: u64 = chat.tools.iter().flatten().map(json_tokens_max).sum();
    messages + described + tools + TEMPLATE_TOKENS_MAX
}

fn message_tokens_max(message: &Message) -> u64 {
    let content = match &message.content {
        Some(Content::Text(text)) => token_upper_bound(text),
        Some(Content::Parts(parts)) => parts
            .iter()
            .map(|part| match &part.text {
                Some(text) => token_upper_bound(text),
                None => PART_TOKENS_MAX,
            })
            .sum(),
        None => 0,
    };
    let calls: u64 = message.tool_calls.iter().flatten().map(json_tokens_max).sum();
    let name = message.name.as_deref().map_or(0, token_upper_bound);
    content + calls + name + MESSAGE_TOKENS_MAX
}

fn json_tokens_max(value: &serde_json::Value) -> u64 {
    token_upper_bound(&value.to_string())
}

/// The prompt's tokens as they probably are.
pub(crate) fn prompt_tokens_estimate(chat: &ChatRequest) -> u64 {
    let contents = chat.messages.iter().filter_map(|message| message.content.as_ref());
    contents.flat_map(Content::texts).map(token_estimate).sum()
}

/// An amount as a client writes it: USD, an exact decimal.
pub(crate) fn usd(number: &serde_json::Number) -> Result<MicroUsd, ()> {
    let amount = MicroUsd::from_decimal(&number.to_string()).map_err(drop)?;
    if amount.0 < 0 { Err(()) } else { Ok(amount) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use infra::config::Config;
    use infra::environment::Environment;
    use schemas::usage::Usage;
    use serde_json::json;

    #[test]
    fn japanese_is_never_under_its_bytes() {
        let config = Config::load(None, &Environment::default()).unwrap();
        let model = config.models.get("gpt-4o-mini").unwrap();
        let chat: ChatRequest = serde_json::from_value(json!({
            "model": "gpt-4o-mini", "n": 2,
            "messages": [{"role": "user", "content": "楽天市場でおすすめの商品を教えてください"}]
        }))
        .unwrap();
        let worst = WorstCase::of(&chat, model, 4_000);
        assert!(worst.input_tokens_max >= 60, "{worst:?}");
        assert_eq!(worst.output_tokens_max, 8_000, "of both choices");
        let usage = Usage { input: worst.input_tokens_max, output: 8_000, ..Usage::default() };
        assert!(model.price.charge(&usage) <= worst.amount);
    }
}
