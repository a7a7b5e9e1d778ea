//! Large requests and slow readers: an image passes the queue as long as the job fits into a
//! message of NATS, and what is larger is told the limit; who doesn't read costs bounded memory.

use crate::program::Place;
use harness::{Answer, Script, Step, World, wait_until};
use serde_json::json;

/// Asks with an image so large that the body has so many bytes.
async fn ask(world: &World, secret: &harness::Key, bytes: usize) -> Answer {
    let body = |image: String| {
        let image = json!({"url": format!("data:image/png;base64,{image}")});
        json!({"model": "fast", "max_tokens": 10, "messages": [{"role": "user", "content": [
            {"type": "text", "text": "what is it?"},
            {"type": "image_url", "image_url": image}]}]})
    };
    let frame = body(String::new()).to_string().len();
    // Base64 comes in fours.
    world.client(secret).chat(&body("A".repeat((bytes - frame) / 4 * 4))).await
}

#[tokio::test]
async fn an_image_passes_up_to_the_limit_and_a_larger_one_is_told_it() {
    let queue_max = 8 * 1024 * 1024 - 1024;
    let body_max = 8_388_607;
    let builder = World::builder().config(move |config| config.gateway.body_bytes_max = body_max);
    let world = builder.start().await;
    let key = world.key(100_000_000).await;
    world.vendor().always("fast", Script::says(["a picture"]));
    // A job is a little larger than its request.
    let fits = ask(&world, &key, queue_max - 4_000).await;
    assert_eq!(fits.content(), "a picture", "{}", fits.text);
    for (bytes, limit) in [(queue_max, queue_max), (body_max + 4_000, body_max)] {
        let refused = ask(&world, &key, bytes).await;
        assert_eq!((refused.status, refused.error_code().as_str()), (413, "payload_too_large"));
        assert!(refused.text.contains(&limit.to_string()), "{}", refused.text);
    }
    assert_eq!(world.vendor().starts(), 1);
    world.finish().await;
}

/// The memory that a process has in use, in KiB.
#[cfg(target_os = "linux")]
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn a_client_that_reads_nothing_is_cut_off_and_costs_bounded_memory() {
    let place = Place::new().await;
    // Of so much text the worker would make an end.
    let picture = json!([{"image_url": {"url": "x".repeat(20_000)}}]);
    let piece = json!({"choices": [{"index": 0, "delta": {"images": picture}}]});
    let pieces = (0..1_500).map(|_| Step::Raw(format!("data: {piece}\n\n")));
    let begun = std::iter::once(Step::Text("x".to_owned()));
    place.vendor.always("fast", Script::steps(begun.chain(pieces)));
    let up = place.up().await;
    assert_eq!(up.client().ask("backup", "warm").await.status, 200);
    let before = resident(up.pid());
    let mut stream = up.client().ask_stream("fast", "hi").await;
    stream.next_text().await;
    // The 30 MB that come now are read by nobody.
    let client = up.client();
    wait_until("all is told and charged", async || {
        client.get("/api/credits").await.json()["balance_micro_usd"] == 10_000_000 - 40 - 20
    })
    .await;
    let grown = resident(up.pid()).saturating_sub(before);
    assert!(grown < 48 * 1024, "{grown} KiB more are in use");
    stream.rest().await;
    assert!(!stream.is_done(), "an answer that was cut never looks whole");
    up.finish(&place).await;
}
