//! A model as configured, and all of them by name.

use crate::secret::Secret;
use schemas::catalogue::{Capability, Preset, Tier, Tokenizer, Vendor};
use schemas::money::Price;
use serde::Deserialize;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

/// One model.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// What a client asks for.
    pub name: String,
    /// Other names for it.
    pub aliases: Vec<String>,
    /// Whose workers take it.
    pub pool: String,
    /// Whose protocol its upstream speaks.
    pub vendor: Vendor,
    /// Which server with known differences it is; only for `vendor: compatible`.
    pub preset: Option<Preset>,
    /// Whether it runs on machines of the operator's: what may not leave these may go there.
    pub local: bool,
    /// Whether it is one of our own that `RAKUTEN_LLM_API_BASE` has called elsewhere.
    pub moved: bool,
    /// Its name there.
    pub upstream: String,
    /// The base URL there, without a slash at its end.
    pub api_base: Option<String>,
    /// The version of the API there; only for `vendor: azure`.
    pub api_version: Option<String>,
    /// The keys there; several share the load.
    pub api_keys: Vec<Secret>,
    /// Whether the file names a key: a vendor that wants one isn't offered without.
    pub key_wanted: bool,
    /// Where it is served, when that is more than one place: the four above are then only what
    /// these were written with.
    pub places: Vec<Deployment>,
    /// What its tokens cost.
    pub price: Price,
    /// What its vendor charges us for them: as written, or as known of the vendor. Nothing when
    /// nobody said.
    pub cost: Option<Price>,
    /// Prompt and answer together, in tokens.
    pub context: u64,
    /// The longest answer, in tokens.
    pub max_output: u64,
    /// What it can be asked for.
    pub capabilities: Vec<Capability>,
    /// Fields of a request that it can't honour although its vendor knows them.
    pub unsupported: Vec<String>,
    /// Fields that go to its vendor although they can name other models, servers or keys, or ask
    /// for more answers than one.
    pub passes: Vec<String>,
    /// Whether a token of sound costs no more than one of text.
    pub sound_at_text_price: bool,
    /// Where it stands on the quality axis.
    pub tier: Tier,
    /// Which tokenizer it has, if it is one that we have.
    pub tokenizer: Option<Tokenizer>,
    /// How our own worker runs it; only for `vendor: llama`.
    pub llama: Option<Llama>,
}

impl Model {
    /// Whether this process can call an upstream of it.
    pub fn can_be_called(&self) -> bool {
        self.vendor != Vendor::Llama && self.deployments().iter().any(Deployment::can_be_called)
    }

    /// All places where it is served, at least one.
    pub fn deployments(&self) -> Vec<Deployment> {
        if self.places.is_empty() { vec![self.deployment()] } else { self.places.clone() }
    }

    /// The place that its own keys tell.
    fn deployment(&self) -> Deployment {
        Deployment {
            upstream: self.upstream.clone(),
            api_base: self.api_base.clone(),
            api_version: self.api_version.clone(),
            api_keys: self.api_keys.clone(),
            key_wanted: self.key_wanted,
        }
    }

    /// Who provides it, for headers and lists.
    pub fn provider(&self) -> &'static str {
        self.preset.map_or(self.vendor.as_str(), Preset::as_str)
    }

    /// Whether it is asked with `capability`.
    pub fn can(&self, capability: Capability) -> bool {
        self.capabilities.contains(&capability)
    }
}

/// One place where a model is served.
#[derive(Debug, Clone, PartialEq)]
pub struct Deployment {
    /// The model's name there.
    pub upstream: String,
    /// The base URL there, without a slash at its end.
    pub api_base: Option<String>,
    /// The version of the API there.
    pub api_version: Option<String>,
    /// The keys there; several share the load.
    pub api_keys: Vec<Secret>,
    /// Whether the file names a key.
    pub key_wanted: bool,
}

impl Deployment {
    /// Whether this process can call it: a key is there, or none is wanted.
    pub fn can_be_called(&self) -> bool {
        !self.key_wanted || !self.api_keys.is_empty()
    }
}

/// The instructions that a CPU computes a local model with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum Instructions {
    /// The best that the processor has.
    #[default]
    #[serde(rename = "auto")]
    Auto,
    /// SSE4.2, which processors have since 2011 at the latest.
    #[serde(rename = "sse4.2")]
    Sse42,
    /// AVX2 and its company.
    #[serde(rename = "avx2")]
    Avx2,
    /// AVX-VNNI besides.
    #[serde(rename = "avx-vnni")]
    AvxVnni,
    /// AVX-512 with its VNNI.
    #[serde(rename = "avx512")]
    Avx512,
}

/// How our own worker runs a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Llama {
    /// The GGUF; the worker refuses to start without.
    pub file: Option<PathBuf>,
    /// Answers at once.
    pub slots: u32,
    /// Threads; all of the machine's processors when absent.
    pub threads: Option<u32>,
    /// Tokens decoded in one step at most.
    pub batch_tokens_max: u32,
    /// The instructions that a CPU computes with.
    pub instructions: Instructions,
    /// Layers that a GPU computes.
    pub gpu_layers: u32,
    /// A system message for requests that have none.
    pub system_prompt: Option<String>,
    /// The temperature of requests that have none.
    pub temperature: Option<f32>,
    /// The nucleus of requests that have none.
    pub top_p: Option<f32>,
    /// The repetition penalty of requests that have none.
    pub repetition_penalty: Option<f32>,
}

/// All models, by name and alias.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Catalogue {
    models: Vec<Arc<Model>>,
    by_name: HashMap<String, usize>,
}

impl Catalogue {
    /// Collects models whose names and aliases are unique.
    pub fn new(models: Vec<Model>) -> Self {
        let mut by_name = HashMap::new();
        for (index, model) in models.iter().enumerate() {
            for name in std::iter::once(&model.name).chain(&model.aliases) {
                by_name.insert(name.clone(), index);
            }
        }
        Self { models: models.into_iter().map(Arc::new).collect(), by_name }
    }

    /// The model of a name or an alias.
    pub fn get(&self, name: &str) -> Option<&Arc<Model>> {
        self.by_name.get(name).and_then(|index| self.models.get(*index))
    }

    /// All models, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Model>> {
        self.models.iter()
    }

    /// Those of our own that are called elsewhere.
    #[must_use]
    pub fn moved(&self) -> Self {
        Self::new(
            self.iter().filter(|model| model.moved).map(|model| Model::clone(model)).collect(),
        )
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.models.is_empty()
    }

    /// All pools, each once, in the order of the file.
    pub fn pools(&self) -> Vec<String> {
        let mut pools: Vec<String> = Vec::new();
        for model in &self.models {
            if !pools.contains(&model.pool) {
                pools.push(model.pool.clone());
            }
        }
        pools
    }
}
