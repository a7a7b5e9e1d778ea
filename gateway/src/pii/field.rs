//! Which field of a JSON text is being said: the name before the last colon. Follows a text piece
//! by piece, and holds no more of it than a name.

/// Longer names are not told apart.
const NAME_BYTES_MAX: usize = 128;

/// Where in a JSON text we are.
#[derive(Default)]
pub(super) struct Field {
    /// Inside of a string.
    is_in_string: bool,
    /// Behind a backslash there.
    is_escaped: bool,
    string: String,
    name: Option<String>,
}

impl Field {
    /// The field whose value comes, or whose value it is.
    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
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
            ':' => self.name = Some(std::mem::take(&mut self.string)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Field;

    #[test]
    fn the_name_before_the_value_is_known() {
        let mut field = Field::default();
        field.pass("{\"a\\\"b\": \"c:d");
        assert!(field.is_in_string());
        assert_eq!(field.name(), Some("a\\\"b"));
        field.pass("\", \"list\" : [1, ");
        assert!(!field.is_in_string());
        assert_eq!(field.name(), Some("list"));
    }
}
