//! Text into tokens and tokens into bytes, with control tokens only where a template put them.
//!
//! Must never let a client's text become a control token, and must never cut a text between two
//! calls of the tokenizer except at a control token: SentencePiece vocabularies put a space in
//! front of every piece they are given.

use std::collections::HashSet;

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token_type::LlamaTokenAttr;

/// Longest text given to llama.cpp's tokenizer in one call, bytes. Some of its pre-tokenizers
/// are regular expressions that use the stack in proportion to the text.
const TEXT_BYTES_PER_CALL_MAX: usize = 256 * 1024;

/// Control tokens that begin or divide calls of functions.
const CALL_TOKENS: [&str; 6] =
    ["[TOOL_CALLS]", "[ARGS]", "[CALL_ID]", "<|python_tag|>", "<tool_call>", "</tool_call>"];

/// A token that steers the model: the border of a turn, the end of the answer.
#[derive(Debug)]
struct Control {
    text: String,
    token: LlamaToken,
    /// White space in front of it belongs to it.
    strips_left: bool,
    /// White space behind it belongs to it.
    strips_right: bool,
}

/// What the engine needs to know of a model's vocabulary.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    /// Control tokens, the longest text first.
    controls: Vec<Control>,
    /// For each first byte the indices into `controls`.
    by_first_byte: Vec<Vec<usize>>,
    /// Every beginning of a control token's text, without the whole.
    beginnings: HashSet<String>,
    /// Every end of a control token's text, without the whole.
    endings: HashSet<String>,
    /// Characters of the longest control token's text.
    control_characters_max: usize,
    /// Number of tokens.
    pub(super) size: usize,
    /// Bytes of the longest token's text, at least 1.
    pub(super) longest_piece_bytes: usize,
    /// The token a prompt must begin with, where the model wants one.
    pub(super) bos: Option<LlamaToken>,
    /// Text of the token that begins a prompt, empty where there is none.
    pub(super) bos_text: String,
    /// Text of the token that ends an answer, empty where there is none.
    pub(super) eos_text: String,
    /// Tokens the model's file says must never be produced.
    pub(super) suppressed: Vec<LlamaToken>,
    /// True where the tokenizer puts a space in front of a text.
    pub(super) adds_space: bool,
}

impl Vocabulary {
    /// Reads the vocabulary of a loaded model. `adds_space` comes from the file's header.
    pub(super) fn read(model: &LlamaModel, adds_space: bool) -> Self {
        let vocab = model.vocab();
        let text = |token: LlamaToken| -> String {
            vocab.text(token).map(|text| text.to_string_lossy().into_owned()).unwrap_or_default()
        };
        let mut controls = Vec::new();
        let mut longest_piece_bytes = 1;
        for token in vocab.tokens() {
            longest_piece_bytes =
                longest_piece_bytes.max(vocab.token_to_piece(token, false, None).len());
            let text = text(token);
            // A control token of one character cannot be told from text, so it is none.
            if vocab.is_control(token) && text.chars().nth(1).is_some() {
                let attributes = vocab.attr(token);
                controls.push(Control {
                    text,
                    token,
                    strips_left: attributes.contains(LlamaTokenAttr::LStrip),
                    strips_right: attributes.contains(LlamaTokenAttr::RStrip),
                });
            }
        }
        let size = usize::try_from(vocab.n_tokens()).unwrap_or(0);
        let known = |token: LlamaToken| usize::try_from(token.0).is_ok_and(|id| id < size);
        let named = |token: LlamaToken| if known(token) { text(token) } else { String::new() };
        let vocabulary = Self {
            size,
            longest_piece_bytes,
            bos: (vocab.should_add_bos() && known(vocab.bos())).then(|| vocab.bos()),
            bos_text: named(vocab.bos()),
            eos_text: named(vocab.eos()),
            suppressed: vocab.suppress_tokens().to_vec(),
            adds_space,
            controls: Vec::new(),
            by_first_byte: Vec::new(),
            beginnings: HashSet::new(),
            endings: HashSet::new(),
            control_characters_max: 0,
        };
        vocabulary.with_controls(controls)
    }

    fn with_controls(mut self, mut controls: Vec<Control>) -> Self {
        controls.sort_by_key(|control| usize::MAX - control.text.len());
        self.by_first_byte = vec![Vec::new(); 256];
        for (index, control) in controls.iter().enumerate() {
            if let Some(first) = control.text.bytes().next() {
                self.by_first_byte[usize::from(first)].push(index);
            }
            for (position, _) in control.text.char_indices().skip(1) {
                self.beginnings.insert(control.text[..position].to_owned());
                self.endings.insert(control.text[position..].to_owned());
            }
        }
        self.control_characters_max =
            controls.iter().map(|control| control.text.chars().count()).max().unwrap_or(0);
        self.controls = controls;
        self
    }

    /// The text of a control token that begins or divides calls of functions.
    pub(super) fn call_text(&self, token: i32) -> Option<&str> {
        let found = self.controls.iter().find(|control| control.token.0 == token)?;
        CALL_TOKENS.contains(&found.text.as_str()).then_some(found.text.as_str())
    }

    /// The longest control token whose text stands at the beginning of `text`.
    fn control_at(&self, text: &str) -> Option<&Control> {
        let first = text.bytes().next()?;
        self.by_first_byte[usize::from(first)]
            .iter()
            .map(|index| &self.controls[*index])
            .find(|control| text.starts_with(&control.text))
    }

    /// Marks a client's text so that no control token can be read in it, alone or together with
    /// what a template puts around it. The mark must not occur in the text;
    /// [`Vocabulary::tokens_of_rendered`] takes it out again. Nearly every text stays as it is.
    pub(crate) fn disarm(&self, text: &str, mark: char) -> String {
        let mut disarmed = String::with_capacity(text.len());
        let leading = text.len() - text.trim_start().len();
        let end = text.trim_end().len().max(leading);
        let core = &text[leading..end];
        // White space stays outside, so that a template can still strip it.
        disarmed.push_str(&text[..leading]);
        if self.heads(core).any(|head| self.endings.contains(head)) {
            disarmed.push(mark);
        }
        for (position, character) in core.char_indices() {
            disarmed.push(character);
            if self.control_at(&core[position..]).is_some() {
                disarmed.push(mark);
            }
        }
        if self.tails(core).any(|tail| self.beginnings.contains(tail)) {
            disarmed.push(mark);
        }
        disarmed.push_str(&text[end..]);
        disarmed
    }

    /// The beginnings of `text` that are short enough to end a control token.
    fn heads<'text>(&self, text: &'text str) -> impl Iterator<Item = &'text str> {
        let ends = text.char_indices().map(|(position, _)| position).skip(1);
        ends.chain([text.len()]).take(self.control_characters_max).map(|end| &text[..end])
    }

    /// The ends of `text` that are short enough to begin a control token.
    fn tails<'text>(&self, text: &'text str) -> impl Iterator<Item = &'text str> {
        let starts = text.char_indices().rev().map(|(position, _)| position);
        starts.take(self.control_characters_max).map(|start| &text[start..])
    }

    /// Tokens of a rendered template: control tokens where the template wrote them, plain text
    /// everywhere else, and the beginning-of-text token exactly once where the model wants it.
    pub(super) fn tokens_of_rendered(
        &self,
        model: &LlamaModel,
        rendered: &str,
        mark: char,
    ) -> Vec<LlamaToken> {
        let mut tokens = Vec::new();
        let mut fragment_start = 0;
        let mut position = 0;
        let mut strip_next = false;
        while let Some(character) = rendered[position..].chars().next() {
            let Some(control) = self.control_at(&rendered[position..]) else {
                position += character.len_utf8();
                continue;
            };
            let fragment = &rendered[fragment_start..position];
            let fragment = if control.strips_left { fragment.trim_end() } else { fragment };
            tokens.extend(self.tokens_of_plain(model, &unmarked(fragment, strip_next, mark)));
            tokens.push(control.token);
            strip_next = control.strips_right;
            position += control.text.len();
            fragment_start = position;
        }
        let rest = unmarked(&rendered[fragment_start..], strip_next, mark);
        tokens.extend(self.tokens_of_plain(model, &rest));
        self.with_beginning(tokens)
    }

    /// Tokens of a text in which nothing is a control token; without a beginning-of-text token.
    pub(super) fn tokens_of_plain(&self, model: &LlamaModel, text: &str) -> Vec<LlamaToken> {
        let mut tokens = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (part, more) = rest.split_at(call_bytes(rest));
            model.vocab().tokenize_into(part.as_bytes(), &mut tokens, false, false);
            rest = more;
        }
        tokens
    }

    /// Puts the beginning-of-text token in front where the model wants it and it is not there.
    pub(super) fn with_beginning(&self, mut tokens: Vec<LlamaToken>) -> Vec<LlamaToken> {
        if let Some(bos) = self.bos
            && tokens.first() != Some(&bos)
        {
            tokens.insert(0, bos);
        }
        tokens
    }
}

/// A fragment between control tokens as the client and the template meant it.
fn unmarked(fragment: &str, strip: bool, mark: char) -> String {
    let fragment = if strip { fragment.trim_start() } else { fragment };
    fragment.replace(mark, "")
}

/// How much of `text` to give to the tokenizer at once: all of it, but for texts far beyond any
/// context, which are cut at white space (their count may be off by one at each cut).
fn call_bytes(text: &str) -> usize {
    if text.len() <= TEXT_BYTES_PER_CALL_MAX {
        return text.len();
    }
    let end = (0..=TEXT_BYTES_PER_CALL_MAX).rev().find(|end| text.is_char_boundary(*end));
    let end = end.unwrap_or(text.len());
    text[..end].rfind(char::is_whitespace).filter(|position| *position > 0).unwrap_or(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: char = '\u{fdd0}';

    fn vocabulary(texts: &[&str]) -> Vocabulary {
        let controls = texts
            .iter()
            .map(|text| Control {
                text: (*text).into(),
                token: LlamaToken(1),
                strips_left: false,
                strips_right: false,
            })
            .collect();
        let empty = Vocabulary {
            controls: Vec::new(),
            by_first_byte: Vec::new(),
            beginnings: HashSet::new(),
            endings: HashSet::new(),
            control_characters_max: 0,
            size: 2,
            longest_piece_bytes: 1,
            bos: None,
            bos_text: String::new(),
            eos_text: String::new(),
            suppressed: Vec::new(),
            adds_space: false,
        };
        empty.with_controls(controls)
    }

    #[test]
    fn ordinary_text_is_not_touched() {
        let vocabulary = vocabulary(&["<|im_start|>", "<|im_end|>", "</s>"]);
        for text in ["", " ", "楽天で買う", " 1 < 2 > 0 ", "<think>a</think>", "a <b> c\n"] {
            assert_eq!(vocabulary.disarm(text, MARK), text);
        }
    }

    #[test]
    fn a_typed_control_token_is_broken() {
        let vocabulary = vocabulary(&["<|im_start|>", "<|im_end|>", "</s>"]);
        let disarmed = vocabulary.disarm("a<|im_end|>b</s>c", MARK);
        assert_eq!(disarmed, "a<\u{fdd0}|im_end|>b<\u{fdd0}/s>c");
    }

    #[test]
    fn halves_cannot_be_joined_by_a_template() {
        let vocabulary = vocabulary(&["<|im_end|>"]);
        let first = vocabulary.disarm("tail <|im_", MARK);
        let second = vocabulary.disarm("end|> head", MARK);
        let joined = format!("{first}{second}");
        assert!(!joined.contains("<|im_end|>"));
        assert_eq!(joined.replace(MARK, ""), "tail <|im_end|> head");
    }

    #[test]
    fn white_space_stays_where_a_template_can_strip_it() {
        let vocabulary = vocabulary(&["<|im_end|>"]);
        let disarmed = vocabulary.disarm("  |> x <|\n", MARK);
        assert_eq!(disarmed.trim(), "\u{fdd0}|> x <|\u{fdd0}");
        assert!(disarmed.starts_with("  ") && disarmed.ends_with('\n'));
    }

    #[test]
    fn overlapping_tokens_are_all_broken() {
        let vocabulary = vocabulary(&["<<>", "<>>"]);
        let disarmed = vocabulary.disarm("<<>>", MARK);
        assert!(!disarmed.contains("<<>") && !disarmed.contains("<>>"), "{disarmed}");
    }
}
