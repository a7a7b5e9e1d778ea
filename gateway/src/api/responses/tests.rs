//! Tests of the whole surface, without a server: what goes in, what comes out, what is refused.

mod errors;
mod golden;
mod property;
mod thoughts;
mod tools;
mod wire;
