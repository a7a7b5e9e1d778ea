//! As much of Rust as the checks need: where a function's body is, what it calls, which constants
//! and fields a file has. It reads text, so a name inside a comment counts too.

/// Whether a file has a function of this name.
pub(crate) fn has_function(source: &str, name: &str) -> bool {
    start_of(source, name).is_some()
}

fn start_of(source: &str, name: &str) -> Option<usize> {
    let starts = [format!("fn {name}("), format!("fn {name}<")];
    starts.iter().filter_map(|start| source.find(start.as_str())).min()
}

/// What stands between the braces of the first function of this name.
pub(crate) fn body<'a>(source: &'a str, name: &str) -> Option<&'a str> {
    let from = start_of(source, name)?;
    let open = from + source.get(from..)?.find('{')?;
    let mut depth = 0usize;
    for (offset, letter) in source.get(open..)?.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return source.get(open + 1..open + offset);
        }
    }
    None
}

/// Where a function is called, at or after an offset.
pub(crate) fn call(body: &str, name: &str, from: usize) -> Option<usize> {
    let wanted = format!("{name}(");
    let rest = body.get(from..)?;
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    rest.match_indices(&wanted)
        .map(|(at, _)| from + at)
        .find(|at| !body.get(..*at).is_some_and(|before| before.ends_with(is_word)))
}

/// Calls of the form `module::function(`, both in small letters, in their order.
pub(crate) fn qualified_calls(body: &str) -> Vec<(String, String)> {
    let is_word = |letter: char| letter.is_ascii_lowercase() || letter == '_';
    let mut calls = Vec::new();
    for (at, _) in body.match_indices("::") {
        let (before, after) = (body.get(..at).unwrap_or_default(), body.get(at + 2..));
        let module: String = before.chars().rev().take_while(|letter| is_word(*letter)).collect();
        let function: String =
            after.unwrap_or_default().chars().take_while(|letter| is_word(*letter)).collect();
        let is_call = after.and_then(|after| after.get(function.len()..)).unwrap_or_default();
        if is_call.starts_with('(') && !module.is_empty() && !function.is_empty() {
            calls.push((module.chars().rev().collect(), function));
        }
    }
    calls
}

/// The value of a constant as it is written, on one line.
pub(crate) fn constant(source: &str, name: &str) -> Option<String> {
    let start = format!("const {name}:");
    let after = source.get(source.find(&start)? + start.len()..)?;
    let value = after.split_once('=')?.1.split(';').next()?;
    Some(value.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The names of public items that begin with `keyword`, such as `pub fn` or `pub const`.
pub(crate) fn public(source: &str, keyword: &str) -> Vec<String> {
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    let start = format!("pub {keyword} ");
    let names = code.lines().filter_map(|line| line.strip_prefix(&start));
    names.map(|rest| rest.split(['(', '<', ':', ' ']).next().unwrap_or_default().into()).collect()
}

/// The names of a struct's fields.
pub(crate) fn fields(source: &str, name: &str) -> Vec<String> {
    let Some(at) = source.find(&format!("struct {name} {{")) else { return Vec::new() };
    let lines = source.get(at..).unwrap_or_default().lines().skip(1);
    lines
        .take_while(|line| !line.starts_with('}'))
        .filter_map(|line| {
            let line = line.trim();
            let line = line.strip_prefix("pub(super) ").or_else(|| line.strip_prefix("pub "))?;
            line.split_once(':').map(|(name, _)| name.to_owned())
        })
        .collect()
}

/// Items that follow a doc comment: the comment on one line, and the line of the item.
pub(crate) fn documented(source: &str) -> Vec<(String, String)> {
    let (mut items, mut comment) = (Vec::new(), String::new());
    for line in source.lines().map(str::trim) {
        if let Some(more) = line.strip_prefix("///") {
            comment.push_str(more);
        } else if !comment.is_empty() && !line.starts_with("#[") {
            items.push((std::mem::take(&mut comment).trim().to_owned(), line.to_owned()));
        }
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "/// One\n/// two.\npub fn a(b: u8) -> u8 {\n    \
        if x { c::d(e) } else { re_d(1); d(2) }\n}\n\
        pub const LIMIT: Duration =\n    Duration::from_secs(2);\nstruct S {\n    \
        pub f: u8,\n    /// G.\n    pub(super) g: u8,\n}\n";

    #[test]
    fn code_is_read() {
        let inside = body(CODE, "a").unwrap_or_default();
        assert!(inside.contains("d(2)") && !inside.contains("LIMIT"));
        assert!(has_function(CODE, "a") && !has_function(CODE, "d"));
        assert_eq!(qualified_calls(inside), [("c".to_owned(), "d".to_owned())]);
        let first = call(inside, "d", 0).unwrap_or_default();
        let second = call(inside, "d", first + 1).unwrap_or_default();
        assert!(inside[second..].starts_with("d(2)"), "re_d is another function");
        assert_eq!(constant(CODE, "LIMIT").as_deref(), Some("Duration::from_secs(2)"));
        assert_eq!(public(CODE, "fn"), ["a"]);
        assert_eq!(fields(CODE, "S"), ["f", "g"]);
        assert_eq!(documented(CODE)[0].0, "One two.");
    }
}
