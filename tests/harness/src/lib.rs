//! What the integration tests stand on: real servers, the roles as they run in production, a
//! scripted vendor, Stripe and a client. Only vendor and Stripe are doubles. It decides nothing
//! that the product decides: what it checks at the end of a test it counts itself.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends by a panic: that is how it fails"
)]

/// A client of the API.
pub mod client;

/// What no role may log.
mod ears;

/// What must not be left at the end of a test.
mod leftovers;

/// What is fetched before any test.
pub mod fetched;

/// Prometheus's text, read.
pub mod metrics;

/// The roles, each in a runtime of its own, so that one can be killed.
mod role;

/// nats-server and redis-server of one test.
pub mod servers;

/// The configuration of the tests.
mod settings;

/// Looks at what passes through NATS and lies in Redis.
pub mod spy;

/// Stripe, as far as credit needs it.
pub mod stripe;

/// A vendor that does what a script says.
pub mod vendor;

/// A browser without a screen.
pub mod visitor;

/// Waiting on conditions.
pub mod wait;

/// A network that breaks.
pub mod wire;

/// Everything together.
pub mod world;

pub use client::{Answer, Client, Event, EventStream};
pub use leftovers::{FORGED, Queue, ledger, uses, voids};
pub use role::ADMIN_KEY;
pub use stripe::{Delivery, Stripe, StripeEvent};
pub use vendor::Vendor;
pub use vendor::script::{Gate, Script, Step};
pub use visitor::Visitor;
pub use wait::{wait_for, wait_until, within};
pub use wire::Wire;
pub use world::{Key, World, WorldBuilder};
