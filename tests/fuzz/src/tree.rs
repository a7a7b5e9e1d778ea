//! Changes of JSON: what stays JSON gets further into a program than broken bytes do.

use crate::Numbers;
use serde_json::{Value, json};

/// How deep a place may lie to be changed.
const DEPTH_MAX: usize = 64;

/// One change of a JSON text; `other` may lend a value. `None` when either is none.
pub(crate) fn changed(case: &[u8], other: &[u8], numbers: &mut Numbers) -> Option<Vec<u8>> {
    let mut value: Value = serde_json::from_slice(case).ok()?;
    let lent = serde_json::from_slice(other).unwrap_or(Value::Null);
    let place = place(&mut value, numbers);
    change(place, &lent, numbers);
    serde_json::to_vec(&value).ok()
}

/// Any place in it.
fn place<'a>(mut value: &'a mut Value, numbers: &mut Numbers) -> &'a mut Value {
    for _ in 0..DEPTH_MAX {
        let count = match value {
            Value::Object(fields) => fields.len(),
            Value::Array(items) => items.len(),
            _ => 0,
        };
        // Rather deep than shallow: that is where the fields are.
        if count == 0 || numbers.below(5) == 0 {
            break;
        }
        let chosen = numbers.below(count);
        value = match value {
            Value::Object(fields) => fields.values_mut().nth(chosen).unwrap(),
            Value::Array(items) => &mut items[chosen],
            _ => unreachable!("it has something in it"),
        };
    }
    value
}

fn change(value: &mut Value, lent: &Value, numbers: &mut Numbers) {
    match (numbers.below(5), &mut *value) {
        (0, Value::Object(fields)) if !fields.is_empty() => {
            let name = fields.keys().nth(numbers.below(fields.len())).unwrap().clone();
            fields.shift_remove(&name);
        }
        (0, Value::Array(items)) if !items.is_empty() => {
            items.remove(numbers.below(items.len()));
        }
        (1, Value::Object(fields)) if !fields.is_empty() => {
            let name = fields.keys().nth(numbers.below(fields.len())).unwrap().clone();
            let moved = fields.shift_remove(&name).unwrap();
            let names = ["type", "role", "content", "id", "name", "index", "text", "x"];
            fields.insert((*numbers.one_of(&names)).to_owned(), moved);
        }
        (1, Value::Array(items)) if !items.is_empty() => {
            let again = numbers.one_of(items).clone();
            items.push(again);
        }
        (2, _) => {
            let mut lent = lent.clone();
            *value = place(&mut lent, numbers).take();
        }
        _ => *value = odd(numbers),
    }
}

/// A value that nobody expects.
fn odd(numbers: &mut Numbers) -> Value {
    match numbers.below(16) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(0),
        3 => json!(-1),
        4 => json!(1.5),
        5 => json!(u64::MAX),
        6 => json!(i64::MIN),
        7 => json!(1e308),
        8 => json!(""),
        9 => json!("\0\r\n\u{feff}"),
        10 => json!("👩‍👩‍👧‍👦 日本語 {\"a\": 1"),
        11 => json!([]),
        12 => json!({}),
        13 => json!("data:image/png;base64,####"),
        14 => (0..100).fold(json!(1), |inner, _| json!([inner])),
        _ => json!("x".repeat(numbers.below(5_000))),
    }
}
