//! What a request may cost at worst, before a token of it exists. The bound must never be under
//! the truth: a hold is made with it, and no charge may pass the hold.

use crate::abilities;
use infra::config::Model;
use schemas::error::{ErrorCode, Problem};
use schemas::job::JobKind;
use schemas::money::{MicroUsd, Price};
use schemas::openai::{ChatRequest, Content, Message, Part, Role, TOKENS};
use schemas::usage::token_upper_bound;
use serde::Serialize;
use serde_json::Value;

/// What a template adds around one message at most, in tokens.
const MESSAGE_TOKENS_MAX: u64 = 32;

/// What a template adds around all messages at most (a default system message, tool
/// instructions), in tokens.
const TEMPLATE_TOKENS_MAX: u64 = 512;

/// What an image may count at most, in tokens: the dearest found in a vendor's price list.
const IMAGE_TOKENS_MAX: u64 = 50_000;

/// When a retry makes sense while Redis or the view of the ledger is away, in milliseconds.
const AWAY_RETRY_MS: u64 = 2_000;

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
    /// The worst case on a model; `prompt_tokens_max` bounds the prompt under any tokenizer and
    /// `max_tokens` caps every answer.
    pub(crate) fn of(
        kind: JobKind,
        (chat, prompt_tokens_max): (&ChatRequest, u64),
        model: &Model,
        max_tokens: u64,
    ) -> Self {
        if kind == JobKind::Embeddings {
            let input_tokens_max = embedded_tokens_max(chat, model.context);
            let amount = model.price.worst_case(input_tokens_max, 0);
            return Self { input_tokens_max, output_tokens_max: 0, amount };
        }
        let asked = chat.answer_tokens_max().unwrap_or(u64::MAX);
        let choices = u64::from(chat.n.unwrap_or(1).max(1));
        let output_tokens_max = asked.min(max_tokens).min(model.max_output) * choices;
        let added = system_prompt_bytes(chat, model);
        let input_tokens_max = prompt_tokens_max.saturating_add(added).min(model.context);
        let amount = price(chat, model).worst_case(input_tokens_max, output_tokens_max);
        Self { input_tokens_max, output_tokens_max, amount }
    }

    /// The same with answers so short that what is held covers them: each choice has as many tokens
    /// as any other.
    pub(crate) fn within(self, hold: MicroUsd, chat: &ChatRequest, model: &Model) -> Self {
        if self.amount <= hold {
            return self;
        }
        let choices = u64::from(chat.n.unwrap_or(1).max(1));
        let price = price(chat, model);
        let cost = |each: u64| price.worst_case(self.input_tokens_max, each * choices);
        let (mut fits, mut too_many) = (0, self.output_tokens_max / choices + 1);
        while fits + 1 < too_many {
            let middle = fits + (too_many - fits) / 2;
            if cost(middle) <= hold { fits = middle } else { too_many = middle }
        }
        Self { output_tokens_max: fits * choices, amount: cost(fits), ..self }
    }
}

/// What our own worker puts in front of a chat without instructions: a token is at least one byte.
fn system_prompt_bytes(chat: &ChatRequest, model: &Model) -> u64 {
    let instructed = |message: &Message| matches!(message.role, Role::System | Role::Developer);
    let text = model.llama.as_ref().and_then(|llama| llama.system_prompt.as_deref());
    let text = text.filter(|_| !chat.messages.iter().any(instructed));
    text.map_or(0, |text| MESSAGE_TOKENS_MAX + text.len() as u64)
}

/// The price at which a request can be charged at most: an hour in the vendor's cache is dearer.
fn price(chat: &ChatRequest, model: &Model) -> Price {
    if abilities::keeps_an_hour(chat) { model.price.for_an_hour() } else { model.price }
}

/// An upper bound of the prompt's tokens under any tokenizer: every byte of the request that may
/// reach the model counts as one, whichever field it stands in. A picture counts as the largest
/// that a vendor charges; of other media (a PDF has any number of pages) no bound is known but the
/// model's context.
pub(crate) fn prompt_tokens_max(chat: &ChatRequest) -> u64 {
    let mut tokens = json_bytes(chat).saturating_add(TEMPLATE_TOKENS_MAX);
    for message in &chat.messages {
        tokens = tokens.saturating_add(MESSAGE_TOKENS_MAX);
        let Some(Content::Parts(parts)) = &message.content else { continue };
        for part in parts.iter().filter(|part| part.kind != "text") {
            if part.kind != "image_url" {
                return u64::MAX;
            }
            tokens = tokens.saturating_sub(json_bytes(part));
            tokens = tokens.saturating_add(IMAGE_TOKENS_MAX);
        }
    }
    tokens
}

/// How many bytes something takes as JSON: a token is at least one byte long.
pub(crate) fn json_bytes(value: &impl Serialize) -> u64 {
    struct Count(u64);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len() as u64;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    let written = serde_json::to_writer(&mut count, value);
    written.map_or(u64::MAX, |()| count.0)
}

/// An upper bound of the tokens of texts to be embedded: each stands for itself, and is refused
/// when it is longer than the model's context.
fn embedded_tokens_max(chat: &ChatRequest, context: u64) -> u64 {
    let bound = |message: &Message| match &message.content {
        Some(Content::Text(text)) => token_upper_bound(text),
        Some(Content::Parts(parts)) => parts.iter().map(token_numbers).sum(),
        None => 0,
    };
    let each = |message| (bound(message) + MESSAGE_TOKENS_MAX).min(context);
    chat.messages.iter().map(each).sum()
}

/// How many tokens a part lists by their numbers.
fn token_numbers(part: &Part) -> u64 {
    part.rest.get(TOKENS).and_then(Value::as_array).map_or(0, |numbers| numbers.len() as u64)
}

/// Money can't be counted now, so nothing starts.
pub(crate) fn away() -> Problem {
    Problem::new(
        ErrorCode::ServiceUnavailable,
        "残高を確認できないため、今は受け付けられません。しばらくしてからもう一度お試しください。",
        "The balance can't be checked now, so nothing is started. Try again in a moment.",
    )
    .retry_after_ms(AWAY_RETRY_MS)
}

/// No charge can be recorded.
pub(crate) fn not_recorded() -> Problem {
    Problem::new(
        ErrorCode::ServiceUnavailable,
        "料金を記録できないため、今は受け付けられません。しばらくしてからもう一度お試しください。",
        "No charge can be recorded now, so nothing is started. Try again in a moment.",
    )
    .retry_after_ms(AWAY_RETRY_MS)
}

/// An amount as a client writes it: USD, an exact decimal.
pub(crate) fn usd(number: &serde_json::Number) -> Result<MicroUsd, ()> {
    // The shortest decimal of a float, without the exponent that JSON may write it with.
    let decimal = match number.as_f64() {
        Some(float) if number.is_f64() => float.to_string(),
        _ => number.to_string(),
    };
    let amount = MicroUsd::from_decimal(&decimal).map_err(drop)?;
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
    fn amounts_are_read_to_the_sixth_digit() {
        for (written, amount) in [
            ("0.000001", 1),
            ("1e-6", 1),
            ("0.00001", 10),
            ("5E1", 50_000_000),
            ("12.5", 12_500_000),
            ("10", 10_000_000),
            ("0.123456", 123_456),
            ("1000000000.123456", 1_000_000_000_123_456),
        ] {
            let number: serde_json::Number = serde_json::from_str(written).unwrap();
            assert_eq!(usd(&number), Ok(MicroUsd(amount)), "{written}");
        }
        for refused in ["-1", "0.0000001", "1e300", "1e-300", "-0.000001"] {
            let number: serde_json::Number = serde_json::from_str(refused).unwrap();
            assert_eq!(usd(&number), Err(()), "{refused}");
        }
    }

    #[test]
    fn japanese_is_never_under_its_bytes() {
        let config = Config::load(None, &Environment::default()).unwrap();
        let model = config.models.get("gpt-4o-mini").unwrap();
        let chat: ChatRequest = serde_json::from_value(json!({
            "model": "gpt-4o-mini", "n": 2,
            "messages": [{"role": "user", "content": "楽天市場でおすすめの商品を教えてください"}]
        }))
        .unwrap();
        let worst = WorstCase::of(JobKind::Chat, (&chat, prompt_tokens_max(&chat)), model, 4_000);
        assert!(worst.input_tokens_max >= 60, "{worst:?}");
        assert_eq!(worst.output_tokens_max, 8_000, "of both choices");
        let usage = Usage { input: worst.input_tokens_max, output: 8_000, ..Usage::default() };
        assert!(model.price.charge(&usage) <= worst.amount);
    }

    #[test]
    fn a_system_prompt_of_the_operator_is_held_for() {
        let prompt = "あ".repeat(400);
        let text = format!(
            "models:\n  - name: m\n    pool: p\n    vendor: llama\n    price: {{input: 1, \
             cached_input: 1, cache_write: 1, output: 1}}\n    context: 9000\n    \
             max_output: 100\n    capabilities: [chat]\n    \
             llama: {{file: m.gguf, system_prompt: {prompt}}}\n"
        );
        let config = Config::parse(&text, "c", &Environment::default()).unwrap();
        let model = config.models.get("m").unwrap();
        let bound = |role: &str| {
            let messages = json!([{"role": role, "content": "x"}]);
            let chat = serde_json::from_value(json!({"model": "m", "messages": messages})).unwrap();
            WorstCase::of(JobKind::Chat, (&chat, 1_000), model, 10).input_tokens_max
        };
        assert_eq!(bound("user"), 1_000 + MESSAGE_TOKENS_MAX + 1_200);
        assert_eq!((bound("system"), bound("developer")), (1_000, 1_000));
    }

    #[test]
    fn what_is_held_bounds_every_choice() {
        let config = Config::load(None, &Environment::default()).unwrap();
        let model = config.models.get("gpt-4o-mini").unwrap();
        let question = json!([{"role": "user", "content": "楽天市場"}]);
        for choices in [1, 3] {
            let chat = json!({"model": "gpt-4o-mini", "n": choices, "messages": question});
            let chat: ChatRequest = serde_json::from_value(chat).unwrap();
            let asked = (&chat, prompt_tokens_max(&chat));
            let worst = WorstCase::of(JobKind::Chat, asked, model, 4_000);
            for hold in (0..worst.amount.0 + 100).step_by(37).map(MicroUsd) {
                let short = worst.within(hold, &chat, model);
                let next = short.output_tokens_max + choices;
                assert_eq!(short.output_tokens_max % choices, 0);
                assert!(short.amount <= hold || short.output_tokens_max == 0, "{short:?}");
                let longer = model.price.worst_case(worst.input_tokens_max, next);
                assert!(longer > hold || short == worst, "{hold} affords more than {short:?}");
            }
        }
    }

    #[test]
    fn no_field_hides_from_the_bound() {
        let bound = |change: serde_json::Value| {
            let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]});
            body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            prompt_tokens_max(&serde_json::from_value(body).unwrap())
        };
        let long = "z".repeat(10_000);
        assert!(bound(json!({"functions": [{"name": "f", "description": long}]})) > 10_000);
        assert!(
            bound(json!({"tools": [{"type": "function", "function": {"name": long}}]})) > 10_000
        );
        let parts = |part| json!({"messages": [{"role": "user", "content": [part]}]});
        let image = json!({"type": "image_url", "text": "", "image_url": {"url": "https://x"}});
        assert!(bound(parts(image)) >= IMAGE_TOKENS_MAX);
        let file = json!({"type": "file", "text": "", "file": {"file_data": "data:"}});
        assert_eq!(bound(parts(file)), u64::MAX);
    }
}
