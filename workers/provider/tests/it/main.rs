//! The tests of this crate from outside: golden files of every vendor, and calls to a scripted
//! vendor on a real socket. They never leave this machine.
//!
//! Each module is marked `cfg(test)`, which changes nothing here: Clippy lets a test panic only
//! below such a mark.

#[cfg(test)]
mod answers;
#[cfg(test)]
mod common;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod fuzz_targets;
#[cfg(test)]
mod golden;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod nagle;
#[cfg(test)]
mod sockets;
