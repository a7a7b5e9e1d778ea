//! The ways in which models write calls. A model's own template tells which one it was trained on.
//!
//! Must never guess a format that a template doesn't show: what is unknown gets instructions.

/// How a model writes a call of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallFormat {
    /// `<tool_call>{"name": …, "arguments": …}</tool_call>`, once for each call: Hermes, Qwen.
    Hermes,
    /// `{"name": …, "parameters": …}` as the whole answer, `;` between calls: Llama 3.
    Llama,
    /// `[TOOL_CALLS][{"name": …, "arguments": …}]`, or `[TOOL_CALLS]name[ARGS]{…}`: Mistral.
    Mistral,
    /// The template knows no tools: instructions in the system message, calls as in Hermes.
    Instructed,
}

impl CallFormat {
    /// The format of a template, by what it would write itself.
    pub(crate) fn of(template: &str) -> Self {
        if !template.contains("tools") {
            return Self::Instructed;
        }
        if template.contains("[TOOL_CALLS]") {
            return Self::Mistral;
        }
        if template.contains("<tool_call>") {
            return Self::Hermes;
        }
        if template.contains("\"parameters\"") && template.contains("ipython") {
            return Self::Llama;
        }
        Self::Instructed
    }

    /// What begins a call, where a text may stand in front of it.
    pub(super) fn opening(self) -> &'static str {
        match self {
            Self::Hermes | Self::Instructed => "<tool_call>",
            Self::Llama => "<|python_tag|>",
            Self::Mistral => "[TOOL_CALLS]",
        }
    }

    /// What an answer that has to call begins with: written for the model, behind its prompt.
    pub(super) fn forced_opening(self) -> &'static str {
        match self {
            Self::Hermes | Self::Instructed => "<tool_call>\n",
            Self::Llama => "",
            Self::Mistral => "[TOOL_CALLS]",
        }
    }

    /// What stands in front of the arguments of a call of `name`.
    pub(super) fn head(self, name: &str) -> String {
        let key = if self == Self::Llama { "parameters" } else { "arguments" };
        format!("{{\"name\": {}, \"{key}\": ", serde_json::Value::from(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_shows_its_format() {
        let hermes = "{% if tools %}<tools>{{ tools | tojson }}</tools> <tool_call>{% endif %}";
        let mistral = "{% if tools %}[AVAILABLE_TOOLS]{{ tools }}{% endif %}[TOOL_CALLS]";
        let llama = "{% if tools is not none %}{\"name\": f, \"parameters\": p} ipython";
        for (template, format) in [
            (hermes, CallFormat::Hermes),
            (mistral, CallFormat::Mistral),
            (llama, CallFormat::Llama),
            ("{{ messages }}", CallFormat::Instructed),
            ("{{ messages }} <tool_call>", CallFormat::Instructed),
            ("{{ tools }} in a form of its own", CallFormat::Instructed),
        ] {
            assert_eq!(CallFormat::of(template), format, "{template}");
        }
    }
}
