//! The golden test of all vendors, driven by the files in `fixtures/<vendor>/`. It calls nobody.
//!
//! | input | expected | what |
//! |---|---|---|
//! | `NAME.job.json` | `NAME.call.json` | the request out, or the problem that refuses the job |
//! | `NAME.answer.json` | `NAME.whole.json` | a whole answer in |
//! | `NAME.stream.sse` | `NAME.pieces.json` | a stream in; together it equals the whole answer |
//! | `NAME.broken.sse` | `NAME.broken.json` | a stream that fails: the pieces before the problem |
//! | `NAME.error.json` | `NAME.problem.json` | a refusal in |
//! | `NAME.texts.json` | `NAME.embed.json` | the request for vectors out |
//! | `NAME.vectors.json` | `NAME.embedded.json` | vectors in |
//!
//! A mismatch writes what came out below the target folder and says where: read it, and copy it
//! over the expected file if it is right.

use crate::common::jobs::{comparable, job, reassembled};
use schemas::catalogue::{Preset, Vendor};
use schemas::error::Problem;
use schemas::job::ChatJob;
use schemas::openai::{ChatRequest, ChunkChoice};
use serde::Deserialize;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use worker_provider::sse::Parser;
use worker_provider::translate::{
    Call, Protocol, Reading, Refusal, StreamReader, protocol, refusal as refusal_problem,
};
use worker_provider::{ApiKey, Upstream};

const VENDORS: [Vendor; 5] =
    [Vendor::Openai, Vendor::Azure, Vendor::Gemini, Vendor::Compatible, Vendor::Anthropic];

/// Those that make vectors.
const EMBEDDERS: [Vendor; 4] = [Vendor::Openai, Vendor::Azure, Vendor::Gemini, Vendor::Compatible];

fn folder(vendor: Vendor) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(vendor.as_str())
}

fn talker(vendor: Vendor) -> &'static dyn Protocol {
    speaker(vendor, None)
}

fn speaker(vendor: Vendor, preset: Option<Preset>) -> &'static dyn Protocol {
    protocol(vendor, preset).expect("every vendor of this test speaks HTTP")
}

/// The inputs of a kind, by name and content.
fn inputs(vendor: Vendor, kind: &str) -> Vec<(String, Vec<u8>)> {
    let mut inputs: Vec<(String, Vec<u8>)> = fs::read_dir(folder(vendor))
        .expect("every vendor has fixtures")
        .map(|entry| entry.expect("a folder can be listed").path())
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.strip_suffix(kind)?.to_owned();
            Some((name, fs::read(&path).expect("a fixture can be read")))
        })
        .collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "{} has no {kind}", vendor.as_str());
    inputs
}

/// Compares with the expected file; says what differs.
fn check(vendor: Vendor, file: &str, actual: &Value, failures: &mut Vec<String>) {
    let path = folder(vendor).join(file);
    let expected = fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok());
    // Compared as text: the order of keys counts, prompt caches live by it.
    let pretty = |value: &Value| serde_json::to_string_pretty(value).expect("JSON can be written");
    if expected.as_ref().map(pretty) == Some(pretty(actual)) {
        return;
    }
    let written = Path::new(env!("CARGO_TARGET_TMPDIR")).join("golden").join(vendor.as_str());
    fs::create_dir_all(&written).expect("the target folder can be written");
    fs::write(written.join(file), pretty(actual) + "\n").expect("the target folder can be written");
    failures.push(format!("{} differs from {}", path.display(), written.join(file).display()));
}

/// Runs a check for every input of a kind, and tells all failures at once.
fn for_all(kind: &str, run: impl FnMut(Vendor, &str, &[u8], &mut Vec<String>)) {
    for_each(&VENDORS, kind, run);
}

fn for_each(
    vendors: &[Vendor],
    kind: &str,
    mut run: impl FnMut(Vendor, &str, &[u8], &mut Vec<String>),
) {
    let mut failures = Vec::new();
    for &vendor in vendors {
        for (name, content) in inputs(vendor, kind) {
            run(vendor, &name, &content, &mut failures);
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[derive(Deserialize)]
struct JobFixture {
    preset: Option<Preset>,
    api_base: Option<String>,
    api_version: Option<String>,
    takes_schemas: Option<bool>,
    upstream: Option<String>,
    stream: bool,
    output_tokens_max: u64,
    chat: ChatRequest,
}

impl JobFixture {
    /// The request that comes of it: `ask` is what is wanted of the vendor.
    fn asked(self, vendor: Vendor, name: &str, ask: Ask) -> Value {
        let upstream = Upstream {
            vendor,
            preset: self.preset,
            name: self.upstream.unwrap_or("upstream-model".into()),
            api_base: Some(self.api_base.unwrap_or("https://vendor.example/v1/".into())),
            api_version: self.api_version,
            takes_schemas: self.takes_schemas.unwrap_or(true),
            api_keys: vec![ApiKey::new("sk-secret")],
        };
        let job = job(self.chat, self.stream, self.output_tokens_max);
        let actual = match ask(speaker(vendor, self.preset), &job, &upstream) {
            Ok(call) => {
                let headers = call.headers.iter().map(|(name, value)| {
                    (name.to_string(), Value::from(value.to_str().expect("headers are plain")))
                });
                let headers: serde_json::Map<_, _> = headers.collect();
                let body: Value = serde_json::from_slice(&call.body).expect("the body is JSON");
                json!({"url": call.url, "headers": headers, "body": body})
            }
            Err(problem) => json!({"problem": problem}),
        };
        assert!(!actual.to_string().contains("sk-secret"), "{name}: no key is part of a call");
        actual
    }
}

type Ask = fn(&dyn Protocol, &ChatJob, &Upstream) -> Result<Call, Problem>;

#[test]
fn requests_out() {
    for_all(".job.json", |vendor, name, content, failures| {
        let fixture: JobFixture = serde_json::from_slice(content).expect(name);
        let actual = fixture.asked(vendor, name, |protocol, job, up| protocol.request(job, up));
        check(vendor, &format!("{name}.call.json"), &actual, failures);
    });
}

#[test]
fn requests_for_vectors_out() {
    for_each(&EMBEDDERS, ".texts.json", |vendor, name, content, failures| {
        let fixture: JobFixture = serde_json::from_slice(content).expect(name);
        let actual = fixture.asked(vendor, name, |protocol, job, up| protocol.embeddings(job, up));
        check(vendor, &format!("{name}.embed.json"), &actual, failures);
    });
}

#[test]
fn vectors_in() {
    for_each(&EMBEDDERS, ".vectors.json", |vendor, name, content, failures| {
        let actual = match talker(vendor).vectors(content) {
            Ok(told) => json!({"vectors": told.vectors, "usage": told.usage}),
            Err(problem) => json!({"problem": problem}),
        };
        check(vendor, &format!("{name}.embedded.json"), &actual, failures);
    });
}

#[test]
fn answers_in() {
    for_all(".answer.json", |vendor, name, content, failures| {
        let actual = match talker(vendor).answer(content) {
            Ok(whole) => json!({"choices": whole.choices, "usage": whole.usage}),
            Err(problem) => json!({"problem": problem}),
        };
        check(vendor, &format!("{name}.whole.json"), &actual, failures);
    });
}

/// What came out of a stream that was cut into these reads.
struct Outcome {
    pieces: Vec<ChunkChoice>,
    problem: Option<Problem>,
    reader: Box<dyn StreamReader>,
}

fn read<'a>(vendor: Vendor, reads: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut parser = Parser::new();
    let mut reader = talker(vendor).stream(1);
    let mut pieces = Vec::new();
    for bytes in reads {
        parser.push(bytes);
        while let Some(event) = parser.next_event().expect("fixtures are small") {
            if let Err(problem) = reader.read(&event, &mut pieces) {
                return Outcome { pieces, problem: Some(problem), reader };
            }
        }
    }
    Outcome { pieces, problem: None, reader }
}

#[test]
fn streams_in() {
    for_all(".stream.sse", |vendor, name, content, failures| {
        let outcome = read(vendor, [content]);
        assert_eq!(outcome.problem, None, "{name}");
        assert_eq!(outcome.reader.reading(), Reading::Over, "{name}");
        check(vendor, &format!("{name}.pieces.json"), &json!(outcome.pieces), failures);
        let answer = folder(vendor).join(format!("{name}.answer.json"));
        let answer = fs::read(answer).expect("every stream has its whole answer beside it");
        let whole = talker(vendor).answer(&answer).expect(name);
        let together = reassembled(&outcome.pieces).expect(name);
        assert_eq!(comparable(together), comparable(whole.choices), "{name}");
        assert_eq!(outcome.reader.usage(), whole.usage, "{name}");
    });
}

#[test]
fn every_split_of_the_bytes_gives_the_same_stream() {
    for kind in [".stream.sse", ".broken.sse"] {
        for_all(kind, |vendor, name, content, _| {
            let expected = read(vendor, [content]);
            let check = |outcome: Outcome, how: &str| {
                assert_eq!(outcome.pieces, expected.pieces, "{name}, {how}");
                assert_eq!(outcome.problem, expected.problem, "{name}, {how}");
                assert_eq!(outcome.reader.usage(), expected.reader.usage(), "{name}, {how}");
                assert_eq!(outcome.reader.reading(), expected.reader.reading(), "{name}, {how}");
            };
            for cut in 1..content.len() {
                let (before, after) = content.split_at(cut);
                check(read(vendor, [before, after]), &format!("cut at {cut}"));
            }
            check(read(vendor, content.chunks(1)), "byte by byte");
            // A server with the other line ends says the same.
            let returns = String::from_utf8_lossy(content).replace("\r\n", "\n");
            let returns = returns.replace('\n', "\r\n");
            check(read(vendor, returns.as_bytes().chunks(7)), "with CRLF");
        });
    }
}

#[test]
fn a_stream_cut_anywhere_is_never_an_answer() {
    for_all(".stream.sse", |vendor, name, content, _| {
        let whole = read(vendor, [content]);
        let finishes = whole.pieces.iter().filter(|piece| piece.finish_reason.is_some()).count();
        for cut in 0..content.len() {
            let outcome = read(vendor, [&content[..cut]]);
            let ended = outcome.pieces.iter().filter(|piece| piece.finish_reason.is_some()).count();
            let is_open = outcome.reader.reading() == Reading::Open;
            assert!(is_open || ended > 0, "{name} cut at {cut} has no finish reason");
            assert!(is_open || ended == finishes || finishes > 1, "{name} cut at {cut}");
            assert!(whole.pieces.starts_with(&outcome.pieces), "{name} cut at {cut}");
        }
    });
}

#[test]
fn broken_streams_in() {
    for_all(".broken.sse", |vendor, name, content, failures| {
        let outcome = read(vendor, [content]);
        assert_ne!(outcome.reader.reading(), Reading::Over, "{name}");
        let actual = json!({
            "pieces": outcome.pieces,
            "usage": outcome.reader.usage(),
            "problem": outcome.problem,
        });
        check(vendor, &format!("{name}.broken.json"), &actual, failures);
    });
}

#[derive(Deserialize)]
struct ErrorFixture {
    status: u16,
    retry_after_ms: Option<u64>,
    body: Value,
}

#[test]
fn errors_in() {
    for_all(".error.json", |vendor, name, content, failures| {
        let fixture: ErrorFixture = serde_json::from_slice(content).expect(name);
        let body = match &fixture.body {
            Value::String(text) => text.clone(),
            body => body.to_string(),
        };
        let refused = Refusal {
            status: fixture.status,
            retry_after_ms: fixture.retry_after_ms,
            body: body.as_bytes(),
        };
        let problem = refusal_problem(talker(vendor), &refused);
        let (japanese, english) = problem.message.split_once(" / ").expect(name);
        assert!(!japanese.is_ascii() && !english.is_empty(), "{name}");
        check(vendor, &format!("{name}.problem.json"), &json!(problem), failures);
    });
}
