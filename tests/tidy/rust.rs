//! A Rust file as tokens: comments are gone, strings are known as strings, and every token has its
//! line. Built on the tokenizer that macros use, so it reads what the compiler reads.

use crate::{Tree, Violation};
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::ops::RangeInclusive;

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Word,
    Mark,
    Literal,
    Open,
    Close,
}

/// A token, in the order of the file.
pub(crate) struct Token {
    pub(crate) line: usize,
    pub(crate) kind: Kind,
    pub(crate) text: String,
    /// Of an opening bracket, the place of the closing one; of all others, their own.
    pub(crate) close: usize,
}

/// A function with a body.
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) lines: RangeInclusive<usize>,
}

/// A file that this one names, by `mod` or `include!`.
pub(crate) struct Named {
    /// The inline modules around it.
    pub(crate) within: Vec<String>,
    pub(crate) name: String,
    /// A path is spelled out: relative to this file.
    pub(crate) is_path: bool,
}

/// What the rules need to know of a Rust file.
#[derive(Default)]
pub(crate) struct Rust {
    pub(crate) error: Option<String>,
    pub(crate) tokens: Vec<Token>,
    tests: Vec<RangeInclusive<usize>>,
}

impl Rust {
    pub(crate) fn parse(text: &str) -> Self {
        let mut rust = Self::default();
        match text.parse::<TokenStream>() {
            Ok(stream) => flatten(stream, &mut rust.tokens),
            Err(error) => rust.error = Some(error.to_string()),
        }
        rust.tests = rust.find_tests();
        rust
    }

    pub(crate) fn is_test_line(&self, line: usize) -> bool {
        self.tests.iter().any(|lines| lines.contains(&line))
    }

    fn is(&self, at: usize, text: &str) -> bool {
        self.tokens.get(at).is_some_and(|token| token.text == text && token.kind != Kind::Literal)
    }

    fn word(&self, at: usize) -> Option<&str> {
        let token = self.tokens.get(at).filter(|token| token.kind == Kind::Word)?;
        Some(&token.text)
    }

    /// Each attribute as the words and marks inside it, with its line.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = (usize, &[Token])> {
        (0..self.tokens.len()).filter_map(|at| {
            let open = at + 1 + usize::from(self.is(at, "#") && self.is(at + 1, "!"));
            if !(self.is(at, "#") && self.is(open, "[")) {
                return None;
            }
            let close = self.tokens[open].close;
            Some((self.tokens[at].line, &self.tokens[open + 1..close]))
        })
    }

    /// The code of each line without its blanks; a string is `""`.
    pub(crate) fn code(&self) -> Vec<(usize, String)> {
        let mut lines: Vec<(usize, String)> = Vec::new();
        let mut after_word = false;
        for token in &self.tokens {
            let is_word = matches!(token.kind, Kind::Word | Kind::Literal);
            if lines.last().is_none_or(|(line, _)| *line != token.line) {
                lines.push((token.line, String::new()));
                after_word = false;
            }
            if let Some((_, code)) = lines.last_mut() {
                if is_word && after_word {
                    code.push(' ');
                }
                code.push_str(if string(token).is_some() { "\"\"" } else { &token.text });
            }
            after_word = is_word;
        }
        lines
    }

    /// What stands in each string, with its line.
    pub(crate) fn strings(&self) -> impl Iterator<Item = (usize, &str)> {
        self.tokens.iter().filter_map(|token| Some((token.line, string(token)?)))
    }

    pub(crate) fn functions(&self) -> Vec<Function> {
        let mut functions = Vec::new();
        for at in 0..self.tokens.len() {
            let (true, Some(name)) = (self.is(at, "fn"), self.word(at + 1)) else { continue };
            let Some(end) = self.end_of_item(at).filter(|end| self.is(*end, "}")) else { continue };
            let lines = self.tokens[at].line..=self.tokens[end].line;
            functions.push(Function { name: name.to_owned(), lines });
        }
        functions
    }

    /// Where the item ends that starts at a token: its `;`, or the end of its first block.
    fn end_of_item(&self, start: usize) -> Option<usize> {
        let mut at = start;
        while let Some(token) = self.tokens.get(at) {
            match token.text.as_str() {
                ";" => return Some(at),
                "{" => return Some(token.close),
                "}" => return None,
                _ => at = token.close + 1,
            }
        }
        None
    }

    /// The lines of items that are compiled for tests only.
    fn find_tests(&self) -> Vec<RangeInclusive<usize>> {
        let mut tests = Vec::new();
        for at in 0..self.tokens.len() {
            if !(self.is(at, "#") && self.is(at + 1, "[") && self.is(at + 2, "cfg")) {
                continue;
            }
            let close = self.tokens[at + 1].close;
            let says = |text| (at + 2..close).any(|inside| self.is(inside, text));
            if let (true, false, Some(end)) =
                (says("test"), says("not"), self.end_of_item(close + 1))
            {
                tests.push(self.tokens[at].line..=self.tokens[end].line);
            }
        }
        tests
    }

    /// Every file that this one names.
    pub(crate) fn named(&self) -> Vec<Named> {
        let mut named = Vec::new();
        let mut within: Vec<(String, usize)> = Vec::new();
        let mut path = None;
        for at in 0..self.tokens.len() {
            within.retain(|(_, close)| *close > at);
            if self.is(at, "[") && self.is(at + 1, "path") && self.is(at + 2, "=") {
                path = self.tokens.get(at + 3).and_then(string);
            }
            if self.is(at, "include") && self.is(at + 1, "!") {
                let name = self.tokens.get(at + 3).and_then(string).unwrap_or_default().to_owned();
                named.push(Named { within: Vec::new(), name, is_path: true });
            }
            let (true, Some(name)) = (self.is(at, "mod"), self.word(at + 1)) else { continue };
            let path = path.take();
            if self.is(at + 2, "{") {
                within.push((name.to_owned(), self.tokens[at + 2].close));
            } else if self.is(at + 2, ";") {
                named.push(Named {
                    within: within.iter().map(|(name, _)| name.clone()).collect(),
                    name: path.unwrap_or(name).to_owned(),
                    is_path: path.is_some(),
                });
            }
        }
        named
    }
}

/// What stands in a string token, between its quotes, as it is written.
fn string(token: &Token) -> Option<&str> {
    let (prefix, rest) = token.text.split_once('"').filter(|_| token.kind == Kind::Literal)?;
    let is_prefix = prefix.chars().all(|letter| "rbc#".contains(letter));
    is_prefix.then(|| rest.trim_end_matches('#').trim_end_matches('"'))
}

/// Appends the tokens of a stream; documentation comments, which are attributes here, are left out.
fn flatten(stream: TokenStream, tokens: &mut Vec<Token>) {
    let trees: Vec<TokenTree> = stream.into_iter().collect();
    let mut at = 0;
    while let Some(tree) = trees.get(at) {
        at += 1;
        if is_mark(tree, '#') {
            let body = at + usize::from(trees.get(at).is_some_and(|next| is_mark(next, '!')));
            if trees.get(body).is_some_and(is_documentation) {
                at = body + 1;
                continue;
            }
        }
        let kind = match tree {
            TokenTree::Group(group) => {
                flatten_group(group, tokens);
                continue;
            }
            TokenTree::Ident(_) => Kind::Word,
            TokenTree::Punct(_) => Kind::Mark,
            TokenTree::Literal(_) => Kind::Literal,
        };
        let line = tree.span().start().line;
        tokens.push(Token { line, kind, text: tree.to_string(), close: tokens.len() });
    }
}

fn flatten_group(group: &proc_macro2::Group, tokens: &mut Vec<Token>) {
    let (open, close) = match group.delimiter() {
        Delimiter::Parenthesis => ("(", ")"),
        Delimiter::Brace => ("{", "}"),
        Delimiter::Bracket => ("[", "]"),
        Delimiter::None => ("", ""),
    };
    let opened = tokens.len();
    let line = group.span_open().start().line;
    tokens.push(Token { line, kind: Kind::Open, text: open.to_owned(), close: opened });
    flatten(group.stream(), tokens);
    let closed = tokens.len();
    let line = group.span_close().end().line;
    tokens.push(Token { line, kind: Kind::Close, text: close.to_owned(), close: closed });
    tokens[opened].close = closed;
}

fn is_mark(tree: &TokenTree, mark: char) -> bool {
    matches!(tree, TokenTree::Punct(punct) if punct.as_char() == mark)
}

fn is_documentation(tree: &TokenTree) -> bool {
    let TokenTree::Group(group) = tree else { return false };
    let first = group.stream().into_iter().next();
    group.delimiter() == Delimiter::Bracket
        && matches!(first, Some(TokenTree::Ident(word)) if word == "doc")
}

/// A file that cannot be read as Rust would escape every other rule.
pub(crate) fn every_file_parses(tree: &Tree) -> Vec<Violation> {
    tree.rust()
        .filter_map(|(file, rust)| Some(Violation::of(&file.path, rust.error.as_deref()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::found;

    #[test]
    fn a_broken_file_is_found() {
        assert_eq!(found(every_file_parses, &[("a.rs", "fn a( {}")]), ["a.rs"]);
        assert!(found(every_file_parses, &[("a.rs", "fn a() {}")]).is_empty());
    }

    #[test]
    fn comments_and_strings_are_no_code() {
        let rust =
            Rust::parse("/// fn doc() {\n// fn gone() {\nlet a = \"fn text() {\"; b :: c ()");
        assert_eq!(rust.code(), [(3, "let a=\"\";b::c()".to_owned())]);
        assert!(rust.functions().is_empty());
    }

    #[test]
    fn strings_lose_their_quotes_only() {
        let rust = Rust::parse("a(r#\"raw\"x\"#, b\"bytes\", 'c', 1, \"{}.b\")");
        let strings: Vec<_> = rust.strings().map(|(_, text)| text).collect();
        assert_eq!(strings, ["raw\"x", "bytes", "{}.b"]);
    }

    #[test]
    fn functions_have_their_lines() {
        let text =
            "trait T { fn no_body(&self); }\nfn a<F>(f: fn(u8)) -> [u8; 2]\nwhere\nF: Fn() {\n}";
        let functions = Rust::parse(text).functions();
        assert_eq!(functions.len(), 1);
        assert_eq!((functions[0].name.as_str(), &functions[0].lines), ("a", &(2..=5)));
    }

    #[test]
    fn not_test_is_no_test() {
        let rust = Rust::parse("#[cfg(not(test))]\nfn a() {}\n#[cfg(test)]\nuse b::c;\nfn d() {}");
        let tests: Vec<_> = (1..=5).filter(|line| rust.is_test_line(*line)).collect();
        assert_eq!(tests, [3, 4]);
    }
}
