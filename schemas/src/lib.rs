//! The wire contract of Fly-LLM: everything that two processes, or a process and a client, say to
//! each other. Pure data and arithmetic; it never does I/O and knows no runtime.

/// Names of accounts, keys, requests and processes.
pub mod ids;

/// Integer money: prices, charges, rounding.
pub mod money;

/// What was consumed, in disjoint buckets.
pub mod usage;

/// What came through of an answer that nobody counted.
pub mod produced;

/// Every NATS subject, stream and bucket name; the only place where they are spelled.
pub mod subjects;

/// What a model is: vendor, price, context, capabilities.
pub mod catalogue;

/// Gateway → worker: the job, the claim, the cancellation.
pub mod job;

/// Worker → gateway: numbered frames.
pub mod frame;

/// Worker → everybody: what it can serve and how busy it is.
pub mod advert;

/// How messages are written.
pub mod json;

/// The record of money.
pub mod ledger;

/// What a balance is made of.
pub mod lots;

/// What the ledger sums to at a cut.
pub mod snapshots;

/// What requests came to between two cuts.
pub mod counted;

/// What is to be done with personal data.
pub mod privacy;

/// The records of keys and accounts.
pub mod records;

/// Auto-recharge: who wishes it, whose card pays, how its charges stand.
pub mod recharge;

/// The closed list of errors and their faces.
pub mod error;

/// OpenAI's public JSON, which is also the canonical form inside.
pub mod openai;

/// Anthropic's public JSON, as its Messages API defines it.
pub mod anthropic;
