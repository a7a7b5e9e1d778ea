//! Frames that wait for one client, bounded in number and in bytes. A queue of its own, because
//! most streams wait with an empty one: a channel's blocks would be larger than all else that a
//! slow stream takes here. It reads no frame.

use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Frames that may wait for one client. A client that is slower than that is cut off: memory stays
/// bounded, and what was produced is still charged.
const FRAMES_WAITING_MAX: usize = 4_096;

/// Bytes of frames that may wait for one client, when there is more than one frame.
const FRAME_BYTES_WAITING_MAX: usize = 8 * 1024 * 1024;

/// An empty queue keeps room for so many frames at most.
const FRAMES_KEPT_ROOM_FOR: usize = 16;

#[derive(Default)]
struct Queue {
    frames: VecDeque<Bytes>,
    bytes: usize,
    is_closed: bool,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Notify,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // A panic while holding the lock leaves a usable queue.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where frames are put. Dropping it ends the frames, after those that wait were read.
pub(super) struct Inlet(Arc<Shared>);

/// Where they are read.
pub(crate) struct Frames(Arc<Shared>);

/// An empty queue for one client.
pub(super) fn queue() -> (Inlet, Frames) {
    let shared = Arc::new(Shared::default());
    (Inlet(Arc::clone(&shared)), Frames(shared))
}

impl Inlet {
    /// Puts a frame behind the others; false when there is no room.
    pub(super) fn put(&self, frame: Bytes) -> bool {
        let mut queue = self.0.queue();
        let bytes = queue.bytes + frame.len();
        let is_full = queue.frames.len() >= FRAMES_WAITING_MAX
            || (bytes > FRAME_BYTES_WAITING_MAX && !queue.frames.is_empty());
        if is_full {
            return false;
        }
        queue.bytes = bytes;
        queue.frames.push_back(frame);
        drop(queue);
        self.0.changed.notify_one();
        true
    }
}

impl Drop for Inlet {
    fn drop(&mut self) {
        self.0.queue().is_closed = true;
        self.0.changed.notify_one();
    }
}

impl Frames {
    /// The next one; nothing when no more will come. Safe to drop at any point.
    pub(crate) async fn recv(&mut self) -> Option<Bytes> {
        loop {
            if let Some(ready) = self.ready() {
                return ready;
            }
            // A word that was given before this is kept for it.
            self.0.changed.notified().await;
        }
    }

    /// What is there: a frame, or that no more will come.
    fn ready(&mut self) -> Option<Option<Bytes>> {
        let mut queue = self.0.queue();
        let Some(frame) = queue.frames.pop_front() else {
            return queue.is_closed.then_some(None);
        };
        queue.bytes -= frame.len();
        if queue.frames.is_empty() && queue.frames.capacity() > FRAMES_KEPT_ROOM_FOR {
            queue.frames = VecDeque::new();
        }
        Some(Some(frame))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_come_in_their_order_and_end_after_the_last() {
        let (inlet, mut frames) = queue();
        for number in 0..100_u8 {
            assert!(inlet.put(Bytes::from(vec![number])));
        }
        drop(inlet);
        for number in 0..100_u8 {
            assert_eq!(frames.recv().await.unwrap()[..], [number]);
        }
        assert_eq!(frames.recv().await, None);
    }

    #[tokio::test]
    async fn who_waits_hears_of_a_frame_and_of_the_end() {
        let (inlet, mut frames) = queue();
        let put = async {
            tokio::task::yield_now().await;
            assert!(inlet.put(Bytes::from_static(b"a")));
        };
        let (frame, ()) = tokio::join!(frames.recv(), put);
        assert_eq!(frame.as_deref(), Some(&b"a"[..]));
        let end = async {
            tokio::task::yield_now().await;
            drop(inlet);
        };
        let (frame, ()) = tokio::join!(frames.recv(), end);
        assert_eq!(frame, None);
    }

    #[test]
    fn a_queue_is_bounded_in_number_and_in_bytes() {
        let (inlet, _frames) = queue();
        assert_eq!((0..10_000).take_while(|_| inlet.put(Bytes::new())).count(), FRAMES_WAITING_MAX);
        let (inlet, _frames) = queue();
        assert!(inlet.put(Bytes::from(vec![0; FRAME_BYTES_WAITING_MAX + 1])), "one always fits");
        assert!(!inlet.put(Bytes::from_static(b"a")));
    }
}
