//! Money: charged before the end is told, once, exactly, and never more than there is.

use harness::vendor::script::Counts;
use harness::{Gate, Script, Step, World, wait_until};
use infra::bus::BusError;
use infra::store::holds::{Reservation, Reserved};
use schemas::ledger::{EventV1, Fact, Outcome, Writer};
use schemas::money::MicroUsd;
use schemas::usage::TokenSource;
use serde_json::{Value, json};

/// The longest answer asked for, in tokens.
const MAX_TOKENS: i64 = 100;

/// Asks for as long an answer.
pub(crate) fn question() -> Value {
    json!({"model": "fast", "max_tokens": MAX_TOKENS,
        "messages": [{"role": "user", "content": "hello"}]})
}

/// What `question` holds at worst, in µUSD: read from the charge of one. It needs a look at the
/// ledger, because the bound is the product's own.
async fn worst_case(world: &World) -> i64 {
    let key = world.key(1_000_000).await;
    assert_eq!(world.client(&key).chat(&question()).await.status, 200);
    let hold = world.uses().await.pop().unwrap().0.hold.0;
    assert!(hold >= 5 + MAX_TOKENS * 2, "never under the truth: {hold}");
    hold
}

#[tokio::test]
async fn whoever_reads_the_end_finds_the_charge_in_the_ledger() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    for round in 0..5 {
        let mut stream = client.stream(&question()).await;
        stream.rest().await;
        assert!(stream.is_done());
        assert_eq!(world.uses().await.len(), 2 * round + 1, "durable when [DONE] is read");
        assert_eq!(client.chat(&question()).await.status, 200);
        assert_eq!(world.uses().await.len(), 2 * round + 2, "durable when the answer is read");
    }
    world.finish().await;
}

#[tokio::test]
async fn a_charge_tells_everything_about_itself() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let counts = Some(Counts { input: 100, cached: Some(51), output: 70 });
    world.vendor().always("fast", Script::says(["x"]).with_counts(counts));
    let answer = world.client(&key).chat(&question()).await;
    // 49 at 1, 51 at 0.5, 70 at 2; rounded up once.
    let charged = 49 + 26 + 140;
    let (event, charge) = world.uses().await.remove(0);
    assert_eq!(charge, charged);
    assert_eq!(answer.header("x-fly-cost-usd"), "0.000215");
    assert!(event.hold.0 >= charged);
    assert_eq!(event.key, key.id);
    assert_eq!(event.model, "fast");
    assert_eq!(event.request.as_str(), answer.header("x-request-id"));
    assert_eq!((event.usage.input, event.usage.cache_read), (49, Some(51)));
    assert_eq!((event.usage.output, event.usage.reasoning), (70, None));
    assert_eq!(event.source, TokenSource::Vendor);
    assert_eq!((event.outcome, event.writer), (Outcome::Done, Writer::Worker));
    world.wait_until_applied().await;
    assert_eq!(world.balance(&key).await, 1_000_000 - charged);
    world.finish().await;
}

#[tokio::test]
async fn no_charge_is_above_its_hold_whatever_the_vendor_counts() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let dishonest = Script::says(["x"]).counting(1_000_000, 1_000_000);
    world.vendor().always("fast", dishonest);
    assert_eq!(world.client(&key).chat(&question()).await.status, 200);
    let (event, charge) = world.uses().await.remove(0);
    assert_eq!(charge, event.hold.0);
    world.finish().await;
}

#[tokio::test]
async fn what_was_used_is_shown_to_its_owner() {
    let world = World::start().await;
    let (key, other) = (world.key(1_000_000).await, world.key(5).await);
    let client = world.client(&key);
    for _ in 0..3 {
        client.chat(&question()).await;
    }
    world.wait_until_applied().await;
    let usage = client.get(&format!("/api/usage?key_id={}", key.id)).await.json();
    assert_eq!(usage["requests"], 3);
    assert_eq!((&usage["input_tokens"], &usage["output_tokens"]), (&json!(30), &json!(15)));
    assert_eq!(usage["cost_micro_usd"], 60);
    assert_eq!(usage["data"][0]["model"], "fast");
    let credits = client.get("/api/credits").await.json();
    assert_eq!(credits["balance_micro_usd"], 999_940);
    assert_eq!(credits["held_micro_usd"], 0);
    let foreign = format!("/api/usage?key_id={}", key.id);
    assert_eq!(world.client(&other).get(&foreign).await.status, 403);
    assert_eq!(world.admin().get(&foreign).await.json()["requests"], 3);
    world.finish().await;
}

#[tokio::test]
async fn without_a_count_of_the_vendor_our_own_is_charged_and_flagged() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    world.vendor().always("fast", Script::says(["12345678", "日本"]).with_counts(None));
    let mut stream = world.client(&key).stream(&question()).await;
    stream.rest().await;
    assert!(stream.is_done());
    let (event, _) = world.uses().await.remove(0);
    assert_eq!(event.source, TokenSource::Estimated);
    assert_eq!((event.usage.input, event.usage.output), (2, 2 + 2));
    world.finish().await;
}

#[tokio::test]
async fn what_runs_is_held_and_what_ended_is_not() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let gate = Gate::new();
    let steps = [Step::Text("a".into()), Step::Wait(gate.clone())];
    world.vendor().always("fast", Script::steps(steps));
    let mut stream = world.client(&key).stream(&question()).await;
    stream.next_text().await;
    let held = world.held(&key).await;
    assert_eq!(world.balance(&key).await, 1_000_000, "nothing is charged yet");
    gate.open();
    stream.rest().await;
    assert_eq!(world.uses().await.remove(0).0.hold.0, held);
    wait_until("the hold is released", async || world.held(&key).await == 0).await;
    assert_eq!(world.balance(&key).await, 1_000_000 - 20);
    world.finish().await;
}

/// As when a gateway that stood still for long goes on at last: the view has forgotten the end.
#[tokio::test]
async fn what_is_held_long_after_a_requests_end_comes_back_at_its_time() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    assert_eq!(world.client(&key).chat(&question()).await.status, 200);
    world.wait_until_applied().await;
    let request = world.uses().await.remove(0).0.request;
    assert_eq!(world.forget_redis(request.as_str()).await, 1);
    let (account, amount) = (key.account.clone(), MicroUsd(500_000));
    let wanted = Reservation {
        request,
        account,
        key: key.id.clone(),
        amount,
        enough: amount,
        lifetime_ms: 1_500,
        budgets: Vec::new(),
        total_budget: None,
    };
    assert_eq!(world.store().reserve(&wanted).await.unwrap(), Reserved::Held(amount));
    assert_eq!(world.held(&key).await, amount.0);
    wait_until("it is given back", async || world.held(&key).await == 0).await;
    assert_eq!(world.balance(&key).await, 1_000_000 - 20);
    assert_eq!((world.uses().await.len(), world.voids().await), (1, 0));
    world.finish().await;
}

#[tokio::test]
async fn many_at_once_over_two_gateways_never_spend_more_than_there_is() {
    let world = World::builder().gateways(2).billings(2).start().await;
    let worst_case = worst_case(&world).await;
    // Enough to hold three at once, and no fourth.
    let key = world.key(3 * worst_case + worst_case / 2).await;
    let gate = Gate::new();
    world.vendor().always("fast", Script::says(["x"]).after(&gate));
    let clients = [world.client_at(0, &key), world.client_at(1, &key)];
    let body = question();
    let all = futures::future::join_all((0..30).map(|number| clients[number % 2].chat(&body)));
    let opened = async {
        let refused = async || {
            let (one, two) = (world.scrape(0).await, world.scrape(1).await);
            let name = "fly_llm_holds_total{result=\"insufficient\"}";
            one.value(name) + two.value(name)
        };
        wait_until("27 are refused", async || refused().await == 27.0).await;
        wait_until("three run", async || world.vendor().starts() == 1 + 3).await;
        gate.open();
    };
    let (answers, ()) = futures::join!(all, opened);
    let answered = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(answered, 3);
    for refused in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(refused.status, 429);
        assert_eq!(refused.error_code(), "insufficient_quota");
        assert_eq!(refused.header("x-should-retry"), "false");
    }
    assert_eq!(world.vendor().starts(), 1 + 3, "nothing was started without credit");
    world.finish().await;
}

#[tokio::test]
async fn two_billing_workers_apply_every_event_once() {
    let world = World::builder().billings(2).start().await;
    let keys = [world.key(1_000_000).await, world.key(1_000_000).await];
    let clients = [world.client(&keys[0]), world.client(&keys[1])];
    let body = question();
    let answers = futures::future::join_all((0..40).map(|n| clients[n % 2].chat(&body))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    world.wait_until_applied().await;
    for key in &keys {
        assert_eq!(world.balance(key).await, 1_000_000 - 20 * 20);
    }
    world.finish().await;
}

#[tokio::test]
async fn a_killed_billing_worker_leaves_its_work_to_another() {
    let mut world = World::start().await;
    let key = world.key(1_000_000).await;
    world.client(&key).chat(&question()).await;
    world.kill_billing(0);
    for _ in 0..3 {
        assert_eq!(world.client(&key).chat(&question()).await.status, 200);
    }
    assert_eq!(world.uses().await.len(), 4);
    world.add_billing();
    world.wait_until_applied().await;
    assert_eq!(world.balance(&key).await, 1_000_000 - 4 * 20);
    world.finish().await;
}

#[tokio::test]
async fn a_wiped_redis_is_rebuilt_and_refuses_until_then() {
    let mut world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    for _ in 0..3 {
        client.chat(&question()).await;
    }
    world.wait_until_applied().await;
    world.kill_billing(0);
    world.wipe_redis().await;
    let refused = client.chat(&question()).await;
    assert_eq!(refused.status, 503, "{}", refused.text);
    assert_eq!(refused.error_code(), "service_unavailable");
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(refused.header("x-should-retry"), "", "a retry helps");
    assert_eq!(world.vendor().starts(), 3);
    let ready = client.get("/ready").await;
    let told = ready.json();
    assert_eq!(
        (ready.status, &told["redis"], &told["balances"]),
        (503, &true.into(), &false.into())
    );
    world.add_billing();
    world.wait_until_live().await;
    assert_eq!(client.get("/ready").await.status, 200);
    assert_eq!(world.balance(&key).await, 1_000_000 - 3 * 20);
    assert_eq!(client.chat(&question()).await.status, 200);
    world.finish().await;
}

#[tokio::test]
async fn a_wipe_beside_a_running_billing_worker_is_noticed() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    world.client(&key).chat(&question()).await;
    world.wait_until_applied().await;
    world.wipe_redis().await;
    world.wait_until_live().await;
    wait_until("the balance is rebuilt", async || world.balance(&key).await == 999_980).await;
    let usage = world.client(&key).get("/api/usage").await.json();
    assert_eq!(usage["requests"], 1, "counted once");
    world.finish().await;
}

#[tokio::test]
async fn a_restarted_redis_loses_nothing_and_meanwhile_nothing_starts() {
    let mut world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    client.chat(&question()).await;
    world.wait_until_applied().await;
    world.servers().kill_redis().await;
    let refused = client.chat(&question()).await;
    assert_eq!(refused.status, 503, "{}", refused.text);
    assert_eq!(refused.error_code(), "service_unavailable");
    assert_eq!(world.vendor().starts(), 1);
    world.servers().start_redis_again().await;
    world.reconnect_to_redis().await;
    wait_until("chats are answered again", async || client.chat(&question()).await.status == 200)
        .await;
    world.finish().await;
}

#[tokio::test]
async fn a_grant_of_the_same_name_counts_once() {
    let world = World::start().await;
    let key = world.key(1_000).await;
    world.grant(&key.account, 500, "gift").await;
    world.grant(&key.account, 500, "gift").await;
    assert_eq!(world.balance(&key).await, 1_500);
    world.grant(&key.account, 500, "another gift").await;
    assert_eq!(world.balance(&key).await, 2_000);
    assert_eq!(world.ledger().await.len(), 3);
    world.finish().await;
}

#[tokio::test]
async fn the_budget_of_a_key_is_held() {
    let world = World::start().await;
    let worst_case = worst_case(&world).await;
    // The first costs 20; then the second just fits, and the third doesn't.
    let budget = f64::from(i32::try_from(worst_case + 20).unwrap()) / 1e6;
    let small = world.key_like(json!({"name": "small", "max_budget": budget}), 1_000_000).await;
    let client = world.client(&small);
    for _ in 0..2 {
        assert_eq!(client.chat(&question()).await.status, 200);
        world.wait_until_applied().await;
    }
    let refused = client.chat(&question()).await;
    assert_eq!((refused.status, refused.error_code().as_str()), (429, "insufficient_quota"));
    assert_eq!(refused.header("x-should-retry"), "false");
    world.finish().await;
}

#[tokio::test]
async fn the_budget_of_everybody_is_held() {
    let world = World::builder()
        .config(|config| config.budget.total_usd = Some(MicroUsd(2_500)))
        .start()
        .await;
    let keys = [world.key(1_000_000).await, world.key(1_000_000).await];
    let gate = Gate::new();
    world.vendor().always("fast", Script::says(["x"]).after(&gate));
    let body = question();
    let clients = [world.client(&keys[0]), world.client(&keys[1])];
    let asked = futures::future::join_all((0..6).map(|number| clients[number % 2].chat(&body)));
    let opened = async {
        wait_until("some are refused, whoever asks", async || {
            let held = world.held(&keys[0]).await + world.held(&keys[1]).await;
            assert!(held <= 2_500, "{held}");
            let name = "fly_llm_holds_total{result=\"total_budget\"}";
            world.scrape(0).await.value(name) >= 3.0
        })
        .await;
        gate.open();
    };
    let (answers, ()) = futures::join!(asked, opened);
    let refused = answers.iter().filter(|answer| answer.status == 429).count();
    assert!((3..6).contains(&refused), "{refused}");
    world.finish().await;
}

/// An operator's slip, or somebody who writes past the program: what can't be is in nobody's way.
#[tokio::test]
async fn an_event_that_moves_more_than_there_can_be_counts_for_nothing() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    for unique in ["slip", "another"] {
        let event = EventV1 {
            account: key.account.clone(),
            at_ms: infra::clock::unix_ms(),
            amount: MicroUsd(i64::MAX - 1),
            fact: Fact::Grant { unique: unique.to_owned(), note: String::new() },
        };
        // Nothing waits for a second attempt, which would fare no better.
        assert_eq!(world.bus().record_patiently(&event).await, None, "we write none");
        let refused = world.bus().record(&event).await;
        assert!(matches!(refused, Err(BusError::TooMuch)), "{refused:?}");
        let written =
            world.bus().jetstream().publish(event.subject(), event.to_json().unwrap().into());
        written.await.unwrap().await.unwrap();
    }
    assert_eq!(world.client(&key).chat(&question()).await.status, 200);
    world.wait_until_applied().await;
    assert_eq!(world.balance(&key).await, 1_000_000 - 20);
    world.finish().await;
}
