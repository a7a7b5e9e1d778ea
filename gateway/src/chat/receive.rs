//! Checks the request against what OpenAI's specification allows, and starts its clock. A wrong
//! field is named; nothing is mended silently.

use super::Call;
use crate::cache::Wishes;
use crate::problems::wrong;
use crate::state::Gateway;
use infra::clock;
use infra::config::DropParams;
use schemas::error::{ErrorCode, Problem};
use schemas::ids::RequestId;
use schemas::job::JobKind;
use schemas::openai::{CHOICES_MAX, ChatRequest, TOP_LOGPROBS_MAX};
use serde_json::Value;
use std::ops::{Deref, DerefMut};
use std::sync::LazyLock;
use std::time::Instant;

/// Messages of one request.
const MESSAGES_MAX: usize = 10_000;

/// Texts that end an answer.
const STOPS_MAX: usize = 4;

/// A field of our own, named as other gateways name it.
const DROP_PARAMS: &str = "drop_params";

/// Another.
const CACHE: &str = "cache";

/// A request that the API takes.
pub(super) struct Received {
    pub(super) request: RequestId,
    pub(super) kind: JobKind,
    pub(super) chat: Question,
    pub(super) secret: Option<String>,
    pub(super) wishes: Wishes,
    pub(super) drop_params: DropParams,
    pub(super) arrived: Instant,
    /// When it must have ended: milliseconds since 1970.
    pub(super) deadline_ms: u64,
    /// The span that it is.
    pub(super) trace: Option<infra::trace::Context>,
}

/// What is asked, until it is forgotten: it reads as empty then. It goes from step to step, and a
/// stream may outlive it by minutes.
pub(super) struct Question(Option<Box<ChatRequest>>);

impl Question {
    /// Forgets it. It is given back, if nobody has forgotten it before.
    pub(super) fn forget(&mut self) -> Option<Box<ChatRequest>> {
        self.0.take()
    }
}

impl Deref for Question {
    type Target = ChatRequest;

    fn deref(&self) -> &ChatRequest {
        static EMPTY: LazyLock<ChatRequest> = LazyLock::new(ChatRequest::default);
        self.0.as_deref().unwrap_or(&EMPTY)
    }
}

impl DerefMut for Question {
    fn deref_mut(&mut self) -> &mut ChatRequest {
        self.0.get_or_insert_default()
    }
}

/// Checks.
pub(super) fn receive(gateway: &Gateway, mut call: Call) -> Result<Received, Problem> {
    check(&call.chat)?;
    let said = drop_params(&mut call.chat)?.or(call.drop_params);
    // What the client wants of kept answers is ours alone to know, too.
    if let Some(said) = call.chat.rest.shift_remove(CACHE) {
        call.wishes.object(&said)?;
    }
    // Whoever waited for room to be read has waited since it came.
    let waited_ms = u64::try_from(call.arrived.elapsed().as_millis()).unwrap_or(u64::MAX);
    let lifetime_ms = gateway.config.gateway.request_seconds_max * 1_000;
    let lifetime_ms = lifetime_ms.saturating_sub(waited_ms);
    Ok(Received {
        request: call.request,
        kind: call.kind,
        chat: Question(Some(call.chat)),
        secret: call.secret,
        wishes: call.wishes,
        drop_params: said.unwrap_or(gateway.config.gateway.drop_params),
        arrived: call.arrived,
        trace: call.trace,
        deadline_ms: clock::steady_ms() + lifetime_ms,
    })
}

/// What the body says of fields that the model can't honour; it is ours alone to know.
fn drop_params(chat: &mut ChatRequest) -> Result<Option<DropParams>, Problem> {
    match chat.rest.shift_remove(DROP_PARAMS) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(true)) => Ok(Some(DropParams::All)),
        Some(Value::Bool(false)) => Ok(Some(DropParams::Never)),
        Some(_) => Err(wrong(DROP_PARAMS, "true か false", "true or false")),
    }
}

fn check(chat: &ChatRequest) -> Result<(), Problem> {
    if chat.model.is_empty() {
        return Err(wrong("model", "モデル名か \"auto\"", "a model's name, or \"auto\""));
    }
    if chat.messages.is_empty() || chat.messages.len() > MESSAGES_MAX {
        let japanese = format!("1〜{MESSAGES_MAX}件のメッセージ");
        return Err(wrong("messages", &japanese, &format!("1 – {MESSAGES_MAX} messages")));
    }
    let ranges = [
        ("temperature", chat.temperature, 0.0, 2.0),
        ("top_p", chat.top_p, 0.0, 1.0),
        ("presence_penalty", chat.presence_penalty, -2.0, 2.0),
        ("frequency_penalty", chat.frequency_penalty, -2.0, 2.0),
    ];
    for (field, value, low, high) in ranges {
        if value.is_some_and(|value| !(low..=high).contains(&value)) {
            // A tilde before a minus would be hard to read.
            let japanese = format!("{low}以上{high}以下の数");
            return Err(wrong(field, &japanese, &format!("a number in {low} – {high}")));
        }
    }
    if chat.n.is_some_and(|n| !(1..=CHOICES_MAX).contains(&n)) {
        return Err(wrong("n", "1〜128の整数", "a whole number in 1 – 128"));
    }
    let limits =
        [("max_tokens", chat.max_tokens), ("max_completion_tokens", chat.max_completion_tokens)];
    for (field, limit) in limits {
        if limit == Some(0) {
            return Err(wrong(field, "1 以上の整数", "a whole number from 1"));
        }
    }
    if chat.stop.as_ref().is_some_and(|stop| stop.texts().len() > STOPS_MAX) {
        return Err(wrong("stop", "4個までの文字列", "up to four texts"));
    }
    if chat
        .top_logprobs
        .is_some_and(|n| n > u32::from(TOP_LOGPROBS_MAX) || chat.logprobs != Some(true))
    {
        return Err(wrong(
            "top_logprobs",
            "0〜20の整数（logprobs: true が必要です）",
            "a whole number in 0 – 20, together with logprobs: true",
        ));
    }
    if chat.stream_options.is_some() && !chat.wants_stream() {
        return Err(Problem::new(
            ErrorCode::InvalidRequest,
            "stream_options は stream: true のときだけ使えます。",
            "'stream_options' is only for stream: true.",
        )
        .at("stream_options"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_wrong_field_is_named() {
        let wrongs = [
            ("messages", json!([])),
            ("temperature", json!(2.1)),
            ("top_p", json!(-0.1)),
            ("n", json!(0)),
            ("max_tokens", json!(0)),
            ("stop", json!(["a", "b", "c", "d", "e"])),
            ("top_logprobs", json!(3)),
            ("stream_options", json!({"include_usage": true})),
        ];
        for (field, value) in wrongs {
            let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]});
            body[field] = value;
            let chat: ChatRequest = serde_json::from_value(body).unwrap();
            assert_eq!(check(&chat).unwrap_err().parameter.as_deref(), Some(field));
        }
        let many = vec![json!({"role": "user", "content": "x"}); MESSAGES_MAX + 1];
        let chat = json!({"model": "m", "messages": many});
        let problem = check(&serde_json::from_value(chat).unwrap()).unwrap_err();
        assert!(problem.message.contains("10000"), "{}", problem.message);
    }
}
