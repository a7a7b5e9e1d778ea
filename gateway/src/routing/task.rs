//! What kind of work a prompt asks for. It judges the prompt alone, never the models.

/// The kinds of work told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Task {
    /// Write, explain or mend programs.
    Code,
    /// Calculate, prove, deduce.
    MathReasoning,
    /// Stories, poems, roles, advertisements.
    Creative,
    /// From one language into another.
    Translation,
    /// Products, shops, orders.
    Ecommerce,
    /// Everything else.
    Text,
}

impl Task {
    /// All kinds, in the order of the weights.
    pub const ALL: [Self; 6] = [
        Self::Code,
        Self::MathReasoning,
        Self::Creative,
        Self::Translation,
        Self::Ecommerce,
        Self::Text,
    ];

    /// The name in reasons, metrics and the command's output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::MathReasoning => "math_reasoning",
            Self::Creative => "creative",
            Self::Translation => "translation",
            Self::Ecommerce => "ecommerce",
            Self::Text => "text",
        }
    }
}

/// The most likely kind, and how sure that is, 0 to 1.
pub(super) fn most_likely(chances: &[f32; Task::ALL.len()]) -> (Task, f32) {
    let pairs = Task::ALL.into_iter().zip(chances.iter().copied());
    pairs.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((Task::Text, 0.0))
}
