//! The engine with each set of instructions that this processor has. One process has one set, so
//! each is tried in a process of its own; `scripts/test-processors` runs the same on older
//! processors.

use std::process::Command;

use worker_rakuten::engine::{Engine, EngineOptions, Instructions};

use crate::support::{INSTRUCTIONS, chat, engine, greedy, options, run, wanted_instructions};

/// Greedy, so that a set that computes something else is found.
#[test]
fn the_engine_knows_a_capital() {
    let engine = engine();
    if let Some(wanted) = wanted_instructions() {
        assert_eq!(engine.model().instructions, Some(wanted));
    }
    let prompt = chat(&engine, "What is the capital of France? Answer in one word.");
    let answer = run(&engine, greedy(prompt, 8)).text;
    assert!(answer.contains("Paris"), "{answer}");
}

#[test]
fn every_set_of_this_processor_computes_alike() {
    // A build that is told of AVX2 beforehand may be for one processor alone.
    if cfg!(all(target_os = "linux", target_arch = "x86_64", not(target_feature = "avx2"))) {
        assert!(Instructions::Sse42.are_here(), "the build has left out its kernels");
    }
    let program = std::env::current_exe().unwrap();
    for set in Instructions::ALL.into_iter().filter(|set| set.are_here()) {
        let ran = Command::new(&program)
            .args(["--exact", "instructions::the_engine_knows_a_capital"])
            .env(INSTRUCTIONS, set.name())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success() && said.contains("1 passed"), "{}: {said}", set.name());
    }
}

#[test]
fn a_process_has_one_set() {
    let taken = engine().model().instructions;
    let other = Instructions::ALL.into_iter().find(|set| set.are_here() && Some(*set) != taken);
    let Some(other) = other else { return };
    let refused = Engine::load(EngineOptions { instructions: Some(other), ..options() });
    let said = refused.unwrap_err().to_string();
    assert!(said.contains("already computes with"), "{said}");
}
