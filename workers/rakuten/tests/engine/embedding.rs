//! Vectors from model files: one that reads forwards, one that reads both ways.

use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;
use worker_rakuten::engine::{Embedder, EngineError, EngineOptions};

use crate::gguf::Writer;
use crate::support::model_file;
use crate::tiny;

const WIDTH: u32 = 32;
const INNER: u32 = 64;
const CONTEXT: u32 = 512;

/// WordPiece: control tokens, then whole words and ends of words. `▁` begins a word.
const PIECES: [&str; 10] =
    ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "▁cheap", "▁shoes", "▁red", "es", "▁shoe"];

/// A model in the shape of BERT.
fn bert(folder: &Path) -> PathBuf {
    let mut writer = Writer::default();
    writer.text("general.architecture", "bert");
    for (key, number) in [
        ("bert.context_length", CONTEXT),
        ("bert.embedding_length", WIDTH),
        ("bert.block_count", 1),
        ("bert.feed_forward_length", INNER),
        ("bert.attention.head_count", 4),
        ("bert.pooling_type", 2),
        ("tokenizer.ggml.token_type_count", 2),
        ("tokenizer.ggml.padding_token_id", 0),
        ("tokenizer.ggml.unknown_token_id", 1),
        ("tokenizer.ggml.cls_token_id", 2),
        ("tokenizer.ggml.bos_token_id", 2),
        ("tokenizer.ggml.seperator_token_id", 3),
        ("tokenizer.ggml.eos_token_id", 3),
        ("tokenizer.ggml.mask_token_id", 4),
    ] {
        writer.number(key, number);
    }
    writer.key("bert.attention.layer_norm_epsilon", 6, &1e-12_f32.to_le_bytes());
    writer.key("bert.attention.causal", 7, &[0]);
    writer.text("tokenizer.ggml.model", "bert");
    let (mut pieces, mut kinds) = (Vec::new(), Vec::new());
    for piece in PIECES {
        Writer::text_into(&mut pieces, piece);
        let kind = if piece.starts_with('[') { 3_i32 } else { 1 };
        kinds.extend(kind.to_le_bytes());
    }
    writer.array("tokenizer.ggml.tokens", 8, PIECES.len(), &pieces);
    writer.array("tokenizer.ggml.token_type", 5, PIECES.len(), &kinds);
    let size = u32::try_from(PIECES.len()).unwrap();
    writer.tensor("token_embd.weight", &[WIDTH, size]);
    writer.tensor("token_types.weight", &[WIDTH, 2]);
    writer.tensor("position_embd.weight", &[WIDTH, CONTEXT]);
    writer.tensor("token_embd_norm.weight", &[WIDTH]);
    writer.tensor("token_embd_norm.bias", &[WIDTH]);
    for (name, shape) in [
        ("attn_q", vec![WIDTH, WIDTH]),
        ("attn_k", vec![WIDTH, WIDTH]),
        ("attn_v", vec![WIDTH, WIDTH]),
        ("attn_output", vec![WIDTH, WIDTH]),
        ("attn_output_norm", vec![WIDTH]),
        ("ffn_up", vec![WIDTH, INNER]),
        ("ffn_down", vec![INNER, WIDTH]),
        ("layer_output_norm", vec![WIDTH]),
    ] {
        let rows = *shape.last().unwrap();
        writer.tensor(&format!("blk.0.{name}.weight"), &shape);
        writer.tensor(&format!("blk.0.{name}.bias"), &[rows]);
    }
    let path = folder.join("bert.gguf");
    writer.write(&path);
    path
}

fn load(file: PathBuf) -> Result<Embedder, EngineError> {
    Embedder::load(EngineOptions {
        slots: 4,
        context_tokens_per_slot: CONTEXT,
        threads: Some(1),
        ..EngineOptions::new(file)
    })
}

async fn vectors(embedder: &Embedder, texts: &[&str]) -> Vec<Vec<f32>> {
    let tokens: Vec<_> = texts.iter().map(|text| embedder.tokens(text).unwrap()).collect();
    embedder.embed(&tokens, &CancellationToken::new()).await.unwrap()
}

fn cosine(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}

/// Each of many texts has the vector that it has alone, of length 1, and no other's.
async fn check_vectors(embedder: &Embedder, texts: &[&str]) {
    let together = vectors(embedder, texts).await;
    assert_eq!(together.len(), texts.len());
    for (number, (text, vector)) in texts.iter().zip(&together).enumerate() {
        assert_eq!(vector.len(), embedder.model().width, "{text}");
        let alone = vectors(embedder, &[text]).await.remove(0);
        assert!((cosine(&alone, &alone) - 1.0).abs() < 1e-3, "{text}: not of length 1");
        assert!(cosine(&alone, vector) > 0.999, "{text}: another vector beside others");
        for other in &together[number + 1..] {
            assert!(cosine(vector, other) < 0.9999, "{text}: the same vector as another");
        }
    }
}

#[tokio::test]
async fn a_model_that_reads_forwards_makes_vectors() {
    let embedder = load(model_file()).unwrap();
    // More texts than one step takes, of different lengths.
    let long = "楽天市場で買い物をする。".repeat(12);
    let texts = ["a", "Cheap red shoes", "The capital of Japan", "東京の天気", &long, "b", "c"];
    check_vectors(&embedder, &texts).await;
    assert!(vectors(&embedder, &[]).await.is_empty());
    embedder.stop();
}

#[tokio::test]
async fn a_model_that_reads_both_ways_makes_vectors() {
    let folder = tempfile::tempdir().unwrap();
    let embedder = load(bert(folder.path())).unwrap();
    assert_eq!(embedder.model().architecture, "bert");
    // The model's own frame around the words, and no control token out of a text.
    assert_eq!(embedder.tokens("cheap shoes").unwrap(), [2, 5, 6, 3]);
    let typed = embedder.tokens("red [SEP] shoes").unwrap();
    assert_eq!(typed.iter().filter(|token| **token == 3).count(), 1, "{typed:?}");
    check_vectors(&embedder, &["cheap shoes", "red shoes", "shoes", "shoes cheap", "red"]).await;
    embedder.stop();
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_by_name_and_the_next_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let embedder = load(tiny::file(folder.path())).unwrap();
    let stop = CancellationToken::new();
    let too_long = embedder.tokens(&"a ".repeat(2_000));
    assert!(matches!(too_long, Err(EngineError::ContextLengthExceeded { .. })), "{too_long:?}");
    let whole = vec![5; usize::try_from(CONTEXT).unwrap()];
    assert_eq!(embedder.embed(std::slice::from_ref(&whole), &stop).await.unwrap().len(), 1);
    let longer = [whole.as_slice(), &[5]].concat();
    let longer = embedder.embed(&[longer], &stop).await;
    assert!(matches!(longer, Err(EngineError::ContextLengthExceeded { .. })), "{longer:?}");
    for wrong in [vec![], vec![-1], vec![i32::MAX], vec![5, 100_000]] {
        let refused = embedder.embed(std::slice::from_ref(&wrong), &stop).await;
        assert!(refused.as_ref().is_err_and(EngineError::is_client_error), "{wrong:?}");
    }
    stop.cancel();
    assert!(embedder.embed(&[vec![5]], &stop).await.is_err(), "nobody waits for it");
    assert_eq!(vectors(&embedder, &["a"]).await.len(), 1);
    // It ends although somebody else has a handle, and tells him.
    let other = embedder.clone();
    embedder.stop();
    let ended = other.embed(&[vec![5]], &CancellationToken::new()).await;
    assert_eq!(ended, Err(EngineError::Stopped));
}

#[test]
fn a_file_that_ranks_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let ranks = tiny::file_with(folder.path(), |writer| writer.number("llama.pooling_type", 4));
    let refused = load(ranks).unwrap_err().to_string();
    assert!(refused.contains("it ranks texts"), "{refused}");
    let missing = load(folder.path().join("none.gguf")).unwrap_err();
    assert!(matches!(missing, EngineError::ModelFileUnreadable { .. }), "{missing}");
}
