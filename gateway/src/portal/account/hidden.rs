//! What was hidden of a conversation in the playground, message by message: each word beside what
//! stood in its place when the message left. It is told to whoever wrote the words, kept nowhere
//! and logged nowhere.

use super::super::guard::{Called, Customer};
use super::super::language::Language;
use super::super::texts::names;
use crate::api::incoming;
use crate::pii::{Kind, Masker};
use crate::state::Gateway;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemas::openai::{ChatRequest, Content};
use serde_json::{Value, json};
use std::sync::Arc;

/// Masks the same conversation as the chat did, with the policy of the same key.
pub(super) async fn show(
    State(gateway): State<Arc<Gateway>>,
    called: Called<Customer>,
) -> Response {
    let Called { who, parts, body } = called;
    let language = Language::of(&parts.headers);
    let read = incoming::body(&gateway, &parts.headers, body).await;
    let chat = read.ok().and_then(|body| serde_json::from_slice::<ChatRequest>(&body).ok());
    let Some(chat) = chat else { return StatusCode::BAD_REQUEST.into_response() };
    // Long texts take a while, and others shall not wait for it.
    let work = move || {
        let masker = gateway.masker.for_key(who.key.account.as_str(), who.key.privacy.as_ref());
        hidden(&masker, chat, language)
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(messages) => Json(json!({ "messages": messages })).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// For each message its hidden words. What can't be masked was refused: nothing of it has left.
fn hidden(masker: &Masker, mut chat: ChatRequest, language: Language) -> Vec<Value> {
    let Ok(vault) = masker.mask(&mut chat) else { return Vec::new() };
    let pairs = vault.pairs();
    let told = |text: &str| -> Vec<Value> {
        let here = pairs.iter().filter(|(_, placeholder, _)| text.contains(placeholder.as_str()));
        let word = |(kind, placeholder, word): &(Kind, String, &str)| {
            let kind = names::kind(language, *kind);
            json!({"kind": kind, "word": word, "placeholder": placeholder})
        };
        here.map(word).collect()
    };
    let text = |content: &Content| content.texts().collect::<Vec<_>>().join("\n");
    let message = |content: &Option<Content>| {
        let text = content.as_ref().map(text).unwrap_or_default();
        json!({ "hidden": told(&text) })
    };
    chat.messages.iter().map(|it| message(&it.content)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pii::Settings;

    #[test]
    fn each_message_has_its_own_hidden_words() {
        let masker = Masker::new(Settings::default()).unwrap();
        let body = json!({"model": "auto", "messages": [
            {"role": "user", "content": "電話は 090-1234-5678 です"},
            {"role": "assistant", "content": "はい"},
            {"role": "user", "content": "hanako@example.jp と 090-1234-5678"},
        ]});
        let chat = serde_json::from_value(body).unwrap();
        let told = hidden(&masker, chat, Language::Japanese);
        let words = |message: &Value| -> Vec<(String, String)> {
            let text = |it: &Value, name: &str| it[name].as_str().unwrap().to_owned();
            let list = message["hidden"].as_array().unwrap();
            list.iter().map(|it| (text(it, "kind"), text(it, "word"))).collect()
        };
        let phone = ("電話番号".to_owned(), "090-1234-5678".to_owned());
        let email = ("メールアドレス".to_owned(), "hanako@example.jp".to_owned());
        assert_eq!(words(&told[0]), std::slice::from_ref(&phone));
        assert_eq!(words(&told[1]), []);
        assert_eq!(words(&told[2]), [email, phone]);
        assert_eq!(told[0]["hidden"][0]["placeholder"], "[PHONE_1]");
    }
}
