//! The features that the header `anthropic-beta` names, beside the request in the canonical form:
//! sorted, each once, so that another order is no other question.

use axum::http::HeaderMap;
use schemas::anthropic::{ANTHROPIC_BETA, beta_names};
use schemas::openai::ChatRequest;
use serde_json::Value;
use std::collections::BTreeSet;

/// The header that names them; it may come several times.
const HEADER: &str = "anthropic-beta";

/// Adds those of the header to those that the body may name, as some vendors have it.
pub(super) fn ask(chat: &mut ChatRequest, headers: &HeaderMap) {
    let body = chat.rest.shift_remove(ANTHROPIC_BETA);
    let listed = body.as_ref().and_then(Value::as_array).into_iter().flatten();
    let of_body = listed.chain(&body).filter_map(Value::as_str);
    let of_headers = headers.get_all(HEADER).iter().filter_map(|value| value.to_str().ok());
    let names: BTreeSet<&str> = of_headers.chain(of_body).flat_map(beta_names).collect();
    if !names.is_empty() {
        let names: Vec<&str> = names.into_iter().collect();
        chat.rest.insert(ANTHROPIC_BETA.to_owned(), names.join(",").into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use serde_json::json;

    #[test]
    fn names_come_from_every_header_and_the_body_once_and_sorted() {
        let asked = |headers: &[&'static str], body: Value| {
            let chat = json!({"model": "m", "messages": [], "anthropic_beta": body});
            let mut chat: ChatRequest = serde_json::from_value(chat).unwrap();
            let mut all = HeaderMap::new();
            for value in headers {
                all.append(HEADER, HeaderValue::from_static(value));
            }
            ask(&mut chat, &all);
            chat.rest.get(ANTHROPIC_BETA).cloned()
        };
        assert_eq!(asked(&["c-1, a-1,", "a-1"], json!(["b-1"])), Some(json!("a-1,b-1,c-1")));
        assert_eq!(asked(&[], json!("b-1,a-1")), Some(json!("a-1,b-1")));
        for nothing in [json!(null), json!([]), json!([1]), json!({}), json!(" ,")] {
            assert_eq!(asked(&[" "], nothing), None);
        }
    }
}
