//! The socket to a vendor never waits for Nagle: together with delayed acknowledgements that costs
//! 40 ms. It looks at the socket itself, never at a clock; Linux only.

use crate::common::sink::Collected;
use crate::common::vendor::{Script, Step, Vendor};
use crate::common::{greeting, provider, text_event};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use schemas::catalogue::Vendor as Protocol;
use socket2::{SockAddr, Socket};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The client's socket is out of reach of safe code but for the kernel, which hands out duplicates
/// of a process's own.
#[tokio::test]
async fn the_socket_does_not_wait_for_nagle() {
    let vendor =
        Vendor::always(Script::Stream(vec![Step::Send(text_event("一")), Step::Stall])).await;
    let peer = SockAddr::from(vendor.address);
    let provider = provider(&vendor, Protocol::Compatible, &[]);
    let sink = &mut Collected::default();
    let told = Arc::clone(&sink.told);
    let stop = CancellationToken::new();
    let look = async {
        told.notified().await;
        let ours = sockets_to(&peer);
        stop.cancel();
        ours
    };
    let job = greeting(true);
    let (_, ours) = tokio::join!(provider.answer(&job, sink, &stop), look);
    assert_eq!(ours.len(), 1, "one connection to the vendor");
    assert!(ours.iter().all(|socket| socket.tcp_nodelay().expect("a TCP socket")));
}

/// This process's sockets that are connected to an address.
fn sockets_to(peer: &SockAddr) -> Vec<Socket> {
    let this = pidfd_open(getpid(), PidfdFlags::empty()).expect("Linux 5.3");
    let numbers = std::fs::read_dir("/proc/self/fd").expect("Linux");
    let numbers = numbers.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    numbers
        .filter_map(|number: i32| pidfd_getfd(&this, number, PidfdGetfdFlags::empty()).ok())
        .map(Socket::from)
        .filter(|socket| socket.peer_addr().is_ok_and(|address| address == *peer))
        .collect()
}
