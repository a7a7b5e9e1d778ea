//! Tables of cases and properties of the router. Nothing here is compiled outside tests.

mod choice;
mod features;

use super::{Candidate, Features, Settings};
use schemas::catalogue::{Capability, Tier};
use schemas::money::MicroUsd;
use schemas::openai::{ChatRequest, Message, Role};

fn asks(text: &str) -> ChatRequest {
    ChatRequest { messages: vec![Message::text(Role::User, text)], ..ChatRequest::default() }
}

fn read(text: &str) -> Features {
    super::features(&asks(text), None)
}

fn candidate(name: &str, tier: Tier, price: i64) -> Candidate {
    let all = [Capability::Chat, Capability::Tools, Capability::Vision, Capability::JsonSchema];
    Candidate {
        name: name.to_owned(),
        tier,
        local: false,
        capabilities: all.to_vec(),
        context: 128_000,
        price: MicroUsd(price),
        answer_tokens: 1_000,
        expected_wait_ms: 0,
        healthy: true,
        default: false,
        pinned: false,
        disliked: false,
    }
}

/// What the default configuration offers.
fn catalogue() -> Vec<Candidate> {
    let local = Candidate {
        local: true,
        capabilities: vec![Capability::Chat],
        context: 4_096,
        ..candidate("rakuten-llm", Tier::Economy, 220)
    };
    vec![
        Candidate { default: true, ..candidate("gpt-4o-mini", Tier::Economy, 620) },
        candidate("gpt-4o", Tier::Premium, 10_250),
        candidate("claude-sonnet-4-5", Tier::Premium, 15_400),
        candidate("claude-haiku-4-5", Tier::Standard, 5_100),
        local,
    ]
}

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) % bound
    }

    fn flip(&mut self) -> bool {
        self.below(2) == 1
    }
}

fn settings() -> Settings {
    Settings::default()
}
