//! Whatever comes in, a surface takes it or names what is wrong: it never panics, and what it takes
//! survives the way to a worker unchanged. The corpus is the golden fixtures and what once was
//! found.

use super::{completions, incoming, messages, responses};
use fuzz::{corpus, run};
use schemas::error::Problem;
use schemas::openai::ChatRequest;
use std::path::Path;

fn fixtures(surface: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(surface);
    corpus(&folder, &[".request.json", ".canonical.json", ".fuzz"])
}

fn holds(surface: &str, read: impl Fn(&[u8]) -> Result<ChatRequest, Problem>) {
    run(surface, &fixtures(surface), |case| match read(case) {
        Ok(chat) => {
            let sent = serde_json::to_vec(&chat).unwrap();
            let came: ChatRequest = serde_json::from_slice(&sent).unwrap();
            assert_eq!(serde_json::to_vec(&came).unwrap(), sent, "a job says what was asked");
        }
        Err(problem) => {
            assert_eq!(problem.code.status(), 400, "{problem:?}");
            assert!(!problem.message.is_empty());
        }
    });
}

#[test]
fn chats_are_taken_or_refused() {
    holds("chats", incoming::json);
}

#[test]
fn completions_are_taken_or_refused() {
    holds("completions", completions::decoded);
}

#[test]
fn responses_are_taken_or_refused() {
    holds("responses", responses::decoded);
}

#[test]
fn messages_are_taken_or_refused() {
    holds("messages", messages::decoded);
}
