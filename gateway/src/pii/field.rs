//! Which field of a JSON text is being said: the name before the value, and around the list in
//! which it is. Follows a text piece by piece, and holds no more of it than names.

/// Longer names are not told apart.
const NAME_BYTES_MAX: usize = 128;
/// Deeper fields have no name.
const DEPTH_MAX: usize = 64;

/// Where in a JSON text we are.
#[derive(Default)]
pub(super) struct Field {
    /// Inside of a string.
    is_in_string: bool,
    /// Behind a backslash there.
    is_escaped: bool,
    string: String,
    name: Option<String>,
    /// Of what stands around, from outside.
    outer: Vec<Option<String>>,
    /// How many brackets more are open than that.
    deeper: usize,
}

impl Field {
    /// The field whose value comes, or whose value it is.
    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref().filter(|_| self.deeper == 0)
    }

    /// Whether a string goes on.
    pub(super) fn is_in_string(&self) -> bool {
        self.is_in_string
    }

    /// Goes over a piece of the text.
    pub(super) fn pass(&mut self, text: &str) {
        text.chars().for_each(|character| self.pass_one(character));
    }

    fn pass_one(&mut self, character: char) {
        if self.is_in_string {
            let is_end = character == '"' && !self.is_escaped;
            self.is_escaped = character == '\\' && !self.is_escaped;
            self.is_in_string = !is_end;
            if !is_end && self.string.len() < NAME_BYTES_MAX {
                self.string.push(character);
            }
            return;
        }
        match character {
            '"' => {
                self.is_in_string = true;
                self.is_escaped = false;
                self.string.clear();
            }
            ':' => self.name = said(std::mem::take(&mut self.string)),
            '{' | '[' if self.outer.len() == DEPTH_MAX => self.deeper += 1,
            // The items of a list are its field's.
            '{' | '[' => self.outer.push(self.name.clone()),
            '}' | ']' if self.deeper > 0 => self.deeper -= 1,
            '}' | ']' => self.name = self.outer.pop().flatten(),
            _ => {}
        }
    }
}

/// What a name says, be it written with escapes.
fn said(string: String) -> Option<String> {
    if string.len() >= NAME_BYTES_MAX {
        return None;
    }
    match string.contains('\\') {
        true => serde_json::from_str(&format!("\"{string}\"")).ok(),
        false => Some(string),
    }
}

#[cfg(test)]
mod tests {
    use super::{DEPTH_MAX, Field, NAME_BYTES_MAX};

    #[test]
    fn the_name_before_the_value_is_known() {
        let mut field = Field::default();
        field.pass("{\"a\\\"b\\u96fb\": \"c:d");
        assert!(field.is_in_string());
        assert_eq!(field.name(), Some("a\"b電"));
        field.pass("\", \"list\" : [1, ");
        assert!(!field.is_in_string());
        assert_eq!(field.name(), Some("list"));
        field.pass("{\"n\": [[2], {\"m\":");
        assert_eq!(field.name(), Some("m"));
        field.pass("3}");
        assert_eq!(field.name(), Some("n"));
        field.pass("]}, ");
        assert_eq!(field.name(), Some("list"));
        field.pass("]}]]");
        assert_eq!(field.name(), None);
    }

    #[test]
    fn what_is_too_long_or_too_deep_has_no_name() {
        let mut field = Field::default();
        field.pass(&format!("{{\"{}\": ", "x".repeat(NAME_BYTES_MAX)));
        assert_eq!(field.name(), None);
        field.pass(&"{\"a\": ".repeat(2 * DEPTH_MAX));
        assert_eq!(field.name(), None);
        field.pass(&"}".repeat(2 * DEPTH_MAX));
        field.pass(", \"b\": ");
        assert_eq!(field.name(), Some("b"));
    }
}
