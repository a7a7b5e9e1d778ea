//! Items that a request only names. They are read from the kept responses that they came with, and
//! stand in the conversation as if they had been sent; what isn't kept is refused by its place.

use super::kept::Shelf;
use schemas::error::{ErrorCode, Problem};
use serde_json::Value;
use std::collections::HashMap;

/// What an item is that stands for another.
const REFERENCE: &str = "item_reference";

/// Kept responses that one request may make us read. Each holds what was said with its request, so
/// the newest has mostly all.
const RESPONSES_READ_MAX: usize = 16;

/// Puts items where the input only names them.
///
/// # Errors
/// When one isn't kept, or Redis is away.
pub(super) async fn resolve(input: &mut Value, shelf: &Shelf) -> Result<(), Problem> {
    let Value::Array(items) = input else { return Ok(()) };
    let mut wanted: HashMap<String, Option<Value>> =
        items.iter().filter_map(name).map(|name| (name.to_owned(), None)).collect();
    let mut reads = 0;
    for number in (0..items.len()).rev() {
        let Some(name) = items.get(number).and_then(name).map(ToOwned::to_owned) else { continue };
        if wanted.get(&name).is_some_and(Option::is_none) && reads < RESPONSES_READ_MAX {
            reads += 1;
            find(&name, shelf, &mut wanted).await?;
        }
        // Each is given once: a name that is repeated would make a small request a large one.
        match (items.get_mut(number), wanted.remove(&name).flatten()) {
            (Some(item), Some(kept)) => *item = kept,
            _ => return Err(not_kept(number)),
        }
    }
    Ok(())
}

/// Reads the response that an item came with, and takes from it all that is wanted.
async fn find(
    name: &str,
    shelf: &Shelf,
    wanted: &mut HashMap<String, Option<Value>>,
) -> Result<(), Problem> {
    let Some(response) = response_of(name) else { return Ok(()) };
    let record = match shelf.read(&response).await {
        Ok(record) => record,
        Err(problem) if problem.code == ErrorCode::NotFound => return Ok(()),
        Err(problem) => return Err(problem),
    };
    for item in record.into_items() {
        let place = item.get("id").and_then(Value::as_str).and_then(|name| wanted.get_mut(name));
        if let Some(place) = place {
            *place = Some(item);
        }
    }
    Ok(())
}

/// The name in an item that stands for another; its type may be left out.
fn name(item: &Value) -> Option<&str> {
    let is_reference = match item.get("type").and_then(Value::as_str) {
        Some(kind) => kind == REFERENCE,
        None => item.get("role").is_none() && item.get("content").is_none(),
    };
    item.get("id").filter(|_| is_reference).and_then(Value::as_str)
}

/// The response that an item of this name came with: names are made of its own.
fn response_of(name: &str) -> Option<String> {
    let (_, rest) = name.split_once('_')?;
    let (bare, _) = rest.rsplit_once('_')?;
    Some(format!("resp_{bare}"))
}

fn not_kept(number: usize) -> Problem {
    Problem::new(
        ErrorCode::InvalidRequest,
        "この id の項目は保存されていません。保存期間が過ぎたか、store: false か、別のAPIキーで\
         作られたか、2度指定されています。項目そのものを input に入れて送ってください。",
        "No item of this id is kept: its time is over, it was made with store: false or with \
         another API key, or it is named twice. Send the item itself.",
    )
    .at(format!("input[{number}].id"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_reference_is_known_and_so_is_its_response() {
        for item in [
            json!({"type": "item_reference", "id": "msg_1_0"}),
            json!({"id": "msg_1_0"}),
            json!({"type": null, "id": "msg_1_0"}),
        ] {
            assert_eq!(name(&item), Some("msg_1_0"), "{item}");
        }
        for item in [
            json!({"type": "message", "id": "msg_1_0"}),
            json!({"role": "user", "content": "x", "id": "msg_1_0"}),
            json!({"type": "item_reference", "id": 1}),
            json!("msg_1_0"),
        ] {
            assert_eq!(name(&item), None, "{item}");
        }
        assert_eq!(response_of("msg_01a2_0").as_deref(), Some("resp_01a2"));
        assert_eq!(response_of("msg_01a2_in3").as_deref(), Some("resp_01a2"));
        assert_eq!(response_of("msg_1"), None);
    }
}
