//! What an account can look up afterwards, receipts, last requests and a table of usage; and what
//! can be changed about a key without losing any of it.

use harness::client::{Answer, Client, question_to};
use harness::{ADMIN_KEY, Key, Script, World, wait_until};
use reqwest::Method;
use schemas::ids::RequestId;
use schemas::ledger::{EventV1, Void, VoidReason, Writer};
use serde_json::{Value, json};

/// A secret word of a question and its answer, which nobody may find later.
const WORD: &str = "hippopotamus";

async fn patch(client: &Client, key: &Key, body: Value) -> Answer {
    let path = format!("/api/keys/{}", key.id);
    client.send(client.request(Method::PATCH, &path).json(&body)).await
}

/// The requests of a list, in its order.
fn names_of(list: &Value) -> Vec<String> {
    let rows = list["data"].as_array().unwrap().iter();
    rows.map(|row| row["request_id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_key_is_changed_field_by_field() {
    let world = World::builder().gateways(2).start().await;
    let key = world.key(1_000_000).await;
    let admin = world.admin();
    let ask = |gateway: usize| world.client_at(gateway, &key);
    let body = json!({"name": "new name", "models": ["backup"], "max_budget": 0.5,
        "expires_at": "2099-12-31T23:59:59Z"});
    let changed = patch(&admin, &key, body).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    assert!(!changed.text.contains("sk-fly-"), "no secret is told");
    let changed = changed.json();
    assert_eq!((&changed["name"], &changed["max_budget"]), (&json!("new name"), &json!(0.5)));
    assert_eq!(changed["key_id"], key.id.as_str());
    assert_eq!(ask(0).ask("fast", "x").await.status, 403, "refused at once where it was changed");
    wait_until("the other gateway knows it", async || ask(1).ask("fast", "x").await.status == 403)
        .await;
    let nulls = json!({"models": null, "max_budget": null, "expires_at": null});
    let freed = patch(&admin, &key, nulls).await.json();
    assert_eq!(freed["name"], "new name", "what is absent stays");
    for field in ["models", "max_budget", "expires_at"] {
        assert_eq!(freed[field], Value::Null, "{field}");
    }
    assert_eq!(ask(0).ask("fast", "x").await.status, 200);
    let unchanged = patch(&admin, &key, json!({})).await;
    assert_eq!(unchanged.json()["name"], "new name");
    world.finish().await;
}

#[tokio::test]
async fn a_wrong_change_is_named_and_a_deleted_key_stays_deleted() {
    let world = World::start().await;
    let key = world.key(0).await;
    let admin = world.admin();
    let wrongs: [(Value, &str); 6] = [
        (json!({"name": " "}), "name"),
        (json!({"name": null}), "name"),
        (json!({"expires_at": "2001-01-01T00:00:00Z"}), "expires_at"),
        (json!({"models": ["gpt-17"]}), "models"),
        (json!({"max_budget": -1}), "max_budget"),
        (json!({"account": "acct_other"}), "account"),
    ];
    for (body, parameter) in wrongs {
        let answer = patch(&admin, &key, body).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (400, "invalid_request"));
        assert!(answer.text.contains(parameter), "{}", answer.text);
    }
    assert_eq!(patch(&world.client(&key), &key, json!({"max_budget": null})).await.status, 403);
    let rotate = format!("/api/keys/{}/rotate", key.id);
    assert_eq!(world.client(&key).post(&rotate, &json!({})).await.status, 403);
    admin.delete(&format!("/api/keys/{}", key.id)).await;
    assert_eq!(patch(&admin, &key, json!({"name": "alive"})).await.status, 404);
    assert_eq!(admin.post(&rotate, &json!({})).await.status, 404);
    assert_eq!(world.client(&key).get("/v1/models").await.status, 401);
    world.finish().await;
}

#[tokio::test]
async fn a_rotated_key_has_one_secret_everywhere_and_keeps_its_usage() {
    let world = World::builder().gateways(2).start().await;
    let key = world.key(1_000_000).await;
    assert_eq!(world.client(&key).ask("fast", "x").await.status, 200);
    let rotated = world.admin().post(&format!("/api/keys/{}/rotate", key.id), &json!({})).await;
    assert_eq!(rotated.status, 200, "{}", rotated.text);
    let rotated = rotated.json();
    assert_eq!(rotated["key_id"], key.id.as_str());
    let secret = rotated["key"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("sk-fly-") && secret != key.secret);
    assert_eq!(rotated["last_four"], secret[secret.len() - 4..]);
    let new = Key { secret, ..key.clone() };
    assert_eq!(world.client(&key).ask("fast", "x").await.error_code(), "invalid_api_key");
    assert_eq!(world.client(&new).ask("fast", "x").await.status, 200, "known at once here");
    wait_until("the other gateway refuses the old secret", async || {
        world.client_at(1, &key).get("/v1/models").await.status == 401
    })
    .await;
    assert_eq!(world.client_at(1, &new).get("/v1/models").await.status, 200);
    let listed = world.admin().get("/api/keys").await;
    assert!(!listed.text.contains(&new.secret), "a secret is shown once");
    assert_eq!(listed.json()["data"].as_array().unwrap().len(), 1);
    world.wait_until_applied().await;
    let usage = world.client(&new).get(&format!("/api/usage?key_id={}", key.id)).await.json();
    assert_eq!(usage["requests"], 2, "before and after");
    world.finish().await;
}

#[tokio::test]
async fn many_changes_at_once_lose_none() {
    let world = World::builder().gateways(2).start().await;
    let key = world.key(0).await;
    wait_until("the other gateway knows the key", async || {
        world.client_at(1, &key).get("/v1/models").await.status == 200
    })
    .await;
    let key_path = format!("/api/keys/{}", key.id);
    let admins = [world.client_with(0, Some(ADMIN_KEY)), world.client_with(1, Some(ADMIN_KEY))];
    let (named, budgeted, rotated) = futures::join!(
        patch(&admins[0], &key, json!({"name": "other"})),
        patch(&admins[1], &key, json!({"max_budget": 7})),
        async { admins[0].post(&format!("{key_path}/rotate"), &json!({})).await },
    );
    assert_eq!((named.status, budgeted.status, rotated.status), (200, 200, 200));
    let last_four = rotated.json()["last_four"].clone();
    for admin in &admins {
        wait_until("every gateway knows all three", async || {
            let shown = admin.get("/api/keys").await.json()["data"][0].clone();
            (&shown["name"], &shown["max_budget"], &shown["last_four"])
                == (&json!("other"), &json!(7.0), &last_four)
        })
        .await;
    }
    world.finish().await;
}

#[tokio::test]
async fn a_receipt_is_there_when_the_answer_is_read() {
    let world = World::start().await;
    let (key, other) = (world.key(1_000_000).await, world.key(1_000_000).await);
    let client = world.client(&key);
    let answer = client.ask("fast", WORD).await;
    let request = answer.header("x-request-id").to_owned();
    let path = format!("/api/receipts/{request}");
    let receipt = client.get(&path).await;
    assert_eq!(receipt.status, 200, "{}", receipt.text);
    assert!(!receipt.text.contains(WORD));
    let (charged, charge) = world.uses().await.remove(0);
    let shown = receipt.json();
    assert_eq!(shown["object"], "receipt");
    assert_eq!(shown["request_id"], request.as_str());
    assert_eq!(shown["account"], key.account.as_str());
    assert_eq!(shown["key_id"], key.id.as_str());
    assert_eq!((&shown["status"], &shown["model"]), (&json!("used"), &json!("fast")));
    assert_eq!(shown["charge_micro_usd"], charge);
    assert_eq!(shown["hold_micro_usd"], charged.hold.0);
    assert_eq!(shown["usage"]["input_tokens"], charged.usage.input);
    assert_eq!(shown["usage"]["output_tokens"], charged.usage.output);
    assert_eq!(shown["usage"]["reasoning_tokens"], Value::Null, "absent is not zero");
    assert_eq!(shown["price"]["output"], 2.0);
    assert_eq!(shown["token_source"], "vendor");
    assert_eq!((&shown["outcome"], &shown["writer"]), (&json!("done"), &json!("worker")));
    let times = (shown["started_ms"].as_u64().unwrap(), shown["recorded_ms"].as_u64().unwrap());
    assert!(times.0 <= times.1 && times.0 + 600_000 > times.1, "{times:?}");
    let theirs = world.client(&other);
    assert_eq!(theirs.get(&path).await.status, 404, "another account knows nothing of it");
    let asked = format!("{path}?account={}", key.account);
    assert_eq!(theirs.get(&asked).await.status, 403);
    assert_eq!(world.admin().get(&asked).await.json(), shown);
    assert_eq!(world.admin().get(&path).await.status, 400, "the operator says whose");
    for unknown in [RequestId::fresh().to_string(), "x.y".to_owned(), "%2A".to_owned()] {
        let answer = client.get(&format!("/api/receipts/{unknown}")).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (404, "not_found"));
    }
    world.finish().await;
}

#[tokio::test]
async fn what_cost_nothing_has_a_receipt_too() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    world.vendor().always("backup", Script::refuses(400, "no"));
    let client = world.client(&key);
    let refused = client.ask("backup", "x").await;
    assert!(refused.status >= 400, "{}", refused.text);
    world.wait_for_ends(0, 1).await;
    let path = format!("/api/receipts/{}", refused.header("x-request-id"));
    let receipt = client.get(&path).await.json();
    assert_eq!((&receipt["status"], &receipt["charge_micro_usd"]), (&json!("void"), &json!(0)));
    assert_eq!(receipt["reason"], "failed");
    wait_until("it is in the list", async || {
        client.get("/api/requests").await.json()["data"][0]["status"] == "void"
    })
    .await;
    world.finish().await;
}

#[tokio::test]
async fn the_last_requests_are_listed_once_also_by_two_billing_workers_and_after_a_wipe() {
    let world = World::builder().billings(2).start().await;
    let key = world.key(1_000_000).await;
    let body = json!({"name": "second", "account": key.account.as_str()});
    let second = world.key_like(body, 0).await;
    let client = world.client(&key);
    let mut wanted = Vec::new();
    for number in 0..6 {
        let who = if number % 2 == 0 { &key } else { &second };
        let answer = world.client(who).ask("fast", WORD).await;
        wanted.insert(0, answer.header("x-request-id").to_owned());
    }
    world.wait_until_applied().await;
    let list = client.get("/api/requests").await;
    assert!(!list.text.contains(WORD));
    assert_eq!(names_of(&list.json()), wanted, "the newest first, each once");
    let row = &list.json()["data"][0];
    assert_eq!((&row["status"], &row["model"]), (&json!("used"), &json!("fast")));
    assert_eq!((&row["charge_micro_usd"], &row["outcome"]), (&json!(20), &json!("done")));
    assert_eq!((&row["input_tokens"], &row["output_tokens"]), (&json!(10), &json!(5)));
    let two = client.get("/api/requests?limit=2").await.json();
    assert_eq!(names_of(&two), wanted[..2]);
    let of_second = format!("/api/requests?limit=2&key_id={}", second.id);
    let of_second = world.admin().get(&of_second).await.json();
    assert_eq!(names_of(&of_second), [wanted[0].clone(), wanted[2].clone()]);
    for wrong in ["0", "1001", "x"] {
        let refused = client.get(&format!("/api/requests?limit={wrong}")).await;
        assert_eq!((refused.status, refused.error_code().as_str()), (400, "invalid_request"));
    }
    world.wipe_redis().await;
    world.wait_until_live().await;
    wait_until("the list is rebuilt from the ledger", async || {
        names_of(&client.get("/api/requests").await.json()) == wanted
    })
    .await;
    let stranger = world.key(0).await;
    assert_eq!(world.client(&stranger).get("/api/requests").await.json()["data"], json!([]));
    world.finish().await;
}

#[tokio::test]
async fn usage_is_a_table_too() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    for _ in 0..3 {
        assert_eq!(client.chat(&question_to("fast", "x")).await.status, 200);
    }
    world.wait_until_applied().await;
    let table = client.get("/api/usage.csv").await;
    assert_eq!(table.header("content-type"), "text/csv; charset=utf-8");
    assert!(table.header("content-disposition").contains("usage.csv"));
    let lines: Vec<&str> = table.text.trim_end().split("\r\n").collect();
    assert_eq!(lines.len(), 2, "{}", table.text);
    let usage = client.get("/api/usage").await.json();
    let row = &usage["data"][0];
    let told: Vec<String> = lines[0]
        .split(',')
        .filter(|column| *column != "cost_usd")
        .map(|column| row[column].to_string().trim_matches('"').to_owned())
        .collect();
    let cells = lines[0].split(',').zip(lines[1].split(','));
    let cells: Vec<&str> =
        cells.filter(|(column, _)| *column != "cost_usd").map(|(_, cell)| cell).collect();
    assert_eq!(cells, told, "the same as in JSON");
    assert!(lines[1].contains("0.00006"), "an exact decimal: {}", lines[1]);
    world.finish().await;
}

#[tokio::test]
async fn an_account_keeps_its_last_thousand_requests_in_view_and_all_in_the_ledger() {
    let world = World::start().await;
    let key = world.key(0).await;
    let requests: Vec<RequestId> = (0..1_010).map(|_| RequestId::fresh()).collect();
    for request in &requests {
        let (reason, writer) = (VoidReason::Cancelled, Writer::Operator);
        let (request, id) = (request.clone(), key.id.clone());
        let void = Void { request, key: id, reason, writer };
        let event = EventV1::void(key.account.clone(), infra::clock::unix_ms(), void);
        world.bus().record(&event).await.unwrap();
    }
    let client = world.client(&key);
    let newest = requests.last().unwrap().as_str();
    let all = async || names_of(&client.get("/api/requests?limit=1000").await.json());
    wait_until("the last request is in the list", async || {
        all().await.first().is_some_and(|first| first == newest)
    })
    .await;
    let kept: Vec<&str> = requests.iter().rev().take(1_000).map(RequestId::as_str).collect();
    assert_eq!(all().await, kept);
    let oldest = client.get(&format!("/api/receipts/{}", requests[0])).await.json();
    assert_eq!((&oldest["status"], &oldest["reason"]), (&json!("void"), &json!("cancelled")));
    world.finish().await;
}
