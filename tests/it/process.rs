//! `fly-llm up` and the tools, as a process: what others script against, and what is left when it
//! ends, in whatever way.

use crate::program::{Place, assert_gone, children_of};
use harness::{Script, wait_until};
use rustix::process::Signal;
use serde_json::{Value, json};

#[tokio::test]
async fn up_prints_one_line_answers_and_leaves_nothing_at_sigterm() {
    let place = Place::new().await;
    place.vendor.always("fast", Script::says(["Hello", " there"]));
    let up = place.up().await;
    let keys: Vec<&String> = up.banner.as_object().unwrap().keys().collect();
    let documented =
        ["base_url", "metrics_url", "admin_key", "api_key", "nats_url", "redis_url", "pid"];
    assert_eq!(keys, documented);
    assert_eq!(up.banner["pid"], up.pid());
    assert!(up.text("base_url").ends_with("/v1"));
    let client = up.client();
    assert_eq!(client.ask("fast", "hi").await.content(), "Hello there");
    let mut stream = client.ask_stream("fast", "hi").await;
    stream.rest().await;
    assert!(stream.is_done());
    let metrics = harness::Client::of(up.text("metrics_url"), "").get("").await;
    assert!(metrics.text.contains("fly_llm_requests_total"), "{}", metrics.text);
    let names: Vec<String> = children_of(up.pid()).into_iter().map(|(_, name)| name).collect();
    if cfg!(target_os = "linux") {
        assert!(names.iter().any(|name| name == "nats-server"), "{names:?}");
        assert!(names.iter().any(|name| name == "redis-server"), "{names:?}");
    }
    up.finish(&place).await;
}

/// As when a disk is full, or whoever read the log has died.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_log_that_takes_no_line_stops_nothing() {
    let mut place = Place::new().await;
    place.set("FLY_LLM_LOG", "debug");
    let up = place.up_telling(std::fs::File::create("/dev/full").unwrap()).await;
    for _ in 0..2 {
        assert_eq!(up.client().ask("fast", "hello").await.status, 200);
    }
    assert_eq!(up.client().ask("no-such-model", "hello").await.status, 404);
    up.finish(&place).await;
}

#[tokio::test]
async fn sigint_in_a_stream_ends_it_as_well() {
    let place = Place::new().await;
    let steps = [harness::Step::Text("begun".into()), harness::Step::Stall];
    place.vendor.always("fast", Script::steps(steps));
    let mut up = place.up().await;
    let mut stream = up.client().ask_stream("fast", "hi").await;
    stream.next_text().await;
    let children = children_of(up.pid());
    up.signal(Signal::INT);
    stream.rest().await;
    assert!(!stream.is_done(), "an answer that was cut never looks whole");
    assert_eq!(up.ended().await, Some(0), "{}", place.errors());
    assert_gone(&children).await;
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn kill_9_leaves_no_server() {
    let place = Place::new().await;
    let mut up = place.up().await;
    let children = children_of(up.pid());
    assert!(children.len() >= 2, "{children:?}");
    up.signal(Signal::KILL);
    assert_eq!(up.ended().await, None);
    assert_gone(&children).await;
    // The folder is free again, and its data whole.
    let up = place.up().await;
    up.finish(&place).await;
}

#[tokio::test]
async fn a_second_start_keeps_keys_and_balances() {
    let place = Place::new().await;
    let up = place.up().await;
    let (key, admin) = (up.text("api_key").to_owned(), up.text("admin_key").to_owned());
    let credits = up.client().get("/api/credits").await.json();
    assert_eq!(credits["balance_micro_usd"], 10_000_000, "the first key has credit");
    assert_eq!(up.client().ask("fast", "hi").await.status, 200);
    up.finish(&place).await;
    let up = place.up().await;
    assert_eq!(up.text("api_key"), key);
    assert_eq!(up.text("admin_key"), admin);
    let client = up.client();
    wait_until("the balance is there again", async || {
        client.get("/api/credits").await.json()["balance_micro_usd"] == 9_999_980
    })
    .await;
    assert_eq!(client.ask("fast", "hi").await.status, 200);
    up.finish(&place).await;
}

#[tokio::test]
async fn a_second_up_on_the_same_folder_is_refused() {
    let place = Place::new().await;
    let up = place.up().await;
    let arguments = ["up", "--config", "own.yaml", "--listen", "127.0.0.1:0"];
    let second = place.run(&[&arguments[..], &["--metrics-listen", "127.0.0.1:0"]].concat()).await;
    assert_eq!(second.code, Some(1), "{second:?}");
    assert!(second.err.contains("in use by another fly-llm"), "{second:?}");
    assert_eq!(up.client().ask("fast", "hi").await.status, 200, "the first runs on");
    up.finish(&place).await;
}

#[tokio::test]
async fn a_broken_configuration_is_refused_where_it_stands() {
    let place = Place::new().await;
    let broken = "models:\n  - name: m\n    pool: cloud\n    vendor: openai\n    \
        price: {input: 1}\n    context: 10\n    max_output: 5\n";
    std::fs::write(place.path("broken.yaml"), broken).unwrap();
    std::fs::write(place.path("unknown.yaml"), format!("{broken}colour: red\n")).unwrap();
    std::fs::write(place.path("torn.yaml"), "models: [\n").unwrap();
    for (file, line) in [("broken.yaml", 2), ("unknown.yaml", 8), ("torn.yaml", 0)] {
        for command in [&["up"][..], &["gateway"], &["worker", "provider"], &["config", "check"]] {
            let said = place.run(&[command, &["--config", file]].concat()).await;
            assert_eq!(said.code, Some(64), "{command:?} {said:?}");
            let expected = if line == 0 { format!("{file}:") } else { format!("{file}:{line}: ") };
            assert!(said.err.contains(&expected), "{command:?} {said:?}");
            assert_eq!(said.out, "");
        }
    }
    let missing = place.run(&["up", "--config", "nowhere.yaml"]).await;
    assert_eq!(missing.code, Some(64), "{missing:?}");
    assert!(missing.err.contains("nowhere.yaml"), "{missing:?}");
    let told = place.run(&["config", "check", "--json", "--config", "broken.yaml"]).await;
    let said: serde_json::Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!((told.code, &said["ok"]), (Some(64), &json!(false)), "{told:?}");
    let mistake = said["mistakes"][0].as_str().unwrap();
    assert!(mistake.starts_with("broken.yaml:2: model 'm'"), "{mistake}");
    let own = std::fs::read_to_string(place.path("own.yaml")).unwrap();
    let masking = format!("{own}\nprivacy:\n  kinds:\n    ip_adress: off\n");
    std::fs::write(place.path("masking.yaml"), &masking).unwrap();
    let line = masking.lines().count();
    for command in [&["up"][..], &["gateway"], &["config", "check"]] {
        let said = place.run(&[command, &["--config", "masking.yaml"]].concat()).await;
        let expected = format!("masking.yaml:{line}: privacy.kinds: 'ip_adress'");
        assert!(said.code == Some(64) && said.err.contains(&expected), "{command:?} {said:?}");
    }
    let good = place.run(&["config", "check", "--config", "own.yaml"]).await;
    assert_eq!(good.code, Some(0), "{good:?}");
    let default = place.run(&["config", "default"]).await;
    std::fs::write(place.path("default.yaml"), &default.out).unwrap();
    let checked = place.run(&["config", "check", "--config", "default.yaml"]).await;
    assert_eq!(checked.code, Some(0), "{checked:?}");
}

#[tokio::test]
async fn a_wrong_environment_is_told_at_once_with_what_to_write() {
    for (name, value, told) in [
        ("TOKIO_WORKER_THREADS", "0", "TOKIO_WORKER_THREADS: write"),
        ("TOKIO_WORKER_THREADS", "abc", "TOKIO_WORKER_THREADS: write"),
        ("REDIS_URL", "foo", "write REDIS_URL=redis://"),
        ("NATS_URL", "http://127.0.0.1:4222", "write NATS_URL=nats://"),
    ] {
        let mut place = Place::new().await;
        place.set(name, value);
        for command in [&["gateway"][..], &["up"], &["keys", "list"]] {
            let said = place.run(command).await;
            assert_eq!(said.code, Some(64), "{name}={value} {command:?}: {said:?}");
            assert!(said.err.contains(told), "{name}={value} {command:?}: {said:?}");
        }
    }
    let mut place = Place::new().await;
    let gateway = place.run(&["gateway"]).await;
    assert!(gateway.err.contains("ADMIN_API_KEY is not set"), "{gateway:?}");
    place.set("ADMIN_API_KEY", "change-me-too");
    for command in [&["gateway"][..], &["up"]] {
        let guessable = place.run(command).await;
        assert_eq!(guessable.code, Some(64), "{guessable:?}");
        assert!(guessable.err.contains("ADMIN_API_KEY could be guessed"), "{guessable:?}");
    }
    let checked = place.run(&["config", "check"]).await;
    let told = "warning: no gateway starts: ADMIN_API_KEY could be guessed";
    assert!(checked.code == Some(0) && checked.out.contains(told), "{checked:?}");
    let place = Place::new().await;
    let billing = place.run(&["worker", "billing"]).await;
    assert!(!billing.err.contains("ADMIN_API_KEY"), "{billing:?}");
    let data = place.run(&["up", "--config", "own.yaml", "--data", "/dev/null"]).await;
    assert!(data.code == Some(1) && data.err.contains("/dev/null: "), "{data:?}");
    let asked = place.run(&["healthcheck", "foo"]).await;
    assert!(asked.code == Some(64) && asked.err.contains("'foo' is no URL"), "{asked:?}");
}

#[tokio::test]
async fn keys_that_cannot_be_read_are_not_replaced() {
    let place = Place::new().await;
    place.up().await.finish(&place).await;
    let file = place.path("data/secrets.json");
    std::fs::write(&file, "{\"admin_key\": ").unwrap();
    let arguments = ["up", "--config", "own.yaml", "--listen", "127.0.0.1:0"];
    let said = place.run(&[&arguments[..], &["--metrics-listen", "127.0.0.1:0"]].concat()).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("data/secrets.json can't be read"), "{said:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "{\"admin_key\": ");
}

#[tokio::test]
async fn keys_credits_and_the_ledger_have_tools() {
    let place = Place::new().await;
    let up = place.up().await;
    let made = place.run(&["keys", "create", "--name", "tool", "--credit", "1.50", "--json"]).await;
    let made = made.json();
    let keys: Vec<&String> = made.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["key", "key_id", "account"]);
    let (key, account) = (made["key"].as_str().unwrap(), made["account"].as_str().unwrap());
    let client = harness::Client::of(up.text("base_url").trim_end_matches("/v1"), key);
    wait_until("the gateway knows the key and its credit", async || {
        let credits = client.get("/api/credits").await;
        credits.status == 200 && credits.json()["balance_micro_usd"] == 1_500_000
    })
    .await;
    assert_eq!(client.ask("fast", "hi").await.status, 200);
    for _ in 0..2 {
        let given = place.run(&["credits", "grant", account, "2", "--unique", "gift"]).await;
        assert_eq!(given.code, Some(0), "{given:?}");
        assert!(given.out.contains("balance $3.49998"), "a gift counts once: {given:?}");
    }
    let shown = place.run(&["credits", "show", account]).await;
    assert!(shown.out.contains("$3.49998"), "{shown:?}");
    let listed = place.run(&["keys", "list", "--json"]).await.json_lines();
    assert_eq!(listed.len(), 2);
    assert!(!format!("{listed:?}").contains(key));
    let check = place.run(&["ledger", "check", "--json"]).await.json();
    let welcome_credit_use_and_gift = 4;
    assert_eq!(
        check,
        json!({"ok": true, "accounts": 2, "events": welcome_credit_use_and_gift,
            "read": welcome_credit_use_and_gift, "differences": [], "snapshots": [], "late": []})
    );
    let rebuilt = place.run(&["ledger", "rebuild"]).await;
    assert_eq!(rebuilt.code, Some(0), "{rebuilt:?}");
    let deleted = place.run(&["keys", "delete", made["key_id"].as_str().unwrap()]).await;
    assert_eq!(deleted.code, Some(0), "{deleted:?}");
    wait_until("the key opens nothing", async || client.get("/v1/models").await.status == 401)
        .await;
    let nobody = place.run(&["credits", "grant", "acct_nobody", "1"]).await;
    assert_eq!(nobody.code, Some(1), "{nobody:?}");
    assert!(nobody.err.contains("no account"), "{nobody:?}");
    let nobody = place.run(&["credits", "show", "acct_nobody"]).await;
    assert_eq!((nobody.code, nobody.out.as_str()), (Some(1), ""), "{nobody:?}");
    for name in ["", "two\nlines", &"x".repeat(201)] {
        let refused = place.run(&["keys", "create", "--name", name]).await;
        assert!(refused.code == Some(64) && refused.err.contains("--name"), "{refused:?}");
    }
    up.finish(&place).await;
}

#[tokio::test]
async fn questions_of_a_file_are_compared() {
    let place = Place::new().await;
    let pairs = "question1\tquestion2\tis_duplicate\n\
        How do I boil an egg?\thow to boil an egg\t1\n\
        How do I boil an egg?\tHow do I fry an egg?\t0\n\
        What is love?\tExplain love.\t0\n";
    std::fs::write(place.path("pairs.tsv"), pairs).unwrap();
    let said = place.run(&["similar", "pairs.tsv", "--json"]).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    let told = said.json_lines().remove(0);
    assert_eq!((&told["pairs"], &told["same"], &told["hits"]), (&json!(3), &json!(1), &json!(1)));
    assert_eq!(told["false_hits"], json!([["What is love?", "Explain love."]]));
    assert_eq!((&told["hit_rate"], &told["false_hit_rate"]), (&json!(1.0), &json!(0.5)));
    let list = "{\"prompt\":\"東京の人口は？\"}\n{\"prompt\":\"東京の人口を教えて\"}\n\
        {\"prompt\":\"大阪の人口は？\"}\n";
    std::fs::write(place.path("list.jsonl"), list).unwrap();
    let said = place.run(&["similar", "list.jsonl", "--distinct"]).await;
    assert!(said.out.contains("share an answer: 1\n  東京の人口は？ = 東京"), "{said:?}");
    let empty = place.run(&["similar", "list.jsonl"]).await;
    assert_eq!(empty.code, Some(64), "{empty:?}");
}

#[tokio::test]
async fn lines_are_masked_and_routed() {
    let place = Place::new().await;
    let lines = "{\"id\":1,\"text\":\"mail taro@example.com\"}\n{\"id\":2,\"text\":\"nothing\"}\n";
    let masked = place.run_with(&["mask", "--json", "--config", "own.yaml"], lines).await;
    assert_eq!(masked.code, Some(0), "{masked:?}");
    let masked = masked.json_lines();
    assert_eq!(masked.len(), 2);
    assert_eq!((&masked[0]["id"], &masked[1]["id"]), (&json!(1), &json!(2)));
    assert_eq!(
        (&masked[0]["spans"][0]["start"], &masked[0]["spans"][0]["end"]),
        (&json!(5), &json!(21))
    );
    assert!(!masked[0]["masked"].as_str().unwrap().contains("taro"));
    assert_eq!(masked[1]["masked"], "nothing");
    // A value that stands in two messages is found, and its places are those in the joined texts.
    let lines = "{\"id\":3,\"messages\":[{\"role\":\"assistant\",\"content\":\"氏名は？\"},\
        {\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"山田太郎\"}]}]}\n";
    let chat = place.run_with(&["mask", "--json", "--config", "own.yaml"], lines).await;
    let chat = chat.json_lines().remove(0);
    assert_eq!(chat["spans"], json!([{"start": 5, "end": 9, "type": "PERSON"}]));
    assert_eq!(chat["masked"], "氏名は？\n[PERSON_1]");
    assert_eq!(chat["messages"][1]["content"][0]["text"], "[PERSON_1]");
    assert_eq!(chat["counts"], json!([{"type": "PERSON", "count": 1}]));
    let lines = "{\"id\":\"a\",\"prompt\":\"この国の首都はどこですか。\"}\n\
        {\"id\":\"b\",\"prompt\":\"What is the capital of this country?\"}\n";
    let routed = place.run_with(&["route", "--json", "--config", "own.yaml"], lines).await;
    assert_eq!(routed.code, Some(0), "{routed:?}");
    let routed = routed.json_lines();
    assert_eq!((&routed[0]["id"], &routed[0]["lang"]), (&json!("a"), &json!("ja")));
    assert_eq!((&routed[1]["id"], &routed[1]["lang"]), (&json!("b"), &json!("en")));
    for line in &routed {
        let model = line["model"].as_str().unwrap();
        assert!(["fast", "backup"].contains(&model), "{line}");
        assert!(line["reason"].is_string(), "{line}");
    }
}

#[tokio::test]
async fn a_health_check_is_an_exit_code() {
    let place = Place::new().await;
    let up = place.up().await;
    let ready = format!("{}/ready", up.text("base_url").trim_end_matches("/v1"));
    wait_until("the gateway is ready", async || {
        place.run(&["healthcheck", &ready]).await.code == Some(0)
    })
    .await;
    let elsewhere = place.run(&["healthcheck", "http://127.0.0.1:1/ready"]).await;
    assert_eq!(elsewhere.code, Some(1), "{elsewhere:?}");
    up.finish(&place).await;
}

#[tokio::test]
async fn the_roles_run_as_processes_of_their_own() {
    let place = Place::new().await;
    // Its servers serve the others; its own roles are beside them.
    let up = place.up().await;
    let mut apart = Place::with(harness::World::vendor_alone().await, "");
    let config = std::fs::read_to_string(place.path("own.yaml")).unwrap();
    std::fs::write(apart.path("own.yaml"), config).unwrap();
    apart.set("NATS_URL", up.text("nats_url"));
    apart.set("REDIS_URL", up.text("redis_url"));
    let checked = apart.run(&["ledger", "check", "--json"]).await.json();
    assert_eq!(checked["ok"], true);
    let applied = apart.run(&["streams", "apply", "--config", "own.yaml"]).await;
    assert_eq!(applied.code, Some(0), "{applied:?}");
    let missing = place.run(&["worker", "billing", "--config", "own.yaml"]).await;
    assert_eq!(missing.code, Some(64), "{missing:?}");
    assert!(missing.err.contains("_URL is not set"), "{missing:?}");
    let listed: Value = up.client().get("/v1/models").await.json();
    assert_eq!(listed["data"][0]["id"], "fast");
    up.finish(&place).await;
}
