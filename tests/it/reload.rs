//! Another configuration while answers run: they end as they began, the next one begins with it.
//! A broken file changes nothing.

use crate::program::{Place, Up};
use harness::client::question_to;
use harness::{Gate, Script, World, wait_until};
use rustix::process::Signal;
use schemas::error::ErrorCode;
use std::collections::BTreeSet;

#[tokio::test]
async fn streams_go_on_and_the_next_request_begins_with_the_new_configuration() {
    let world = World::builder().gateways(2).start().await;
    let key = world.key(1_000_000).await;
    let gate = Gate::new();
    let mut streams = Vec::new();
    for number in 0..12 {
        world.vendor().next("fast", Script::says(["before ", "and after"]).after(&gate));
        streams.push(world.client_at(number % 2, &key).ask_stream("fast", "hello").await);
    }
    world.vendor().wait_for_starts(12).await;
    for round in 0..30 {
        world.reconfigure(|config| {
            config.limits.max_tokens_per_request = 500 + round;
            let models = config.models.iter().filter(|model| model.name != "backup");
            let models = models.map(|model| (**model).clone()).collect();
            config.models = infra::config::Catalogue::new(models);
            config.privacy.allow = vec![round.to_string()];
        });
        let answer = world.client_at(0, &key).ask("fast", "meanwhile").await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    for gateway in 0..2 {
        wait_until("the new configuration counts", async || {
            let answer = world.client_at(gateway, &key).ask("backup", "gone").await;
            answer.error_code() == ErrorCode::ModelNotFound.as_str()
        })
        .await;
    }
    gate.open();
    for stream in &mut streams {
        stream.rest().await;
        assert!(stream.is_done(), "{:?}", stream.error_code());
        assert_eq!(stream.text(), "before and after");
    }
    world.finish().await;
}

/// Raised limits come with a reload, and Redis comes back empty under answers that are running. If
/// their holds lived as the gateway's first configuration says, they would be voided under them.
#[tokio::test]
async fn a_hold_that_the_view_forgot_comes_back_with_the_life_of_its_own_request() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let (client, gate) = (world.client(&key), Gate::new());
    let mut streams = Vec::new();
    let seconds = [600, 1_200];
    for (number, seconds) in (1..).zip(seconds) {
        world.reconfigure(|config| {
            config.gateway.request_seconds_max = seconds;
            config.gateway.body_bytes_max = 10_000 * number;
        });
        wait_until("the new configuration counts", async || {
            let long = "x".repeat(10_000 * number - 1_000);
            client.chat(&question_to("nobody", &long)).await.status == 404
        })
        .await;
        world.vendor().next("fast", Script::says(["before ", "and after"]).after(&gate));
        streams.push(client.ask_stream("fast", "hello").await);
    }
    world.vendor().wait_for_starts(2).await;
    let lifetimes = async || {
        let texts =
            world.redis_texts().await.into_iter().filter(|(name, _)| name.contains(":hold:"));
        let lifetimes = texts.filter_map(|(_, text)| {
            let mut words = text.split(' ').skip_while(|word| *word != "lifetime");
            words.nth(1)?.parse::<u64>().ok()
        });
        lifetimes.collect::<BTreeSet<u64>>()
    };
    let reserved = lifetimes().await;
    assert_eq!(reserved.len(), 2, "{reserved:?}");
    world.wipe_redis().await;
    wait_until("both holds are back", async || lifetimes().await.len() == 2).await;
    assert_eq!(lifetimes().await, reserved);
    world.wait_until_live().await;
    gate.open();
    for stream in &mut streams {
        stream.rest().await;
        assert!(stream.is_done(), "{:?}", stream.error_code());
    }
    world.finish().await;
}

#[tokio::test]
async fn what_cannot_be_taken_whole_changes_nothing() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    world.reconfigure(|config| {
        config.privacy.kinds.insert("no such kind".into(), infra::config::PrivacyMode::Off);
        config.gateway.body_bytes_max = 10;
    });
    // The one after it is taken, so the one before it has been looked at.
    world.reconfigure(|config| {
        config.privacy.kinds.clear();
        config.gateway.body_bytes_max = 2_000;
    });
    let client = world.client(&key);
    wait_until("the second counts", async || {
        let answer = client.chat(&question_to("fast", &"x".repeat(3_000))).await;
        answer.status == 413
    })
    .await;
    assert_eq!(client.ask("fast", "hello").await.status, 200);
    world.finish().await;
}

/// What the program counts of a result.
async fn reloads(up: &Up, result: &str) -> f64 {
    let metrics = harness::Client::of(up.text("metrics_url"), "").get("").await.text;
    let name = format!("fly_llm_config_reloads_total{{result=\"{result}\"}} ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(name.as_str()));
    line.map_or(0.0, |count| count.parse().unwrap())
}

async fn wait_for_reloads(up: &Up, result: &str, count: f64) {
    wait_until("the file is read again", async || reloads(up, result).await == count).await;
}

#[tokio::test]
async fn the_file_is_read_again_when_it_changes_and_at_sighup() {
    let place = Place::new().await;
    let gate = Gate::new();
    place.vendor.always("fast", Script::says(["before ", "and after"]).after(&gate));
    let up = place.up().await;
    // More than there are slots: some are queued by the name that goes.
    let client = up.client();
    let asked = (0..20).map(|_| client.ask_stream("fast", "hello"));
    let mut streams = futures::future::join_all(asked).await;
    place.vendor.wait_for_starts(16).await;
    let file = place.path("own.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}nonsense: 1\n")).unwrap();
    wait_for_reloads(&up, "refused", 1.0).await;
    let errors = place.errors();
    assert!(errors.contains("own.yaml:") && errors.contains("nonsense"), "{errors}");
    let other =
        text.replace("- name: fast", "- name: faster").replace("[fast, backup]", "[backup]");
    let other = other.replace("default: fast", "default: backup").replace("[quick]", "[fast]");
    let other = other.replace("127.0.0.1:0\", metrics", "127.0.0.1:1\", metrics");
    std::fs::write(&file, &other).unwrap();
    wait_for_reloads(&up, "taken", 1.0).await;
    // Its worker serves the new name, too.
    wait_until("the new name is served", async || {
        up.client().ask("faster", "hello").await.status == 200
    })
    .await;
    let errors = place.errors();
    assert!(errors.contains("models[faster].name: nothing → faster"), "{errors}");
    assert!(errors.contains("gateway.listen"), "what can't change is named: {errors}");
    up.signal(Signal::HUP);
    wait_for_reloads(&up, "unchanged", 1.0).await;
    gate.open();
    for stream in &mut streams {
        stream.rest().await;
        assert!(stream.is_done(), "{:?}", stream.error_code());
        assert_eq!(stream.text(), "before and after");
    }
    up.finish(&place).await;
}
