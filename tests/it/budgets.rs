//! Budgets: of a key and of an account, in all and in calendar periods. The one that says no is
//! named with its end, what is refused costs nothing, and gateways share what is left.

use crate::money::question;
use harness::client::{Answer, Client, question_to};
use harness::{Gate, Key, Script, Step, World, wait_until};
use infra::calendar::TimeZone;
use serde_json::{Value, json};

/// Clocks that show noon now: no period ends while a test runs.
fn noon() -> TimeZone {
    let hour = infra::clock::unix_ms() / 3_600_000 % 24;
    let offset = 12 - i64::try_from(hour).unwrap();
    let sign = if offset < 0 { '-' } else { '+' };
    TimeZone::parse(&format!("{sign}{:02}:00", offset.abs())).unwrap()
}

async fn patch(client: &Client, path: &str, change: &Value) -> Answer {
    client.send(client.request(reqwest::Method::PATCH, path).json(change)).await
}

async fn limit(world: &World, key: &Key, change: Value) -> Value {
    let path = format!("/api/accounts/{}", key.account);
    let changed = patch(&world.admin(), &path, &change).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    changed.json()
}

/// What `question` holds at worst, in µUSD.
async fn worst_case(world: &World) -> i64 {
    let key = world.key(1_000_000).await;
    assert_eq!(world.client(&key).chat(&question()).await.status, 200);
    world.uses().await.pop().unwrap().0.hold.0
}

fn usd(micro: i64) -> f64 {
    f64::from(i32::try_from(micro).unwrap()) / 1e6
}

#[tokio::test]
async fn a_budget_of_a_period_is_held_and_tells_when_it_begins_anew() {
    let zone = noon();
    let world = World::builder().config(|config| config.budget.time_zone = noon()).start().await;
    // The first costs 20; then the second just fits, and the third doesn't.
    let max = usd(worst_case(&world).await + 20);
    for (period, name, japanese) in
        [("day", "daily", "1日"), ("week", "weekly", "1週間"), ("month", "monthly", "1か月")]
    {
        let field = format!("max_budget_per_{period}");
        let key = world.key_like(json!({"name": period, (field.clone()): max}), 1_000_000).await;
        let client = world.client(&key);
        for _ in 0..2 {
            assert_eq!(client.chat(&question()).await.status, 200);
            world.wait_until_applied().await;
        }
        let refused = client.chat(&question()).await;
        let told = (refused.status, refused.error_code());
        assert_eq!(told, (429, "insufficient_quota".to_owned()));
        assert_eq!(refused.header("x-should-retry"), "false");
        let text = refused.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(text.contains(&format!("key's {name} budget")), "{text}");
        assert!(text.contains(&format!("キーの{japanese}の予算")), "{text}");
        let offset = &zone.rfc3339(0)[19..];
        assert!(text.contains(&format!("T00:00:00{offset}")), "{text}");
        let path = format!("/api/keys/{}", key.id);
        let raised = patch(&world.admin(), &path, &json!({(field): max * 2.0})).await.json();
        assert_eq!(raised["spent_today_usd"], 0.000_04);
        assert_eq!(raised["spent_this_week_usd"], 0.000_04);
        assert_eq!(raised["spent_this_month_usd"], 0.000_04);
        assert_eq!(client.chat(&question()).await.status, 200);
    }
    world.finish().await;
}

#[tokio::test]
async fn an_accounts_budget_is_one_for_its_keys_and_for_all_gateways() {
    let world = World::builder()
        .gateways(2)
        .config(|config| config.budget.time_zone = noon())
        .start()
        .await;
    let worst_case = worst_case(&world).await;
    let key = world.key(1_000_000).await;
    let second = world.key_like(json!({"name": "second", "account": key.account}), 0).await;
    // Enough to hold three at once, and no fourth.
    let max = usd(3 * worst_case + worst_case / 2);
    limit(&world, &key, json!({"max_budget_per_month": max})).await;
    let clients = [world.client_at(0, &key), world.client_at(1, &second)];
    let limited = json!({"model": "fast", "max_tokens": 1_000_000,
        "messages": [{"role": "user", "content": "x".repeat(2_000)}]});
    wait_until("both gateways know the limit", async || {
        let refused = async |client: &Client| client.chat(&limited).await.status == 429;
        refused(&clients[0]).await && refused(&clients[1]).await
    })
    .await;
    let before = world.vendor().starts();
    let gate = Gate::new();
    world.vendor().always("fast", Script::says(["x"]).after(&gate));
    let name = "fly_llm_holds_total{result=\"account_budget\"}";
    let refused = async || world.scrape(0).await.value(name) + world.scrape(1).await.value(name);
    let refused_before = refused().await;
    let body = question();
    let all = futures::future::join_all((0..30).map(|number| clients[number % 2].chat(&body)));
    let opened = async {
        wait_until("all but three are refused", async || refused().await - refused_before >= 27.0)
            .await;
        world.vendor().wait_for_starts(before + 3).await;
        gate.open();
    };
    let (answers, ()) = futures::join!(all, opened);
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 3);
    for refused in answers.iter().filter(|answer| answer.status != 200) {
        assert!(refused.text.contains("account's monthly budget"), "{}", refused.text);
    }
    assert_eq!(world.vendor().starts(), before + 3, "nothing was started over the budget");
    world.wait_until_applied().await;
    let shown = world.admin().get(&format!("/api/accounts/{}", key.account)).await.json();
    assert_eq!(shown["spent_this_month_usd"], shown["spent_usd"]);
    assert_eq!(shown["max_budget_per_month"], max);
    world.finish().await;
}

#[tokio::test]
async fn an_accounts_rates_bound_its_keys_together_and_headers_tell_the_nearer() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let own = json!({"name": "second", "account": key.account, "requests_per_minute": 5});
    let second = world.key_like(own, 0).await;
    let change = json!({"requests_per_minute": 3, "tokens_per_minute": 40_000});
    let shown = limit(&world, &key, change).await;
    assert_eq!((&shown["requests_per_minute"], &shown["parallel"]), (&json!(3), &Value::Null));
    let clients = [world.client(&key), world.client(&second)];
    for (number, left) in [(0, "2"), (1, "1"), (0, "0")] {
        let answer = clients[number].chat(&question()).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.header("x-ratelimit-limit-requests"), "3");
        assert_eq!(answer.header("x-ratelimit-remaining-requests"), left);
        assert_eq!(answer.header("x-ratelimit-limit-tokens"), "40000");
    }
    for client in &clients {
        let refused = client.chat(&question()).await;
        assert_eq!((refused.status, refused.error_code().as_str()), (429, "rate_limit_exceeded"));
        assert!(refused.text.contains("This account's limit of requests"), "{}", refused.text);
        assert!(!refused.header("retry-after").is_empty());
    }
    limit(&world, &key, json!({"requests_per_minute": null, "parallel": 1})).await;
    let gate = Gate::new();
    world.vendor().always("fast", Script::says(["x"]).after(&gate));
    let before = world.vendor().starts();
    let other = async {
        world.vendor().wait_for_starts(before + 1).await;
        let refused = clients[1].chat(&question()).await;
        assert!(refused.text.contains("This account's limit of requests at once"));
        gate.open();
    };
    let body = question();
    let (first, ()) = futures::join!(clients[0].chat(&body), other);
    assert_eq!(first.status, 200);
    wait_until("the account's place is free again", async || {
        clients[1].chat(&question()).await.status == 200
    })
    .await;
    world.finish().await;
}

#[tokio::test]
async fn a_refused_request_burns_nothing_of_key_or_account() {
    let world = World::start().await;
    let key = world
        .key_like(json!({"name": "k", "requests_per_minute": 9, "models": ["fast"]}), 1_000)
        .await;
    limit(&world, &key, json!({"requests_per_minute": 4})).await;
    let client = world.client(&key);
    let mut dear = question();
    dear["max_tokens"] = 4_000.into();
    for _ in 0..3 {
        assert_eq!(client.ask("nobody", "x").await.status, 404);
        assert_eq!(client.ask("backup", "x").await.status, 403);
        let refused = client.chat(&dear).await;
        assert_eq!(refused.error_code(), "insufficient_quota", "{}", refused.text);
        assert_eq!(refused.header("x-ratelimit-remaining-requests"), "4");
    }
    let answer = client.chat(&question()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.header("x-ratelimit-remaining-requests"), "3");
    world.finish().await;
}

#[tokio::test]
async fn an_account_bounds_the_models_and_the_time_of_its_keys() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    assert_eq!(client.ask("backup", "x").await.status, 200);
    // By an alias, too: the model's name is what is kept.
    let limited = limit(&world, &key, json!({"models": ["quick", "fast"]})).await;
    assert_eq!(limited["models"], json!(["fast"]));
    assert_eq!(client.ask("backup", "x").await.status, 403);
    assert_eq!(client.ask("fast", "x").await.status, 200);
    let body = json!({"name": "alias", "account": key.account, "models": ["quick"]});
    let other = world.key_like(body, 0).await;
    assert_eq!(world.client(&other).ask("quick", "x").await.status, 200);
    limit(&world, &key, json!({"models": null})).await;
    assert_eq!(client.ask("backup", "x").await.status, 200);
    let soon = infra::clock::rfc3339(infra::clock::unix_ms() + 2_000);
    limit(&world, &key, json!({"expires_at": soon})).await;
    wait_until("the account's time is over", async || client.ask("fast", "x").await.status == 401)
        .await;
    let refused = client.ask("fast", "x").await;
    assert!(refused.text.contains("account has expired"), "{}", refused.text);
    limit(&world, &key, json!({"expires_at": null, "name": "another"})).await;
    assert_eq!(client.ask("fast", "x").await.status, 200);
    let admin = world.admin();
    let path = format!("/api/accounts/{}", key.account);
    for wrong in [json!({"max_budget_per_day": -1}), json!({"parallel": 0}), json!({"x": 1})] {
        assert_eq!(patch(&admin, &path, &wrong).await.status, 400, "{wrong}");
    }
    assert_eq!(patch(&client, &path, &json!({"parallel": null})).await.status, 403);
    assert_eq!(patch(&admin, "/api/accounts/acct_none", &json!({})).await.status, 404);
    world.finish().await;
}

/// Of one account, whose credit affords little first and more later.
#[tokio::test]
async fn what_only_the_credit_has_cut_off_is_not_kept() {
    let world = World::builder().config(|config| config.cache.enabled = true).start().await;
    let body = question_to("fast", "an essay");
    let rich = world.key(1_000_000).await;
    assert_eq!(world.client(&rich).chat(&body).await.status, 200);
    let hold = world.uses().await.pop().unwrap().0.hold.0;
    let seen = world.vendor().seen().pop().unwrap().body["max_tokens"].as_i64().unwrap();
    let poor = world.key(hold - 2 * seen + 2 * 700 + 1).await;
    let client = world.client(&poor);
    let stump = Script::steps([Step::Text("It was a".to_owned()), Step::Full]);
    world.vendor().next("fast", stump);
    let short = client.chat(&body).await;
    assert!(short.header("x-fly-route-reason").ends_with(";shorter"), "{}", short.text);
    assert_eq!(short.json()["choices"][0]["finish_reason"], "length");
    world.wait_for_ends(2, 0).await;
    world.grant(&poor.account, 1_000_000, "more").await;
    world.wait_until_applied().await;
    let starts = world.vendor().starts();
    world.vendor().next("fast", Script::says(["a whole essay"]));
    assert_eq!(client.chat(&body).await.content(), "a whole essay");
    assert_eq!(world.vendor().starts(), starts + 1);
    // That one is kept.
    crate::cache::wait_for_kept(&world, 2).await;
    assert_eq!(client.chat(&body).await.content(), "a whole essay");
    assert_eq!(world.vendor().starts(), starts + 1);
    world.finish().await;
}

#[tokio::test]
async fn an_answer_of_no_given_length_is_as_long_as_the_credit_affords() {
    let world = World::start().await;
    let rich = world.key(1_000_000).await;
    let body = question_to("fast", "x");
    assert_eq!(world.client(&rich).chat(&body).await.status, 200);
    let hold = world.uses().await.pop().unwrap().0.hold.0;
    let seen = world.vendor().seen().pop().unwrap().body["max_tokens"].as_i64().unwrap();
    // An output token costs 2.
    let prompt = hold - 2 * seen;
    let poor = world.key(prompt + 2 * 700 + 1).await;
    let answer = world.client(&poor).chat(&body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(answer.header("x-fly-route-reason").ends_with(";shorter"));
    let sent = world.vendor().seen().pop().unwrap().body["max_tokens"].as_i64();
    assert_eq!(sent, Some(700), "no more than the credit affords");
    let (charged, _) = world.uses().await.pop().unwrap();
    assert!(charged.hold.0 <= prompt + 2 * 700 + 1);
    let starts = world.vendor().starts();
    let poorest = world.key(prompt + 2 * 200).await;
    let refused = world.client(&poorest).chat(&body).await;
    assert_eq!(refused.error_code(), "insufficient_quota", "too short to be of use");
    let mut given = body.clone();
    given["max_tokens"] = 900.into();
    let refused = world.client(&poor).chat(&given).await;
    assert_eq!(refused.error_code(), "insufficient_quota", "a given length is not shortened");
    assert_eq!(world.vendor().starts(), starts);
    world.finish().await;
}

#[tokio::test]
async fn a_view_of_an_older_program_is_rebuilt_with_what_budgets_need() {
    let mut world = World::start().await;
    let key = world.key(1_000_000).await;
    assert_eq!(world.client(&key).chat(&question()).await.status, 200);
    world.wait_until_applied().await;
    world.kill_billing(0);
    world.age_view(&key).await;
    let path = format!("/api/accounts/{}", key.account);
    let admin = world.admin();
    assert_eq!(admin.get(&path).await.json()["spent_usd"], 0.0);
    world.add_billing();
    wait_until("the account's spending is counted", async || {
        admin.get(&path).await.json()["spent_usd"] == 0.000_02
    })
    .await;
    world.wait_until_live().await;
    assert_eq!(world.balance(&key).await, 1_000_000 - 20);
    world.finish().await;
}
