//! A response that is kept for a while, so that a later request can go on from it at any gateway.
//! It is sealed with a key made of the client's own secret, which nobody here keeps: Redis, its
//! disk and its operator see no word of it, and whoever comes with another key finds nothing.

use super::input;
use super::log::Numbered;
use crate::seal;
use crate::state::Gateway;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use infra::store::StoreError;
use infra::store::responses::Sealed;
use schemas::error::{ErrorCode, Problem};
use schemas::ids::AccountId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

/// Longest name of a response looked at, in bytes.
const ID_BYTES_MAX: usize = 64;

/// Earlier items that a conversation may have; a request that would go on from more is refused.
const ITEMS_BEFORE_MAX: usize = 5_000;

/// What the sealing key is for: another use of the same secret gives another key.
const PURPOSE: seal::Purpose = b"fly-llm kept response v1";

/// What is kept of one response.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    /// The response as it was told.
    pub(super) response: Value,
    /// What was said with its request.
    pub(super) input: Vec<Value>,
    /// What had been said before, the oldest first.
    pub(super) before: Vec<Value>,
    /// Its events, if it ran in the background and they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) events: Option<Vec<Numbered>>,
}

/// What became of keeping a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is there.
    Kept,
    /// It may not be so large.
    TooLarge,
    /// It was deleted, or is too large for its account.
    Gone,
}

impl Record {
    /// Whether it is still being made.
    pub(super) fn is_running(&self) -> bool {
        matches!(self.response["status"].as_str(), Some("queued" | "in_progress"))
    }

    /// Whether a conversation can go on from it.
    fn is_said(&self) -> bool {
        matches!(self.response["status"].as_str(), Some("completed" | "incomplete"))
    }

    /// All items up to and with this response, the oldest first.
    pub(super) fn into_items(self) -> Vec<Value> {
        let mut items = self.before;
        items.extend(self.input);
        if let Some(Value::Array(output)) = self.response.get("output") {
            items.extend(output.iter().cloned());
        }
        items
    }
}

/// One client's kept responses.
pub(super) struct Shelf {
    gateway: Arc<Gateway>,
    account: AccountId,
    secret: String,
}

impl Shelf {
    /// Of whoever has this secret.
    pub(super) fn new(gateway: &Arc<Gateway>, account: &AccountId, secret: &str) -> Self {
        let (account, secret) = (account.clone(), secret.to_owned());
        Self { gateway: Arc::clone(gateway), account, secret }
    }

    /// Whether a request of this size may be kept at all.
    pub(super) fn takes(&self, bytes: usize) -> bool {
        let settings = &self.gateway.config.responses;
        settings.enabled && bytes <= settings.entry_bytes_max
    }

    /// Reads one.
    ///
    /// # Errors
    /// When there is none of this client, or Redis is away.
    pub(super) async fn read(&self, id: &str) -> Result<Record, Problem> {
        let is_name = id.len() <= ID_BYTES_MAX
            && id.starts_with("resp_")
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_name {
            return Err(no_such_response());
        }
        let kept = self.gateway.store.kept_response(&self.account, id).await;
        let kept = kept.map_err(|error| away(&error))?.ok_or_else(no_such_response)?;
        self.opened(id, &kept).ok_or_else(no_such_response)
    }

    /// The conversation that ends with a response.
    ///
    /// # Errors
    /// When there is none, or it is too long to go on.
    pub(super) async fn conversation(&self, id: &str) -> Result<Vec<Value>, Problem> {
        let record = self.read(id).await.map_err(|problem| match problem.code {
            ErrorCode::NotFound => no_such_conversation(),
            _ => problem,
        })?;
        if !record.is_said() {
            return Err(not_said());
        }
        let items = record.into_items();
        if items.len() > ITEMS_BEFORE_MAX { Err(no_such_conversation()) } else { Ok(items) }
    }

    /// Forgets one.
    ///
    /// # Errors
    /// When there is none of this client, or Redis is away.
    pub(super) async fn forget(&self, id: &str) -> Result<(), Problem> {
        self.read(id).await?;
        let forgotten = self.gateway.store.forget_response(&self.account, id).await;
        forgotten.map_err(|error| away(&error))
    }

    /// Whether one that runs in the background runs at some gateway.
    ///
    /// # Errors
    /// When Redis is away.
    pub(super) async fn runs(&self, id: &str) -> Result<bool, Problem> {
        let runs = self.gateway.store.runs_background(&self.account, id).await;
        runs.map_err(|error| away(&error))
    }

    /// Cancels one that runs in the background at some gateway.
    ///
    /// # Errors
    /// When Redis is away.
    pub(super) async fn cancel(&self, id: &str) -> Result<bool, Problem> {
        let cancelled = self.gateway.store.cancel_background(&self.account, id).await;
        cancelled.map_err(|error| away(&error))
    }

    /// Keeps one; `again` only if it is there already.
    ///
    /// # Errors
    /// When Redis is away.
    pub(super) async fn keep(&self, record: &Record, again: bool) -> Result<Outcome, StoreError> {
        let settings = &self.gateway.config.responses;
        let id = record.response["id"].as_str().unwrap_or_default();
        let sealed = serde_json::to_vec(record).ok();
        let sealed = sealed.filter(|plain| plain.len() <= settings.entry_bytes_max);
        let Some(content) = sealed.and_then(|plain| self.sealed(id, plain)) else {
            tracing::info!(id, "a response is too large to be kept");
            return Ok(Outcome::TooLarge);
        };
        let sealed = Sealed {
            account: &self.account,
            id,
            content: &content,
            ttl_seconds: settings.ttl_seconds,
            account_bytes_max: settings.account_bytes_max,
            again,
        };
        match self.gateway.store.keep_response(&sealed).await? {
            true => Ok(Outcome::Kept),
            false => {
                tracing::info!(id, "a response is too large for its account, or was deleted");
                Ok(Outcome::Gone)
            }
        }
    }

    fn sealed(&self, id: &str, content: Vec<u8>) -> Option<String> {
        let sealed = seal::sealed(PURPOSE, &self.secret, &self.bound_to(id), content)?;
        Some(STANDARD_NO_PAD.encode(sealed))
    }

    fn opened(&self, id: &str, kept: &str) -> Option<Record> {
        let mut kept = STANDARD_NO_PAD.decode(kept).ok()?;
        let plain = seal::opened(PURPOSE, &self.secret, &self.bound_to(id), &mut kept)?;
        serde_json::from_slice(&plain).ok()
    }

    /// What a sealed record belongs to: it can't be read at another place.
    fn bound_to(&self, id: &str) -> String {
        format!("{}/{id}", self.account)
    }
}

/// A response to be kept when its answer is whole.
pub(super) struct Keeping {
    pub(super) shelf: Shelf,
    pub(super) input: Vec<Value>,
    pub(super) before: Vec<Value>,
}

impl Keeping {
    /// Keeps it. The answer is given whether this succeeds or not.
    pub(super) async fn keep(self, response: Value) {
        let Self { shelf, input, before } = self;
        let record = Record { response, input, before, events: None };
        if let Err(error) = shelf.keep(&record, false).await {
            tracing::warn!(%error, "a response could not be kept");
        }
    }
}

/// What was said with a request as items with names, as they are listed.
pub(super) fn items(input: Option<&Value>, bare: &str) -> Vec<Value> {
    let mut items = match input {
        Some(Value::String(text)) => vec![json!({"type": "message", "role": "user",
            "content": [{"type": "input_text", "text": text}]})],
        Some(Value::Array(items)) => items.clone(),
        _ => Vec::new(),
    };
    for (number, item) in items.iter_mut().enumerate().filter(|(_, item)| item.is_object()) {
        let (kind, prefix) = input::kind_and_prefix(item);
        if kind == "message" {
            write_parts(item);
        }
        item["type"] = kind.into();
        if item.get("id").is_none_or(|id| !id.is_string()) {
            item["id"] = format!("{prefix}_{bare}_in{number}").into();
        }
    }
    items
}

/// A message's content as a list of parts, as it is always listed: a text alone is one of them.
fn write_parts(message: &mut Value) {
    let Some(text) = message["content"].as_str() else { return };
    let part = match message["role"].as_str() {
        Some("assistant") => json!({"type": "output_text", "text": text, "annotations": []}),
        _ => json!({"type": "input_text", "text": text}),
    };
    message["content"] = json!([part]);
}

pub(super) fn no_such_response() -> Problem {
    Problem::new(
        ErrorCode::NotFound,
        "その応答はありません。保存期間が過ぎたか、store: false か、別のAPIキーで作られたものです。",
        "There is no such response: its time is over, it was made with store: false, or with \
         another API key.",
    )
    .at("response_id")
}

fn no_such_conversation() -> Problem {
    Problem::new(
        ErrorCode::PreviousResponseNotFound,
        "previous_response_id の応答はありません。会話を input に入れて送ってください。",
        "There is no response of this previous_response_id. Send the conversation as input.",
    )
    .at("previous_response_id")
}

fn not_said() -> Problem {
    Problem::new(
        ErrorCode::InvalidRequest,
        "previous_response_id の応答は終わっていないか、失敗したか、取り消されました。",
        "The response of this previous_response_id still runs, has failed or was cancelled.",
    )
    .at("previous_response_id")
}

fn away(error: &infra::store::StoreError) -> Problem {
    crate::problems::records_away(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_is_listed_with_parts() {
        let said = json!([
            {"role": "developer", "content": "d"},
            {"type": "message", "role": "assistant", "content": "a"},
            {"role": "user", "content": [{"type": "input_image", "image_url": "u"}]},
            {"type": "function_call_output", "call_id": "c", "output": "o"},
        ]);
        let items = items(Some(&said), "1");
        let content: Vec<&Value> = items.iter().map(|item| &item["content"]).collect();
        let told = json!({"type": "output_text", "text": "a", "annotations": []});
        assert_eq!(content[0], &json!([{"type": "input_text", "text": "d"}]));
        assert_eq!(content[1], &json!([told]));
        assert_eq!((content[2], content[3]), (&said[2]["content"], &Value::Null));
        assert_eq!(items[3]["output"], "o");
    }
}
