//! `kill -9` at every named point between a hold and its application: each request ends once, is
//! charged at most once, and nothing stays held. The points are a closed list, so a new one is
//! tried by itself.

use harness::client::Client;
use harness::{Key, World, wait_until};
use infra::crash::Point;
use schemas::ledger::Writer;
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// A request's answer has five tokens of 2 µUSD behind ten of 1.
const CHARGE: i64 = 20;

fn question() -> Value {
    json!({"model": "fast", "max_tokens": 100, "stream": true,
        "messages": [{"role": "user", "content": "hello"}]})
}

/// One gateway, worker and billing worker run: the one that dies is the one that was asked.
struct Place {
    world: World,
    key: Key,
    gateway: usize,
    worker: usize,
    billing: usize,
    ends: usize,
}

impl Place {
    async fn ends(&self) -> usize {
        self.world.uses().await.len() + self.world.voids().await
    }

    /// Kills who stands at the point, and starts another like it.
    async fn replace(&mut self, point: Point) {
        let world = &mut self.world;
        match point {
            Point::Held | Point::Published | Point::Ended => {
                world.kill_gateway(self.gateway);
                self.gateway = world.add_gateway().await;
                // Nobody is left who knows of the request: the sweeper has the last word.
                world.let_holds_expire().await;
            }
            Point::Claimed | Point::Answered | Point::Settled => {
                world.kill_worker(self.worker);
                self.worker = world.add_worker();
            }
            Point::Followed | Point::Applied => {
                world.kill_billing(self.billing);
                self.billing = world.add_billing();
            }
        }
    }

    async fn dies_at(&mut self, point: Point) {
        let client = self.world.client_at(self.gateway, &self.key);
        wait_until("the gateway serves", async || client.get("/v1/models").await.status == 200)
            .await;
        self.world.wait_until_ready().await;
        self.world.wait_until_live().await;
        let before = self.world.balance(&self.key).await;
        let reached = self.world.dies_at(point).await;
        let body = question();
        let mut asked = JoinSet::new();
        asked.spawn(async move {
            let sent = client.request(reqwest::Method::POST, "/v1/chat/completions").json(&body);
            // What the client hears depends on who died; the money doesn't.
            match sent.send().await {
                Ok(answer) => drop(answer.bytes().await),
                Err(error) => drop(error),
            }
        });
        harness::within(&format!("the point {point:?}"), reached.wait()).await;
        self.replace(point).await;
        harness::within("the client's end", asked.join_next()).await.unwrap().unwrap();
        self.ends += 1;
        let ends = self.ends;
        wait_until(&format!("{point:?}: the request has ended"), async || {
            self.ends().await == ends
        })
        .await;
        self.world.wait_until_applied().await;
        wait_until(&format!("{point:?}: nothing is held"), async || {
            self.world.held(&self.key).await == 0
        })
        .await;
        let charged = before - self.world.balance(&self.key).await;
        let written = self.world.uses().await.pop().filter(|_| charged > 0);
        match point {
            Point::Held => assert_eq!(charged, 0, "nothing was queued"),
            Point::Settled | Point::Ended | Point::Followed | Point::Applied => {
                assert_eq!(charged, CHARGE, "{point:?}: the charge was durable");
                assert_eq!(written.unwrap().0.writer, Writer::Worker);
            }
            Point::Published | Point::Claimed | Point::Answered => {
                assert!((0..=CHARGE).contains(&charged), "{point:?}: {charged}");
            }
        }
    }
}

#[tokio::test]
async fn a_kill_at_any_point_between_hold_and_apply_charges_once_and_leaves_nothing_held() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let mut place = Place { world, key, gateway: 0, worker: 0, billing: 0, ends: 0 };
    for point in Point::ALL {
        place.dies_at(point).await;
    }
    place.world.finish().await;
}

#[tokio::test]
async fn a_view_wiped_under_load_is_exact_again() {
    let world = World::builder().gateways(2).billings(2).start().await;
    let keys = [world.key(1_000_000).await, world.key(1_000_000).await];
    let clients = [world.client_at(0, &keys[0]), world.client_at(1, &keys[1])];
    wait_until("both gateways serve", async || {
        let serves = async |client: &Client| client.get("/v1/models").await.status == 200;
        serves(&clients[0]).await && serves(&clients[1]).await
    })
    .await;
    let mut body = question();
    body["stream"] = false.into();
    let mut answered = 0;
    for round in 0..4 {
        let before = world.vendor().starts();
        let load = (0..16).map(|number| clients[number % 2].chat(&body));
        let wiped = async {
            if round % 2 == 1 {
                world.vendor().wait_for_starts(before + 1).await;
                world.wipe_redis().await;
            }
        };
        let (answers, ()) = futures::join!(futures::future::join_all(load), wiped);
        for answer in answers {
            assert!(matches!(answer.status, 200 | 503), "{}", answer.text);
            answered += i64::from(answer.status == 200);
        }
        world.wait_until_live().await;
    }
    world.wait_until_applied().await;
    let spent: i64 = 2_000_000 - world.balance(&keys[0]).await - world.balance(&keys[1]).await;
    assert_eq!(spent, answered * CHARGE, "every answer was charged once");
    world.finish().await;
}
