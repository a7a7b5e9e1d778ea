//! The gateway's own tokens, lists and features. Must never be copied: the paths lead to them.
#![allow(dead_code, reason = "reading a model is the gateway's part")]

#[path = "../../../../gateway/src/pii/tagger/features.rs"]
pub(in crate::pii) mod features;
#[path = "../../../../gateway/src/pii/tagger/filter.rs"]
pub(in crate::pii) mod filter;
#[path = "../../../../gateway/src/pii/tagger/lexicon.rs"]
pub(in crate::pii) mod lexicon;
#[path = "../../../../gateway/src/pii/tagger/model.rs"]
pub(in crate::pii) mod model;
#[path = "../../../../gateway/src/pii/tagger/tokens.rs"]
pub(in crate::pii) mod tokens;
