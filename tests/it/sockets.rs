//! No socket of the process waits for Nagle's algorithm: together with delayed acknowledgements
//! that costs 40 ms on each small write. The sockets themselves are looked at, never a clock.

use harness::{Gate, Script, Step, World, wait_until};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use socket2::Socket;

#[tokio::test]
async fn no_established_socket_waits_for_nagle() {
    let world = World::builder().gateways(2).start().await;
    let key = world.key(1_000_000).await;
    let gate = Gate::new();
    let steps = [Step::Text("a".into()), Step::Wait(gate.clone())];
    world.vendor().always("fast", Script::steps(steps.clone()));
    world.vendor().always("claude", Script::steps(steps));
    let mut streams = [
        world.client(&key).ask_stream("fast", "x").await,
        world.client(&key).ask_stream("claude", "x").await,
    ];
    for stream in &mut streams {
        stream.next_text().await;
    }
    // Two clients' and two vendors' streams have two ends here; five connections to NATS and five
    // to Redis have one.
    assert!(established().len() >= 8 + 5 + 5, "{} sockets", established().len());
    // Other tests open sockets meanwhile: one that was accepted this moment has it the next.
    wait_until("no socket waits", async || {
        established().iter().all(|socket| socket.tcp_nodelay().unwrap_or(true))
    })
    .await;
    gate.open();
    for stream in &mut streams {
        stream.rest().await;
        assert!(stream.is_done());
    }
    world.finish().await;
}

/// This process's connected TCP sockets, as duplicates that the kernel hands out.
fn established() -> Vec<Socket> {
    let this = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
    let numbers = std::fs::read_dir("/proc/self/fd").unwrap();
    let numbers = numbers.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    numbers
        .filter_map(|number: i32| pidfd_getfd(&this, number, PidfdGetfdFlags::empty()).ok())
        .map(Socket::from)
        .filter(|socket| {
            let peer = socket.peer_addr().ok().and_then(|address| address.as_socket());
            peer.is_some() && socket.r#type().is_ok_and(|kind| kind == socket2::Type::STREAM)
        })
        .collect()
}
