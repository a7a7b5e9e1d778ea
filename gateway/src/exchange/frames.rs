//! Frames that wait for one client, bounded in number and in bytes. A queue of its own, because
//! most streams wait with an empty one: a channel's blocks would be larger than all else that a
//! slow stream takes here.

use bytes::Bytes;
use schemas::frame::{Frame, FrameV1};
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

/// A frame as it came: through NATS, or from within the process.
#[derive(Debug)]
pub(crate) enum Arrived {
    /// Not read yet.
    Encoded(Bytes),
    /// As it was made.
    Made(Box<FrameV1>),
}

impl Arrived {
    /// What it says.
    ///
    /// # Errors
    /// When it can't be read.
    pub(crate) fn read(self) -> Result<FrameV1, serde_json::Error> {
        match self {
            Self::Encoded(frame) => {
                let Frame::V1(frame) = serde_json::from_slice(&frame)?;
                Ok(frame)
            }
            Self::Made(frame) => Ok(*frame),
        }
    }

    /// About what it takes while it waits.
    fn bytes(&self) -> usize {
        match self {
            Self::Encoded(frame) => frame.len(),
            Self::Made(frame) => frame.text_bytes(),
        }
    }
}

#[derive(Default)]
struct Queue {
    frames: VecDeque<Arrived>,
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
    pub(super) fn put(&self, frame: Arrived) -> bool {
        let mut queue = self.0.queue();
        let bytes = queue.bytes + frame.bytes();
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
    pub(crate) async fn recv(&mut self) -> Option<Arrived> {
        loop {
            if let Some(ready) = self.ready() {
                return ready;
            }
            // A word that was given before this is kept for it.
            self.0.changed.notified().await;
        }
    }

    /// What is there: a frame, or that no more will come.
    fn ready(&mut self) -> Option<Option<Arrived>> {
        let mut queue = self.0.queue();
        let Some(frame) = queue.frames.pop_front() else {
            return queue.is_closed.then_some(None);
        };
        queue.bytes -= frame.bytes();
        if queue.frames.is_empty() && queue.frames.capacity() > FRAMES_KEPT_ROOM_FOR {
            queue.frames = VecDeque::new();
        }
        Some(Some(frame))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::frame::{Delta, FrameBody};
    use schemas::openai::ChunkChoice;

    fn frame(bytes: impl Into<Bytes>) -> Arrived {
        Arrived::Encoded(bytes.into())
    }

    async fn next(frames: &mut Frames) -> Option<Bytes> {
        match frames.recv().await? {
            Arrived::Encoded(bytes) => Some(bytes),
            Arrived::Made(_) => None,
        }
    }

    #[tokio::test]
    async fn frames_come_in_their_order_and_end_after_the_last() {
        let (inlet, mut frames) = queue();
        for number in 0..100_u8 {
            assert!(inlet.put(frame(vec![number])));
        }
        drop(inlet);
        for number in 0..100_u8 {
            assert_eq!(next(&mut frames).await.unwrap()[..], [number]);
        }
        assert!(frames.recv().await.is_none());
    }

    #[tokio::test]
    async fn who_waits_hears_of_a_frame_and_of_the_end() {
        let (inlet, mut frames) = queue();
        let put = async {
            tokio::task::yield_now().await;
            assert!(inlet.put(frame("a")));
        };
        let (came, ()) = tokio::join!(next(&mut frames), put);
        assert_eq!(came.as_deref(), Some(&b"a"[..]));
        let end = async {
            tokio::task::yield_now().await;
            drop(inlet);
        };
        let (came, ()) = tokio::join!(next(&mut frames), end);
        assert_eq!(came, None);
    }

    #[test]
    fn a_queue_is_bounded_in_number_and_in_bytes() {
        let (inlet, _frames) = queue();
        assert_eq!((0..10_000).take_while(|_| inlet.put(frame(""))).count(), FRAMES_WAITING_MAX);
        let (inlet, _frames) = queue();
        assert!(inlet.put(frame(vec![0; FRAME_BYTES_WAITING_MAX + 1])), "one always fits");
        assert!(!inlet.put(frame("a")));
    }

    #[tokio::test]
    async fn what_comes_from_within_the_process_counts_about_as_its_encoding() {
        let text = "字".repeat(1_000);
        let choices = vec![ChunkChoice::text(0, text)];
        let body = FrameBody::Delta(Delta { choices });
        let made = FrameV1 { number: 1, attempt: 1, delivered: 0, body };
        let encoded = schemas::json::to_vec(&Frame::V1(made.clone())).unwrap();
        let (inlet, mut frames) = queue();
        assert!(inlet.put(Arrived::Made(Box::new(made.clone()))));
        let counted = inlet.0.queue().bytes;
        assert!(counted.abs_diff(encoded.len()) < 200, "{counted}, not {}", encoded.len());
        assert_eq!(frames.recv().await.unwrap().read().unwrap(), made);
        assert_eq!(frame(encoded).read().unwrap(), made);
        assert_eq!(inlet.0.queue().bytes, 0);
        let mut large = made;
        let half = "x".repeat(FRAME_BYTES_WAITING_MAX / 2 + 1);
        large.body = FrameBody::Delta(Delta { choices: vec![ChunkChoice::text(0, half)] });
        assert!(inlet.put(Arrived::Made(Box::new(large.clone()))));
        assert!(!inlet.put(Arrived::Made(Box::new(large))), "there is no room for a second");
    }
}
