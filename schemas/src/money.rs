//! Money as integers: charges in micro-USD, prices in pico-USD a token, one rounding (up) per
//! request. Floating point never touches an amount.

use crate::usage::Usage;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Pico-USD in one micro-USD.
const PICO_PER_MICRO: u128 = 1_000_000;

/// The highest price accepted: 1,000,000 USD per million tokens, in pico-USD a token. It keeps
/// every product far inside `u128` and every charge inside `i64`.
const PRICE_PICO_USD_MAX: u64 = 1_000_000_000_000;

/// An amount in micro-USD (10⁻⁶ USD); negative for what leaves an account.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct MicroUsd(pub i64);

impl MicroUsd {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// The smallest that can be paid in dollars.
    pub const CENT: Self = Self(10_000);

    /// Sum that stops at the ends of the range instead of wrapping.
    #[must_use]
    pub fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The same amount leaving instead of coming.
    #[must_use]
    pub fn negated(self) -> Self {
        Self(self.0.saturating_neg())
    }

    /// USD as a number: the shortest form of the double is exact to the micro-USD.
    pub fn as_usd(self) -> f64 {
        self.0 as f64 / 1_000_000.0
    }

    /// Reads an exact decimal in USD such as `12.5` or `0.000001`.
    ///
    /// # Errors
    /// When the text isn't a decimal, has more than six digits after the point, or is beyond
    /// ±9.2·10¹² USD.
    pub fn from_decimal(text: &str) -> Result<Self, InvalidDecimal> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let scaled = scaled_decimal(digits, 6).ok_or_else(|| InvalidDecimal::of(text))?;
        let amount = i64::try_from(scaled).map_err(|_| InvalidDecimal::of(text))?;
        Ok(Self(if negative { -amount } else { amount }))
    }
}

/// Exact decimal in USD, without trailing zeros: `1.25`, `0.000003`, `-4`.
impl fmt::Display for MicroUsd {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let whole = self.0.unsigned_abs() / 1_000_000;
        let fraction = self.0.unsigned_abs() % 1_000_000;
        if fraction == 0 {
            return write!(formatter, "{sign}{whole}");
        }
        let digits = format!("{fraction:06}");
        write!(formatter, "{sign}{whole}.{}", digits.trim_end_matches('0'))
    }
}

/// A currency that credit is sold in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Currency {
    /// US dollars; the smallest unit is a cent.
    Usd,
    /// Yen, which has no smaller unit.
    Jpy,
}

impl Currency {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Usd, Self::Jpy];

    /// The ISO 4217 code in small letters, as Stripe writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Usd => "usd",
            Self::Jpy => "jpy",
        }
    }

    /// The currency of a code.
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|currency| currency.as_str() == code)
    }
}

/// Real money, in a currency's smallest unit (cents, yen): what was paid, never a balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// Of which currency.
    pub currency: Currency,
    /// So many of its smallest units.
    pub minor: u64,
}

/// `$10.00` or `¥1,000`.
impl fmt::Display for Money {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = match self.currency {
            Currency::Usd => self.minor / 100,
            Currency::Jpy => self.minor,
        };
        let digits = whole.to_string();
        let mut grouped = String::new();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index) % 3 == 0 {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        match self.currency {
            Currency::Usd => write!(formatter, "${grouped}.{:02}", self.minor % 100),
            Currency::Jpy => write!(formatter, "¥{grouped}"),
        }
    }
}

/// A text that is not an exact decimal of the range wanted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not an exact decimal with at most six digits after the point")]
pub struct InvalidDecimal(pub String);

impl InvalidDecimal {
    fn of(text: &str) -> Self {
        Self(text.chars().take(40).collect())
    }
}

/// `12.5` at scale 6 is 12,500,000. `None` for anything but `digits[.digits]` that fits exactly.
fn scaled_decimal(text: &str, scale: usize) -> Option<u128> {
    let (whole, fraction) = match text.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (text, ""),
    };
    let fraction = fraction.trim_end_matches('0');
    let plain = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !plain(whole) || !plain(fraction) || fraction.len() > scale {
        return None;
    }
    if whole.len() > 18 {
        return None;
    }
    format!("{whole}{fraction:0<scale$}").parse().ok()
}

/// A price per token in pico-USD (10⁻¹² USD). 1 USD per million tokens = 1,000,000.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct PicoUsdPerToken(pub u64);

impl PicoUsdPerToken {
    /// Reads the usual form of a price list: USD per million tokens, an exact decimal.
    ///
    /// # Errors
    /// When it isn't an exact decimal with at most six digits after the point, or is higher than
    /// `PRICE_PICO_USD_MAX`.
    pub fn from_usd_per_million(text: &str) -> Result<Self, InvalidDecimal> {
        let scaled = scaled_decimal(text, 6).ok_or_else(|| InvalidDecimal::of(text))?;
        let price = u64::try_from(scaled).map_err(|_| InvalidDecimal::of(text))?;
        if price > PRICE_PICO_USD_MAX {
            return Err(InvalidDecimal::of(text));
        }
        Ok(Self(price))
    }
}

/// What one model's tokens cost. The four are required: a missing price is never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// Uncached input.
    pub input: PicoUsdPerToken,
    /// Input read from the vendor's prompt cache.
    pub cached_input: PicoUsdPerToken,
    /// Input written to the vendor's prompt cache.
    pub cache_write: PicoUsdPerToken,
    /// Input written to a cache that keeps it for an hour. Without this price no request may ask
    /// for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_hour: Option<PicoUsdPerToken>,
    /// Output, visible text and reasoning alike.
    pub output: PicoUsdPerToken,
}

impl Price {
    /// What the usage costs, rounded up once to a whole micro-USD.
    pub fn charge(&self, usage: &Usage) -> MicroUsd {
        let products = [
            (usage.input, self.input),
            (usage.cache_read.unwrap_or(0), self.cached_input),
            (usage.cache_write.unwrap_or(0), self.cache_write),
            (usage.cache_write_hour.unwrap_or(0), self.hour()),
            (usage.output, self.output),
            (usage.reasoning.unwrap_or(0), self.output),
        ];
        let pico: u128 = products.iter().map(|(n, p)| u128::from(*n) * u128::from(p.0)).sum();
        MicroUsd(i64::try_from(pico.div_ceil(PICO_PER_MICRO)).unwrap_or(i64::MAX))
    }

    /// What an hour in the cache costs. Nobody may ask for it without its price; should a vendor
    /// count it all the same, it costs at least what the usual time does.
    fn hour(&self) -> PicoUsdPerToken {
        self.cache_write_hour.unwrap_or(self.cache_write).max(self.cache_write)
    }

    /// The price for a request whose input may be kept for an hour: what is written may all be so.
    #[must_use]
    pub fn for_an_hour(self) -> Self {
        Self { cache_write: self.hour(), ..self }
    }

    /// The most that a request of this size can cost: every input token at the dearest input
    /// price, every output token produced.
    pub fn worst_case(&self, input_tokens_max: u64, output_tokens_max: u64) -> MicroUsd {
        let dearest = self.input.max(self.cached_input).max(self.cache_write);
        let price = Self { input: dearest, ..*self };
        price.charge(&Usage {
            input: input_tokens_max,
            output: output_tokens_max,
            ..Usage::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(input: &str, cached: &str, write: &str, output: &str) -> Price {
        let read = |text| PicoUsdPerToken::from_usd_per_million(text).unwrap();
        Price {
            input: read(input),
            cached_input: read(cached),
            cache_write: read(write),
            cache_write_hour: None,
            output: read(output),
        }
    }

    #[test]
    fn golden_prices() {
        let mini = price("0.15", "0.075", "0", "0.60");
        let usage = Usage { input: 1000, output: 100, ..Usage::default() };
        assert_eq!(mini.charge(&usage), MicroUsd(210));
        let cached = Usage { input: 0, cache_read: Some(1), ..Usage::default() };
        assert_eq!(mini.charge(&cached), MicroUsd(1), "a fraction is rounded up, once");
        let sonnet = price("3", "0.30", "3.75", "15");
        let mixed = Usage {
            input: 10,
            cache_read: Some(2000),
            cache_write: Some(500),
            cache_write_hour: None,
            output: 30,
            reasoning: Some(70),
        };
        assert_eq!(sonnet.charge(&mixed), MicroUsd(30 + 600 + 1875 + 1500));
    }

    #[test]
    fn an_hour_in_the_cache_has_its_own_price() {
        let six = PicoUsdPerToken::from_usd_per_million("6").unwrap();
        let sonnet = Price { cache_write_hour: Some(six), ..price("3", "0.30", "3.75", "15") };
        let usage = Usage {
            input: 10,
            cache_write: Some(500),
            cache_write_hour: Some(1_000),
            ..Usage::default()
        };
        assert_eq!(usage.prompt_tokens(), 1_510);
        assert_eq!(sonnet.charge(&usage), MicroUsd(30 + 1_875 + 6_000));
        assert!(sonnet.charge(&usage) <= sonnet.for_an_hour().worst_case(1_510, 0));
        assert!(sonnet.charge(&usage) > sonnet.worst_case(1_510, 0), "so it is asked for by name");
        let unpriced = Price { cache_write_hour: None, ..sonnet };
        assert_eq!(unpriced.charge(&usage), MicroUsd(30 + 1_875 + 3_750), "never nothing");
        let text = serde_json::to_string(&unpriced).unwrap();
        assert!(!text.contains("hour"), "older events stay as they were: {text}");
        assert_eq!(serde_json::from_str::<Price>(&text).unwrap(), unpriced);
    }

    #[test]
    fn worst_case_is_never_under_a_charge_of_that_size() {
        let sonnet = price("3", "0.30", "3.75", "15");
        for written in [0, 7, 100] {
            let usage = Usage {
                input: 100 - written,
                cache_write: Some(written),
                output: 9,
                ..Usage::default()
            };
            assert!(sonnet.charge(&usage) <= sonnet.worst_case(100, 9));
        }
    }

    #[test]
    fn money_is_written_as_its_currency_is() {
        let shown = |currency, minor| Money { currency, minor }.to_string();
        assert_eq!(shown(Currency::Usd, 123_456), "$1,234.56");
        assert_eq!(shown(Currency::Usd, 5), "$0.05");
        assert_eq!(shown(Currency::Jpy, 20_000), "¥20,000");
        assert_eq!(Currency::parse("jpy"), Some(Currency::Jpy));
        assert_eq!(Currency::parse("eur"), None);
    }

    #[test]
    fn decimals_are_exact_or_refused() {
        assert_eq!(MicroUsd::from_decimal("10.000001").unwrap(), MicroUsd(10_000_001));
        assert_eq!(MicroUsd::from_decimal("-0.5").unwrap(), MicroUsd(-500_000));
        assert_eq!(MicroUsd(10_500_000).to_string(), "10.5");
        assert_eq!(MicroUsd(-3).to_string(), "-0.000003");
        for bad in ["", ".", "1.", "1e3", "0.0000001", "+1", "1,000", " 1", "99999999999999999999"]
        {
            assert!(MicroUsd::from_decimal(bad).is_err(), "{bad}");
        }
    }
}
