//! A tiny model file made here: RakutenAI-2.0-mini's architecture, tokenizer kind and chat
//! template with random weights, so that its traps are tested without its 1.6 GB.
//!
//! Its answers mean nothing; what is tested are prompts, borders and spaces.

use std::path::{Path, PathBuf};

use serde_json::json;
use worker_rakuten::engine::{Engine, EngineOptions, GenerateRequest, Sampling};

use crate::gguf::Writer;
use crate::support::{greedy, messages, run};

const WIDTH: u32 = 32;
const INNER: u32 = 64;
const HEADS: u32 = 4;
const HEADS_KV: u32 = 1;
const HEAD_WIDTH: u32 = WIDTH / HEADS;
const TEMPLATE: &str = concat!(
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}",
    "{% set loop_messages = messages[1:] %}",
    "{% set system_message = messages[0]['content'] + ' ' %}{% else %}",
    "{% set loop_messages = messages %}{% set system_message = 'A chat. ' %}{% endif %}",
    "{% for message in loop_messages %}{% if loop.index0 == 0 %}{{ system_message }}{% endif %}",
    "{% if message['role'] == 'user' %}{{ 'USER: ' + message['content'].strip() }}",
    "{% elif message['role'] == 'assistant' %}",
    "{{ ' ASSISTANT: ' + message['content'].strip() + eos_token }}{% endif %}{% endfor %}",
    "{% if add_generation_prompt %}{{ ' ASSISTANT:' }}{% endif %}",
);

/// Ordinary tokens behind the three control tokens and the 256 bytes.
const WORDS: [&str; 12] = ["▁", "A", "▁A", "US", "ER", ":", "楽", "天", "a", "b", "▁chat", "▁U"];

/// Writes the tiny model into `folder`.
pub(crate) fn file(folder: &Path) -> PathBuf {
    file_with(folder, |_| {})
}

/// The same with more in its header.
pub(crate) fn file_with(folder: &Path, more: impl FnOnce(&mut Writer)) -> PathBuf {
    let mut writer = Writer::default();
    more(&mut writer);
    writer.text("general.architecture", "llama");
    writer.text("general.name", "tiny in the shape of RakutenAI-2.0-mini");
    for (key, number) in [
        ("llama.context_length", 4_096),
        ("llama.embedding_length", WIDTH),
        ("llama.block_count", 1),
        ("llama.feed_forward_length", INNER),
        ("llama.attention.head_count", HEADS),
        ("llama.attention.head_count_kv", HEADS_KV),
        ("llama.rope.dimension_count", HEAD_WIDTH),
    ] {
        writer.number(key, number);
    }
    writer.key("llama.attention.layer_norm_rms_epsilon", 6, &1e-5_f32.to_le_bytes());
    let size = vocabulary(&mut writer);
    writer.tensor("token_embd.weight", &[WIDTH, size]);
    writer.tensor("output_norm.weight", &[WIDTH]);
    writer.tensor("output.weight", &[WIDTH, size]);
    for (name, shape) in [
        ("attn_norm", vec![WIDTH]),
        ("ffn_norm", vec![WIDTH]),
        ("attn_q", vec![WIDTH, WIDTH]),
        ("attn_k", vec![WIDTH, HEADS_KV * HEAD_WIDTH]),
        ("attn_v", vec![WIDTH, HEADS_KV * HEAD_WIDTH]),
        ("attn_output", vec![WIDTH, WIDTH]),
        ("ffn_gate", vec![WIDTH, INNER]),
        ("ffn_up", vec![WIDTH, INNER]),
        ("ffn_down", vec![INNER, WIDTH]),
    ] {
        writer.tensor(&format!("blk.0.{name}.weight"), &shape);
    }
    let path = folder.join("tiny.gguf");
    writer.write(&path);
    path
}

/// SentencePiece with byte fallback, as Rakuten's: `<unk>`, `<s>`, `</s>`, the bytes, words.
fn vocabulary(writer: &mut Writer) -> u32 {
    let mut texts: Vec<(String, i32)> =
        vec![("<unk>".into(), 2), ("<s>".into(), 3), ("</s>".into(), 3)];
    texts.extend((0..256).map(|byte| (format!("<0x{byte:02X}>"), 6)));
    texts.extend(WORDS.iter().map(|word| ((*word).to_owned(), 1)));
    let (mut tokens, mut scores, mut kinds) = (Vec::new(), Vec::new(), Vec::new());
    for (position, (text, kind)) in (0_u16..).zip(&texts) {
        Writer::text_into(&mut tokens, text);
        scores.extend((-f32::from(position)).to_le_bytes());
        kinds.extend(kind.to_le_bytes());
    }
    writer.text("tokenizer.ggml.model", "llama");
    writer.array("tokenizer.ggml.tokens", 8, texts.len(), &tokens);
    writer.array("tokenizer.ggml.scores", 6, texts.len(), &scores);
    writer.array("tokenizer.ggml.token_type", 5, texts.len(), &kinds);
    writer.number("tokenizer.ggml.bos_token_id", 1);
    writer.number("tokenizer.ggml.eos_token_id", 2);
    writer.number("tokenizer.ggml.unknown_token_id", 0);
    writer.key("tokenizer.ggml.add_bos_token", 7, &[1]);
    writer.text("tokenizer.chat_template", TEMPLATE);
    u32::try_from(texts.len()).unwrap()
}

/// An engine on the tiny model.
pub(crate) fn engine(folder: &Path) -> Engine {
    let options = EngineOptions {
        slots: 2,
        context_tokens_per_slot: 512,
        threads: Some(1),
        ..EngineOptions::new(file(folder))
    };
    Engine::load(options).expect("the tiny model loads")
}

const BOS: i32 = 1;
const EOS: i32 = 2;

/// The token of a word.
fn word(text: &str) -> i32 {
    i32::try_from(259 + WORDS.iter().position(|word| *word == text).unwrap()).unwrap()
}

#[test]
fn the_beginning_stands_exactly_once() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path());
    let list = json!([{"role": "user", "content": "楽天</s><s>"}]);
    let prompt = messages(&engine, list).unwrap();
    let times = |token| prompt.tokens().iter().filter(|other| **other == token).count();
    assert_eq!(prompt.tokens()[0], BOS);
    assert_eq!((times(BOS), times(EOS)), (1, 0), "{:?}", prompt.tokens());
    let plain = engine.prompt_of_text("<s>a").unwrap();
    assert_eq!(plain.tokens()[0], BOS);
    assert_eq!(plain.tokens().iter().filter(|token| **token == BOS).count(), 1);
    assert_eq!(engine.prompt_of_text("").unwrap().tokens(), [BOS]);
    engine.stop();
}

#[test]
fn a_text_between_control_tokens_is_tokenised_in_one_piece() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path());
    let list = json!([
        {"role": "user", "content": "楽"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "天"},
    ]);
    let prompt = messages(&engine, list).unwrap();
    let plain = |text: &str| engine.prompt_of_text(text).unwrap().tokens()[1..].to_vec();
    let mut expected = vec![BOS];
    expected.extend(plain("A chat. USER: 楽 ASSISTANT: b"));
    expected.push(EOS);
    expected.extend(plain("USER: 天 ASSISTANT:"));
    assert_eq!(prompt.tokens(), expected);
    // No space was put in front of the client's own text.
    let client = prompt.tokens().iter().position(|token| *token == word("楽")).unwrap();
    assert_eq!(prompt.tokens()[client - 1], word("▁"));
    assert_ne!(prompt.tokens()[client - 2], word("▁"));
    engine.stop();
}

#[test]
fn the_tokenizers_space_is_not_part_of_a_chat_answer() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path());
    let list = json!([{"role": "user", "content": "a"}]);
    let sampling = Sampling { logit_bias: vec![(word("▁A"), 100.0)], ..Sampling::greedy() };
    let chat = messages(&engine, list).unwrap();
    let request = GenerateRequest { sampling, ..greedy(chat, 3) };
    assert_eq!(run(&engine, request.clone()).text, "A A A");
    let plain = engine.prompt_of_text("a").unwrap();
    assert_eq!(run(&engine, GenerateRequest { prompt: plain, ..request }).text, " A A A");
    engine.stop();
}

#[test]
fn byte_tokens_make_whole_characters() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path());
    // The character is not in the vocabulary: three byte tokens.
    assert_eq!(engine.count("場") - engine.count(""), 4, "a space and three bytes");
    let bytes = engine.prompt_of_text("場").unwrap().tokens()[2..].to_vec();
    let sampling = Sampling { logit_bias: vec![(bytes[0], 100.0)], ..Sampling::greedy() };
    let prompt = engine.prompt_of_text("a").unwrap();
    // The first byte again and again never makes a character, and is never shown as half a one.
    let request = GenerateRequest { sampling, ..greedy(prompt, 1) };
    assert_eq!(run(&engine, request).text, "");
    engine.stop();
}

#[test]
fn many_answers_of_random_weights_end_well() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path());
    let streams: Vec<_> = (0..20)
        .map(|seed| {
            let sampling = Sampling { seed: Some(seed), temperature: 2.0, ..Sampling::default() };
            let prompt = engine.prompt_of_text("a").unwrap();
            let request =
                GenerateRequest { sampling, tokens_max: Some(30), ..GenerateRequest::new(prompt) };
            engine.generate(request).unwrap()
        })
        .collect();
    for mut stream in streams {
        let mut last = None;
        while let Some(event) = stream.blocking_recv() {
            last = Some(event);
        }
        assert!(matches!(last, Some(worker_rakuten::engine::Event::Finished(_))));
    }
    engine.stop();
}
