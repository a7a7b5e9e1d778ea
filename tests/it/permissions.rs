//! NATS users as nats.conf has them: the whole way of a chat works when each role may do what its
//! role does and nothing else, and everything else is refused by the real server, one by one.

use async_nats::{Client, ConnectOptions, Event, ServerError};
use futures::StreamExt;
use harness::{FORGED, Gate, Script, World, wait_until};
use infra::bus::Bus;
use infra::bus::ledger::Recorded;
use infra::bus::pull::Puller;
use infra::tasks::Tasks;
use schemas::ids::RequestId;
use schemas::job::ChatJob;
use schemas::ledger::{Event as LedgerEvent, EventV1, Fact, Outcome, Use, Writer};
use schemas::money::MicroUsd;
use schemas::subjects;
use schemas::usage::{TokenSource, Usage};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long a connection may take to close.
const DRAIN_MAX: Duration = Duration::from_secs(30);

/// What a user of nats.conf may not publish.
const FORBIDDEN_PUBLISHES: [(&str, &[&str]); 4] = [
    (
        "worker-cloud",
        &[
            "chat.cloud.fast",
            "chat.rakuten.rakuten-llm",
            "direct.cloud.worker",
            "direct.rakuten.worker",
            "health.rakuten.worker",
            "health.poll",
            "cancel.request",
            "drain.worker",
            "led.0.account.amend.request",
            "led.0.account.grant.gift",
            "led.0.account.topup.payment",
            "led.0.account.bonus.payment",
            "led.0.account.refund.refund",
            "led.0.account.refund_failed.refund",
            "led.0.account.dispute.dispute-won",
            "led.0.account.expiry.lot-paid",
            "led.0.account.snapshot.2026-11",
            "led.0._.counted.2026-11-0-account",
            "led.0._.cut.2026-11",
            "led.0._.closing.2026-11",
            "$KV.KEYS.key",
            "$KV.ACCOUNTS.account",
            "_INBOX.gateway.answer",
            "_INBOX.billing.answer",
            "$JS.ACK.CHAT.rakuten.1.1.1.1.0",
            "$JS.ACK.LEDGER.billing.1.1.1.1.0",
            "$JS.API.CONSUMER.MSG.NEXT.CHAT.rakuten",
            "$JS.API.CONSUMER.CREATE.CHAT.thief.chat.rakuten.>",
            "$JS.API.CONSUMER.CREATE.LEDGER.thief",
            "$JS.API.CONSUMER.DELETE.CHAT.cloud",
            "$JS.API.STREAM.MSG.GET.CHAT",
            "$JS.API.DIRECT.GET.CHAT",
            "$JS.API.STREAM.MSG.DELETE.CHAT",
            "$JS.API.STREAM.PURGE.CHAT",
            "$JS.API.STREAM.UPDATE.CHAT",
            "$JS.API.STREAM.DELETE.CHAT",
            "$JS.API.STREAM.MSG.GET.LEDGER",
            "$JS.API.DIRECT.GET.LEDGER",
            "$JS.API.DIRECT.GET.LEDGER.led.0.account.grant.gift",
            "$JS.API.DIRECT.GET.KV_KEYS.$KV.KEYS.key",
            "$JS.API.DIRECT.GET.KV_ACCOUNTS.$KV.ACCOUNTS.seal.ledger",
            "$JS.API.STREAM.SNAPSHOT.LEDGER",
        ],
    ),
    (
        "worker-rakuten",
        &[
            "chat.cloud.fast",
            "health.cloud.worker",
            "led.0.account.grant.gift",
            "$JS.ACK.CHAT.cloud.1.1.1.1.0",
            "$JS.API.CONSUMER.MSG.NEXT.CHAT.cloud",
            "_INBOX.worker-cloud.answer",
        ],
    ),
    (
        "billing",
        &[
            "chat.cloud.fast",
            "cancel.request",
            "drain.worker",
            "tok.gateway.request",
            "gw.gateway.claim",
            "health.cloud.worker",
            "led.0.account.grant.gift",
            "$KV.KEYS.key",
            "$JS.API.CONSUMER.MSG.NEXT.CHAT.cloud",
            "$JS.API.CONSUMER.CREATE.CHAT.thief",
            "$JS.API.STREAM.MSG.GET.CHAT",
            "$JS.API.STREAM.UPDATE.LEDGER",
            "$JS.API.STREAM.DELETE.LEDGER",
            "$JS.API.STREAM.PURGE.LEDGER",
            "$JS.API.STREAM.MSG.DELETE.LEDGER",
        ],
    ),
    (
        "gateway",
        &[
            "tok.gateway.request",
            "gw.gateway.claim",
            "gw.gateway.refused.request.1",
            "health.cloud.worker",
            "_INBOX.worker-cloud.answer",
            "$JS.API.CONSUMER.MSG.NEXT.CHAT.cloud",
            "$JS.API.STREAM.DELETE.CHAT",
            "$JS.API.STREAM.CREATE.LEDGER",
            "$JS.API.STREAM.UPDATE.LEDGER",
            "$JS.API.STREAM.DELETE.LEDGER",
            "$JS.API.STREAM.PURGE.LEDGER",
            "$JS.API.STREAM.DELETE.KV_KEYS",
        ],
    ),
];

/// What a user of nats.conf may not listen to.
const FORBIDDEN_SUBSCRIPTIONS: [(&str, &[&str]); 4] = [
    (
        "worker-cloud",
        &[
            ">",
            "chat.>",
            "chat.cloud.>",
            "chat.rakuten.>",
            "direct.>",
            "direct.rakuten.*",
            "tok.*.*",
            "gw.*.claim",
            "led.>",
            "$KV.KEYS.>",
            "_INBOX.>",
            "_INBOX.worker-rakuten.>",
            "_INBOX.gateway.>",
            "_INBOX.billing.>",
            "fleet.DISCONNECT",
            "$JS.EVENT.ADVISORY.>",
            "$SYS.>",
        ],
    ),
    ("worker-rakuten", &["chat.>", "direct.cloud.*", "_INBOX.worker-cloud.>", "tok.*.*"]),
    (
        "billing",
        &[
            ">",
            "chat.>",
            "direct.>",
            "drain.*",
            "tok.*.*",
            "gw.*.claim",
            "_INBOX.>",
            "_INBOX.gateway.>",
        ],
    ),
    (
        "gateway",
        &[
            ">",
            "chat.>",
            "direct.>",
            "drain.*",
            "_INBOX.>",
            "_INBOX.worker-cloud.>",
            "_INBOX.billing.>",
        ],
    ),
];

/// A bare connection as a user of nats.conf, and what the server refused it.
struct Intruder {
    client: Client,
    refused: Arc<Mutex<Vec<String>>>,
}

impl Intruder {
    async fn connect(url: &str) -> Self {
        let refused = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&refused);
        let (secret, address) = url.strip_prefix("nats://").unwrap().split_once('@').unwrap();
        let (user, password) = secret.split_once(':').unwrap();
        let options = ConnectOptions::with_user_and_password(user.into(), password.into())
            .custom_inbox_prefix(subjects::inbox(user))
            .event_callback(move |event| {
                if let Event::ServerError(ServerError::Other(said)) = event {
                    heard.lock().unwrap().push(said);
                }
                std::future::ready(())
            });
        Self { client: options.connect(address).await.unwrap(), refused }
    }

    async fn wait_for_refusal(&self, of: &str, subject: &str) {
        let subject = format!("\"{subject}\"");
        wait_until(&format!("the refusal of {of} {subject}"), async || {
            let refused = self.refused.lock().unwrap();
            refused.iter().any(|said| said.contains(of) && said.contains(&subject))
        })
        .await;
    }
}

#[tokio::test]
async fn a_chat_walks_its_whole_way_when_each_role_may_do_only_its_own() {
    let mut world = World::builder().own_users().gateways(2).start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    assert_eq!(client.ask("fast", "hello").await.content(), "hello");
    let mut stream = client.ask_stream("fast", "hello").await;
    stream.rest().await;
    assert!(stream.is_done());
    // The queue is made anew by a gateway, as its own user.
    world.servers().kill_nats().await;
    world.servers().start_nats_again().await;
    world.bus().wait_for_worker("cloud").await.unwrap();
    wait_until("it answers again", async || client.ask("fast", "again").await.status == 200).await;
    world.finish().await;
}

#[tokio::test]
async fn what_a_role_does_not_need_is_refused_by_the_server() {
    let mut world = World::builder().own_users().start().await;
    for (user, subjects) in FORBIDDEN_PUBLISHES {
        let url = world.servers().nats_url_of(user);
        let intruder = Intruder::connect(&url).await;
        for subject in subjects {
            intruder.client.publish(*subject, "x".into()).await.unwrap();
        }
        for subject in subjects {
            intruder.wait_for_refusal("Publish", subject).await;
        }
    }
    for (user, subjects) in FORBIDDEN_SUBSCRIPTIONS {
        let url = world.servers().nats_url_of(user);
        let intruder = Intruder::connect(&url).await;
        for subject in subjects {
            let _heard = intruder.client.subscribe(*subject).await.unwrap();
            intruder.client.flush().await.unwrap();
            intruder.wait_for_refusal("Subscription", subject).await;
        }
    }
    world.finish().await;
}

#[tokio::test]
async fn a_worker_of_another_pool_hears_no_job() {
    let mut world = World::builder().own_users().start().await;
    let key = world.key(1_000_000).await;
    let intruder = Intruder::connect(&world.servers().nats_url_of("worker-rakuten")).await;
    let mut heard = Vec::new();
    for subject in ["chat.>", "_INBOX.>", "_INBOX.worker-cloud.>", "tok.>", "cancel.*"] {
        heard.push(intruder.client.subscribe(subject).await.unwrap());
    }
    let reply = "_INBOX.worker-rakuten.stolen";
    heard.push(intruder.client.subscribe(reply).await.unwrap());
    let pull = "$JS.API.CONSUMER.MSG.NEXT.CHAT.cloud";
    intruder.client.publish_with_reply(pull, reply, "1".into()).await.unwrap();
    intruder.wait_for_refusal("Publish", pull).await;
    assert_eq!(world.client(&key).ask("fast", "hello").await.content(), "hello");
    // Draining closes the subscriptions: what came for them can be counted.
    intruder.client.drain().await.unwrap();
    let counts = futures::future::join_all(heard.into_iter().map(StreamExt::count));
    let heard = tokio::time::timeout(DRAIN_MAX, counts).await.unwrap();
    assert_eq!(heard.iter().sum::<usize>(), 0);
    world.finish().await;
}

#[tokio::test]
async fn a_refusal_is_told_by_its_name_and_not_as_a_timeout() {
    let mut world = World::builder().own_users().start().await;
    let queue = world.config().queue.clone();
    let bus = Bus::connect(&world.servers().nats_url_of("gateway"), "gateway").await.unwrap();
    let pools = ["cloud".to_owned()];
    bus.make_missing_streams(&queue, &pools).await.unwrap();
    world.bus().jetstream().delete_stream("KV_ACCOUNTS").await.unwrap();
    let refused = bus.make_missing_streams(&queue, &pools).await.unwrap_err().to_string();
    assert!(refused.contains("Violation") && refused.contains("streams apply"), "{refused}");
    world.bus().make_missing_streams(&queue, &pools).await.unwrap();
    bus.make_missing_streams(&queue, &pools).await.unwrap();
    world.finish().await;
}

#[tokio::test]
async fn what_a_worker_forges_in_the_ledger_counts_for_nothing_and_stops_nothing() {
    let mut world = World::builder().own_users().start().await;
    let key = world.key(1_000_000).await;
    let intruder = Intruder::connect(&world.servers().nats_url_of("worker-cloud")).await;
    let fact = Fact::Grant { unique: "gift".into(), note: String::new() };
    let gift = EventV1 { account: key.account.clone(), at_ms: 1, amount: MicroUsd(9), fact };
    let gift = serde_json::to_string(&LedgerEvent::V1(gift)).unwrap();
    let jetstream = async_nats::jetstream::new(intruder.client.clone());
    for (request, body) in [("gift", gift.as_str()), ("nonsense", "{}"), ("empty", "")] {
        let part = subjects::partition(&key.account);
        let subject = format!("led.{part}.{}.use.{request}{FORGED}", key.account);
        let sent = jetstream.publish(subject, body.to_owned().into()).await.unwrap();
        sent.await.unwrap();
    }
    assert_eq!(world.client(&key).ask("fast", "hello").await.content(), "hello");
    world.wait_for_ends(1, 0).await;
    let (_, charge) = world.uses().await.remove(0);
    wait_until("the charge is applied behind the forgeries", async || {
        world.balance(&key).await == 1_000_000 - charge
    })
    .await;
    world.finish().await;
}

/// What a worker that was taken over would like to be charged.
fn charge_of(job: &ChatJob, request: &RequestId, amount: MicroUsd) -> EventV1 {
    EventV1 {
        account: job.account.clone(),
        at_ms: 1,
        amount,
        fact: Fact::Use(Use {
            request: request.clone(),
            key: job.key.clone(),
            model: job.model.clone(),
            usage: Usage::default(),
            source: TokenSource::Estimated,
            price: job.price,
            hold: job.hold,
            outcome: Outcome::Done,
            writer: Writer::Gateway,
            cached: false,
            route: None,
        }),
    }
}

#[tokio::test]
async fn a_worker_ends_no_request_but_its_own_and_for_no_more_than_was_held() {
    let mut world = World::builder()
        .own_users()
        .config(|config| config.workers.provider_slots = 1)
        .start()
        .await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let gate = Gate::new();
    world.vendor().next("fast", Script::says(["first"]).after(&gate));
    let url = world.servers().nats_url_of("worker-cloud");
    let bus = Bus::connect(&url, "worker taken over").await.unwrap();
    let (puller, mut jobs) = Puller::new(bus.clone(), "cloud", 1, Duration::from_secs(1));
    let (tasks, stop) = (Tasks::new(), CancellationToken::new());
    let forged = async {
        world.vendor().wait_for_starts(1).await;
        let pulling = tasks.spawn("pull", puller.run(stop.clone()));
        let taken = async {
            let mut job = jobs.recv().await.unwrap();
            let (_, read) = std::mem::take(&mut job.job).read().unwrap().open();
            let (hold, seal) = (read.hold.negated(), job.seal.as_deref());
            let invented = RequestId::fresh();
            let more = MicroUsd(hold.0 - 1);
            for (request, amount, seal) in [
                (&invented, MicroUsd(-900_000), None),
                (&RequestId::fresh(), hold, seal),
                // Its own, for more than was held: the true charge finds its subject taken.
                (&read.request, more, seal),
            ] {
                let forgery = charge_of(&read, request, amount);
                let written = bus.record_under(&forgery, seal).await.unwrap();
                assert!(matches!(written, Some(Recorded::Written(_))), "NATS takes it");
            }
            stop.cancel();
            harness::within("the puller's end", pulling).await.unwrap().unwrap();
            job.give_back().await;
            gate.open();
        };
        futures::join!(client.ask("fast", "second"), taken).0
    };
    let (first, second) = futures::join!(client.ask("fast", "first"), forged);
    assert_eq!(first.content(), "first");
    assert_eq!(second.content(), "second", "its gateway writes the charge, and tells it");
    world.wait_for_ends(2, 0).await;
    let uses = world.uses().await;
    let charged: i64 = uses.iter().map(|(_, charge)| charge).sum();
    assert_eq!(uses[1].0.writer, Writer::Gateway);
    assert!(uses.iter().all(|(charged, charge)| *charge > 0 && *charge < charged.hold.0));
    wait_until("both are applied", async || world.balance(&key).await == 1_000_000 - charged).await;
    let path = format!("/api/receipts/{}", uses[1].0.request);
    let told = client.get(&path).await;
    assert_eq!(told.status, 200, "its receipt is the one that counts: {}", told.text);
    drop(bus);
    world.finish().await;
}

#[tokio::test]
async fn who_may_not_use_the_way_past_the_queue_learns_it() {
    let mut world = World::builder().own_users().start().await;
    let url = world.servers().nats_url_of("billing");
    let bus = Bus::connect(&url, "test").await.unwrap();
    let _refused = bus.client().subscribe(subjects::CANCEL_SUBJECTS).await.unwrap();
    let mut denials = bus.denials();
    harness::within("a refusal", denials.changed()).await.unwrap();
    assert!(!bus.is_direct_denied(), "another subject was refused");
    let subject = subjects::direct("cloud", &schemas::ids::WorkerId::fresh());
    let _refused = bus.client().subscribe(subject).await.unwrap();
    wait_until("the way past the queue is known as closed", async || bus.is_direct_denied()).await;
    assert!(!bus.is_work_denied(), "nothing that a worker can't do without");
    let subject = subjects::health("cloud", &schemas::ids::WorkerId::fresh());
    bus.client().publish(subject, "".into()).await.unwrap();
    wait_until("it is known as no worker's user", async || bus.is_work_denied()).await;
    drop(bus);
    world.finish().await;
}

/// What stands last on a subject of a stream: its sequence.
async fn last_on(world: &World, stream: &str, subject: &str) -> Option<u64> {
    let stream = world.bus().jetstream().get_stream(stream).await.unwrap();
    stream.get_last_raw_message_by_subject(subject).await.ok().map(|message| message.sequence)
}

/// A server writes its answers with its own rights: a worker that names another subject for them
/// must not write there through it.
#[tokio::test]
async fn nobody_writes_for_a_worker_what_it_may_not_write_itself() {
    let mut world = World::builder().own_users().start().await;
    let key = world.key(1_000_000).await;
    let spy = world.spy().await;
    assert_eq!(world.client(&key).ask("fast", "hello").await.content(), "hello");
    world.wait_for_ends(1, 0).await;
    let seen = spy.messages().await;
    let gateway = seen.iter().find_map(|(subject, _)| subject.strip_prefix("tok.")).unwrap();
    let claims = format!("gw.{}.claim", gateway.split('.').next().unwrap());

    let intruder = Intruder::connect(&world.servers().nats_url_of("worker-cloud")).await;
    let part = subjects::partition(&key.account);
    let laid = format!("led.{part}.{}.use.laid{FORGED}", key.account);
    let fact = Fact::Grant { unique: "gift".into(), note: String::new() };
    let gift = EventV1 { account: key.account.clone(), at_ms: 1, amount: MicroUsd(9), fact };
    let gift = serde_json::to_string(&LedgerEvent::V1(gift)).unwrap();
    let jetstream = async_nats::jetstream::new(intruder.client.clone());
    jetstream.publish(laid.clone(), gift.into()).await.unwrap().await.unwrap();

    let direct = format!("$JS.API.DIRECT.GET.LEDGER.{laid}");
    let pull = "$JS.API.CONSUMER.MSG.NEXT.CHAT.cloud";
    let deputies =
        [(direct.as_str(), ""), (claims.as_str(), "x"), (claims.as_str(), ""), (&laid, "x")];
    let targets = [
        ("LEDGER", subjects::ledger(&key.account, "grant", "gift")),
        ("LEDGER", subjects::ledger(&key.account, "topup", "payment")),
        ("KV_KEYS", format!("$KV.KEYS.{}", key.id)),
        ("KV_KEYS", "$KV.KEYS.key_of_its_own".to_owned()),
        ("KV_ACCOUNTS", format!("$KV.ACCOUNTS.{}", key.account)),
        ("KV_ACCOUNTS", "$KV.ACCOUNTS.seal.ledger".to_owned()),
    ];
    let mut before = Vec::new();
    for (stream, target) in &targets {
        before.push(last_on(&world, stream, target).await);
    }
    assert!(before[2].is_some() && before[4].is_some() && before[5].is_some(), "{before:?}");
    for (_, target) in &targets {
        for (deputy, body) in deputies {
            let (deputy, target) = (deputy.to_owned(), target.clone());
            intruder.client.publish_with_reply(deputy, target, body.into()).await.unwrap();
        }
        // Nobody waits for a job: its answer comes when the time is over.
        let asked = r#"{"batch":1,"expires":1000000}"#;
        intruder.client.publish_with_reply(pull, target.clone(), asked.into()).await.unwrap();
    }
    // What is asked for in the same order and heard has been answered behind all of that.
    for (deputy, body) in deputies {
        let heard = intruder.client.request(deputy.to_owned(), body.into());
        harness::within("an answer", heard).await.unwrap();
    }
    for ((stream, target), before) in targets.iter().zip(before) {
        assert_eq!(last_on(&world, stream, target).await, before, "{target}");
    }
    assert_eq!(world.client(&key).ask("fast", "again").await.content(), "again");
    let charged: i64 = world.uses().await.iter().map(|(_, charge)| charge).sum();
    wait_until("only charges count", async || world.balance(&key).await == 1_000_000 - charged)
        .await;
    drop(intruder);
    world.finish().await;
}

#[tokio::test]
async fn a_worker_of_its_own_account_is_missed_at_once() {
    let mut world = World::builder().own_users().start().await;
    let key = world.key(1_000_000).await;
    assert_eq!(world.client(&key).ask("fast", "hello").await.content(), "hello");
    let intruder = Intruder::connect(&world.servers().nats_url_of("worker-cloud")).await;
    let gateway = Intruder::connect(&world.servers().nats_url_of("gateway")).await;
    let mut departures = gateway.client.subscribe(subjects::DEPARTURES).await.unwrap();
    gateway.client.flush().await.unwrap();
    intruder.client.drain().await.unwrap();
    let told = harness::within("its departure", departures.next()).await.unwrap();
    let told = String::from_utf8_lossy(&told.payload).into_owned();
    assert!(told.contains("worker-cloud"), "{told}");
    drop((intruder, gateway));
    world.finish().await;
}
