//! Answers to other wordings of a question: for keys that want them, within one tenant, never where
//! a fact differs, and never instead of an answer when Redis is away.

use harness::client::question_to;
use harness::{Answer, Client, Key, World, wait_until};
use infra::config::{Config, SemanticCache};
use infra::store::StoreError;
use infra::store::answers::Tenant;
use infra::store::keep::{Keeping, Similar};
use schemas::ids::{AccountId, RequestId};
use serde_json::{Value, json};
use std::time::Duration;

const ASKED: &str = "How do I reset my password?";
const REWORDED: &str = "Hi, could you tell me how to reset my password, please?";

fn comparing(config: &mut Config) {
    config.cache.enabled = true;
    // A busy test machine is no Redis that is away.
    config.cache.look_ms_max = 30_000;
    config.cache.semantic = SemanticCache::Keys;
}

async fn comparing_world() -> World {
    World::builder().config(comparing).start().await
}

async fn key(world: &World) -> Key {
    world.key_like(json!({"name": "test", "similar_answers": true}), 1_000_000).await
}

/// A calm question, as it is compared when nothing else is said.
pub(crate) fn calm(question: &str) -> Value {
    let mut body = question_to("fast", question);
    body["temperature"] = json!(0);
    body
}

async fn ask(client: &Client, question: &str) -> Answer {
    let answer = client.chat(&calm(question)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer
}

/// Whether it was a hit, and how alike.
fn state(answer: &Answer) -> (&str, &str) {
    assert_eq!(answer.status, 200, "{}", answer.text);
    (answer.header("x-fly-cache"), answer.header("x-fly-similarity"))
}

async fn names(world: &World, part: &str) -> usize {
    world.redis_texts().await.keys().filter(|name| name.contains(part)).count()
}

async fn wait_for_kept(world: &World, count: usize) {
    wait_until("the answer is kept", async || world.kept_answers().await.len() == count).await;
}

#[tokio::test]
async fn another_wording_has_the_same_answer_and_another_fact_has_not() {
    let world = comparing_world().await;
    let key = key(&world).await;
    let client = world.client(&key);
    assert_eq!(state(&ask(&client, ASKED).await), ("miss", ""));
    wait_for_kept(&world, 1).await;
    let again = ask(&client, REWORDED).await;
    assert_eq!(state(&again), ("hit", "1.000"));
    assert_eq!(again.content(), ASKED, "the vendor repeats what it is asked");
    assert_eq!(again.header("x-fly-cost-usd"), "0");
    // The same over a stream, which tells it in its header, too.
    let mut body = calm("how can I reset my password");
    body["stream"] = true.into();
    let mut stream = client.stream(&body).await;
    stream.rest().await;
    assert_eq!((stream.text().as_str(), stream.header("x-fly-similarity")), (ASKED, "1.000"));
    // An equal question is no other wording.
    assert_eq!(state(&ask(&client, ASKED).await), ("hit", ""));
    for other in [
        "How do I reset my username?",
        "How do I not reset my password?",
        "Why do I reset my password?",
        "How do I reset my password twice?",
        "How do I reset 2 passwords?",
    ] {
        assert_eq!(state(&ask(&client, other).await), ("miss", ""), "{other}");
    }
    assert_eq!(world.vendor().starts(), 6);
    world.wait_for_ends(9, 0).await;
    let hits = world.uses().await.into_iter().filter(|(used, _)| used.cached).count();
    assert_eq!(hits, 3, "each is in the ledger");
    let metrics = world.scrape(0).await;
    assert_eq!(metrics.value("fly_llm_cache_total{result=\"similar\"}"), 2.0);
    for (name, text) in world.redis_texts().await {
        let is_index = name.contains(":similar:") || name.contains(":similars:");
        assert!(!is_index || !text.contains("password"), "{name}: {text}");
    }
    world.finish().await;
}

#[tokio::test]
async fn japanese_and_several_gateways() {
    let world = World::builder().gateways(2).config(comparing).start().await;
    let key = key(&world).await;
    let (one, other) = (world.client_at(0, &key), world.client_at(1, &key));
    assert_eq!(state(&ask(&one, "東京の人口を教えてください。").await), ("miss", ""));
    wait_for_kept(&world, 1).await;
    let again = ask(&other, "すみません、東京の人口は何ですか？").await;
    assert_eq!(state(&again), ("hit", "1.000"));
    assert_eq!(again.content(), "東京の人口を教えてください。");
    assert_eq!(state(&ask(&other, "大阪の人口を教えてください。").await), ("miss", ""));
    world.wait_for_ends(3, 0).await;
    world.finish().await;
}

#[tokio::test]
async fn nobody_gets_it_who_has_not_asked_for_it() {
    let world = comparing_world().await;
    let key = key(&world).await;
    let client = world.client(&key);
    assert_eq!(state(&ask(&client, ASKED).await).0, "miss");
    wait_for_kept(&world, 1).await;
    // Another account, though it wants such answers.
    let stranger = self::key(&world).await;
    assert_eq!(state(&ask(&world.client(&stranger), REWORDED).await), ("miss", ""));
    // Another key of the account, which has not chosen it.
    let plain = json!({"name": "plain", "account": key.account});
    let plain = world.key_like(plain, 0).await;
    assert_eq!(state(&ask(&world.client(&plain), REWORDED).await), ("miss", ""));
    // This key without it, and with it again. Its own exact answer is kept meanwhile.
    let change = async |similar: Value| {
        let path = format!("/api/keys/{}", key.id);
        let request = world.admin().request(reqwest::Method::PATCH, &path);
        let changed = request.json(&json!({"similar_answers": similar}));
        world.admin().send(changed).await.json()["similar_answers"].clone()
    };
    assert_eq!(change(Value::Null).await, json!(false));
    let third = "Hello! How can I reset my password?";
    assert_eq!(state(&ask(&client, third).await), ("miss", ""));
    assert_eq!(change(json!(true)).await, json!(true));
    assert_eq!(state(&ask(&client, "how to reset my password").await), ("hit", "1.000"));
    world.wait_for_ends(5, 0).await;
    world.finish().await;
}

#[tokio::test]
async fn chance_tools_and_other_settings_keep_questions_apart() {
    let world = comparing_world().await;
    let key = key(&world).await;
    let client = world.client(&key);
    let with = |question: &str, name: &str, value: Value| {
        let mut body = calm(question);
        body[name] = value;
        body
    };
    assert_eq!(state(&ask(&client, ASKED).await).0, "miss");
    wait_for_kept(&world, 1).await;
    let tool = json!([{"type": "function", "function": {"name": "f", "parameters": {}}}]);
    let system = json!([
        {"role": "system", "content": "Answer like a pirate."},
        {"role": "user", "content": REWORDED},
    ]);
    let mut silent = calm(REWORDED);
    silent.as_object_mut().unwrap().remove("temperature");
    for body in [
        with(REWORDED, "temperature", json!(0.9)),
        silent,
        with(REWORDED, "tools", tool),
        with(REWORDED, "messages", system),
        with(REWORDED, "max_tokens", json!(7)),
        with(REWORDED, "cache", json!({"similar": false})),
        with(REWORDED, "cache", json!({"no-store": true})),
        with(REWORDED, "cache", json!({"namespace": "trial", "similar": true})),
    ] {
        assert_eq!(state(&client.chat(&body).await), ("miss", ""), "{body}");
    }
    // What leaves much to chance may still ask for it.
    let wild = |question: &str| {
        let mut body = with(question, "temperature", json!(1.5));
        body["cache"] = json!({"similar": true});
        body
    };
    assert_eq!(state(&client.chat(&wild(ASKED)).await), ("miss", ""), "other settings");
    wait_for_kept(&world, 9).await;
    assert_eq!(state(&client.chat(&wild(REWORDED)).await), ("hit", "1.000"));
    world.wait_for_ends(11, 0).await;
    world.finish().await;
}

#[tokio::test]
async fn an_answer_has_the_names_of_whoever_asks_in_other_words() {
    let world = comparing_world().await;
    let key = key(&world).await;
    let client = world.client(&key);
    let first = ask(&client, "How do I write to taro.yamada@example.com and 03-3211-4567?").await;
    assert_eq!(state(&first).0, "miss");
    wait_for_kept(&world, 1).await;
    let reworded = "Please tell me how to write to hanako@example.org and 03-3555-1234.";
    let again = ask(&client, reworded).await;
    assert_eq!(state(&again), ("hit", "1.000"));
    assert_eq!(again.content(), "How do I write to hanako@example.org and 03-3555-1234?");
    let swapped = "How do I write to 03-3555-1234 and hanako@example.org?";
    assert_eq!(state(&ask(&client, swapped).await), ("miss", ""));
    let more = "How do I write to hanako@example.org and jiro@example.org?";
    assert_eq!(state(&ask(&client, more).await), ("miss", ""));
    for text in world.redis_texts().await.into_values() {
        assert!(!text.contains("taro") && !text.contains("example.com"), "{text}");
    }
    world.wait_for_ends(4, 0).await;
    world.finish().await;
}

#[tokio::test]
async fn what_is_forgotten_or_gone_is_found_by_no_wording() {
    let world = comparing_world().await;
    let key = key(&world).await;
    let client = world.client(&key);
    assert_eq!(state(&ask(&client, ASKED).await).0, "miss");
    wait_for_kept(&world, 1).await;
    assert_eq!(names(&world, ":similar").await, 2, "one question and its place");
    assert_eq!(client.delete("/api/cache").await.json()["deleted"], json!(1));
    assert_eq!(names(&world, ":similar").await, 0, "nothing of it is left");
    assert_eq!(state(&ask(&client, REWORDED).await), ("miss", ""));
    wait_for_kept(&world, 1).await;
    // An index that can't be read is no index: the question is asked anew.
    assert_eq!(world.break_redis(":similar:").await, 1);
    assert_eq!(state(&ask(&client, "how can I reset my password").await), ("miss", ""));
    world.wait_for_ends(3, 0).await;
    world.finish().await;
}

#[tokio::test]
async fn the_index_goes_with_its_answers() {
    let world = comparing_world().await;
    let tenant = Tenant::Account(AccountId::parse("acct_a").unwrap());
    let keep = async |digest: &str, similar: &str, tenant_bytes_max: usize| {
        let keeping = Keeping {
            tenant: &tenant,
            digest,
            request: &RequestId::fresh(),
            answer: digest.as_bytes(),
            ttl_seconds: 300,
            tenant_bytes_max,
            similar: Some(Similar { digest: similar, vector: digest.as_bytes() }),
            place: None,
        };
        world.store().keep_answer(keeping).await.unwrap()
    };
    let find = async |similar: &str, most: f64| {
        let judge = |vector: &[u8]| {
            let likeness = f64::from(vector[1] - b'0');
            (likeness <= most).then_some(likeness)
        };
        let time_max = Duration::from_secs(30);
        let found = world.store().look_for_similar(&tenant, similar, time_max, judge).await;
        found.unwrap().map(|(answer, _)| String::from_utf8(answer).unwrap())
    };
    for digest in ["a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9"] {
        assert_eq!(keep(digest, "a", 10_000).await, 0);
    }
    assert_eq!(find("a", 9.0).await.as_deref(), Some("a8"), "eight wordings stand together");
    assert_eq!(find("a", 3.0).await.as_deref(), Some("a3"));
    assert_eq!(find("a", 0.0).await, None);
    assert_eq!(find("b", 9.0).await, None);
    // Room for one alone: the others leave the index with their answers.
    assert_eq!(keep("b5", "b", 12).await, 8, "the last one has no place in the index");
    assert_eq!((find("a", 9.0).await, find("b", 9.0).await.as_deref()), (None, Some("b5")));
    // Redis that doesn't answer is found out within the time that a look is worth.
    world.pause_redis(4_000).await;
    let time_max = Duration::from_millis(100);
    let found = world.store().look_for_similar(&tenant, "b", time_max, |_| Some(1.0)).await;
    assert!(matches!(found, Err(StoreError::Slow)), "{found:?}");
    wait_until("Redis is back", async || world.store().probe().await.is_ok()).await;
    world.wait_until_live().await;
    world.finish().await;
}
