//! Personal data: found in every string of a request, put behind placeholders before the request
//! leaves this process, and restored in the answer while it streams. Knows neither HTTP nor the
//! queue. It must never log, print or keep a value; when it can't do its work the request fails.

mod detect;
mod document;
mod escape;
mod escapes;
mod field;
mod finding;
mod json_text;
mod keyed_numbers;
mod keys;
mod kind;
mod masker;
mod media;
mod number_fields;
mod placeholder;
mod public_figures;
mod recognizers;
mod repeats;
mod restore;
mod retold;
mod settings;
mod shadow;
mod tagger;
mod titles;
mod vault;
mod walk;

pub use finding::{Span, code_points};
pub use kind::Kind;
pub(crate) use masker::REQUEST_TEXT_BYTES_MAX;
pub use masker::{MaskError, Masker};
pub(crate) use media::{bytes as media_bytes, is_inline};
pub use restore::Restorer;
pub use settings::{Media, Mode, Settings, SettingsError};
pub use vault::Vault;

#[cfg(test)]
mod encoded;
#[cfg(test)]
mod forms;
#[cfg(test)]
mod fuzz_targets;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
