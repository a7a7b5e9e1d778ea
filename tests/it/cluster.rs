//! Three nats-servers with three copies of each stream, as docs/deploy.md starts them: the leader
//! of the queue is lost, then that of the ledger. Streams go on or end with an error, who comes
//! meanwhile is answered, and the sums are exact.

use crate::two_parts::{assert_whole_or_an_error, begin};
use harness::{World, wait_for, wait_until};
use schemas::subjects;

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

#[tokio::test]
async fn a_cluster_that_loses_its_leaders_loses_no_request_and_no_charge() {
    let mut world = World::builder().cluster().own_users().workers(2).start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    let mut answered = 0;
    for stream in [subjects::CHAT_STREAM, subjects::LEDGER_STREAM] {
        let lost = leader(&world, stream).await;
        let (mut running, gate) = begin(&world, &client).await;
        world.servers().kill_node(&lost).await;
        gate.open();
        let (meanwhile, ()) = futures::join!(client.ask("fast", "meanwhile"), running.rest());
        assert_whole_or_an_error(&running);
        match meanwhile.status {
            200 => answered += 1,
            503 => assert!(!meanwhile.header("retry-after").is_empty(), "{}", meanwhile.text),
            _ => panic!("{}", meanwhile.text),
        }
        wait_until("two of three serve", async || client.ask("fast", "again").await.status == 200)
            .await;
        answered += 1;
        world.servers().start_node_again(&lost).await;
    }
    leader(&world, subjects::LEDGER_STREAM).await;
    wait_until("each has its charge", async || world.uses().await.len() >= answered + 2).await;
    world.finish().await;
}
