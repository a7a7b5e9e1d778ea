//! The operator takes a worker out of service: it finishes what it runs, takes nothing new from the
//! queue or past it, and leaves; whoever waits is answered by another.

use crate::apart::Apart;
use crate::program::Place;
use harness::{
    ADMIN_KEY, Answer, Client, Gate, Script, Step, Visitor, World, wait_for, wait_until,
};
use serde_json::{Value, json};

/// An answer that stands still after its first piece until the gate opens.
fn held(gate: &Gate) -> Script {
    Script::steps([Step::Text("東京".into()), Step::Wait(gate.clone()), Step::Text("です".into())])
}

async fn workers(admin: &Client) -> Vec<Value> {
    let listed = admin.get("/api/workers").await;
    assert_eq!(listed.status, 200, "{}", listed.text);
    listed.json()["data"].as_array().unwrap().clone()
}

async fn names(admin: &Client) -> Vec<String> {
    workers(admin).await.iter().map(|it| it["worker"].as_str().unwrap().to_owned()).collect()
}

async fn drain(admin: &Client, worker: &str) -> Answer {
    admin.post(&format!("/api/workers/{worker}/drain"), &json!({})).await
}

/// What a worker has done to its end.
fn done(world: &World, worker: usize) -> f64 {
    world.worker_metrics(worker).value("fly_llm_jobs_total{outcome=\"done\",pool=\"cloud\"}")
}

async fn it_finishes_takes_nothing_new_and_leaves(slots: u32) {
    let builder = World::builder().own_users();
    let mut world = builder.config(move |c| c.workers.provider_slots = slots).start().await;
    let key = world.key(1_000_000).await;
    let (client, admin) = (world.client(&key), world.admin());
    let gate = Gate::new();
    world.vendor().next("fast", held(&gate));
    let mut stream = client.ask_stream("fast", "hello").await;
    stream.next_text().await;
    let first = names(&admin).await.remove(0);
    let drained = drain(&admin, &first).await;
    assert_eq!((drained.status, &drained.json()["draining"]), (200, &json!(true)));
    let told = workers(&admin).await.remove(0);
    assert_eq!((&told["worker"], &told["draining"]), (&json!(first), &json!(true)));
    assert_eq!(drain(&admin, &first).await.status, 200, "twice is once");
    let pulls = async || world.queue("cloud").await.waiting;
    wait_until("the pulls that it had sent are over", async || pulls().await == 0).await;

    // Nobody else is there: what comes now waits for somebody, and who drains does not take it.
    world.vendor().always("fast", Script::says(["next"]));
    let successor = async {
        wait_until("a request waits", async || {
            let line = world.scrape(0).await.value("fly_llm_queue_line{pool=\"cloud\"}");
            line > 0.0 || world.queue("cloud").await.pending > 0
        })
        .await;
        assert_eq!(world.vendor().starts(), 1, "who drains takes nothing new");
        world.add_worker()
    };
    let (answer, successor) = tokio::join!(client.ask("fast", "hello again"), successor);
    assert_eq!(answer.content(), "next", "{}", answer.text);
    assert_eq!((done(&world, 0), done(&world, successor)), (0.0, 1.0));
    assert!(names(&admin).await.contains(&first), "its stream still runs");

    gate.open();
    stream.rest().await;
    assert!(stream.is_done() && stream.text() == "東京です", "{}", stream.text());
    wait_until("it has left", async || !names(&admin).await.contains(&first)).await;
    assert_eq!(drain(&admin, &first).await.status, 404);
    assert_eq!(client.ask("fast", "and more").await.content(), "next");
    assert_eq!((done(&world, 0), done(&world, successor)), (1.0, 2.0));
    world.finish().await;
}

#[tokio::test]
async fn a_drained_worker_finishes_takes_nothing_from_the_queue_and_leaves() {
    it_finishes_takes_nothing_new_and_leaves(8).await;
}

#[tokio::test]
async fn a_drained_worker_finishes_takes_nothing_past_the_queue_and_leaves() {
    it_finishes_takes_nothing_new_and_leaves(1_000).await;
}

#[tokio::test]
async fn the_page_drains_a_process_that_then_ends_well_and_it_is_noted() {
    let mut world = World::builder().workers(0).start().await;
    let worker = Apart::start(&mut world, &["worker", "provider"]);
    let key = world.key(1_000_000).await;
    let admin = world.admin();
    wait_until("it is there", async || names(&admin).await.len() == 1).await;
    let gate = Gate::new();
    world.vendor().next("fast", held(&gate));
    let mut stream = world.client(&key).ask_stream("fast", "hello").await;
    stream.next_text().await;
    let name = names(&admin).await.remove(0);
    let mut operator = Visitor::new(world.client_with(0, None).base(), "en");
    operator.post("/admin/sign-in", &[("key", ADMIN_KEY)]).await;
    let page = operator.get("/admin").await.text;
    assert!(page.contains("action=\"/admin/drain\"") && page.contains(&name), "{page}");
    let drained = operator.post("/admin/drain", &[("worker", &name)]).await;
    assert_eq!(drained.header("location"), "/admin?told=drains");
    assert!(operator.get("/admin?told=drains").await.text.contains("Draining"));
    assert!(operator.get("/admin/audit").await.text.contains(&format!("drain {name}")));
    gate.open();
    stream.rest().await;
    assert!(stream.is_done(), "{}", stream.text());
    worker.ends_by_itself().await;
    wait_until("it has left", async || names(&admin).await.is_empty()).await;
    let again = operator.post("/admin/drain", &[("worker", &name)]).await;
    assert_eq!(again.header("location"), "/admin?told=left");
    operator.forget_token();
    assert_eq!(operator.post("/admin/drain", &[("worker", &name)]).await.status, 403);
    world.finish().await;
}

#[tokio::test]
async fn on_one_machine_a_drained_worker_has_a_successor() {
    let place = Place::new().await;
    let up = place.up().await;
    let base = up.text("base_url").trim_end_matches("/v1").to_owned();
    let admin = Client::of(&base, up.text("admin_key"));
    let before = names(&admin).await;
    assert_eq!(drain(&admin, &before[0]).await.status, 200);
    wait_for("a successor", async || {
        let now = names(&admin).await;
        (!now.is_empty() && !now.contains(&before[0])).then_some(())
    })
    .await;
    assert_eq!(up.client().ask("fast", "hello").await.content(), "hello");
    up.finish(&place).await;
}

#[tokio::test]
async fn what_is_no_worker_and_who_is_no_operator_drains_nothing() {
    let world = World::start().await;
    let key = world.key(1_000_000).await;
    let admin = world.admin();
    for wrong in ["wk_nobody", "%3Cscript%3E", "a.b"] {
        let refused = drain(&admin, wrong).await;
        assert_eq!((refused.status, refused.error_code().as_str()), (404, "not_found"), "{wrong}");
    }
    let own = names(&admin).await.remove(0);
    assert_eq!(drain(&world.client(&key), &own).await.status, 403);
    assert_eq!(drain(&world.client_with(0, None), &own).await.status, 401);
    assert_eq!(world.client(&key).get("/api/workers").await.status, 403);
    assert_eq!(workers(&admin).await[0]["draining"], false);
    world.finish().await;
}
