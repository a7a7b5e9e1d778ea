//! What a request costs: cases worked out by hand for every vendor's way to count, and rules that
//! hold for any price and any usage. Never floating point, as in what it tests.

#![expect(clippy::unwrap_used, reason = "a test ends by panicking")]

use schemas::money::{MicroUsd, PicoUsdPerToken, Price};
use schemas::usage::Usage;

/// Input, cached input, cache write, output: USD per million tokens.
fn price([input, cached_input, cache_write, output]: [&str; 4]) -> Price {
    let read = |text| PicoUsdPerToken::from_usd_per_million(text).unwrap();
    Price {
        input: read(input),
        cached_input: read(cached_input),
        cache_write: read(cache_write),
        cache_write_hour: None,
        output: read(output),
    }
}

/// Uncached input, read from a cache, written to a cache, output, reasoning.
fn usage(counts: [u64; 5]) -> Usage {
    let [input, cache_read, cache_write, output, reasoning] = counts;
    Usage {
        input,
        cache_read: Some(cache_read),
        cache_write: Some(cache_write),
        cache_write_hour: None,
        output,
        reasoning: Some(reasoning),
    }
}

#[test]
fn golden_cases_of_every_vendor() {
    let cases = [
        // 12.9 + 144 + 180: of 2,006 prompt tokens 1,920 are cached, of 300 answered 64 thought.
        ("openai", ["0.15", "0.075", "0", "0.60"], [86, 1_920, 0, 236, 64], 337),
        // 2,792.5 + 460
        ("openai", ["2.50", "1.25", "0", "10"], [1_117, 0, 0, 46, 0], 3_253),
        // 63 + 56,425.8 + 1,473.75 + 5,895: the three kinds of input come apart.
        ("anthropic", ["3", "0.30", "3.75", "15"], [21, 188_086, 393, 393, 0], 63_858),
        // 2,095 + 2,515: nothing to round.
        ("anthropic", ["1", "0.10", "1.25", "5"], [2_095, 0, 0, 503, 0], 4_610),
        // 120 + 18 + 2,500: thoughts cost what the answer costs.
        ("gemini", ["0.30", "0.03", "0", "2.50"], [400, 600, 0, 120, 880], 2_638),
        // 1.96 + 3.584 + 13.44
        ("compatible", ["0.28", "0.028", "0", "0.42"], [7, 128, 0, 9, 23], 19),
        // 0.25: the smallest request costs the smallest amount, never nothing.
        ("llama", ["0.05", "0.05", "0.05", "0.20"], [1, 0, 0, 1, 0], 1),
    ];
    for (vendor, prices, counts, micro_usd) in cases {
        let charged = price(prices).charge(&usage(counts));
        assert_eq!(charged, MicroUsd(micro_usd), "{vendor}: {prices:?} for {counts:?}");
    }
}

#[test]
fn a_bucket_that_nobody_told_of_costs_nothing() {
    let price = price(["3", "0.30", "3.75", "15"]);
    let silent = Usage { input: 1_000, output: 7, ..Usage::default() };
    assert_eq!(price.charge(&silent), price.charge(&usage([1_000, 0, 0, 7, 0])));
    assert_eq!(price.charge(&Usage::default()), MicroUsd::ZERO);
}

/// Numbers that are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 20
    }

    /// Of all sizes alike: most rounding happens among the small ones.
    fn sized(&mut self, digits_max: u32) -> u64 {
        let digits = u32::try_from(self.next() % u64::from(digits_max + 1)).unwrap();
        self.next() % 10_u64.pow(digits)
    }

    fn price(&mut self) -> Price {
        let mut price = || PicoUsdPerToken(self.sized(9));
        let (input, cached_input, cache_write, output) = (price(), price(), price(), price());
        Price { input, cached_input, cache_write, cache_write_hour: None, output }
    }

    fn counts(&mut self) -> [u64; 5] {
        std::array::from_fn(|_| self.sized(6))
    }
}

const RUNS: usize = 20_000;

/// The exact price in pico-USD, written down once more.
fn exact(price: &Price, [input, read, written, output, reasoning]: [u64; 5]) -> u128 {
    let product = |count: u64, price: PicoUsdPerToken| u128::from(count) * u128::from(price.0);
    product(input, price.input)
        + product(read, price.cached_input)
        + product(written, price.cache_write)
        + product(output, price.output)
        + product(reasoning, price.output)
}

fn micro(amount: MicroUsd) -> u128 {
    u128::try_from(amount.0).unwrap()
}

#[test]
fn a_charge_is_rounded_up_and_by_less_than_one_micro_usd() {
    let mut numbers = Numbers(1);
    for _ in 0..RUNS {
        let (price, counts) = (numbers.price(), numbers.counts());
        let charged = micro(price.charge(&usage(counts))) * 1_000_000;
        let exact = exact(&price, counts);
        assert!(charged >= exact && charged - exact < 1_000_000, "{price:?} {counts:?}");
    }
}

#[test]
fn a_request_in_two_halves_costs_the_same_or_one_micro_usd_more() {
    let mut numbers = Numbers(2);
    for _ in 0..RUNS {
        let (price, one, other) = (numbers.price(), numbers.counts(), numbers.counts());
        let both = std::array::from_fn(|bucket| one[bucket] + other[bucket]);
        let whole = price.charge(&usage(both)).0;
        let halves = price.charge(&usage(one)).0 + price.charge(&usage(other)).0;
        assert!((whole..=whole + 1).contains(&halves), "{price:?} {one:?} {other:?}");
    }
}

#[test]
fn no_usage_of_a_size_costs_more_than_the_worst_case_of_that_size() {
    let mut numbers = Numbers(3);
    for _ in 0..RUNS {
        let (price, usage) = (numbers.price(), usage(numbers.counts()));
        let (input, output) = (usage.prompt_tokens(), usage.completion_tokens());
        let worst = price.worst_case(input, output);
        assert!(price.charge(&usage) <= worst, "{price:?} {usage:?}");
        let more = price.worst_case(input + numbers.sized(4), output + numbers.sized(4));
        assert!(worst <= more, "a longer request never costs less: {price:?} {usage:?}");
    }
}
