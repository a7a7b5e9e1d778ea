//! A ledger that takes nothing, as after a full disk: nothing that costs begins, what is made is
//! kept until it can be charged, and all goes on when the ledger takes charges again.

use crate::cache::wait_for_kept;
use harness::client::question_to;
use harness::{Script, World, wait_until};
use schemas::subjects;

/// Lets the ledger hold so many events more; `None` for as many as come.
pub(crate) async fn let_in(world: &World, more: Option<i64>) {
    let jetstream = world.bus().jetstream();
    let stream = jetstream.get_stream(subjects::LEDGER_STREAM).await.unwrap();
    let mut config = stream.cached_info().config.clone();
    let there = i64::try_from(stream.cached_info().state.messages).unwrap();
    config.max_messages = more.map_or(-1, |more| there + more);
    jetstream.update_stream(config).await.unwrap();
}

async fn slots_free(world: &World) -> f64 {
    world.scrape(0).await.value("fly_llm_slots_free{pool=\"cloud\"}")
}

#[tokio::test]
async fn while_the_ledger_takes_nothing_no_vendor_is_asked() {
    for slots in [16, 128] {
        let world = World::builder()
            .config(move |config| config.workers.provider_slots = slots)
            .start()
            .await;
        let key = world.key(1_000_000).await;
        let client = world.client(&key);
        wait_until("all slots are free", async || slots_free(&world).await == f64::from(slots))
            .await;
        let_in(&world, Some(0)).await;
        let first = client.ask("fast", "made before it was known");
        tokio::pin!(first);
        tokio::select! {
            _ = &mut first => panic!("nobody may be told what isn't charged"),
            () = wait_until("no slot is free", async || slots_free(&world).await == 0.0) => {}
        }
        let second = client.ask("fast", "waits");
        tokio::pin!(second);
        tokio::select! {
            _ = &mut first => panic!("nobody may be told what isn't charged"),
            _ = &mut second => panic!("no worker may begin it"),
            () = wait_until("both are held", async || world.held(&key).await > 0
                && world.scrape(0).await.value("fly_llm_requests_running") == 2.0) => {}
        }
        assert_eq!(world.vendor().starts(), 1);
        let_in(&world, None).await;
        let (first, second) = tokio::join!(first, second);
        assert_eq!(first.content(), "made before it was known");
        assert_eq!(second.content(), "waits");
        world.wait_for_ends(2, 0).await;
        world.finish().await;
    }
}

#[tokio::test]
async fn a_gateway_whose_own_writes_fail_begins_nothing_and_says_so() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    // What comes to nothing is ended by the gateway itself.
    world.vendor().always("fast", Script::refuses(400, "no"));
    let_in(&world, Some(0)).await;
    let mut ends = 0;
    wait_until("no vendor is asked any more", async || {
        let before = world.vendor().starts();
        let answer = client.ask("fast", "x").await;
        ends += usize::from(answer.status == 400);
        answer.text.contains("No charge can be recorded")
            && (answer.status, answer.header("retry-after")) == (503, "2")
            && world.vendor().starts() == before
    })
    .await;
    wait_until("it isn't ready", async || {
        let ready = world.client_with(0, None).get("/ready").await;
        ready.status == 503 && ready.json()["ledger"] == false
    })
    .await;
    let_in(&world, None).await;
    world.vendor().always("fast", Script::says(["well again"]));
    wait_until("it is asked again", async || {
        client.ask("fast", "hello").await.text.contains("well again")
    })
    .await;
    assert_eq!(world.client_with(0, None).get("/ready").await.status, 200);
    world.wait_for_ends(1, ends).await;
    world.finish().await;
}

#[tokio::test]
async fn who_is_refused_meanwhile_keeps_no_place() {
    let world = World::builder().config(|config| config.limits.parallel = 6).start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    world.vendor().always("fast", Script::refuses(400, "no"));
    let_in(&world, Some(0)).await;
    let mut ends = 0;
    wait_until("nothing is begun any more", async || {
        let answer = client.ask("fast", "x").await;
        ends += usize::from(answer.status == 400);
        answer.text.contains("No charge can be recorded")
    })
    .await;
    // As many at once as the key may have: a place that stayed would make the next ones a 429.
    let mut told = Vec::new();
    for _ in 0..12 {
        let together = (0..6).map(|_| client.ask("fast", "x"));
        told.extend(futures::future::join_all(together).await.iter().map(|it| it.status));
    }
    assert!(!told.contains(&429), "{told:?}");
    ends += told.iter().filter(|status| **status == 400).count();
    let_in(&world, None).await;
    world.wait_for_ends(0, ends).await;
    world.finish().await;
}

/// A kept answer that costs something and can't be charged is told to nobody, and paid once when it
/// is asked for again by its name.
#[tokio::test]
async fn a_kept_answer_that_is_withheld_is_not_charged_beside_the_next() {
    let change = |config: &mut infra::config::Config| {
        config.cache.enabled = true;
        config.cache.hit_price_percent = 50;
    };
    let world = World::builder().config(change).start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    client.ask("fast", "hello").await;
    wait_for_kept(&world, 1).await;
    let_in(&world, Some(0)).await;
    let ask = async || {
        let request = client.request(reqwest::Method::POST, "/v1/chat/completions");
        let named = request.header("idempotency-key", "once");
        client.send(named.json(&question_to("fast", "hello"))).await
    };
    let withheld = ask().await;
    assert!(withheld.text.contains("No charge can be recorded"), "{}", withheld.text);
    let_in(&world, None).await;
    wait_until("it costs nothing", async || world.voids().await == 1).await;
    let mut told = ask().await;
    wait_until("its name is free", async || {
        if told.status != 200 {
            told = ask().await;
        }
        told.status == 200
    })
    .await;
    world.wait_for_ends(2, 1).await;
    world.finish().await;
}

/// A charge that was given up while NATS was away isn't sent when that is back: its request was
/// told that it costs nothing.
#[tokio::test]
async fn a_charge_that_was_given_up_while_nats_was_away_never_comes() {
    let change = |config: &mut infra::config::Config| {
        config.cache.enabled = true;
        config.cache.hit_price_percent = 50;
    };
    let mut world = World::builder().config(change).start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    client.ask("fast", "hello").await;
    wait_for_kept(&world, 1).await;
    world.wait_for_ends(1, 0).await;
    world.servers().kill_nats().await;
    // As long as it is tried to write one down, which is longer than anybody waits here.
    let request = client.request(reqwest::Method::POST, "/v1/chat/completions");
    let request = request.json(&question_to("fast", "hello"));
    let withheld = request.send().await.unwrap().text().await.unwrap();
    assert!(withheld.contains("No charge can be recorded"), "{withheld}");
    world.servers().start_nats_again().await;
    wait_until("it costs nothing", async || world.voids().await == 1).await;
    world.wait_for_ends(1, 1).await;
    world.finish().await;
}
