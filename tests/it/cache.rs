//! Kept answers: free, only for the account that asked, and without personal data at rest.

use crate::program::send;
use fuzz::Numbers;
use harness::client::question_to;
use harness::{Answer, World};
use infra::config::Config;
use infra::environment::Environment;
use infra::store::StoreError;
use infra::store::answers::{Look, Looking, Tenant};
use infra::store::keep::{Keeping, Similar};
use reqwest::Method;
use rustix::process::Signal;
use schemas::ids::{AccountId, RequestId};
use schemas::records::{AccountRecordV1, OwnLimits};
use serde_json::json;
use std::collections::HashMap;
use std::time::Duration;

async fn caching() -> World {
    World::builder().config(|config| config.cache.enabled = true).start().await
}

/// Waits until so many answers are kept: keeping happens after the answer.
pub(crate) async fn wait_for_kept(world: &World, count: usize) {
    harness::wait_until("the answer is kept", async || world.kept_answers().await.len() == count)
        .await;
}

/// Looks as a request does; whoever finds nothing leads for a moment only.
async fn look(world: &World, tenant: &Tenant, digest: &str) -> Result<Look, StoreError> {
    let request = &RequestId::fresh();
    let time_max = Duration::from_millis(world.config().cache.look_ms_max);
    world.store().look_for_answer(tenant, Looking { digest, request, lease_ms: 1, time_max }).await
}

fn state(answer: &Answer) -> &str {
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.header("x-fly-cache")
}

#[tokio::test]
async fn the_same_question_is_answered_again_for_free() {
    let world = caching().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let first = client.ask("fast", "hello").await;
    assert_eq!(state(&first), "miss");
    wait_for_kept(&world, 1).await;
    let again = client.ask("fast", "hello").await;
    assert_eq!(state(&again), "hit");
    assert_eq!(again.content(), first.content());
    assert_eq!(again.json()["usage"], first.json()["usage"]);
    assert_eq!(again.header("x-fly-cost-usd"), "0");
    let mut stream = client.ask_stream("fast", "hello").await;
    stream.rest().await;
    assert!(stream.is_done());
    assert_eq!(stream.text(), "hello");
    assert_eq!(stream.header("x-fly-cache"), "hit");
    assert_eq!(state(&client.ask("fast", "hello!").await), "miss");
    assert_eq!(world.vendor().starts(), 2);
    // A free answer is in the ledger, too, but nobody waited for that.
    world.wait_for_ends(4, 0).await;
    let (hits, charges): (Vec<_>, Vec<_>) =
        world.uses().await.into_iter().partition(|(used, _)| used.cached);
    assert_eq!((hits.len(), charges.len()), (2, 2));
    assert!(hits.iter().all(|(_, charge)| *charge == 0));
    world.wait_until_applied().await;
    let usage = client.get("/api/usage").await.json();
    assert_eq!((&usage["requests"], &usage["cache_hits"]), (&json!(4), &json!(2)));
    let answered: u64 = charges.iter().map(|(used, _)| used.usage.output).sum();
    assert_eq!(usage["output_tokens"], json!(answered), "tokens count when they are consumed");
    let metrics = world.scrape(0).await;
    assert_eq!(metrics.value("fly_llm_cache_total{result=\"hit\"}"), 2.0);
    world.finish().await;
}

#[tokio::test]
async fn a_streams_answer_serves_a_whole_one() {
    let world = caching().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let mut stream = client.ask_stream("fast", "日本語の質問").await;
    stream.rest().await;
    wait_for_kept(&world, 1).await;
    let whole = client.ask("fast", "日本語の質問").await;
    assert_eq!((state(&whole), whole.content().as_str()), ("hit", "日本語の質問"));
    world.wait_for_ends(2, 0).await;
    world.finish().await;
}

#[tokio::test]
async fn no_store_neither_takes_nor_keeps() {
    let world = caching().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let body = question_to("fast", "hello");
    for _ in 0..2 {
        let request = client
            .request(Method::POST, "/v1/chat/completions")
            .header("cache-control", "no-store")
            .json(&body);
        assert_eq!(state(&client.send(request).await), "miss");
    }
    assert_eq!(world.vendor().starts(), 2);
    assert_eq!(state(&client.chat(&body).await), "miss", "nothing had been kept");
    world.finish().await;
}

#[tokio::test]
async fn no_cache_asks_anew_and_keeps_that() {
    let world = caching().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let mut body = question_to("fast", "hello");
    assert_eq!(state(&client.chat(&body).await), "miss");
    wait_for_kept(&world, 1).await;
    let first = world.kept_answers().await;
    let request = client.request(Method::POST, "/v1/chat/completions");
    let request = request.header("cache-control", "no-cache").json(&body);
    assert_eq!(state(&client.send(request).await), "miss");
    harness::wait_until("the new answer is kept", async || world.kept_answers().await != first)
        .await;
    assert_eq!(world.kept_answers().await.len(), 1);
    // What is asked of the cache is no part of the question, and no vendor hears it.
    body["cache"] = json!({"max-age": 3_600, "ttl": 60});
    assert_eq!(state(&client.chat(&body).await), "hit");
    let request = client.request(Method::POST, "/v1/chat/completions");
    let request = request.header("cache-control", "max-age=0").json(&body);
    assert_eq!(state(&client.send(request).await), "hit", "what the body says is nearer");
    body["cache"] = json!({"max-age": 0});
    assert_eq!(state(&client.chat(&body).await), "miss");
    body["cache"] = json!({"namespace": "trial"});
    assert_eq!(state(&client.chat(&body).await), "miss");
    body["cache"] = json!({"no-cash": true});
    let refused = client.chat(&body).await;
    assert_eq!(
        (refused.status, refused.json()["error"]["param"].as_str()),
        (400, Some("cache.no-cash"))
    );
    assert!(world.vendor().seen().iter().all(|call| call.body.get("cache").is_none()));
    world.wait_for_ends(6, 0).await;
    world.finish().await;
}

#[tokio::test]
async fn a_hit_may_cost_a_share_which_is_paid_once() {
    let change = |config: &mut Config| {
        config.cache.enabled = true;
        config.cache.hit_price_percent = 50;
    };
    let world = World::builder().config(change).start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    client.ask("fast", "hello").await;
    wait_for_kept(&world, 1).await;
    let hit = client.ask("fast", "hello").await;
    assert_eq!(state(&hit), "hit");
    let uses = world.uses().await;
    let of = |cached: bool| uses.iter().find(|(used, _)| used.cached == cached).unwrap().1;
    assert!(of(true) > 0);
    assert_eq!(of(true), (of(false) + 1) / 2);
    let receipt = client.get(&format!("/api/receipts/{}", hit.header("x-request-id"))).await.json();
    assert_eq!(
        (&receipt["cached"], &receipt["charge_micro_usd"]),
        (&json!(true), &json!(of(true)))
    );
    // Whoever can't pay for it doesn't get it.
    world.wait_until_applied().await;
    let budget = json!({"name": "poor", "account": key.account, "max_budget": 0.000_000});
    let poor = world.key_like(budget, 0).await;
    let refused = world.client(&poor).ask("fast", "hello").await;
    assert_eq!(refused.status, 429, "{}", refused.text);
    world.finish().await;
}

#[tokio::test]
async fn accounts_of_a_group_share_and_forget_together() {
    let members = ["acct_one", "acct_other"].map(|name| AccountId::parse(name).unwrap());
    let (name, shared) = (AccountId::parse("team").unwrap(), members.to_vec());
    let change = move |config: &mut Config| {
        config.cache.enabled = true;
        config.cache.groups = [(name, shared)].into();
    };
    let world = World::builder().config(change).start().await;
    let key_in = async |account: &AccountId| {
        let (name, created_ms) = (account.to_string(), 1);
        let limits = OwnLimits::default();
        let record =
            AccountRecordV1 { account: account.clone(), name, created_ms, limits, locale: None };
        world.bus().put_record(&record.account, &record).await.unwrap();
        world.key_like(json!({"name": "member", "account": account}), 1_000_000).await
    };
    let (one, other) = (key_in(&members[0]).await, key_in(&members[1]).await);
    let stranger = world.key(1_000_000).await;
    assert_eq!(state(&world.client(&one).ask("fast", "hello").await), "miss");
    wait_for_kept(&world, 1).await;
    assert_eq!(state(&world.client(&other).ask("fast", "hello").await), "hit");
    assert_eq!(state(&world.client(&stranger).ask("fast", "hello").await), "miss");
    wait_for_kept(&world, 2).await;
    let refused = world.client(&stranger).delete("/api/cache?group=team").await;
    assert_eq!(refused.status, 404);
    let whose = format!("/api/cache?account={}", one.account);
    assert_eq!(world.client(&stranger).delete(&whose).await.status, 403);
    let forgotten = world.client(&other).delete("/api/cache").await.json();
    assert_eq!((&forgotten["tenant"], &forgotten["deleted"]), (&json!("group.team"), &json!(1)));
    assert_eq!(state(&world.client(&stranger).ask("fast", "hello").await), "hit");
    assert_eq!(state(&world.client(&one).ask("fast", "hello").await), "miss");
    world.wait_for_ends(5, 0).await;
    world.finish().await;
}

#[tokio::test]
async fn what_is_too_much_makes_room() {
    let world = caching().await;
    let tenant = Tenant::Account(AccountId::parse("acct_a").unwrap());
    let other = Tenant::Group(AccountId::parse("acct_a").unwrap());
    let keep = async |tenant: &Tenant, digest: &str, bytes: usize, ttl_seconds: u64| {
        let answer = vec![b'x'; bytes];
        let request = &RequestId::fresh();
        let (answer, tenant_bytes_max) = (&answer, 100);
        let (similar, place) = (None, None);
        let keeping = Keeping {
            tenant,
            digest,
            request,
            answer,
            ttl_seconds,
            tenant_bytes_max,
            similar,
            place,
        };
        world.store().keep_answer(keeping).await.unwrap()
    };
    let is_kept = async |tenant: &Tenant, digest: &str| {
        matches!(look(&world, tenant, digest).await, Ok(Look::Kept(_)))
    };
    assert_eq!(keep(&other, "a", 100, 100).await, 0);
    assert_eq!(keep(&tenant, "a", 40, 300).await, 0);
    assert_eq!(keep(&tenant, "b", 40, 200).await, 0);
    assert_eq!(keep(&tenant, "b", 60, 200).await, 0, "its own room is free again");
    assert_eq!(keep(&tenant, "c", 1, 400).await, 1, "what ends soonest goes");
    assert!(is_kept(&tenant, "a").await && is_kept(&tenant, "c").await);
    assert!(!is_kept(&tenant, "b").await);
    assert_eq!(keep(&tenant, "d", 101, 400).await, 0);
    assert!(!is_kept(&tenant, "d").await, "larger than all room");
    assert_eq!(world.store().forget_answers(&tenant).await.unwrap(), 2);
    assert!(!is_kept(&tenant, "a").await && is_kept(&other, "a").await);
    assert_eq!(keep(&tenant, "e", 100, 100).await, 0, "nothing is counted any more");
    world.finish().await;
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_not_kept() {
    let change = |config: &mut Config| {
        config.cache.enabled = true;
        config.cache.entry_bytes_max = 2_000;
    };
    let world = World::builder().config(change).start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let large = "The answer to this is rather long. ".repeat(200);
    assert_eq!(client.ask("fast", &large).await.content(), large);
    assert_eq!(state(&client.ask("fast", "hello").await), "miss");
    wait_for_kept(&world, 1).await;
    assert_eq!(state(&client.ask("fast", "hello").await), "hit");
    assert_eq!(state(&client.ask("fast", &large).await), "miss");
    assert_eq!(world.vendor().starts(), 3);
    world.wait_for_ends(4, 0).await;
    world.finish().await;
}

/// Redis that doesn't answer is found out by the look's own limit, long before a command's of a
/// second: a command that was sent before is still waited for when the look has ended.
#[tokio::test]
async fn a_halted_redis_keeps_nobody_waiting_for_the_cache() {
    let mut world = caching().await;
    assert!(world.config().cache.look_ms_max <= 100, "what is promised");
    let tenant = Tenant::Account(AccountId::parse("acct_a").unwrap());
    let redis = world.servers().redis_id().unwrap();
    send(redis, Signal::STOP);
    let store = world.store().clone();
    let time_max = Duration::from_millis(world.config().cache.look_ms_max);
    let mut asked_before = Box::pin(store.probe());
    tokio::select! {
        biased;
        // Sends its command, and can't have an answer.
        answer = &mut asked_before => panic!("{answer:?}"),
        () = std::future::ready(()) => {}
    }
    let looks = async {
        let found = look(&world, &tenant, "a").await;
        assert!(matches!(found, Err(StoreError::Slow)), "{found:?}");
        let found = store.look_for_similar(&tenant, "a", time_max, |_| None).await;
        assert!(matches!(found, Err(StoreError::Slow)), "{found:?}");
    };
    tokio::select! {
        biased;
        () = looks => {}
        answer = &mut asked_before => panic!("the look took longer than a command: {answer:?}"),
    }
    send(redis, Signal::CONT);
    harness::wait_until("Redis is back", async || world.store().probe().await.is_ok()).await;
    world.wait_until_live().await;
    world.finish().await;
}

/// What stands in an answer's place and is none costs one call of the vendor, and is gone then.
#[tokio::test]
async fn what_is_no_answer_is_a_miss_and_makes_room_for_one() {
    let world = caching().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    assert_eq!(state(&client.ask("fast", "hello").await), "miss");
    wait_for_kept(&world, 1).await;
    assert_eq!(world.spoil_redis("answer:").await, 1);
    let answer = client.ask("fast", "hello").await;
    assert_eq!((state(&answer), answer.content().as_str()), ("miss", "hello"));
    world.wait_for_ends(2, 0).await;
    harness::wait_until("it is kept again", async || {
        state(&client.ask("fast", "hello").await) == "hit"
    })
    .await;
    assert_eq!(world.vendor().starts(), 2);
    world.finish().await;
}

/// Accounts and groups of the same few names, digests that continue those names, and everything
/// that is done to the cache, at random on a real Redis: nobody finds what is another's, and
/// forgetting takes nothing from others.
#[tokio::test]
async fn tenants_are_apart_in_a_fuzzed_key_space() {
    let world = caching().await;
    let mut tenants = Vec::new();
    for name in ["a", "a-a", "a_a", "group", "acct_a", "A"] {
        let name = AccountId::parse(name).unwrap();
        tenants.extend([Tenant::Account(name.clone()), Tenant::Group(name)]);
    }
    let digests = ["a", "a:a", "group.a", "0", "a:similar:a", "*"];
    let (mut numbers, mut model) = (Numbers::new(8), HashMap::new());
    for round in 0..1_500 {
        let (at, digest) = (numbers.below(tenants.len()), *numbers.one_of(&digests));
        let tenant = &tenants[at];
        match numbers.below(16) {
            0 => {
                let mine = model.keys().filter(|(of, _)| *of == at).count();
                let gone = world.store().forget_answers(tenant).await.unwrap();
                assert_eq!(gone, mine as u64, "round {round}");
                model.retain(|(of, _), _| *of != at);
            }
            1..6 => {
                let text = format!("{at} {digest} {round}");
                let request = &RequestId::fresh();
                let keeping = Keeping {
                    tenant,
                    digest,
                    request,
                    answer: text.as_bytes(),
                    ttl_seconds: 300,
                    tenant_bytes_max: 1_000_000,
                    similar: Some(Similar { digest, vector: text.as_bytes() }),
                    place: None,
                };
                world.store().keep_answer(keeping).await.unwrap();
                model.insert((at, digest), text);
            }
            6..9 => {
                let time_max = Duration::from_secs(30);
                let found = world.store().look_for_similar(tenant, digest, time_max, |vector| {
                    // Whose it is stands before the first blank.
                    let whose =
                        String::from_utf8_lossy(vector).split(' ').next().map(str::to_owned);
                    assert_eq!(whose, Some(at.to_string()), "round {round}");
                    Some(1.0)
                });
                let found = found.await.unwrap().map(|(answer, _)| answer);
                let known = model.get(&(at, digest)).map(|text| text.as_bytes());
                assert_eq!(found.as_deref(), known, "round {round}");
            }
            _ => {
                let found = match look_long(&world, tenant, digest).await {
                    Look::Kept(found) => Some(String::from_utf8(found).unwrap()),
                    _ => None,
                };
                assert_eq!(found.as_ref(), model.get(&(at, digest)), "round {round}");
            }
        }
    }
    assert!(model.len() > 10, "the dice never let much be kept: {}", model.len());
    world.finish().await;
}

/// A look that a busy machine doesn't end.
async fn look_long(world: &World, tenant: &Tenant, digest: &str) -> Look {
    let (request, time_max) = (&RequestId::fresh(), Duration::from_secs(30));
    let looking = Looking { digest, request, lease_ms: 1, time_max };
    world.store().look_for_answer(tenant, looking).await.unwrap()
}

#[tokio::test]
async fn accounts_share_no_answer() {
    let world = caching().await;
    let (one, other) = (world.key(1_000_000).await, world.key(1_000_000).await);
    assert_eq!(state(&world.client(&one).ask("fast", "hello").await), "miss");
    wait_for_kept(&world, 1).await;
    assert_eq!(state(&world.client(&other).ask("fast", "hello").await), "miss");
    assert_eq!(state(&world.client(&one).ask("fast", "hello").await), "hit");
    world.wait_for_ends(3, 0).await;
    world.finish().await;
}

#[tokio::test]
async fn what_is_kept_holds_no_personal_data_and_serves_other_names() {
    let world = caching().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let first = client.ask("fast", "Write to taro.yamada@example.com please.").await;
    assert_eq!(first.content(), "Write to taro.yamada@example.com please.");
    wait_for_kept(&world, 1).await;
    for text in world.kept_answers().await {
        assert!(!text.contains("taro") && !text.contains("example.com"), "{text}");
    }
    let second = client.ask("fast", "Write to hanako@example.org please.").await;
    assert_eq!(state(&second), "hit");
    assert_eq!(second.content(), "Write to hanako@example.org please.");
    world.wait_for_ends(2, 0).await;
    world.finish().await;
}

#[tokio::test]
async fn a_failed_answer_is_not_kept() {
    let world = caching().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    world.vendor().next("fast", harness::Script::refuses(500, "no"));
    assert_eq!(client.ask("fast", "hello").await.status, 502);
    let steps = [harness::Step::Text("half".into()), harness::Step::EndEarly];
    world.vendor().next("fast", harness::Script::steps(steps));
    let mut stream = client.ask_stream("fast", "hello").await;
    stream.rest().await;
    assert!(!stream.is_done());
    assert_eq!(state(&client.ask("fast", "hello").await), "miss");
    world.finish().await;
}

#[tokio::test]
async fn the_seeds_variable_turns_it_off() {
    let environment = Environment::of([("ENABLE_CACHING", "false")]);
    let read = Config::load(None, &environment).unwrap();
    assert!(!read.cache.enabled);
    let world = World::builder().config(move |config| config.cache = read.cache).start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    for _ in 0..2 {
        assert_eq!(state(&client.ask("fast", "hello").await), "miss");
    }
    assert_eq!(world.vendor().starts(), 2);
    assert_eq!(world.kept_answers().await.len(), 0);
    world.finish().await;
}
