//! `POST /v1/embeddings`: vectors of texts. The texts become the canonical form's messages, so that
//! they are masked, limited, paid for and queued like a chat; an answer has one choice for each.

use super::error::ApiError;
use super::fields::refuse_canonical;
use super::request_count::Counted;
use super::{incoming, outgoing};
use crate::auth;
use crate::cache::Wishes;
use crate::chat::{self, Answering, Call, Receipt};
use crate::problems::wrong;
use crate::state::Gateway;
use axum::body::Body;
use axum::extract::{MatchedPath, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use schemas::error::Problem;
use schemas::ids::RequestId;
use schemas::job::JobKind;
use schemas::openai::request::UserPreferences;
use schemas::openai::{AnswerChoice, ChatRequest, Content, EMBEDDING, Message, Part, Role, TOKENS};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Instant;

/// Texts of one request.
const INPUTS_MAX: usize = 2_048;

/// A request as it is written.
#[derive(Deserialize, JsonSchema)]
pub(super) struct EmbeddingsRequest {
    model: String,
    input: Value,
    #[serde(default)]
    encoding_format: Option<Encoding>,
    #[serde(default)]
    dimensions: Option<u32>,
    #[serde(default)]
    user_preferences: Option<UserPreferences>,
    /// Everything else, for the vendor.
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// How a vector is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Encoding {
    Float,
    Base64,
}

/// What OpenAI answers.
#[derive(Serialize, JsonSchema)]
pub(super) struct Embeddings {
    object: &'static str,
    data: Vec<Embedding>,
    model: String,
    usage: Value,
}

#[derive(Serialize, JsonSchema)]
struct Embedding {
    object: &'static str,
    index: u32,
    embedding: Vector,
}

#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
enum Vector {
    Numbers(Vec<f32>),
    Base64(String),
}

/// Answers a request.
pub(super) async fn create(
    State(gateway): State<Arc<Gateway>>,
    Extension(request): Extension<RequestId>,
    route: MatchedPath,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let mut counted = Counted::begin(&gateway, &request, &headers, route.as_str());
    match answer(&gateway, &request, (headers, body), &mut counted).await {
        Ok(response) => {
            counted.end(None);
            response
        }
        Err(error) => {
            counted.end(Some(error.code()));
            error.into_response()
        }
    }
}

async fn answer(
    gateway: &Arc<Gateway>,
    request: &RequestId,
    (headers, body): (HeaderMap, Body),
    counted: &mut Counted,
) -> Result<Response, ApiError> {
    let arrived = Instant::now();
    let secret = incoming::secret(&headers);
    // A stranger's body isn't even read: it would cost memory for nothing.
    let key = auth::open(gateway, secret.as_deref())?;
    let body = incoming::body(gateway, &headers, body).await?;
    let asked: EmbeddingsRequest =
        incoming::json_with_room(gateway, Some(&key.account), &body).await?;
    drop((headers, body, key));
    let encoding = asked.encoding_format.unwrap_or(Encoding::Float);
    let chat = canonical(asked)?;
    counted.names(&chat.model);
    let (request, kind) = (request.clone(), JobKind::Embeddings);
    let (wishes, drop_params) = (Wishes::nothing(), None);
    let trace = counted.trace();
    let call =
        Call { request, kind, chat: Box::new(chat), secret, wishes, drop_params, arrived, trace };
    let mut answering = chat::chat(gateway, call).await?;
    let (choices, receipt) = outgoing::collect(&mut answering).await?;
    let answer = whole(&answering, choices, &receipt, encoding)?;
    Ok((outgoing::headers(&answering, Some(&receipt)), Json(answer)).into_response())
}

/// The texts as messages.
fn canonical(asked: EmbeddingsRequest) -> Result<ChatRequest, Problem> {
    let inputs = match asked.input {
        Value::String(text) => vec![Value::String(text)],
        Value::Array(numbers) if numbers.first().is_some_and(Value::is_number) => {
            vec![Value::Array(numbers)]
        }
        Value::Array(inputs) => inputs,
        _ => return Err(wrong_input()),
    };
    if inputs.is_empty() || inputs.len() > INPUTS_MAX {
        return Err(wrong_input());
    }
    let mut rest = asked.rest;
    refuse_canonical(&mut rest)?;
    if let Some(dimensions) = asked.dimensions {
        if dimensions == 0 {
            return Err(wrong("dimensions", "1 以上の整数", "a whole number from 1"));
        }
        rest.insert("dimensions".into(), dimensions.into());
    }
    let messages = inputs.into_iter().map(message).collect::<Result<_, _>>()?;
    let (model, user_preferences) = (asked.model, asked.user_preferences);
    Ok(ChatRequest { model, messages, user_preferences, rest, ..ChatRequest::default() })
}

fn message(input: Value) -> Result<Message, Problem> {
    match input {
        Value::String(text) if !text.is_empty() => Ok(Message::text(Role::User, text)),
        Value::Array(numbers) if !numbers.is_empty() && numbers.iter().all(Value::is_u64) => {
            let rest = Map::from_iter([(TOKENS.to_owned(), Value::Array(numbers))]);
            let part = Part { kind: TOKENS.to_owned(), text: None, rest };
            let mut message = Message::text(Role::User, "");
            message.content = Some(Content::Parts(vec![part]));
            Ok(message)
        }
        _ => Err(wrong_input()),
    }
}

fn wrong_input() -> Problem {
    wrong(
        "input",
        "空でない文字列か、1〜2048個の配列",
        "a text that isn't empty, or a list of 1 – 2048 of them",
    )
}

fn whole(
    answering: &Answering,
    choices: Vec<AnswerChoice>,
    receipt: &Receipt,
    encoding: Encoding,
) -> Result<Embeddings, Problem> {
    let data = choices.into_iter().map(|choice| embedding(choice, encoding));
    let tokens = receipt.usage.prompt_tokens();
    Ok(Embeddings {
        object: "list",
        data: data.collect::<Option<_>>().ok_or_else(outgoing::without_end)?,
        model: answering.model().to_owned(),
        usage: json!({"prompt_tokens": tokens, "total_tokens": tokens}),
    })
}

fn embedding(mut choice: AnswerChoice, encoding: Encoding) -> Option<Embedding> {
    let Some(Value::String(base64)) = choice.message.rest.shift_remove(EMBEDDING) else {
        return None;
    };
    let vector = match encoding {
        Encoding::Base64 => Vector::Base64(base64),
        Encoding::Float => Vector::Numbers(numbers(&base64)?),
    };
    Some(Embedding { object: "embedding", index: choice.index, embedding: vector })
}

fn numbers(base64: &str) -> Option<Vec<f32>> {
    let bytes = STANDARD.decode(base64).ok()?;
    let (numbers, rest) = bytes.as_chunks::<4>();
    rest.is_empty().then(|| numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: Value) -> Result<ChatRequest, Problem> {
        canonical(serde_json::from_value(body).unwrap())
    }

    #[test]
    fn texts_and_numbers_become_messages_in_their_order() {
        let chat =
            read(json!({"model": "m", "input": ["日本", "🙂"], "dimensions": 2, "user": "u"}));
        let chat = chat.unwrap();
        let texts: Vec<&str> =
            chat.messages.iter().flat_map(|m| m.content.as_ref().unwrap().texts()).collect();
        assert_eq!(texts, ["日本", "🙂"]);
        assert_eq!(Value::Object(chat.rest), json!({"user": "u", "dimensions": 2}));
        let one = read(json!({"model": "m", "input": [1, 2, 3]})).unwrap();
        let two = read(json!({"model": "m", "input": [[1, 2], [3]]})).unwrap();
        assert_eq!((one.messages.len(), two.messages.len()), (1, 2));
        let part = &two.messages[0].content.as_ref().unwrap().parts()[0];
        assert_eq!(part.rest[TOKENS], json!([1, 2]));
    }

    #[test]
    fn what_cannot_be_embedded_is_named() {
        let many = vec!["x"; INPUTS_MAX + 1];
        for input in
            [json!(""), json!([]), json!([""]), json!([[]]), json!([-1]), json!(5), json!(many)]
        {
            let problem = read(json!({"model": "m", "input": input})).unwrap_err();
            assert_eq!(problem.parameter.as_deref(), Some("input"));
        }
        for (field, value) in [("dimensions", json!(0)), ("messages", json!([])), ("n", json!(2))] {
            let problem = read(json!({"model": "m", "input": "x", field: value})).unwrap_err();
            assert_eq!(problem.parameter.as_deref(), Some(field));
        }
    }

    #[test]
    fn vectors_are_read_from_their_bytes() {
        let bytes: Vec<u8> =
            [0.25f32, -1.5, 0.1].iter().flat_map(|number| number.to_le_bytes()).collect();
        assert_eq!(numbers(&STANDARD.encode(&bytes)).unwrap(), [0.25, -1.5, 0.1]);
        assert_eq!(
            serde_json::to_string(&numbers(&STANDARD.encode(&bytes))).unwrap(),
            "[0.25,-1.5,0.1]"
        );
        assert_eq!(numbers(&STANDARD.encode(&bytes[1..])), None);
        assert_eq!(numbers("not base64!"), None);
    }
}
