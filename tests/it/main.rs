//! The integration tests: one program, so that it links once. Every test has real servers of its
//! own, waits on conditions and never on the clock, and ends with `world.finish()`, which fails
//! when anything is left.
//!
//! Each module is marked `cfg(test)`, which changes nothing here: Clippy lets a test panic only
//! below such a mark.

#[cfg(test)]
mod admin_pages;
#[cfg(test)]
mod answer_headers;
#[cfg(test)]
mod anthropic_models;
#[cfg(test)]
mod apart;
#[cfg(test)]
mod auto;
#[cfg(test)]
mod backgrounds;
#[cfg(test)]
mod bench_cache;
#[cfg(test)]
mod bench_queue;
#[cfg(test)]
mod budgets;
#[cfg(test)]
mod cache;
#[cfg(test)]
mod cancel;
#[cfg(test)]
mod chaos;
#[cfg(test)]
mod chat;
#[cfg(test)]
mod clocks;
#[cfg(test)]
mod cluster;
#[cfg(test)]
mod complete;
#[cfg(test)]
mod coupons;
#[cfg(test)]
mod crashes;
#[cfg(test)]
mod crossings;
#[cfg(test)]
mod deployments;
#[cfg(test)]
mod direct;
#[cfg(test)]
mod drain;
#[cfg(test)]
mod edges;
#[cfg(test)]
mod elsewhere;
#[cfg(test)]
mod embeddings;
#[cfg(test)]
mod entrance;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod failover;
#[cfg(test)]
mod fields;
#[cfg(test)]
mod first_key;
#[cfg(test)]
mod foresight;
#[cfg(test)]
mod forms;
#[cfg(test)]
mod halts;
#[cfg(test)]
mod health;
#[cfg(test)]
mod idempotency;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod ledger_check;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod line;
#[cfg(test)]
mod local_models;
#[cfg(test)]
mod lots;
#[cfg(test)]
mod money;
#[cfg(test)]
mod money_back;
#[cfg(test)]
mod near;
#[cfg(test)]
mod openai_surfaces;
#[cfg(test)]
mod openapi_answers;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod payload;
#[cfg(test)]
mod payments;
#[cfg(test)]
mod permissions;
#[cfg(test)]
mod poison;
#[cfg(test)]
mod privacy;
#[cfg(test)]
mod process;
#[cfg(test)]
mod program;
#[cfg(test)]
mod rakuten;
#[cfg(test)]
mod rebuild;
#[cfg(test)]
mod receipts;
#[cfg(test)]
mod recharge;
#[cfg(test)]
mod reconcile;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod responses;
#[cfg(test)]
mod returned_items;
#[cfg(test)]
mod similar;
#[cfg(test)]
mod single_flight;
#[cfg(test)]
mod slots;
#[cfg(test)]
mod snapshots;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod sockets;
#[cfg(test)]
mod terminal;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod two_parts;
#[cfg(test)]
mod unrecorded;
#[cfg(test)]
mod upstreams;
#[cfg(test)]
mod vendor_errors;
#[cfg(test)]
mod wires;
