//! Pages for people: whoever comes sees prices, whoever has a key sees the account, and nobody sees
//! or does more. What is stored stays text.

use harness::{ADMIN_KEY, Answer, Delivery, Key, Script, Visitor, World, wait_until};
use infra::config::{Config, Coupon};
use reqwest::Method;
use schemas::money::MicroUsd;
use schemas::records::{AccountRecordV1, OwnLimits};
use serde_json::json;

/// What would run if a page let it.
pub(crate) const EVIL: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>";

/// A key of an account whose names would run if a page let them.
pub(crate) async fn evil_key(world: &World) -> Key {
    let key = world.key_like(json!({"name": EVIL}), 1_000_000).await;
    let record = AccountRecordV1 {
        account: key.account.clone(),
        name: EVIL.into(),
        created_ms: 1,
        limits: OwnLimits::default(),
        locale: None,
    };
    world.bus().put_record(&record.account, &record).await.unwrap();
    key
}

pub(crate) fn visitor(world: &World, language: &'static str) -> Visitor {
    Visitor::new(world.client_with(0, None).base(), language)
}

pub(crate) async fn signed_in(world: &World, key: &Key, language: &'static str) -> Visitor {
    let mut visitor = visitor(world, language);
    let entered = visitor.post("/account/sign-in", &[("key", &key.secret)]).await;
    assert_eq!((entered.status, entered.header("location")), (303, "/account"), "{}", entered.text);
    visitor
}

/// A page that is as strict as all must be.
pub(crate) fn strict(page: &Answer) {
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("cache-control"), "no-store");
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    for inline in ["<style", " style=", " onclick=", "javascript:"] {
        assert!(!page.text.contains(inline), "{inline}: {}", page.text);
    }
    assert_eq!(page.text.matches("<script").count(), 1, "{}", page.text);
}

#[tokio::test]
async fn the_first_page_tells_what_can_be_used_now_and_for_how_much() {
    let world = World::builder().sells().config(|config| {
        config.stripe.public_url = None;
        config.stripe.seller_url = Some("https://fly.example/law?a=1&b".into());
    });
    let world = world.start().await;
    let mut english = visitor(&world, "en-US,en");
    let page = english.get("/").await;
    assert_eq!(page.status, 200);
    strict(&page);
    assert!(page.text.contains("lang=\"en\"") && page.text.contains("One API for every model"));
    let host = world.client_with(0, None).base().to_owned();
    assert_eq!(page.text.matches(&format!("{host}/v1")).count(), 3, "{}", page.text);
    for shown in ["<code>fast</code>", "$0.5", "<code>claude</code>", "$15", "starter", "¥5,000"] {
        assert!(page.text.contains(shown), "{shown}: {}", page.text);
    }
    assert!(!page.text.contains("<code>keyless</code>"), "nobody serves it");
    for told in ["180 days", "Sold by Fly-LLM", "href=\"https://fly.example/law?a=1&amp;b\""] {
        assert!(page.text.contains(told), "{told}: {}", page.text);
    }
    let japanese = visitor(&world, "ja").get("/").await;
    assert!(japanese.text.contains("lang=\"ja\"") && japanese.text.contains("いま使えるモデル"));

    let chosen = english.post("/preferences", &[("language", "ja"), ("back", "/?x=1")]).await;
    assert_eq!((chosen.status, chosen.header("location")), (303, "/?x=1"));
    english.post("/preferences", &[("theme", "dark"), ("back", "//evil.example")]).await;
    let page = english.get("/").await;
    assert!(page.text.contains("lang=\"ja\" data-theme=\"dark\""), "{}", page.text);

    for (asset, kind) in [("style.css", "text/css"), ("script.js", "text/javascript")] {
        let start = page.text.find(&format!("/assets/{asset}?v=")).expect("it is named");
        let path = page.text[start..].split('"').next().unwrap().to_owned();
        let asset = english.get(&path).await;
        assert!(asset.header("content-type").starts_with(kind), "{path}");
        assert!(asset.header("cache-control").contains("immutable"), "{path}");
    }
    world.finish().await;
}

#[tokio::test]
async fn an_address_that_cannot_be_read_is_told_on_a_page() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let customer = signed_in(&world, &key, "en").await;
    let twice = ["/account/requests?request=a&request=b", "/account/usage?days=1&days=2"];
    let more = ["/account/requests/%FF", "/admin/accounts?q=a&q=b", "/assets/style.css?v=1&v=2"];
    for (mut visitor, title) in [
        (visitor(&world, "ja"), "アドレスを読み取れません"),
        (customer, "This address can&#39;t be read"),
    ] {
        for address in twice.iter().chain(&more) {
            let page = visitor.get(address).await;
            let is_told = page.text.replace("can't", "can&#39;t").contains(title);
            assert!(page.status == 400 && is_told, "{address}: {} {}", page.status, page.text);
            strict(&page);
        }
    }
    world.finish().await;
}

#[tokio::test]
async fn a_key_opens_its_account_until_it_is_deleted() {
    let world = World::start().await;
    let key = world.key(5_000_000).await;
    let mut visitor = visitor(&world, "en");
    let away = visitor.get("/account").await;
    assert_eq!((away.status, away.header("location")), (303, "/account/sign-in"));
    strict(&visitor.get("/account/sign-in").await);
    let wrong = visitor.post("/account/sign-in", &[("key", "sk-fly-wrong")]).await;
    assert_eq!(wrong.status, 401);
    let entered = visitor.post("/account/sign-in", &[("key", &key.secret)]).await;
    assert_eq!(entered.status, 303, "{}", entered.text);
    let cookie = entered.header("set-cookie");
    for part in ["fly_account=", "Path=/account", "HttpOnly", "SameSite=Lax"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Secure") && !cookie.contains(&key.secret), "{cookie}");
    let rooms = ["", "/usage", "/requests", "/keys", "/credit", "/playground"];
    for room in rooms {
        let page = visitor.get(&format!("/account{room}")).await;
        assert_eq!(page.status, 200, "{room}: {}", page.text);
        strict(&page);
        assert!(!page.text.contains(&key.secret), "{room}");
    }
    assert!(visitor.get("/account").await.text.contains("$5"));
    let tls =
        visitor.request(Method::POST, "/account/sign-in").header("x-forwarded-proto", "https");
    let tls = tls.header("content-type", "application/x-www-form-urlencoded");
    let tls = visitor.send(tls.body(format!("key={}", key.secret))).await;
    assert!(tls.header("set-cookie").ends_with("; Secure"), "{}", tls.header("set-cookie"));

    let path = format!("/api/keys/{}", key.id);
    let admin = world.admin();
    assert_eq!(admin.send(admin.request(Method::DELETE, &path)).await.status, 200);
    assert_eq!(visitor.get("/account").await.header("location"), "/account/sign-in");
    world.finish().await;
}

#[tokio::test]
async fn signing_out_ends_the_session_and_no_other() {
    let mut world = World::start().await;
    let key = world.key(5_000_000).await;
    let mut operator = visitor(&world, "en");
    operator.post("/admin/sign-in", &[("key", ADMIN_KEY)]).await;
    let owner = signed_in(&world, &key, "en").await;
    let mut elsewhere = signed_in(&world, &key, "en").await;
    for (mut guest, place) in [(owner, "/account"), (operator, "/admin")] {
        assert_eq!(guest.get(place).await.status, 200, "{place}");
        let mut copy = guest.clone();
        let left = guest.post(&format!("{place}/sign-out"), &[]).await;
        assert_eq!((left.status, left.header("location")), (303, &*format!("{place}/sign-in")));
        let refused = copy.get(place).await;
        assert_eq!(refused.status, 303, "{place} opens with the cookie of a session that ended");
        assert_eq!(copy.post(&format!("{place}/sign-out"), &[]).await.status, 303);
    }
    assert_eq!(elsewhere.get("/account").await.status, 200, "another session of the key");
    world.servers().kill_redis().await;
    // A page that needs nothing of Redis: the session counts.
    assert_eq!(elsewhere.get("/account/playground").await.status, 200);
    world.servers().start_redis_again().await;
    world.reconnect_to_redis().await;
    world.finish().await;
}

#[tokio::test]
async fn keys_cannot_be_guessed_at_the_door() {
    let world = World::start().await;
    let key = world.key(0).await;
    let mut guesser = visitor(&world, "en");
    let mut refused = false;
    // A minute may end on the way, which forgives what came before.
    for _ in 0..30 {
        refused |= guesser.post("/account/sign-in", &[("key", "sk-fly-guess")]).await.status == 429;
    }
    assert!(refused);
    let mut refused = false;
    for _ in 0..30 {
        refused |= guesser.post("/admin/sign-in", &[("key", "a guess")]).await.status == 429;
    }
    assert!(refused, "the operator's door is guarded as well");
    let elsewhere = guesser.request(Method::POST, "/account/sign-in");
    let elsewhere = elsewhere.header("x-forwarded-for", "198.51.100.7");
    let elsewhere = elsewhere.header("content-type", "application/x-www-form-urlencoded");
    let entered = guesser.send(elsewhere.body(format!("key={}", key.secret))).await;
    assert_eq!(entered.status, 303, "others come in");
    world.finish().await;
}

/// A proxy that puts its own address last in x-forwarded-for makes all one, unless its header is
/// told.
#[tokio::test]
async fn who_asks_is_told_by_the_header_that_the_operator_names() {
    let named = |config: &mut Config| {
        config.gateway.client_address_header = Some("fly-client-ip".into());
    };
    let world = World::builder().config(named).start().await;
    let mut guesser = visitor(&world, "en");
    let mut told = Vec::new();
    for address in std::iter::repeat_n("198.51.100.7", 30).chain(["198.51.100.8"]) {
        let guess = guesser.request(Method::POST, "/account/sign-in");
        let guess = guess.header("x-forwarded-for", "198.51.100.1");
        let guess = guess.header("content-type", "application/x-www-form-urlencoded");
        let guess = guess.header("fly-client-ip", address).body("key=sk-fly-guess");
        told.push(guesser.send(guess).await.status);
    }
    assert!(told.contains(&429), "{told:?}");
    assert_ne!(told.last(), Some(&429), "another one is let in: {told:?}");
    world.finish().await;
}

/// The secret that a page shows.
pub(crate) fn shown_secret(page: &Answer) -> String {
    let start = page.text.find("sk-fly-").expect("a secret");
    let letters = page.text[start..].chars();
    letters.take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect()
}

#[tokio::test]
async fn a_customer_makes_uses_rotates_and_revokes_a_key() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let mut owner = signed_in(&world, &key, "en").await;
    owner.get("/account/keys").await;
    let wrong = owner.post("/account/keys", &[("name", "x"), ("budget", "much")]).await;
    assert_eq!(wrong.status, 400, "{}", wrong.text);
    let fields = [("name", "batch"), ("budget", "0.5"), ("models", "fast"), ("parallel", "2")];
    let made = owner.post("/account/keys", &fields).await;
    assert_eq!(made.status, 200, "{}", made.text);
    strict(&made);
    let secret = shown_secret(&made);
    let client = world.client_with(0, Some(&secret));
    assert_eq!(client.ask("fast", "hello").await.status, 200);
    assert_eq!(client.ask("backup", "hello").await.status, 403, "only the chosen models");
    let listed = owner.get("/account/keys").await;
    assert!(!listed.text.contains(&secret) && listed.text.contains("batch"), "shown once");
    let made = world.admin().get("/api/keys").await.json()["data"][0].clone();
    assert_eq!((&made["name"], &made["max_budget"]), (&json!("batch"), &json!(0.5)));
    assert_eq!(made["account"], key.account.as_str());

    let path = format!("/account/keys/{}", made["key_id"].as_str().unwrap());
    let mut limited = visitor(&world, "en");
    limited.post("/account/sign-in", &[("key", &secret)]).await;
    limited.get("/account/keys").await;
    let denied = limited.post("/account/keys", &[("name", "more")]).await;
    assert_eq!(denied.status, 403, "a limited key gives itself no more");
    assert_eq!(limited.post(&format!("{path}/rotate"), &[]).await.status, 403);

    assert!(owner.get(&format!("{path}/rotate")).await.text.contains("batch"));
    let rotated = owner.post(&format!("{path}/rotate"), &[]).await;
    let second = shown_secret(&rotated);
    assert_eq!(client.ask("fast", "hello").await.status, 401, "the old one");
    let client = world.client_with(0, Some(&second));
    assert_eq!(client.ask("fast", "hello").await.status, 200);
    owner.get(&format!("{path}/revoke")).await;
    assert_eq!(owner.post(&format!("{path}/revoke"), &[]).await.status, 303);
    assert_eq!(client.ask("fast", "hello").await.status, 401, "revoked");
    assert_eq!(owner.get(&format!("{path}/revoke")).await.status, 404);
    world.wait_for_ends(2, 0).await;
    world.finish().await;
}

#[tokio::test]
async fn a_customer_lets_a_key_have_answers_to_other_wordings() {
    let lets_choose = |config: &mut infra::config::Config| {
        config.cache.semantic = infra::config::SemanticCache::Keys;
    };
    let world = World::builder().config(lets_choose).start().await;
    let (key, other) = (world.key(1_000_000).await, world.key(1_000_000).await);
    let mut owner = signed_in(&world, &key, "en").await;
    let page = owner.get("/account/keys").await;
    strict(&page);
    assert!(page.text.contains("Use answers to other wordings"), "{}", page.text);
    let path = format!("/account/keys/{}/similar", key.id);
    let similar = async |key: &Key| {
        let listed = world.admin().get("/api/keys").await.json();
        let keys = listed["data"].as_array().unwrap();
        let shown = keys.iter().find(|shown| shown["key_id"] == key.id.as_str()).unwrap();
        shown["similar_answers"] == json!(true)
    };
    assert_eq!(owner.post(&path, &[("wanted", "on")]).await.status, 303);
    assert!(similar(&key).await);
    let page = owner.get("/account/keys").await;
    assert!(page.text.contains("No answers to other wordings"), "{}", page.text);
    assert_eq!(owner.post(&path, &[("wanted", "off")]).await.status, 303);
    assert!(!similar(&key).await);
    let others = format!("/account/keys/{}/similar", other.id);
    assert_eq!(owner.post(&others, &[("wanted", "on")]).await.status, 404);
    assert!(!similar(&other).await);
    // Where the operator lets nobody choose there is no switch.
    world.reconfigure(|config| config.cache.semantic = infra::config::SemanticCache::Off);
    wait_until("the switch is gone", async || {
        !owner.get("/account/keys").await.text.contains("other wordings")
    })
    .await;
    assert_eq!(owner.post(&path, &[("wanted", "on")]).await.status, 403);
    assert!(!similar(&key).await);
    world.finish().await;
}

#[tokio::test]
async fn nobody_acts_for_another() {
    let world = World::start().await;
    let (key, other) = (world.key(1_000_000).await, world.key(1_000_000).await);
    let mut owner = signed_in(&world, &key, "en").await;
    owner.get("/account/keys").await;
    let path = format!("/account/keys/{}/revoke", other.id);
    assert_eq!(owner.get(&path).await.status, 404, "another account's key");
    assert_eq!(owner.post(&path, &[]).await.status, 404);
    let request = schemas::ids::RequestId::fresh();
    assert_eq!(owner.get(&format!("/account/requests/{request}")).await.status, 404);

    let own = format!("/account/keys/{}/revoke", key.id);
    owner.comes_from("cross-site");
    assert_eq!(owner.post(&own, &[]).await.status, 403, "a form of another site");
    owner.comes_from("same-origin");
    owner.forget_token();
    assert_eq!(owner.post(&own, &[]).await.status, 403, "a form without the session's token");
    let chat = owner.request(Method::POST, "/account/playground/chat");
    let chat = chat.json(&json!({"model": "fast", "messages": []}));
    assert_eq!(owner.send(chat).await.status, 403);
    assert_eq!(world.client(&key).ask("fast", "still there").await.status, 200);
    assert_eq!(world.client(&other).ask("fast", "still there").await.status, 200);
    let mut stranger = visitor(&world, "en");
    assert_eq!(stranger.post(&own, &[]).await.status, 303, "to the door");
    world.wait_for_ends(2, 0).await;
    world.finish().await;
}

#[tokio::test]
async fn what_is_stored_stays_text() {
    let world = World::builder().sells().start().await;
    let key = evil_key(&world).await;
    let mut owner = signed_in(&world, &key, EVIL).await;
    let asked = world.client(&key).ask("fast", EVIL).await;
    assert_eq!(asked.status, 200);
    world.wait_until_applied().await;
    owner.get("/account/keys").await;
    owner.post("/account/keys", &[("name", EVIL)]).await;
    let request = asked.header("x-request-id");
    let rooms = [
        "/account",
        "/account/usage",
        "/account/requests",
        "/account/keys",
        "/account/credit",
        "/account/playground",
        &format!("/account/requests/{request}"),
        &format!("/account/keys/{}/revoke", key.id),
        "/account/requests?request=%3Cscript%3E",
        "/?%3Cscript%3E\"",
    ];
    for room in rooms {
        let page = owner.get(room).await;
        assert_eq!(page.status, 200, "{room}: {}", page.text);
        strict(&page);
        assert!(!page.text.contains("<img"), "{room}: {}", page.text);
    }
    assert!(owner.get("/account/keys").await.text.contains("&lt;script&gt;alert(1)"));
    world.finish().await;
}

#[tokio::test]
async fn the_playground_streams_with_the_session_and_the_receipt_is_there() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    for model in ["fast", "backup"] {
        world.vendor().always(model, Script::says(["from ", "the playground"]));
    }
    let mut owner = signed_in(&world, &key, "en").await;
    assert!(owner.get("/account/playground").await.text.contains("<option value=\"fast\">"));
    let page = owner.get("/account/keys").await;
    assert_eq!(page.status, 200);
    let body = json!({"model": "auto", "stream": true, "stream_options": {"include_usage": true},
        "messages": [{"role": "user", "content": "call 090-1234-5678"}]});
    let chat = owner.request(Method::POST, "/account/playground/chat").json(&body);
    let chat = chat.header("x-fly-token", owner.token());
    let told = owner.send(chat).await;
    assert_eq!(told.status, 200, "{}", told.text);
    assert!(told.text.contains("the playground") && told.text.ends_with("data: [DONE]\n\n"));
    assert!(told.text.contains("\"cost_usd\"") && told.text.contains("phone=1"), "{}", told.text);
    let request = told.header("x-request-id").to_owned();
    let receipt = owner.get(&format!("/account/requests/{request}")).await;
    assert!(receipt.status == 200 && receipt.text.contains(&request), "{}", receipt.text);
    world.wait_until_applied().await;
    wait_until("the request is listed", async || {
        let listed = world.client(&key).get("/api/requests").await;
        listed.text.contains(&request)
    })
    .await;
    assert!(owner.get("/account/requests").await.text.contains(&request));
    assert!(owner.get("/account").await.text.contains("<rect class=\"s0\""), "a bar");
    let csv = owner.get("/account/usage.csv").await;
    assert!(csv.header("content-type").starts_with("text/csv") && csv.text.contains("backup"));
    world.finish().await;
}

/// Where Stripe's page leads who doesn't pay.
fn cancel_path(world: &World, session: &str) -> String {
    let form = world.stripe().session_form(session);
    let url = form.into_iter().find(|(name, _)| name == "cancel_url").expect("a way back").1;
    url.strip_prefix("https://fly.example").expect("our address").to_owned()
}

#[tokio::test]
async fn credit_is_bought_from_the_pages() {
    let world = World::builder().sells().start().await;
    let key = world.key(0).await;
    let mut owner = signed_in(&world, &key, "ja").await;
    assert!(owner.get("/account/credit").await.text.contains("購入から180日"));
    let fields = [("plan", "pro"), ("currency", "jpy")];
    let opened = owner.post("/account/credit", &fields).await;
    assert_eq!(opened.status, 200, "{}", opened.text);
    let leads = opened.header("refresh");
    let session = leads.rsplit('/').next().unwrap().to_owned();
    assert!(leads.starts_with("1; url=https://checkout.example/"), "{leads}");
    let left = owner.get(&cancel_path(&world, &session)).await;
    assert!(left.text.contains("class=\"button\" href=\"/account/credit\""), "{}", left.text);
    world.stripe().pay(&session);
    let thanks = owner.get(&format!("/checkout/success?session_id={session}")).await;
    assert!(thanks.text.contains("¥5,000"), "{}", thanks.text);
    wait_until("the credit is in the balance", async || world.balance(&key).await == 52_500_000)
        .await;
    let credit = owner.get("/account/credit").await;
    strict(&credit);
    for shown in ["$52.50", "¥5,000", "ボーナス", "/account/purchases/"] {
        assert!(credit.text.contains(shown), "{shown}: {}", credit.text);
    }
    let (_, event) = world.stripe().refund(&session, 500, "succeeded");
    let gateway = world.client_with(0, None);
    assert_eq!(world.stripe().deliver(&gateway, &event, Delivery::Honest).await, 200);
    let refunded = owner.get("/account/credit").await;
    assert!(refunded.text.contains(">¥500<"), "{}", refunded.text);
    let start = credit.text.find("/account/purchases/").expect("a receipt");
    let path = credit.text[start..].split('"').next().unwrap().to_owned();
    let receipt = owner.get(&path).await;
    assert!(receipt.status == 200 && receipt.text.contains("領収書"), "{}", receipt.text);
    let start = credit.text.find("/account/statements/").expect("a statement");
    let path = credit.text[start..].split('"').next().unwrap().to_owned();
    assert!(owner.get(&path).await.text.contains("利用明細"));

    let mut stranger = visitor(&world, "en");
    let wrong = [("plan", "pro"), ("currency", "usd"), ("email", "nobody")];
    assert_eq!(stranger.post("/buy", &wrong).await.status, 400);
    let right = [("plan", "starter"), ("currency", "usd"), ("email", "taro@example.jp")];
    let opened = stranger.post("/buy", &right).await;
    let leads = opened.header("refresh");
    assert!(leads.contains("https://checkout.example/"), "{}", opened.text);
    let left = stranger.get(&cancel_path(&world, leads.rsplit('/').next().unwrap())).await;
    assert!(left.text.contains("class=\"button\" href=\"/#plans\""), "{}", left.text);
    assert!(stranger.get("/").await.text.contains("<a href=\"/account/credit\">Sign in to buy"));
    world.finish().await;
}

#[tokio::test]
async fn a_code_becomes_credit_on_the_page_and_once() {
    let coupon = Coupon {
        code: "WELCOME".into(),
        credit_usd: MicroUsd(3_000_000),
        account_max: 1,
        total_max: 5,
        expires_at: None,
    };
    let world = World::builder().config(move |config| config.coupons = vec![coupon]).start().await;
    let key = world.key(0).await;
    let mut owner = signed_in(&world, &key, "en").await;
    assert!(owner.get("/account/credit").await.text.contains("action=\"/account/coupon\""));
    let wrong = owner.post("/account/coupon", &[("code", EVIL)]).await;
    assert!(wrong.status >= 400 && !wrong.text.contains("<img"), "{}", wrong.text);
    let redeemed = owner.post("/account/coupon", &[("code", "welcome")]).await;
    assert_eq!(redeemed.status, 303, "{}", redeemed.text);
    let told = owner.get(redeemed.header("location")).await;
    assert!(told.text.contains("The coupon became credit"), "{}", told.text);
    strict(&told);
    let again = owner.post("/account/coupon", &[("code", "welcome")]).await;
    assert!(again.status >= 400, "{}", again.text);
    wait_until("the credit is there, once", async || world.balance(&key).await == 3_000_000).await;
    world.finish().await;
}
