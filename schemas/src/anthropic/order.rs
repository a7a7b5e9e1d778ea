//! The order of an assistant's blocks. The canonical message keeps thoughts, what is said, and
//! calls apart; where they don't stand in that order, a list beside them tells the one in which
//! Anthropic's models must see them again.

use super::request::Block;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The field of a canonical message that keeps the order of its blocks, where it isn't the usual
/// one.
pub const BLOCK_ORDER: &str = "block_order";

/// Where the canonical message keeps a block; in the usual order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// A thought, readable or not.
    Thinking,
    /// What is said: texts, and whatever is neither a thought nor a call.
    Text,
    /// A call of a tool.
    ToolUse,
}

/// Keeps an order beside the message, if it isn't the usual one.
pub fn keep_order(order: &[Group], rest: &mut Map<String, Value>) {
    if !order.is_sorted()
        && let Ok(order) = serde_json::to_value(order)
    {
        rest.insert(BLOCK_ORDER.to_owned(), order);
    }
}

/// All blocks in the kept order; in the usual one where none is kept, or where it isn't of these
/// blocks. One that is left out keeps its place for nothing.
pub fn in_order(
    rest: &Map<String, Value>,
    thoughts: Vec<Option<Block>>,
    said: Vec<Option<Block>>,
    calls: Vec<Option<Block>>,
) -> Vec<Block> {
    let kept = rest.get(BLOCK_ORDER).map(Vec::<Group>::deserialize).and_then(Result::ok);
    let count = |group| kept.iter().flatten().filter(|one| **one == group).count();
    let counts = [Group::Thinking, Group::Text, Group::ToolUse].map(count);
    let is_of_these = counts == [thoughts.len(), said.len(), calls.len()];
    let (mut thoughts, mut said, mut calls) =
        (thoughts.into_iter(), said.into_iter(), calls.into_iter());
    let Some(order) = kept.filter(|_| is_of_these) else {
        return thoughts.chain(said).chain(calls).flatten().collect();
    };
    let next = |group| match group {
        Group::Thinking => thoughts.next(),
        Group::Text => said.next(),
        Group::ToolUse => calls.next(),
    };
    order.into_iter().filter_map(next).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_kept_order_is_followed_and_one_of_other_blocks_is_not() {
        let blocks = |names: &str| -> Vec<Block> { names.split(' ').map(Block::text).collect() };
        let ordered = |rest: Value| {
            let rest = rest.as_object().unwrap();
            let all = |names: &str| blocks(names).into_iter().map(Some).collect::<Vec<_>>();
            in_order(rest, all("t1 t2"), all("s"), all("c1 c2"))
        };
        let order = [Group::Thinking, Group::Text, Group::ToolUse, Group::Thinking, Group::ToolUse];
        let mut rest = Map::new();
        keep_order(&order, &mut rest);
        let kept = ["thinking", "text", "tool_use", "thinking", "tool_use"];
        assert_eq!(rest[BLOCK_ORDER], json!(kept));
        let without_text = [None, Some(Block::text("t2"))].to_vec();
        let calls = blocks("c1 c2").into_iter().map(Some).collect();
        let left = in_order(&rest, without_text, vec![None], calls);
        assert_eq!(left, blocks("c1 t2 c2"));
        assert_eq!(ordered(Value::Object(rest)), blocks("t1 s c1 t2 c2"));
        for other in [json!(["text", "thinking"]), json!(["of_tomorrow"]), json!(1)] {
            assert_eq!(ordered(json!({BLOCK_ORDER: other})), blocks("t1 t2 s c1 c2"));
        }
        let mut usual = Map::new();
        keep_order(&[Group::Thinking, Group::Thinking, Group::Text, Group::ToolUse], &mut usual);
        assert!(usual.is_empty());
    }
}
