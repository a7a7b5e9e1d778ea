//! The key of a new customer: shown once on the page after the payment, to who presses its button.

use crate::payments::{checkout, deliver};
use harness::{Visitor, World, wait_until};
use serde_json::json;

fn shown_secret(page: &str) -> String {
    let start = page.find("sk-fly-").expect("the key is shown");
    page[start..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect()
}

/// The end of the secret that the page's form replaces.
fn replaced_by(page: &str) -> String {
    let field = page.split("name=\"replaces\" value=\"").nth(1).expect("the form names it");
    field.chars().take_while(|letter| *letter != '"').collect()
}

#[tokio::test]
async fn pressing_the_button_twice_shows_no_dead_key() {
    let world = World::builder().sells().gateways(2).start().await;
    let stranger = world.client_with(0, None);
    let wanted = json!({"plan": "starter", "currency": "usd", "email": "hanako@example.jp"});
    let session = checkout(&stranger, wanted).await;
    let path = format!("/checkout/success?session_id={session}");
    world.stripe().pay(&session);
    let press = async |fields: &[(&str, &str)]| {
        let pressed = (0..6).map(|number| {
            let (world, path) = (&world, &path);
            async move {
                let base = world.client_with(number % 2, None).base().to_owned();
                Visitor::new(&base, "ja").post(path, fields).await.text
            }
        });
        let pages = futures::future::join_all(pressed).await;
        let shown: Vec<_> = pages.iter().filter(|page| page.contains("sk-fly-")).collect();
        assert_eq!(shown.len(), 1, "one has the key: {pages:?}");
        let others = pages.iter().filter(|page| page.contains("name=\"replaces\""));
        assert_eq!(others.count(), 5, "and the others say how to replace it");
        let secret = shown_secret(shown[0]);
        wait_until("it opens both gateways", async || {
            let opens = async |gateway| {
                let client = world.client_with(gateway, None).with_secret(&secret);
                client.get("/v1/models").await.status == 200
            };
            opens(0).await && opens(1).await
        })
        .await;
        secret
    };
    let first = press(&[]).await;
    let last_four = replaced_by(&stranger.get(&path).await.text);
    assert!(first.ends_with(&last_four));
    let second = press(&[("replaces", &last_four)]).await;
    assert_ne!(first, second);
    world.finish().await;
}

#[tokio::test]
async fn a_new_customer_sees_the_key_once() {
    let world = World::builder().sells().gateways(2).start().await;
    let stranger = world.client_with(0, None);
    let wanted = json!({"plan": "starter", "currency": "usd", "email": "hanako@example.jp"});
    let session = checkout(&stranger, wanted).await;
    let path = format!("/checkout/success?session_id={session}");
    let early = stranger.get(&path).await;
    assert_eq!(early.status, 200);
    assert!(!early.text.contains("sk-fly-"), "nothing is paid yet");

    let events = world.stripe().pay(&session);
    for _ in 0..2 {
        let page = stranger.get(&path).await;
        assert!(!page.text.contains("sk-fly-"), "whoever looks makes no key");
        assert!(page.text.contains("APIキーを表示"), "{}", page.text);
    }
    let mut buyer = Visitor::new(stranger.base(), "ja");
    buyer.comes_from("cross-site");
    assert_eq!(buyer.post(&path, &[]).await.status, 403);
    buyer.comes_from("same-origin");
    let page = buyer.post(&path, &[]).await;
    assert_eq!(page.header("cache-control"), "no-store");
    assert!(page.header("content-security-policy").contains("default-src 'none'"));
    let lost = shown_secret(&page.text);
    let again = world.client_with(1, None).get(&path).await;
    assert!(!again.text.contains("sk-fly-"), "the key is shown once");
    // It was lost on the way: for some minutes another replaces it.
    let replaces = [("replaces", replaced_by(&stranger.get(&path).await.text))];
    let replaces = replaces.each_ref().map(|(name, value)| (*name, value.as_str()));
    let secret = shown_secret(&buyer.post(&path, &replaces).await.text);
    assert_eq!(stranger.clone().with_secret(&lost).get("/v1/models").await.status, 401);
    world.shift_clocks(600_000).await;
    let late = buyer.post(&path, &[]).await;
    assert!(!late.text.contains("sk-fly-") && late.text.contains("表示済み"), "{}", late.text);
    world.shift_clocks(0).await;
    deliver(&world, &events).await;

    let buyer = stranger.clone().with_secret(&secret);
    wait_until("the credit is in the balance", async || {
        buyer.get("/api/credits").await.json()["balance_micro_usd"] == 10_000_000
    })
    .await;
    assert_eq!(buyer.ask("fast", "hello").await.status, 200);
    let account = buyer.get("/api/credits").await.json()["account"].as_str().unwrap().to_owned();
    let account = schemas::ids::AccountId::parse(account).unwrap();
    assert_eq!(world.bus().account(&account).await.unwrap().unwrap().name, "hanako@example.jp");
    world.finish().await;
}
