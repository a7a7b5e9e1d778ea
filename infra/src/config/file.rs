//! The shape of config.yaml as written: places are kept, so that a mistake can be shown where it
//! stands. Unknown keys are refused everywhere.

use super::guards::FileGuards;
use super::idempotency::Idempotency;
use super::limits::Limits;
use super::model::Instructions;
use super::sections::{
    Auto, Breaker, Budget, Cache, Coupon, Gateway, Plan, Privacy, Queue, Responses, Stripe, Workers,
};
use schemas::catalogue::{Capability, Preset, Tier, Tokenizer, Vendor};
use schemas::money::{MicroUsd, PicoUsdPerToken};
use serde::de::{Deserializer, Error as _, Visitor};
use serde::{Deserialize, de};
use serde_saphyr::Spanned;
use std::collections::BTreeMap;
use std::fmt;

/// The whole file. A section that is absent has its default; lists replace the default's.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    pub(super) gateway: Gateway,
    #[serde(default)]
    pub(super) queue: Queue,
    #[serde(default)]
    pub(super) workers: Workers,
    pub(super) models: Vec<Spanned<FileModel>>,
    #[serde(default)]
    pub(super) fallbacks: BTreeMap<String, Vec<Spanned<String>>>,
    #[serde(default)]
    pub(super) context_window_fallbacks: BTreeMap<String, Vec<Spanned<String>>>,
    #[serde(default)]
    pub(super) breaker: Breaker,
    #[serde(default)]
    pub(super) auto: Auto,
    #[serde(default)]
    pub(super) limits: Limits,
    #[serde(default)]
    pub(super) cache: Cache,
    #[serde(default)]
    pub(super) responses: Responses,
    #[serde(default)]
    pub(super) idempotency: Idempotency,
    #[serde(default)]
    pub(super) budget: Budget,
    #[serde(default)]
    pub(super) privacy: Privacy,
    #[serde(default)]
    pub(super) guards: FileGuards,
    #[serde(default)]
    pub(super) plans: Vec<Plan>,
    #[serde(default)]
    pub(super) coupons: Vec<Coupon>,
    #[serde(default)]
    pub(super) stripe: Stripe,
}

/// A model as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileModel {
    pub(super) name: String,
    #[serde(default)]
    pub(super) aliases: Vec<String>,
    pub(super) pool: String,
    pub(super) vendor: Vendor,
    pub(super) preset: Option<Preset>,
    pub(super) local: Option<bool>,
    pub(super) upstream: Option<String>,
    pub(super) api_base: Option<String>,
    pub(super) api_version: Option<String>,
    pub(super) api_key: Option<String>,
    #[serde(default)]
    pub(super) api_keys: Vec<String>,
    #[serde(default)]
    pub(super) deployments: Vec<FileDeployment>,
    pub(super) price: Option<FilePrice>,
    pub(super) cost: Option<FilePrice>,
    pub(super) context: Option<u64>,
    pub(super) max_output: Option<u64>,
    pub(super) capabilities: Option<Vec<Capability>>,
    #[serde(default)]
    pub(super) unsupported: Vec<String>,
    #[serde(default)]
    pub(super) passes: Vec<String>,
    #[serde(default)]
    pub(super) sound_at_text_price: bool,
    #[serde(default = "standard")]
    pub(super) tier: Tier,
    pub(super) tokenizer: Option<Tokenizer>,
    pub(super) llama: Option<FileLlama>,
}

/// One of several places where a model is served, as written. What is left out is the model's.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileDeployment {
    pub(super) upstream: Option<String>,
    pub(super) api_base: Option<String>,
    pub(super) api_version: Option<String>,
    pub(super) api_key: Option<String>,
    #[serde(default)]
    pub(super) api_keys: Vec<String>,
}

fn standard() -> Tier {
    Tier::Standard
}

/// Prices as written: USD per million tokens.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FilePrice {
    pub(super) input: Option<PerMillion>,
    pub(super) cached_input: Option<PerMillion>,
    pub(super) cache_write: Option<PerMillion>,
    pub(super) cache_write_hour: Option<PerMillion>,
    pub(super) output: Option<PerMillion>,
}

/// How our own worker runs a model, as written.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FileLlama {
    pub(super) file: Option<String>,
    pub(super) slots: u32,
    pub(super) threads: Option<u32>,
    pub(super) batch_tokens_max: u32,
    pub(super) instructions: Instructions,
    pub(super) gpu_layers: u32,
    pub(super) system_prompt: Option<String>,
    pub(super) temperature: Option<f32>,
    pub(super) top_p: Option<f32>,
    pub(super) repetition_penalty: Option<f32>,
}

impl Default for FileLlama {
    fn default() -> Self {
        Self {
            file: None,
            slots: 4,
            threads: None,
            batch_tokens_max: 512,
            instructions: Instructions::Auto,
            gpu_layers: 0,
            system_prompt: None,
            temperature: None,
            top_p: None,
            repetition_penalty: None,
        }
    }
}

/// A price in USD per million tokens.
#[derive(Debug, Clone, Copy)]
pub(super) struct PerMillion(pub(super) PicoUsdPerToken);

impl<'de> Deserialize<'de> for PerMillion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = deserializer.deserialize_any(DecimalText)?;
        PicoUsdPerToken::from_usd_per_million(&text).map(Self).map_err(|_| {
            D::Error::custom(format!(
                "'{text}' is not a price: write USD per million tokens as an exact decimal \
                 from 0 to 1000000 with at most six digits after the point, such as 0.15"
            ))
        })
    }
}

/// An amount in USD.
pub(super) fn usd<'de, D: Deserializer<'de>>(deserializer: D) -> Result<MicroUsd, D::Error> {
    let text = deserializer.deserialize_any(DecimalText)?;
    amount(&text)
}

/// An amount in USD, or nothing.
pub(super) fn optional_usd<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<MicroUsd>, D::Error> {
    let text: Option<Decimal> = Option::deserialize(deserializer)?;
    text.map(|text| amount(&text.0)).transpose()
}

fn amount<E: de::Error>(text: &str) -> Result<MicroUsd, E> {
    let amount = MicroUsd::from_decimal(text).ok().filter(|amount| amount.0 >= 0);
    amount.ok_or_else(|| {
        E::custom(format!(
            "'{text}' is not an amount: write USD as an exact decimal with at most six digits \
             after the point, such as 10.00"
        ))
    })
}

struct Decimal(String);

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DecimalText).map(Self)
    }
}

/// A number as text. The shortest form of a double gives back what was written, up to 15 digits.
struct DecimalText;

impl Visitor<'_> for DecimalText {
    type Value = String;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an exact decimal such as 0.15")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<String, E> {
        Ok(number.to_string())
    }
}
