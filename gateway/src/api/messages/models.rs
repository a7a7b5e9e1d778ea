//! `GET /v1/models` as Anthropic's API answers it, for whoever names a version of that: models that
//! answer chats, in pages.

use super::version::{self, Version};
use super::{REQUEST_ID, error};
use crate::api::header_value;
use crate::problems::wrong;
use axum::Json;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use infra::config::Model;
use schemas::catalogue::Capability;
use schemas::error::Problem;
use schemas::ids::RequestId;
use serde_json::{Value, json};

/// Models on a page that says no number.
const LIMIT: usize = 20;

/// The most that a page may have.
const LIMIT_MAX: usize = 1_000;

/// What the API says of a model whose day isn't known.
const CREATED_AT: &str = "1970-01-01T00:00:00Z";

/// Whether this shape is wanted.
pub(in crate::api) fn is_wanted(headers: &HeaderMap) -> bool {
    headers.contains_key(version::HEADER)
}

/// The answer, or the error in this shape.
pub(in crate::api) fn answered(
    answer: Result<Value, Problem>,
    headers: &HeaderMap,
    request: &RequestId,
) -> Response {
    let mut response = match Version::of(headers).and(answer) {
        Ok(answer) => Json(answer).into_response(),
        Err(problem) => error::response(&problem.into(), request),
    };
    response.headers_mut().insert(REQUEST_ID, header_value(request.as_str()));
    response
}

/// A page of these models, in their order.
pub(in crate::api) fn page(models: Vec<Value>, query: &str) -> Result<Value, Problem> {
    let asked = |name: &str| {
        let mut fields = form_urlencoded::parse(query.as_bytes());
        fields.find(|(field, _)| field == name).map(|(_, value)| value.into_owned())
    };
    let limit = asked("limit").map_or(Ok(LIMIT), |text| limit(&text))?;
    let place = |name: &str| match asked(name) {
        None => Ok(None),
        Some(id) => match models.iter().position(|model| model["id"] == id.as_str()) {
            Some(place) => Ok(Some(place)),
            None => Err(wrong(name, "一覧にあるモデルの id", "the id of a model of the list")),
        },
    };
    let (after, before) = (place("after_id")?, place("before_id")?);
    let (from, to) = (after.map_or(0, |place| place + 1), before.unwrap_or(models.len()));
    let within = models.get(from..to).unwrap_or_default();
    // What stands before a model is read backwards from it.
    let data = match (after, before) {
        (None, Some(_)) => within.get(within.len().saturating_sub(limit)..).unwrap_or_default(),
        _ => within.get(..limit).unwrap_or(within),
    };
    let id = |model: Option<&Value>| model.map_or(Value::Null, |model| model["id"].clone());
    let (first_id, last_id) = (id(data.first()), id(data.last()));
    let has_more = within.len() > data.len();
    Ok(json!({"data": data, "has_more": has_more, "first_id": first_id, "last_id": last_id}))
}

fn limit(text: &str) -> Result<usize, Problem> {
    let limit = text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
    limit.ok_or_else(|| wrong("limit", "1〜1000の整数", "a whole number in 1 – 1000"))
}

/// A model; nothing of one that answers no chats.
pub(in crate::api) fn described(model: &Model) -> Option<Value> {
    let limits = (Some(model.context), Some(model.max_output));
    model.can(Capability::Chat).then(|| named(&model.name, limits))
}

/// The choice among all.
pub(in crate::api) fn auto() -> Value {
    named("auto", (None, None))
}

fn named(name: &str, (max_input_tokens, max_tokens): (Option<u64>, Option<u64>)) -> Value {
    json!({
        "type": "model",
        "id": name,
        "display_name": name,
        "created_at": CREATED_AT,
        "lifecycle": "active",
        "deprecated_at": null,
        "retires_at": null,
        "line": null,
        "max_input_tokens": max_input_tokens,
        "max_tokens": max_tokens,
        "capabilities": null,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(query: &str) -> Result<(String, bool, Value, Value), String> {
        let models = ["a", "b", "c", "d"].map(|name| named(name, (None, None)));
        let page = page(models.to_vec(), query);
        let page = page.map_err(|problem| problem.parameter.unwrap_or_default())?;
        let ids =
            page["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap());
        let has_more = page["has_more"].as_bool().unwrap();
        Ok((ids.collect(), has_more, page["first_id"].clone(), page["last_id"].clone()))
    }

    #[test]
    fn pages_follow_each_other_both_ways() {
        for (query, ids, has_more) in [
            ("", "abcd", false),
            ("limit=1000", "abcd", false),
            ("limit=2", "ab", true),
            ("limit=2&after_id=b", "cd", false),
            ("limit=2&after_id=a", "bc", true),
            ("limit=2&before_id=d", "bc", true),
            ("before_id=c", "ab", false),
            ("after_id=a&before_id=d&limit=1", "b", true),
            ("of=tomorrow&limit=3", "abc", true),
        ] {
            let (first, last) = (&ids[..1], &ids[ids.len() - 1..]);
            let expected = (ids.to_owned(), has_more, json!(first), json!(last));
            assert_eq!(listed(query), Ok(expected), "{query}");
        }
        let nothing = Ok((String::new(), false, Value::Null, Value::Null));
        for query in ["after_id=d", "before_id=a", "after_id=c&before_id=b"] {
            assert_eq!(listed(query), nothing, "{query}");
        }
    }

    #[test]
    fn a_wrong_page_is_named() {
        for query in ["limit=0", "limit=1001", "limit=x", "limit="] {
            assert_eq!(listed(query), Err("limit".to_owned()), "{query}");
        }
        assert_eq!(listed("after_id=e"), Err("after_id".to_owned()));
        assert_eq!(listed("before_id="), Err("before_id".to_owned()));
    }
}
