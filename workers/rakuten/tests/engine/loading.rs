//! What happens to model files: good, missing, cut, foreign, damaged.

use std::io::Write;
use std::path::Path;

use worker_rakuten::engine::{Embedder, Engine, EngineError, EngineOptions};

use crate::support::{engine, model_file, options};

#[test]
fn the_model_describes_itself() {
    let engine = engine();
    let model = engine.model();
    assert_eq!(model.architecture, "llama");
    assert_eq!(model.name, "Smollm2 135M 8k Lc100K Mix1 Ep2");
    assert_eq!(model.vocabulary_tokens, 49_152);
    assert_eq!(model.trained_context_tokens, 8_192);
    assert_eq!(model.context_tokens, 1_024);
    assert!(model.has_template);
    assert_eq!(engine.status().slots, 4);
}

fn refusal(path: &Path) -> String {
    Engine::load(EngineOptions::new(path)).unwrap_err().to_string()
}

#[test]
fn a_missing_file_is_said_to_be_missing() {
    let text = refusal(Path::new("no/such/model.gguf"));
    assert!(text.contains("no/such/model.gguf cannot be read"), "{text}");
}

#[test]
fn a_folder_and_a_foreign_file_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(refusal(folder.path()).contains("not usable"));
    let file = folder.path().join("model.gguf");
    std::fs::write(&file, "<!doctype html><p>404").unwrap();
    assert!(refusal(&file).contains("does not begin with GGUF"));
    std::fs::write(&file, "").unwrap();
    assert!(refusal(&file).contains("cut off"));
}

#[test]
fn a_cut_download_is_refused_wherever_it_was_cut() {
    let whole = std::fs::read(model_file()).unwrap();
    for length in [10, 1_000, 100_000, 2_000_000, whole.len() / 2, whole.len() - 1] {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&whole[..length]).unwrap();
        let error = Engine::load(EngineOptions::new(file.path())).unwrap_err();
        assert!(
            matches!(error, EngineError::ModelFileInvalid { .. } | EngineError::Llama { .. }),
            "{length}: {error}"
        );
    }
}

#[test]
fn weights_that_compute_no_numbers_are_refused() {
    let mut damaged = std::fs::read(model_file()).unwrap();
    // Of whatever kind these weights are: so written they are no numbers.
    let end = damaged.len() - 65_536;
    damaged[end..].fill(0xff);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&damaged).unwrap();
    drop(damaged);
    let small =
        || EngineOptions { context_tokens_per_slot: 1_024, ..EngineOptions::new(file.path()) };
    let error = Engine::load(small()).unwrap_err();
    assert!(error.to_string().contains("compute no numbers"), "{error}");
    let error = Embedder::load(small()).unwrap_err();
    assert!(error.to_string().contains("compute no numbers"), "{error}");
}

#[test]
fn a_bad_option_and_a_bad_template_are_refused() {
    let error = Engine::load(EngineOptions { slots: 0, ..options() }).unwrap_err();
    assert!(error.to_string().contains("slots"), "{error}");
    let chat_template = Some("{% for %}".to_owned());
    let error = Engine::load(EngineOptions { chat_template, ..options() }).unwrap_err();
    assert!(matches!(error, EngineError::Template(_)), "{error}");
}
