//! One model at several places: the less busy one is asked, one that fails is made good by another
//! until the first piece, and is left alone for a while.

use harness::{Gate, Script, Step, World, wait_until};
use infra::config::{Catalogue, Deployment, Model};

/// A world whose `fast` is served at two places, `east` and `west`.
async fn two_places(failures_max: u32) -> World {
    World::builder()
        .config(move |config| {
            let mut models: Vec<Model> =
                config.models.iter().map(|model| Model::clone(model)).collect();
            for model in models.iter_mut().filter(|model| model.name == "fast") {
                let place = model.deployments().remove(0);
                let at = |name: &str| Deployment { upstream: name.to_owned(), ..place.clone() };
                model.places = vec![at("east"), at("west")];
            }
            config.models = Catalogue::new(models);
            config.breaker.failures_max = failures_max;
            config.breaker.cool_down_seconds = 1;
        })
        .start()
        .await
}

#[tokio::test]
async fn a_place_that_fails_before_its_first_piece_is_made_good_by_the_other_unseen() {
    let world = two_places(1_000).await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let failures = [
        Script::refuses(500, "x"),
        Script::steps([Step::Cut]),
        Script::page(200),
        // The last: a key that was refused rests.
        Script::refuses(401, "no such key"),
    ];
    let (mut asked, mut failed) = (0, 0);
    for script in failures {
        world.vendor().always("east", script);
        let before = world.vendor().starts_of("east");
        wait_until("the place that fails was asked", async || {
            let answer = client.ask("fast", "whole").await;
            assert_eq!(
                (answer.content().as_str(), answer.header("x-fly-model")),
                ("whole", "fast"),
                "{}",
                answer.text
            );
            let mut stream = client.ask_stream("fast", "stream").await;
            stream.rest().await;
            assert!(stream.is_done() && stream.text() == "stream", "{:?}", stream.events());
            asked += 2;
            world.vendor().starts_of("east") > before
        })
        .await;
        failed += world.vendor().starts_of("east") - before;
    }
    assert_eq!(world.vendor().starts_of("west"), asked, "each was answered once, {failed} twice");
    let uses = world.uses().await;
    assert_eq!(uses.len(), asked, "and charged once");
    let cooling = client.get("/ready").await.json()["cooling"].clone();
    assert_eq!(cooling, serde_json::json!([]), "the model itself never failed");
    world.finish().await;
}

#[tokio::test]
async fn a_place_that_fails_too_often_is_left_alone_and_tried_again_later() {
    let world = two_places(2).await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    world.vendor().always("east", Script::refuses(500, "x"));
    wait_until("it has failed twice", async || {
        assert_eq!(client.ask("fast", "hello").await.status, 200);
        world.vendor().starts_of("east") == 2
    })
    .await;
    // Its counters show it; a pause that is over is a trial until somebody comes.
    let figure = |name: &str, more: &str| {
        let labels = format!("deployment=\"1 east@127.0.0.1\",model=\"fast\"{more}");
        world.worker_metrics(0).value(&format!("fly_llm_deployment_{name}{{{labels}}}"))
    };
    wait_until("it is shown as left alone", async || figure("state", "") >= 1.0).await;
    assert_eq!(figure("calls_total", ",outcome=\"failed\""), 2.0);
    world.vendor().always("east", Script::says(["well again"]));
    wait_until("a trial brings it back", async || {
        client.ask("fast", "hello").await.content() == "well again"
    })
    .await;
    wait_until("it is shown as asked", async || figure("state", "") == 0.0).await;
    assert_eq!(figure("calls_total", ",outcome=\"answered\""), 1.0);
    // With both failing the client is told, once, and pays nothing.
    for place in ["east", "west"] {
        world.vendor().always(place, Script::refuses(500, "x"));
    }
    let before = (world.uses().await.len(), world.vendor().starts());
    assert_eq!(client.ask("fast", "hello").await.error_code(), "upstream_error");
    assert_eq!(world.vendor().starts() - before.1, 2, "each place is asked once");
    world.wait_for_ends(before.0, 1).await;
    world.finish().await;
}

#[tokio::test]
async fn after_the_first_piece_no_other_place_is_asked_and_mistakes_stay_the_clients() {
    let world = two_places(1_000).await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let gate = Gate::new();
    for place in ["east", "west"] {
        let steps = [Step::Text("begun".into()), Step::Wait(gate.clone()), Step::Cut];
        world.vendor().always(place, Script::steps(steps));
    }
    let mut stream = client.ask_stream("fast", "hello").await;
    stream.next_text().await;
    gate.open();
    stream.rest().await;
    assert_eq!(stream.error_code().as_deref(), Some("stream_interrupted"));
    assert_eq!((stream.text().as_str(), world.vendor().starts()), ("begun", 1));
    for place in ["east", "west"] {
        world.vendor().always(place, Script::refuses(400, "your mistake"));
    }
    assert_eq!(client.ask("fast", "hello").await.status, 400);
    assert_eq!(world.vendor().starts(), 2, "no other place mends a wrong request");
    world.wait_for_ends(1, 1).await;
    world.finish().await;
}

#[tokio::test]
async fn the_less_busy_place_is_asked() {
    let world = two_places(1_000).await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let gate = Gate::new();
    for place in ["east", "west"] {
        world.vendor().always(place, Script::says(["done"]).after(&gate));
    }
    let asked = futures::future::join_all((0..8).map(|_| client.ask("fast", "hello")));
    let looked = async {
        world.vendor().wait_for_starts(8).await;
        gate.open();
    };
    let (answers, ()) = futures::join!(asked, looked);
    assert!(answers.iter().all(|answer| answer.status == 200));
    let starts = ["east", "west"].map(|place| world.vendor().starts_of(place));
    assert_eq!(starts, [4, 4], "of two places the less busy one is taken");
    world.finish().await;
}
