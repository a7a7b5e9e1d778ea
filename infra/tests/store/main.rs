//! The store on a real redis-server, each test on one of its own.

#![expect(clippy::unwrap_used, reason = "a test ends by panicking")]

mod batches;
mod clock_back;
mod ends;
mod loading;
mod reseek;
mod room;
mod seek;
mod together;
mod view;
