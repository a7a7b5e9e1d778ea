//! Whatever a vendor sends and whatever a job asks for, nothing here panics, and what comes out
//! keeps its promises. The corpus is the golden fixtures and what once was found.

use crate::common::jobs::job;
use fuzz::{Numbers, corpus, run};
use schemas::catalogue::Vendor;
use schemas::openai::ChatRequest;
use serde_json::Value;
use std::path::{Path, PathBuf};
use worker_provider::sse::{Event, Parser};
use worker_provider::translate::{Protocol, protocol};
use worker_provider::{ApiKey, Upstream};

const VENDORS: [Vendor; 5] =
    [Vendor::Openai, Vendor::Azure, Vendor::Gemini, Vendor::Compatible, Vendor::Anthropic];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn talkers() -> impl Iterator<Item = (Vendor, &'static dyn Protocol)> {
    VENDORS.into_iter().map(|vendor| (vendor, protocol(vendor, None).unwrap()))
}

/// The events of bytes that come in these reads, up to the first that is refused.
fn events<'a>(reads: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Event>, bool) {
    let mut parser = Parser::new();
    let mut events = Vec::new();
    for bytes in reads {
        parser.push(bytes);
        loop {
            match parser.next_event() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(_) => return (events, true),
            }
        }
    }
    (events, false)
}

#[test]
fn events_are_the_same_however_their_bytes_are_cut() {
    run("sse", &corpus(&fixtures(), &[".sse"]), |case| {
        let whole = events([case]);
        let mut numbers = Numbers::new(case.len() as u64);
        for _ in 0..4 {
            let size = 1 + numbers.below(9);
            assert_eq!(events(case.chunks(size)), whole, "reads of {size} bytes");
        }
    });
}

#[test]
fn streams_of_every_vendor_end_in_pieces_or_a_problem() {
    run("streams", &corpus(&fixtures(), &[".sse"]), |case| {
        let (events, _) = events([case]);
        for (vendor, talker) in talkers() {
            let mut reader = talker.stream(1);
            let mut pieces = Vec::new();
            for event in &events {
                if let Err(problem) = reader.read(event, &mut pieces) {
                    assert!(!problem.message.is_empty(), "{}", vendor.as_str());
                    break;
                }
            }
            let _ = (reader.reading(), reader.usage());
            assert!(pieces.iter().all(|piece| serde_json::to_vec(piece).is_ok()));
        }
    });
}

#[test]
fn answers_of_every_vendor_become_choices_or_a_problem() {
    let endings = [".answer.json", ".error.json", ".vectors.json"];
    run("answers", &corpus(&fixtures(), &endings), |case| {
        for (vendor, talker) in talkers() {
            if let Ok(whole) = talker.answer(case) {
                assert!(!whole.choices.is_empty(), "{}: no choice", vendor.as_str());
            }
            let _ = talker.vectors(case).map(|vectors| vectors.vectors.len());
            let _ = talker.error(case);
        }
    });
}

#[test]
fn jobs_become_requests_or_a_problem_of_the_client() {
    run("requests", &corpus(&fixtures(), &[".job.json"]), |case| {
        let Ok(fixture) = serde_json::from_slice::<Value>(case) else { return };
        let Ok(chat) = serde_json::from_value::<ChatRequest>(fixture["chat"].clone()) else {
            return;
        };
        for (vendor, talker) in talkers() {
            let upstream = Upstream {
                vendor,
                preset: None,
                name: "upstream-model".into(),
                api_base: Some("https://vendor.example/v1".into()),
                api_version: None,
                takes_schemas: true,
                api_keys: vec![ApiKey::new("sk-secret")],
            };
            let job = job(chat.clone(), chat.wants_stream(), 100);
            match talker.request(&job, &upstream) {
                Ok(call) => {
                    let body = serde_json::from_slice::<Value>(&call.body);
                    assert!(body.is_ok_and(|body| body.is_object()), "{}", vendor.as_str());
                }
                Err(problem) => assert!(problem.code.status() < 500, "{problem:?}"),
            }
        }
    });
}
