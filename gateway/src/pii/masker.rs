//! The masker: one per process and policy, compiled once. It must never let a request through
//! unmasked because something went wrong: then the request fails.

use std::collections::HashSet;
use std::sync::Arc;

use schemas::openai::ChatRequest;
use schemas::privacy::PolicyV1;

use super::detect::Detector;
use super::document::{Document, Replace};
use super::escapes;
use super::finding::Span;
use super::kind::Kind;
use super::media;
use super::number_fields::NumberFields;
use super::repeats;
use super::settings::{Media, Mode, Settings, SettingsError};
use super::shadow::TEXT_BYTES_MAX;
use super::vault::{self, Exhausted, Issuer, Vault};
use super::walk::{self, Visit};

/// Text of one request. To be looked through it takes about a hundred times its room.
pub(crate) const REQUEST_TEXT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Why a request can't be masked.
#[derive(Debug, thiserror::Error)]
pub enum MaskError {
    /// The policy refuses requests with these kinds of data.
    #[error("the request holds personal data that the policy refuses: {}", names(.0))]
    Blocked(Vec<Kind>),
    /// The policy refuses requests with images, sounds or files.
    #[error("the request holds an image, a sound or a file, which the policy refuses")]
    Media,
    /// More text than can be looked through.
    #[error("the request is too large to be looked through for personal data")]
    TooLarge,
    /// More values than placeholders.
    #[error("the request holds too many values to be masked")]
    TooManyValues,
}

fn names(kinds: &[Kind]) -> String {
    kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ")
}

impl From<Exhausted> for MaskError {
    fn from(_: Exhausted) -> Self {
        Self::TooManyValues
    }
}

/// Finds personal data and puts it behind placeholders. Cheap to clone.
#[derive(Clone)]
pub struct Masker {
    detector: Arc<Detector>,
    settings: Arc<Settings>,
    /// Whose texts they are.
    realm: Arc<str>,
    /// Whether a value has the same placeholder in each request of the realm.
    is_lasting: bool,
}

impl Masker {
    /// Compiles the patterns.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        let detector = Arc::new(Detector::new(&settings.patterns)?);
        let settings = Arc::new(settings);
        Ok(Self { detector, settings, realm: Arc::from(""), is_lasting: false })
    }

    /// Under other settings: what is compiled is shared as long as the patterns are the same.
    pub fn with_settings(&self, settings: Settings) -> Result<Self, SettingsError> {
        if settings.patterns != self.settings.patterns {
            return Self::new(settings);
        }
        Ok(Self { settings: Arc::new(settings), ..self.clone() })
    }

    /// The same patterns under a key's own policy, for the texts of its account: what is
    /// remembered of them makes nobody else's requests faster.
    #[must_use]
    pub fn for_key(&self, account: &str, policy: Option<&PolicyV1>) -> Self {
        let settings = match policy {
            Some(policy) => Arc::new(self.settings.with(policy)),
            None => Arc::clone(&self.settings),
        };
        let (detector, realm) = (Arc::clone(&self.detector), Arc::from(account));
        Self { detector, settings, realm, is_lasting: false }
    }

    /// For texts that are compared with those of other requests, as vectors are: a value has the
    /// same placeholder in each of them, and another one has another.
    #[must_use]
    pub fn lasting(self) -> Self {
        Self { is_lasting: true, ..self }
    }

    /// Whether all personal data is left where it is.
    pub fn is_off(&self) -> bool {
        self.settings.is_off()
    }

    /// Masks every string of the request in place.
    pub fn mask(&self, request: &mut ChatRequest) -> Result<Vault, MaskError> {
        let mut issuer = Issuer::default();
        if self.is_lasting {
            issuer.number_by_value(&self.realm);
        }
        match self.settings.media {
            Media::Block if media::is_in(request) => return Err(MaskError::Media),
            Media::Local if media::is_in(request) => issuer.keep_local(),
            Media::Pass | Media::Block | Media::Local => {}
        }
        if self.is_off() {
            return Ok(issuer.into_vault());
        }
        let mut reader = Reader::default();
        walk::walk(request, &mut reader)?;
        let document = reader.document;
        let spans = self.spans(document.text());
        let spans = self.apply_policy(spans, &mut issuer)?;
        if spans.is_empty() {
            return Ok(issuer.into_vault());
        }
        issuer.reserve(document.text());
        let (realm, document) = (&*self.realm, &document);
        let mut writer = Writer { realm, document, spans: &spans, index: 0, issuer };
        walk::walk(request, &mut writer)?;
        let mut issuer = writer.issuer;
        if issuer.has_numbers() {
            issuer.write_as_numbers(NumberFields::of(request));
        }
        Ok(issuer.into_vault())
    }

    /// What is found in a text, in byte offsets, whatever the mode.
    pub fn detect(&self, text: &str) -> Vec<Span> {
        if text.len() > TEXT_BYTES_MAX {
            return Vec::new();
        }
        self.spans(text)
    }

    /// A text with its values behind placeholders, and where they were, in byte offsets.
    pub fn mask_text(&self, text: &str) -> Result<(String, Vec<Span>, Vault), MaskError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(MaskError::TooLarge);
        }
        let spans = self.spans(text);
        let mut issuer = Issuer::default();
        issuer.reserve(text);
        let mut document = Document::default();
        document.add_plain(text);
        let masked = document.masked(0, &spans, &mut issuer)?.unwrap_or_else(|| text.to_owned());
        Ok((masked, spans, issuer.into_vault()))
    }

    fn spans(&self, text: &str) -> Vec<Span> {
        let weigh = |kind| self.settings.weight_of(kind);
        let mut spans = self.detector.detect(text, &self.realm, weigh);
        if !self.settings.allow.is_empty() {
            let allow: HashSet<&str> = self.settings.allow.iter().map(String::as_str).collect();
            let is_allowed = |value: &str| {
                let plain = || escapes::plain(value);
                allow.contains(value) || plain().is_some_and(|plain| allow.contains(plain.as_str()))
            };
            spans.retain(|span| !text.get(span.start..span.end).is_some_and(is_allowed));
        }
        repeats::add(text, &mut spans);
        spans
    }

    fn apply_policy(&self, spans: Vec<Span>, issuer: &mut Issuer) -> Result<Vec<Span>, MaskError> {
        let mut blocked = Vec::new();
        let mut masked = Vec::with_capacity(spans.len());
        for span in spans {
            match self.settings.mode_of(span.kind) {
                Mode::Mask => masked.push(span),
                Mode::Block if !blocked.contains(&span.kind) => blocked.push(span.kind),
                Mode::Local => issuer.keep_local(),
                Mode::Block | Mode::Off => {}
            }
        }
        if blocked.is_empty() { Ok(masked) } else { Err(MaskError::Blocked(blocked)) }
    }
}

impl Replace for Issuer {
    type Error = Exhausted;

    fn replace(&mut self, span: Span, value: &str) -> Result<String, Exhausted> {
        self.issue(span.kind, value)
    }

    fn replace_number(&mut self, span: Span, number: &str) -> Result<String, Exhausted> {
        self.issue_number(span.kind, number)
    }
}

#[derive(Default)]
struct Reader {
    document: Document,
}

impl Visit for Reader {
    type Error = MaskError;

    fn visit(&mut self, label: &str, string: &mut String) -> Result<(), MaskError> {
        if media::is_inline(string) || media::is_bare(label, string) {
            self.document.skip();
            return Ok(());
        }
        self.document.add(label, string);
        // Before the next one, because all of them could be much more.
        if self.document.text().len() > REQUEST_TEXT_BYTES_MAX {
            return Err(MaskError::TooLarge);
        }
        Ok(())
    }
}

struct Writer<'a> {
    realm: &'a str,
    document: &'a Document,
    spans: &'a [Span],
    index: usize,
    issuer: Issuer,
}

impl Visit for Writer<'_> {
    type Error = MaskError;

    fn visit(&mut self, _label: &str, string: &mut String) -> Result<(), MaskError> {
        let masked = self.document.masked(self.index, self.spans, &mut self.issuer)?;
        self.index += 1;
        if let Some(masked) = masked {
            *string = masked;
        }
        Ok(())
    }

    /// A placeholder would make one of all end users: what is found in a name makes it another
    /// name, the same in each request.
    fn visit_name(&mut self, label: &str, name: &mut String) -> Result<(), MaskError> {
        let mut masked = name.clone();
        self.visit(label, &mut masked)?;
        if masked != *name {
            *name = vault::alias(self.realm, name);
        }
        Ok(())
    }
}
