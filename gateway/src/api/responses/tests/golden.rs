//! The golden test of the surface, driven by the files in `fixtures/responses/`.
//!
//! | input | expected | what |
//! |---|---|---|
//! | `NAME.request.json` | `NAME.canonical.json` | a request in, and what is told back of it |
//! | `NAME.answer.json` | `NAME.response.json` | a whole answer out |
//! | `NAME.pieces.json` | `NAME.events.sse` | a stream out; together it is `NAME.response.json` |

use super::wire::{head, reassembled, written};
use crate::api::golden::{Answered, Streamed, compare, inputs, pretty, read, receipt};
use crate::api::responses::canonical;
use serde_json::{Value, json};

const SURFACE: &str = "responses";

#[test]
fn requests_become_the_canonical_form() {
    compare(SURFACE, ".request.json", ".canonical.json", |text| {
        let (chat, asked) = canonical(serde_json::from_str(text).unwrap(), &[]).unwrap();
        pretty(&json!({"chat": chat, "asked": asked}))
    });
}

#[test]
fn answers_become_responses() {
    compare(SURFACE, ".answer.json", ".response.json", |text| {
        let answered: Answered = serde_json::from_str(text).unwrap();
        pretty(&head().whole("m", answered.choices, &receipt(answered.usage)).unwrap())
    });
}

#[test]
fn pieces_become_events_that_together_are_the_response() {
    compare(SURFACE, ".pieces.json", ".events.sse", |text| {
        let streamed: Streamed = serde_json::from_str(text).unwrap();
        written(streamed.events())
    });
    for (name, stream) in inputs(SURFACE, ".events.sse") {
        let expected = read(SURFACE, &format!("{name}.response.json"));
        let expected: Value = serde_json::from_str(&expected).unwrap();
        assert_eq!(reassembled(&stream).0, expected, "{name}");
    }
}
