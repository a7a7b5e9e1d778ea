//! Three nats-servers with three copies of each stream, as docs/deploy.md starts them: the one that
//! leads queue and ledger is lost in a stream. The stream goes on or ends with an error, who comes
//! meanwhile is answered, and the sums are exact.

use crate::two_parts::{assert_whole_or_an_error, begin};
use harness::{World, wait_for, wait_until};
use schemas::subjects;
use serde_json::{Value, json};

/// Who leads a stream, once its copies are all there.
async fn leader(world: &World, stream: &str) -> String {
    wait_for("a leader and two followers", async || {
        let found = world.bus().jetstream().get_stream(stream).await.ok()?;
        let cluster = found.cached_info().cluster.clone()?;
        let current = cluster.replicas.iter().filter(|copy| copy.current && !copy.offline);
        if current.count() == 2 { cluster.leader } else { None }
    })
    .await
}

/// Makes one server lead both streams: with it both are lost at once.
async fn leader_of_both(world: &World) -> String {
    let wanted = leader(world, subjects::CHAT_STREAM).await;
    let step_down = format!("STREAM.LEADER.STEPDOWN.{}", subjects::LEDGER_STREAM);
    wait_for("one leader of both", async || {
        if leader(world, subjects::LEDGER_STREAM).await == wanted {
            return Some(());
        }
        let wish = json!({"placement": {"preferred": wanted}});
        world.bus().jetstream().request::<_, _, Value>(step_down.clone(), &wish).await.ok();
        None
    })
    .await;
    wanted
}

#[tokio::test]
async fn a_cluster_that_loses_its_leader_loses_no_request_and_no_charge() {
    let mut world = World::builder().cluster().own_users().start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let lost = leader_of_both(&world).await;
    let (mut running, gate) = begin(&world, &client).await;
    world.servers().kill_node(&lost).await;
    gate.open();
    let (meanwhile, ()) = futures::join!(client.ask("fast", "meanwhile"), running.rest());
    assert_whole_or_an_error(&running);
    let is_told = meanwhile.status == 503 && !meanwhile.header("retry-after").is_empty();
    assert!(meanwhile.status == 200 || is_told, "{}", meanwhile.text);
    wait_until("two of three serve", async || client.ask("fast", "again").await.status == 200)
        .await;
    let charged = if is_told { 2 } else { 3 };
    wait_until("each has its charge", async || world.uses().await.len() >= charged).await;
    world.servers().start_node_again(&lost).await;
    leader(&world, subjects::LEDGER_STREAM).await;
    world.finish().await;
}
