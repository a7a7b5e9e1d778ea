//! `POST /v1/messages/count_tokens`: an estimate, and said to be one. The gateway has no model's
//! tokenizer; it counts characters as `schemas::usage::token_estimate` does, and takes a fixed
//! number for what isn't text. No charge is ever made from it, and nothing is sent anywhere.

use super::version::Version;
use super::{canonical, error};
use crate::api::incoming;
use crate::api::shapes::CountedTokens;
use crate::auth;
use crate::state::Gateway;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use schemas::anthropic::MessagesRequest;
use schemas::error::{ErrorCode, Problem};
use schemas::ids::RequestId;
use schemas::openai::{ChatRequest, Content, Message, Part};
use schemas::usage::token_estimate;
use serde_json::{Map, Value};
use std::sync::Arc;

/// What the frame of one message takes.
const MESSAGE_TOKENS: u64 = 4;

/// What an image takes at most in the size that vendors scale it to.
const IMAGE_TOKENS: u64 = 1_600;

/// What a page of a PDF takes, read as text and as an image.
const PAGE_TOKENS: u64 = 2_000;

/// What a page of a PDF has, in characters of base64: the pages themselves are not looked at.
const PAGE_CHARACTERS: usize = 100_000;

/// Counts.
pub(super) async fn count(
    State(gateway): State<Arc<Gateway>>,
    Extension(request): Extension<RequestId>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    match counted(&gateway, &headers, body).await {
        Ok(input_tokens) => Json(CountedTokens { input_tokens }).into_response(),
        Err(problem) => error::response(&problem.into(), &request),
    }
}

async fn counted(gateway: &Gateway, headers: &HeaderMap, body: Body) -> Result<u64, Problem> {
    let key = auth::open(gateway, incoming::secret(headers).as_deref())?;
    let version = Version::of(headers)?;
    let body = incoming::body(gateway, headers, body).await?;
    let (account, bytes) = (Some(&key.account), body.len() as u64);
    let _room = gateway.heavy.room(account, bytes, &gateway.metrics).await?;
    let chat = canonical(read(&body)?, version)?;
    if chat.model != "auto" && gateway.config.models.get(&chat.model).is_none() {
        return Err(Problem::new(
            ErrorCode::ModelNotFound,
            "そのモデルはありません。GET /v1/models で一覧を確認してください。",
            "That model does not exist. GET /v1/models lists all.",
        )
        .at("model"));
    }
    Ok(estimate(&chat))
}

/// The same body as a message's, but for the limit of an answer that nobody asks for.
pub(super) fn read(body: &[u8]) -> Result<MessagesRequest, Problem> {
    let mut fields: Map<String, Value> = incoming::json(body)?;
    fields.entry("max_tokens").or_insert_with(|| 1.into());
    let body = Value::Object(fields).to_string();
    incoming::json(body.as_bytes())
}

/// The prompt's tokens as they probably are, with tools and images.
pub(super) fn estimate(chat: &ChatRequest) -> u64 {
    let messages: u64 = chat.messages.iter().map(of_message).sum();
    let described: u64 =
        chat.tools.iter().flatten().chain(&chat.response_format).map(of_json).sum();
    messages + described
}

fn of_message(message: &Message) -> u64 {
    let content = match &message.content {
        Some(Content::Text(text)) => token_estimate(text),
        Some(Content::Parts(parts)) => parts.iter().map(of_part).sum(),
        None => 0,
    };
    let calls: u64 = message.tool_calls.iter().flatten().map(of_json).sum();
    let kept: u64 = message.rest.values().map(of_json).sum();
    MESSAGE_TOKENS + content + calls + kept
}

fn of_part(part: &Part) -> u64 {
    match (part.kind.as_str(), &part.text) {
        ("text", Some(text)) => token_estimate(text),
        ("image_url" | "image", _) => IMAGE_TOKENS,
        ("file", _) => {
            let data = part.rest.get("file").and_then(|file| file.get("file_data"));
            let characters = data.and_then(Value::as_str).map_or(0, str::len);
            u64::try_from(characters.div_ceil(PAGE_CHARACTERS)).unwrap_or(1).max(1) * PAGE_TOKENS
        }
        _ => part.rest.values().map(of_json).sum::<u64>() + of_text(part.text.as_deref()),
    }
}

fn of_text(text: Option<&str>) -> u64 {
    text.map_or(0, token_estimate)
}

fn of_json(value: &Value) -> u64 {
    token_estimate(&value.to_string())
}
