//! A network that swallows what is sent while connections stay as they are. Nobody is told that
//! anything is wrong; it is noticed all the same, when it is whole again everything goes on within
//! seconds, and what was refused meanwhile is not done later.

use harness::{World, wait_until};

#[tokio::test]
async fn a_silent_redis_is_given_up_and_what_was_refused_is_not_done_later() {
    let world = World::builder().wired().start().await;
    let key = world.key(1_000_000).await;
    let client = world.client(&key);
    assert_eq!(client.ask("fast", "hello").await.status, 200);
    let before = world.wires().redis.connections();
    world.wires().redis.swallow();
    let refused = client.ask("fast", "hello").await;
    assert_eq!(refused.status, 503, "{}", refused.text);
    wait_until("a silent connection is given up", async || {
        world.wires().redis.connections() > before
    })
    .await;
    world.wires().redis.pass();
    wait_until("Redis is back", async || client.ask("fast", "again").await.status == 200).await;
    world.wait_until_applied().await;
    wait_until("nothing is held", async || world.held(&key).await == 0).await;
    world.finish().await;
}
