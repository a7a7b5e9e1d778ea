//! The golden test of the surface, driven by the files in `fixtures/messages/`.
//!
//! | input | expected | what |
//! |---|---|---|
//! | `NAME.request.json` | `NAME.canonical.json` | a request in |
//! | `NAME.answer.json` | `NAME.message.json` | a whole answer out |
//! | `NAME.pieces.json` | `NAME.events.sse` | a stream out; together it is `NAME.message.json` |

use super::wire::{reassembled, request_id, written};
use crate::api::golden::{Answered, Streamed, compare, inputs, pretty, read, receipt};
use crate::api::messages::version::Version;
use crate::api::messages::{canonical, response};
use serde_json::Value;

const SURFACE: &str = "messages";

#[test]
fn requests_become_the_canonical_form() {
    compare(SURFACE, ".request.json", ".canonical.json", |text| {
        pretty(&canonical(serde_json::from_str(text).unwrap(), Version::June2023).unwrap())
    });
}

#[test]
fn answers_become_messages() {
    compare(SURFACE, ".answer.json", ".message.json", |text| {
        let answered: Answered = serde_json::from_str(text).unwrap();
        let receipt = receipt(answered.usage);
        pretty(&response::answer(&request_id(), "m", answered.choices, &receipt).unwrap())
    });
}

#[test]
fn pieces_become_events_that_together_are_the_message() {
    compare(SURFACE, ".pieces.json", ".events.sse", |text| {
        let streamed: Streamed = serde_json::from_str(text).unwrap();
        written(streamed.events())
    });
    for (name, stream) in inputs(SURFACE, ".events.sse") {
        let expected = read(SURFACE, &format!("{name}.message.json"));
        let expected: Value = serde_json::from_str(&expected).unwrap();
        assert_eq!(reassembled(&stream).unwrap(), expected, "{name}");
    }
}
