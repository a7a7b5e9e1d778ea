//! What every process needs and no process owns: configuration, the bus (NATS), the store (Redis),
//! telemetry, tasks and shutdown. It knows nothing of chats, vendors or pages.

/// The time, in one place.
pub mod clock;

/// What requests come to.
pub mod counted;

/// How long something that fails is left alone.
pub mod backoff;

/// Bytes as text.
mod hexadecimal;

/// Days, weeks and months, as a place's clocks show them.
pub mod calendar;

/// The only reader of environment variables.
pub mod environment;

/// Texts that must not be printed.
pub mod secret;

/// What is said once in a while.
pub mod seldom;

/// config.yaml → checked configuration.
pub mod config;

/// Log lines.
pub mod telemetry;

/// Counters for Prometheus.
pub mod metrics;

/// Traces for OpenTelemetry.
pub mod trace;

/// A worker's port for Prometheus and health checks.
pub mod status;

/// The threads of a process.
pub mod runtime;

/// Named, tracked tasks.
pub mod tasks;

/// Signals.
pub mod shutdown;

/// Where tests let a process die.
pub mod crash;

/// Sockets: every one without Nagle's delay.
pub mod net;

/// NATS: jobs, frames, the ledger, the records.
pub mod bus;

/// A large file from the web.
pub mod fetch;

/// How far long work is.
pub mod progress;

/// Redis: the view of balances, holds, limits and usage.
pub mod store;

/// nats-server and redis-server as children of this process.
pub mod children;

pub use hexadecimal::hexadecimal;
