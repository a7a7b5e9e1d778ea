//! Breaking off a pass of llama.cpp that is computed for answers nobody wants any more: llama.cpp
//! asks after each operation of its graph whether to go on.
//!
//! Must never unwind into llama.cpp, and must never break off what is mostly wanted.

use std::cell::RefCell;
use std::ffi::c_void;
use std::panic::catch_unwind;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use llama_cpp_2::DecodeError;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_sys_2::llama_context_params;
use tracing::dispatcher::{DefaultGuard, Dispatch, set_default};

use super::slot::Wish;

thread_local! {
    /// What this thread has llama.cpp compute; it asks on the thread that called it.
    static WATCH: RefCell<Option<Watch>> = const { RefCell::new(None) };
}

/// What became of a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    Done,
    /// It was mostly for answers that nobody wants any more.
    BrokenOff,
}

/// Whom a pass is for.
pub(super) struct Watch {
    /// Each answer, and its tokens in the pass.
    shares: Vec<(Wish, usize)>,
    /// When so many tokens are unwanted, the pass is broken off.
    unwanted_min: usize,
    stop: Arc<AtomicBool>,
    /// Held once the pass is broken off: llama.cpp logs that as an error, and it is none.
    muted: Option<DefaultGuard>,
}

impl Watch {
    /// A pass is broken off when `stop` is set or half of its tokens are unwanted; where `spared`,
    /// only when all are.
    pub(super) fn new(shares: Vec<(Wish, usize)>, spared: bool, stop: Arc<AtomicBool>) -> Self {
        let tokens: usize = shares.iter().map(|(_, tokens)| tokens).sum();
        let unwanted_min = if spared { tokens } else { tokens.div_ceil(2) };
        Self { shares, unwanted_min, stop, muted: None }
    }

    fn is_over(&mut self) -> bool {
        let gone = self.shares.iter().filter(|(wish, _)| wish.is_gone());
        let unwanted: usize = gone.map(|(_, tokens)| tokens).sum();
        let is_over = self.stop.load(Relaxed) || unwanted >= self.unwanted_min;
        if is_over && self.muted.is_none() {
            self.muted = Some(set_default(&Dispatch::none()));
        }
        is_over
    }
}

/// Computes a pass that may be broken off, in a context made with what [`arm`] gave.
pub(super) fn watched(
    watch: Watch,
    decode: impl FnOnce() -> Result<(), DecodeError>,
) -> Result<Pass, DecodeError> {
    WATCH.set(Some(watch));
    let decoded = decode();
    let was_broken = WATCH.take().is_some_and(|watch| watch.muted.is_some());
    match decoded {
        Err(_) if was_broken => Ok(Pass::BrokenOff),
        decoded => decoded.map(|()| Pass::Done),
    }
}

/// What llama.cpp asks: true ends the pass.
extern "C" fn asked(_: *mut c_void) -> bool {
    let look = || WATCH.with_borrow_mut(|watch| watch.as_mut().is_some_and(Watch::is_over));
    // A panic must not cross into C++; it would only mean that the pass goes on.
    catch_unwind(look).unwrap_or(false)
}

/// Has a context's llama.cpp ask whether to go on.
#[expect(unsafe_code, reason = "the binding knows this callback, and has no function for it")]
pub(super) fn arm(mut parameters: LlamaContextParams) -> LlamaContextParams {
    const {
        assert!(size_of::<LlamaContextParams>() == size_of::<llama_context_params>());
        assert!(align_of::<LlamaContextParams>() == align_of::<llama_context_params>());
    }
    let inner: *mut llama_context_params = ptr::from_mut(&mut parameters).cast();
    // SAFETY: in the version that Cargo.toml pins, the binding's struct has one field, which is
    // this struct. Being of one size, both begin at one address. The pointer comes from a mutable
    // reference that nobody else has, and the value written is a plain function without data.
    unsafe { (*inner).abort_callback = Some(asked) };
    parameters
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroI32;

    use tokio::sync::mpsc;
    use tokio_util::sync::CancellationToken;

    use super::*;

    /// An answer, and what cancels it.
    fn wish() -> (Wish, CancellationToken) {
        let (events, reader) = mpsc::channel(1);
        // Nobody reads; that must not look as if the reader had gone.
        std::mem::forget(reader);
        let cancel = CancellationToken::new();
        (Wish::new(cancel.clone(), events), cancel)
    }

    fn aborted() -> Result<(), DecodeError> {
        Err(DecodeError::from(NonZeroI32::new(2).unwrap()))
    }

    #[test]
    fn a_pass_ends_when_half_of_it_is_unwanted_or_all_of_what_is_spared() {
        let stop = Arc::new(AtomicBool::new(false));
        for (spared, expected) in [(false, [false, true, true]), (true, [false, false, true])] {
            let wishes = [(wish(), 1), (wish(), 2), (wish(), 3)];
            let shares = wishes.iter().map(|((wish, _), tokens)| (wish.clone(), *tokens)).collect();
            let mut watch = Watch::new(shares, spared, Arc::clone(&stop));
            let ends = wishes.iter().map(|((_, cancel), _)| {
                cancel.cancel();
                watch.is_over()
            });
            assert_eq!(ends.collect::<Vec<_>>(), expected, "{spared}");
        }
        let mut watch = Watch::new(vec![(wish().0, 1)], false, Arc::clone(&stop));
        assert!(!watch.is_over());
        stop.store(true, Relaxed);
        assert!(watch.is_over());
    }

    #[test]
    fn an_error_that_we_did_not_ask_for_stays_an_error() {
        let stop = Arc::new(AtomicBool::new(false));
        let (wish, cancel) = wish();
        let watch = || Watch::new(vec![(wish.clone(), 1)], false, Arc::clone(&stop));
        assert!(!asked(ptr::null_mut()), "no pass, nothing to end");
        let ask = || {
            assert!(!asked(ptr::null_mut()));
            Ok(())
        };
        assert_eq!(watched(watch(), ask).unwrap(), Pass::Done);
        watched(watch(), aborted).unwrap_err();
        cancel.cancel();
        let ask = || {
            assert!(asked(ptr::null_mut()));
            aborted()
        };
        assert_eq!(watched(watch(), ask).unwrap(), Pass::BrokenOff);
        assert!(!asked(ptr::null_mut()), "the pass is over");
    }
}
