//! Each step of a request alone, by Criterion: masking, routing, the hold on a real redis-server, a
//! vendor's stream into pieces, a frame to bytes and back. `scripts/bench-steps`; what they cost
//! together is `scripts/bench`.

#![expect(clippy::unwrap_used, reason = "a tool that ends by panicking")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gateway::pii::{Masker, Settings};
use gateway::routing;
use infra::bus::ledger::Entry;
use infra::children::redis::RedisServer;
use infra::environment::Environment;
use infra::store::Store;
use infra::store::holds::{Reservation, Reserved};
use infra::store::limits::{Admission, Rates};
use schemas::catalogue::Vendor;
use schemas::frame::{Delta, Frame, FrameBody, FrameV1};
use schemas::ids::{AccountId, KeyId, RequestId};
use schemas::ledger::{EventV1, Fact};
use schemas::money::MicroUsd;
use schemas::openai::{ChatRequest, ChunkChoice};
use schemas::subjects;
use serde_json::json;
use std::hint::black_box;
use std::time::Duration;
use worker_provider::sse::Parser;
use worker_provider::translate::protocol;

/// Pieces of one stream.
const PIECES: usize = 100;

/// Credit for every hold of a run.
const CREDIT: MicroUsd = MicroUsd(1_000_000_000_000);

const JAPANESE: &str = "お世話になっております。株式会社あおぞらの山田花子です。先週注文した商品がまだ\
    届きません。電話は090-1234-5678、メールは hanako.yamada@example.jp です。";
const ENGLISH: &str = "Hello, my name is Margaret Whitfield and I live at 242 Vaughn Pike, Apt. 7. \
    Order 9960730 never arrived; please call (206) 555-0147 before Friday.";
const CODE: &str = "fn total(items: &[Item]) -> u64 { items.iter().map(|i| i.price).sum() }";

fn texts() -> [(&'static str, &'static str); 3] {
    [("japanese", JAPANESE), ("english", ENGLISH), ("code", CODE)]
}

fn masking(criterion: &mut Criterion) {
    let masker = Masker::new(Settings::default()).unwrap();
    let mut group = criterion.benchmark_group("masking");
    for (name, text) in texts() {
        group.throughput(Throughput::Bytes(u64::try_from(text.len()).unwrap()));
        group.bench_with_input(BenchmarkId::from_parameter(name), text, |bench, text| {
            bench.iter(|| masker.mask_text(black_box(text)).unwrap());
        });
    }
    group.finish();
}

fn decision(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("routing");
    for (name, text) in texts() {
        let chat = json!({"model": "auto", "messages": [{"role": "user", "content": text}]});
        let chat: ChatRequest = serde_json::from_value(chat).unwrap();
        group.bench_with_input(BenchmarkId::from_parameter(name), &chat, |bench, chat| {
            bench.iter(|| routing::features(black_box(chat), None));
        });
    }
    group.finish();
}

/// One chunk of a vendor's stream.
fn chunk(number: usize) -> String {
    let delta = json!({"content": format!("言葉{number} ")});
    let choice = json!({"index": 0, "delta": delta, "finish_reason": null});
    let chunk = json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [choice]});
    format!("data: {chunk}\n\n")
}

fn translation(criterion: &mut Criterion) {
    let stream: String = (0..PIECES).map(chunk).collect();
    let protocol = protocol(Vendor::Openai, None).unwrap();
    let mut group = criterion.benchmark_group("a vendor's stream into pieces");
    group.throughput(Throughput::Elements(u64::try_from(PIECES).unwrap()));
    for (name, read_bytes) in
        [("a read for each piece", stream.len() / PIECES), ("one read", stream.len())]
    {
        group.bench_function(name, |bench| {
            bench.iter(|| {
                let (mut parser, mut reader) = (Parser::new(), protocol.stream(1));
                let mut pieces = Vec::new();
                for read in stream.as_bytes().chunks(read_bytes) {
                    parser.push(read);
                    while let Some(event) = parser.next_event().unwrap() {
                        reader.read(&event, &mut pieces).unwrap();
                    }
                }
                assert_eq!(pieces.len(), PIECES);
                pieces
            });
        });
    }
    group.finish();
}

fn frames(criterion: &mut Criterion) {
    let choice = json!({"index": 0, "delta": {"content": "言葉 "}, "finish_reason": null});
    let choice: ChunkChoice = serde_json::from_value(choice).unwrap();
    let body = FrameBody::Delta(Delta { choices: vec![choice] });
    let frame = Frame::V1(FrameV1 { number: 7, attempt: 1, delivered: 1, body });
    let bytes = serde_json::to_vec(&frame).unwrap();
    let mut group = criterion.benchmark_group("frame");
    group.bench_function("to bytes", |bench| {
        bench.iter(|| serde_json::to_vec(black_box(&frame)).unwrap());
    });
    group.bench_function("from bytes", |bench| {
        bench.iter(|| serde_json::from_slice::<Frame>(black_box(&bytes)).unwrap());
    });
    group.finish();
}

/// An account with credit.
struct Customer {
    store: Store,
    account: AccountId,
    key: KeyId,
}

impl Customer {
    async fn of(server: &RedisServer) -> Self {
        let store = Store::connect(server.url()).await.unwrap();
        let (account, key) = (AccountId::fresh(), KeyId::fresh());
        let fact = Fact::Grant { unique: "g".into(), note: String::new() };
        let gift = EventV1 { account: account.clone(), at_ms: 1, amount: CREDIT, fact };
        let part = subjects::partition(&account);
        let entry = Entry { sequence: 1, event: Some(gift), taken_ms: 1, late: None };
        store.apply(part, 0, 0, &[entry]).await.unwrap();
        assert!(store.go_live(part, 1).await.unwrap());
        Self { store, account, key }
    }

    async fn admit(&self) {
        let admission = Admission {
            request: RequestId::fresh(),
            account: self.account.clone(),
            key: self.key.clone(),
            tokens: 1,
            lease_ms: 1,
            of_key: Rates {
                requests_max: 1_000_000_000,
                tokens_max: 1_000_000_000,
                parallel_max: 1_000_000,
            },
            of_account: None,
        };
        assert_eq!(self.store.admit(&admission).await.unwrap().refusal, None);
    }

    async fn hold(&self) {
        let wanted = Reservation {
            request: RequestId::fresh(),
            account: self.account.clone(),
            key: self.key.clone(),
            amount: MicroUsd(1),
            enough: MicroUsd(1),
            lifetime_ms: 600_000,
            budgets: Vec::new(),
            total_budget: None,
        };
        assert_eq!(self.store.reserve(&wanted).await.unwrap(), Reserved::Held(MicroUsd(1)));
    }
}

fn credit(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let environment = Environment::of_process();
    let started = RedisServer::start(folder.path(), 0, &environment);
    let mut server = runtime.block_on(started).unwrap();
    let customer = runtime.block_on(Customer::of(&server));
    let mut group = criterion.benchmark_group("one round trip to Redis");
    group.bench_function("limits", |bench| bench.to_async(&runtime).iter(|| customer.admit()));
    group.bench_function("hold", |bench| bench.to_async(&runtime).iter(|| customer.hold()));
    group.finish();
    runtime.block_on(server.stop(Duration::from_secs(10)));
}

criterion_group!(steps, masking, decision, translation, frames, credit);
criterion_main!(steps);
