//! The operator's pages: nobody else comes in, what they change is in the audit log, and the live
//! view moves while requests run.

use crate::pages::{EVIL, evil_key};
use harness::{ADMIN_KEY, Delivery, Gate, Script, Visitor, World, wait_for, wait_until};
use schemas::records::{AccountRecordV1, OwnLimits};
use serde_json::json;

async fn operator(world: &World) -> Visitor {
    let mut visitor = Visitor::new(world.client_with(0, None).base(), "en");
    let entered = visitor.post("/admin/sign-in", &[("key", ADMIN_KEY)]).await;
    assert_eq!((entered.status, entered.header("location")), (303, "/admin"), "{}", entered.text);
    let cookie = entered.header("set-cookie");
    assert!(cookie.contains("Path=/admin") && cookie.contains("HttpOnly"), "{cookie}");
    visitor
}

#[tokio::test]
async fn only_the_operator_comes_in_and_everything_stays_text() {
    let world = World::builder().sells().start().await;
    let key = evil_key(&world).await;
    let asked = world.client(&key).ask("fast", "hello").await;
    let account = format!("/admin/accounts/{}", key.account);
    let receipt = format!("/admin/requests/{}/{}", key.account, asked.header("x-request-id"));
    let rooms = [
        "/admin",
        "/admin/accounts",
        &account,
        "/admin/requests",
        &receipt,
        "/admin/margin",
        "/admin/models",
        "/admin/router",
        "/admin/payments",
        "/admin/config",
        "/admin/audit",
        "/admin/accounts?q=%3Cscript%3E",
        &format!("/admin/requests?account={}", key.account),
    ];
    let mut customer = Visitor::new(world.client_with(0, None).base(), "en");
    customer.post("/account/sign-in", &[("key", &key.secret)]).await;
    for room in rooms.iter().chain(&["/admin/live"]) {
        let page = customer.get(room).await;
        assert_eq!((page.status, page.header("location")), (303, "/admin/sign-in"), "{room}");
    }
    let wrong = customer.post("/admin/sign-in", &[("key", &key.secret)]).await;
    assert_eq!(wrong.status, 401, "a customer's key opens no admin page");
    let mut operator = operator(&world).await;
    operator.get(&account).await;
    let fields = [("amount", "1"), ("note", EVIL), ("unique", EVIL)];
    assert_eq!(operator.post(&format!("{account}/grant"), &fields).await.status, 303);
    operator.post("/admin/router", &[("prompt", EVIL)]).await;
    operator.post("/admin/accounts", &[("name", EVIL)]).await;
    for room in rooms {
        let page = operator.get(room).await;
        assert_eq!(page.status, 200, "{room}: {}", page.text);
        assert_eq!(page.text.matches("<script").count(), 1, "{room}: {}", page.text);
        assert!(!page.text.contains("<img"), "{room}: {}", page.text);
        for secret in [ADMIN_KEY, "vendor-secret-key", "sk_test_of_the_harness", &key.secret] {
            assert!(!page.text.contains(secret), "{room} shows {secret}");
        }
    }
    let config = operator.get("/admin/config").await.text;
    let listens = world.client_with(0, None).base().replace("http://", "");
    for shown in ["secret_key: ***", "waiting_max: ", &format!("<code>{listens}</code>")] {
        assert!(config.contains(shown), "{shown}: {config}");
    }
    world.finish().await;
}

#[tokio::test]
async fn the_operator_makes_an_account_grants_and_revokes_and_all_of_it_is_noted() {
    let world = World::start().await;
    let mut operator = operator(&world).await;
    operator.get("/admin/accounts").await;
    let made = operator.post("/admin/accounts", &[("name", "花子商店")]).await;
    let start = made.text.find("sk-fly-").expect("the key is shown");
    let letters = made.text[start..].chars();
    let secret: String = letters.take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    let listed = world.admin().get("/api/keys").await.json()["data"][0].clone();
    let account = listed["account"].as_str().unwrap().to_owned();
    let place = format!("/admin/accounts/{account}");
    for (search, label) in [("", "Credit of all accounts"), ("x", "Credit of the accounts found")] {
        let page = operator.get(&format!("/admin/accounts?q={search}")).await;
        assert_eq!(page.text.matches("Credit of ").count(), 1, "{search}");
        assert!(page.text.contains(label), "{search}: {}", page.text);
    }
    let page = operator.get(&place).await;
    assert!(page.text.contains("花子商店"), "{}", page.text);
    let unique = page.text.split_once("name=\"unique\" value=\"").expect("a name").1;
    let unique = unique.split('"').next().unwrap().to_owned();
    let fields = [("amount", "2.5"), ("note", "welcome"), ("unique", unique.as_str())];
    for _ in 0..2 {
        let granted = operator.post(&format!("{place}/grant"), &fields).await;
        assert_eq!(granted.header("location"), format!("{place}?told=granted"));
    }
    let other = [("amount", "7"), ("note", "welcome"), ("unique", unique.as_str())];
    let told = operator.post(&format!("{place}/grant"), &other).await;
    assert_eq!(told.header("location"), format!("{place}?told=granted_before"));
    let page = operator.get(&format!("{place}?told=granted_before")).await.text;
    assert!(page.contains("Nothing was added."), "{page}");
    let client = world.client_with(0, Some(&secret));
    wait_until("the grant is in the balance, once", async || {
        client.get("/api/credits").await.json()["balance_micro_usd"] == 2_500_000
    })
    .await;
    assert!(operator.get(&place).await.text.contains("Agrees with the balance"));
    assert_eq!(client.ask("fast", "hello").await.status, 200);
    let key = listed["key_id"].as_str().unwrap();
    assert_eq!(operator.post(&format!("{place}/revoke"), &[("key", key)]).await.status, 303);
    assert_eq!(client.ask("fast", "hello").await.status, 401);
    let audit = operator.get("/admin/audit").await.text;
    let before = format!("nothing: {account} had this grant before, $2.5");
    for done in ["花子商店", "grant $2.5", "welcome", &before, &format!("revoke {key}")] {
        assert!(audit.contains(done), "{done}: {audit}");
    }
    operator.forget_token();
    let forged = operator.post(&format!("{place}/grant"), &[("amount", "1")]).await;
    assert_eq!(forged.status, 403);
    world.wait_for_ends(1, 0).await;
    world.finish().await;
}

#[tokio::test]
async fn the_operator_is_asked_first_makes_nothing_twice_and_keeps_what_was_typed() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let record = AccountRecordV1 {
        account: key.account.clone(),
        name: "asked".into(),
        created_ms: 1,
        limits: OwnLimits::default(),
        locale: None,
    };
    world.bus().put_record(&record.account, &record).await.unwrap();
    let mut operator = operator(&world).await;
    operator.get("/admin/accounts").await;
    let nameless = operator.post("/admin/accounts", &[("name", "")]).await;
    assert_eq!(nameless.status, 400, "{}", nameless.text);
    assert!(nameless.text.contains("role=\"alert\""), "{}", nameless.text);
    let form = [("name", "花子商店"), ("unique", "page-once")];
    assert_eq!(operator.post("/admin/accounts", &form).await.status, 200);
    let again = operator.post("/admin/accounts", &form).await;
    assert!(again.status == 409 && !again.text.contains("id=\"secret\""), "{}", again.text);
    assert_eq!(again.text.matches(">花子商店<").count(), 1, "one account: {}", again.text);
    let nobody = operator.get("/admin/accounts?q=zzzz").await.text;
    assert!(nobody.contains("Nothing was found") && !nobody.contains("no account yet"), "{nobody}");

    let place = format!("/admin/accounts/{}", key.account);
    for wrong in ["0", "-1", "much", ""] {
        let fields = [("amount", wrong), ("note", "why")];
        let refused = operator.post(&format!("{place}/grant"), &fields).await;
        assert_eq!(refused.status, 400, "{wrong}: {}", refused.text);
        let is_shown =
            refused.text.contains("role=\"alert\"") && refused.text.contains("value=\"why\"");
        assert!(is_shown, "what was typed stays: {}", refused.text);
    }
    let ask = format!("{place}/revoke?key={}", key.id);
    assert!(operator.get(&place).await.text.contains(&ask), "it is asked first");
    let asked = operator.get(&ask).await;
    assert!(asked.status == 200 && asked.text.contains("Revoke this key?"), "{}", asked.text);
    let client = world.client(&key);
    assert_eq!(client.get("/api/credits").await.status, 200, "asking ends nothing");
    let fields = [("key", key.id.as_str())];
    assert_eq!(operator.post(&format!("{place}/revoke"), &fields).await.status, 303);
    assert_eq!(client.get("/api/credits").await.status, 401);
    assert_eq!(operator.get(&ask).await.status, 404);
    world.finish().await;
}

#[tokio::test]
async fn whoever_has_no_credit_is_no_error_of_a_model() {
    let world = World::start().await;
    let key = world.key(0).await;
    let mut operator = operator(&world).await;
    assert_eq!(world.client(&key).ask("fast", "hello").await.status, 429);
    wait_until("the refusal is counted", async || {
        let live = operator.get("/admin").await.text;
        live.contains("id=\"refused\">1<") && live.contains("id=\"failed\">0<")
    })
    .await;
    world.finish().await;
}

#[tokio::test]
async fn the_operator_makes_a_further_key_of_an_account_once() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let record = AccountRecordV1 {
        account: key.account.clone(),
        name: "a buyer".into(),
        created_ms: 1,
        limits: OwnLimits::default(),
        locale: None,
    };
    world.bus().put_record(&record.account, &record).await.unwrap();
    let mut operator = operator(&world).await;
    operator.get("/admin/accounts").await;
    let place = format!("/admin/accounts/{}/keys", key.account);
    let nameless = operator.post(&place, &[("name", ""), ("unique", "a-form")]).await;
    assert_eq!(nameless.status, 400, "{}", nameless.text);
    let form = [("name", "lost and found"), ("unique", "a-form")];
    let made = operator.post(&place, &form).await;
    assert_eq!(made.status, 200, "{}", made.text);
    let start = made.text.find("sk-fly-").expect("the key is shown");
    let letters = made.text[start..].chars();
    let secret: String = letters.take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    let again = operator.post(&place, &form).await;
    assert_eq!(again.status, 409, "{}", again.text);
    let client = world.client_with(0, Some(&secret));
    assert_eq!(client.get("/api/credits").await.json()["account"], key.account.as_str());
    let keys = world.admin().get("/api/keys").await.json();
    assert_eq!(keys["data"].as_array().unwrap().len(), 2);
    let nowhere = operator.post("/admin/accounts/acct_none/keys", &form).await;
    assert_eq!(nowhere.status, 404);
    let audit = operator.get("/admin/audit").await.text;
    assert!(audit.contains("lost and found"), "{audit}");
    world.finish().await;
}

#[tokio::test]
async fn the_live_view_shows_what_runs_and_cuts_it() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let gate = Gate::new();
    world.vendor().always("fast", Script::says(["late"]).after(&gate));
    let mut operator = operator(&world).await;
    assert!(operator.get("/admin").await.text.contains("<dd id=\"running\">0</dd>"));
    let client = world.client(&key);
    let cut = async {
        let request = wait_for("the request is shown", async || {
            let page = operator.get("/admin").await.text;
            let runs = page.contains("<dd id=\"running\">1</dd>");
            let named = page.split_once("name=\"request\" value=\"").filter(|_| runs)?.1;
            named.split('"').next().map(str::to_owned)
        })
        .await;
        operator.post("/admin/cancel", &[("request", &request)]).await
    };
    let (answer, cut) = tokio::join!(client.ask("fast", "hello"), cut);
    assert_eq!(cut.header("location"), "/admin?told=cut");
    assert!(answer.status >= 500, "{}", answer.text);
    gate.open();
    let again = operator.post("/admin/cancel", &[("request", "req_gone")]).await;
    assert_eq!(again.header("location"), "/admin?told=gone");

    let mut live = operator.follow("/admin/live").await;
    let first = live.next_containing("event: view").await;
    assert!(first.contains("id=\"running\"") && first.contains("cloud"), "{first}");
    world.client(&key).ask("backup", "hello").await;
    live.next_containing("<dd id=\"answered\">1</dd>").await;
    drop(live);
    world.finish().await;
}

#[tokio::test]
async fn the_margin_compares_with_what_vendors_charge_and_says_where_nobody_knows() {
    let costs = |c: &mut infra::config::Config| {
        let halved = |model: &infra::config::Model| {
            let mut model = model.clone();
            // What `fast` costs is known: nothing; what `backup` costs is not.
            model.cost = (model.name == "fast").then_some(schemas::money::Price {
                input: schemas::money::PicoUsdPerToken(0),
                ..model.price
            });
            model
        };
        c.models = infra::config::Catalogue::new(c.models.iter().map(|it| halved(it)).collect());
    };
    let world = World::builder().config(costs).start().await;
    let key = world.key(1_000_000).await;
    let mut operator = operator(&world).await;
    let empty = operator.get("/admin/margin").await.text;
    assert!(empty.contains("Nothing was charged in the last 30 days"), "{empty}");
    for model in ["fast", "backup"] {
        world.vendor().next(model, Script::says(["x"]));
        assert_eq!(world.client(&key).ask(model, "hello").await.status, 200);
    }
    world.wait_for_ends(2, 0).await;
    world.wait_until_applied().await;
    let uses = world.uses().await;
    let charged = |model: &str| {
        let charge = uses.iter().find(|(used, _)| used.model == model).unwrap().1;
        schemas::money::MicroUsd(charge)
    };
    let price = world.config().models.get("fast").unwrap().price;
    // Ten tokens in, which cost nothing, and five out, which cost what they are sold for.
    let cost = schemas::money::MicroUsd((5 * price.output.0).div_ceil(1_000_000) as i64);
    let margin = schemas::money::MicroUsd(charged("fast").0 - cost.0);
    let page = operator.get("/admin/margin").await.text;
    let figure = |id: &str, amount: schemas::money::MicroUsd| {
        let shown = format!("id=\"{id}\">${amount}<");
        assert!(page.contains(&shown), "{shown}: {page}");
    };
    figure("cost", cost);
    figure("margin", margin);
    figure("unknown", charged("backup"));
    for shown in ["Not known", "<svg", "models[].cost", key.account.as_str()] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    world.finish().await;
}

#[tokio::test]
async fn stripes_events_are_listed_with_what_came_of_them_and_without_a_card() {
    let world = World::builder().sells().start().await;
    let key = world.key(0).await;
    let mut operator = operator(&world).await;
    assert!(operator.get("/admin/payments").await.text.contains("/webhooks/stripe"));
    let wanted = json!({"plan": "starter", "currency": "usd"});
    let opened = world.client(&key).post("/api/checkout", &wanted).await;
    let session = opened.json()["id"].as_str().unwrap().to_owned();
    let events = world.stripe().pay(&session);
    let gateway = world.client_with(0, None);
    world.stripe().fail_next(3);
    assert_eq!(world.stripe().deliver(&gateway, &events[0], Delivery::Honest).await, 503);
    for event in &events {
        assert_eq!(world.stripe().deliver(&gateway, event, Delivery::Honest).await, 200);
    }
    assert_eq!(world.stripe().deliver(&gateway, &events[0], Delivery::Forged).await, 400);
    let rows = world.store().notices().await.unwrap();
    let outcomes: Vec<_> = rows.iter().rev().map(|row| row.outcome.as_str()).collect();
    assert_eq!(outcomes[..2], ["again", "done"], "{rows:?}");
    assert_eq!(rows.len(), events.len() + 1, "what is forged is not noted");
    let page = operator.get("/admin/payments").await.text;
    for row in &rows {
        assert!(page.contains(&row.event) && page.contains(&row.kind), "{page}");
        assert!(page.contains(row.object.as_deref().unwrap_or("–")), "{page}");
    }
    for shown in ["Comes again", "Done", "checkout.session.completed"] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    let facts = json!({"fly_purpose": "credit", "fly_account": key.account.as_str()});
    for event in world.stripe().charged(1_000, facts, true) {
        assert_eq!(world.stripe().deliver(&gateway, &event, Delivery::Honest).await, 200);
    }
    let page = operator.get("/admin/payments").await.text;
    for shown in ["Passed over", "is ours, but its fly_bonus_micro_usd can't be read"] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    let kept = world.redis_texts().await;
    let kept = kept.iter().find(|(name, _)| name.contains("notices")).unwrap().1;
    for secret in ["4242", "whsec", "sk_test", "card", "@"] {
        assert!(!kept.contains(secret), "{secret}: {kept}");
    }
    // In the account's ledger each has a word of its own and the name that Stripe knows.
    let (dispute, event) = world.stripe().dispute(&session, "needs_response");
    assert_eq!(world.stripe().deliver(&gateway, &event, Delivery::Honest).await, 200);
    let won = world.stripe().end_dispute(&dispute, "won");
    assert_eq!(world.stripe().deliver(&gateway, &won, Delivery::Honest).await, 200);
    let page = operator.get(&format!("/admin/accounts/{}", key.account)).await.text;
    for shown in ["Purchase", "Dispute opened", "Dispute won", &dispute] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    world.finish().await;
}

#[tokio::test]
async fn what_a_worker_says_of_itself_stays_text() {
    let world = World::start().await;
    let mut operator = operator(&world).await;
    let advert = schemas::advert::Advert::V1(schemas::advert::AdvertV1 {
        worker: schemas::ids::WorkerId::parse("wk_evil").unwrap(),
        pool: EVIL.into(),
        models: vec![EVIL.into()],
        slots: 1,
        slots_free: 1,
        draining: false,
        connection: None,
        direct: false,
        leaving: false,
        version: EVIL.into(),
    });
    let body = serde_json::to_vec(&advert).unwrap();
    let page = wait_for("the worker is shown", async || {
        let sent = world.bus().client().publish("health.evil.wk_evil", body.clone().into());
        sent.await.unwrap();
        Some(operator.get("/admin").await.text).filter(|page| page.contains("wk_evil"))
    })
    .await;
    assert_eq!(page.matches("<script").count(), 1, "{page}");
    assert!(!page.contains("<img") && page.contains("&lt;img"), "{page}");
    let mut live = operator.follow("/admin/live").await;
    world.bus().client().publish("health.evil.wk_evil", body.into()).await.unwrap();
    let view = live.next_containing("id=\"workers\"").await;
    assert!(!view.contains("<script") && !view.contains("<img"), "{view}");
    drop(live);
    world.finish().await;
}

#[tokio::test]
async fn the_router_explains_itself() {
    let world = World::start().await;
    let mut operator = operator(&world).await;
    operator.get("/admin/router").await;
    let asked = "楽天市場で人気の送料無料のおすすめ商品を教えてください";
    let page = operator.post("/admin/router", &[("prompt", asked)]).await;
    assert_eq!(page.status, 200);
    for shown in [asked, "<dd id=\"chosen\">", "<dd>ja</dd>", "backup", "fast"] {
        assert!(page.text.contains(shown), "{shown}: {}", page.text);
    }
    world.finish().await;
}
