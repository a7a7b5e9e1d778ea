//! Selling credit, checked: keys from the environment, ranges, and what Stripe's own rules ask for.
//! It must never print a key.

use super::load::Mistake;
use super::sections::{Plan, Stripe};
use crate::environment::{Environment, PUBLIC_URL, STRIPE_SECRET_KEY, STRIPE_WEBHOOK_SECRET};
use crate::secret::Secret;
use schemas::ledger::is_grantable;
use schemas::money::MicroUsd;

/// Stripe's least amounts: half a dollar, 50 yen.
pub const USD_MIN: MicroUsd = MicroUsd(500_000);
const JPY_MIN: u64 = 50;
/// Stripe's largest amount in USD: eight digits of cents.
const USD_MAX: MicroUsd = MicroUsd(999_999_990_000);
/// The same in yen.
const JPY_MAX: u64 = 99_999_999;

/// The highest bonus, in percent.
const BONUS_PERCENT_MAX: u32 = 1_000;

/// Fills in the environment and checks. What the file leaves out is the environment's.
pub(super) fn check_stripe(
    mut stripe: Stripe,
    plans: &[Plan],
    environment: &Environment,
) -> Result<Stripe, Mistake> {
    let written = |text: Option<&str>, variable: &str| match text {
        Some(text) => environment.expand(text),
        None => environment.get(variable).map(str::to_owned),
    };
    let secret = |secret: Option<Secret>, variable: &str| {
        written(secret.as_ref().map(Secret::reveal), variable).map(Secret::new)
    };
    stripe.secret_key = secret(stripe.secret_key, STRIPE_SECRET_KEY);
    stripe.webhook_secret = secret(stripe.webhook_secret, STRIPE_WEBHOOK_SECRET);
    stripe.public_url = written(stripe.public_url.as_deref(), PUBLIC_URL);
    let bases = std::iter::once(("api_base", &stripe.api_base));
    let public = stripe.public_url.iter().map(|url| ("public_url", url));
    let seller = stripe.seller_url.iter().map(|url| ("seller_url", url));
    for (name, url) in bases.chain(public).chain(seller) {
        if !url.starts_with("https://") && !url.starts_with("http://") {
            return wrong(format!("stripe.{name}: '{url}' is no URL: write https://HOST"));
        }
    }
    // Whether it was written isn't told: our own smallest amount yields to a largest one that is
    // less, and any other that is larger is a mistake.
    if stripe.custom_usd_min == Stripe::default().custom_usd_min {
        stripe.custom_usd_min = stripe.custom_usd_min.min(stripe.custom_usd_max);
    }
    ranges(&stripe)?;
    plans.iter().try_for_each(check_plan)?;
    Ok(stripe)
}

fn ranges(stripe: &Stripe) -> Result<(), Mistake> {
    for (name, value, most) in [
        ("call_seconds_max", stripe.call_seconds_max, 60),
        ("credit_days", stripe.credit_days, 3_650),
        ("jpy_per_usd", stripe.jpy_per_usd, 10_000),
    ] {
        if !(1..=most).contains(&value) {
            return wrong(format!("stripe.{name}: {value}: write 1 to {most}"));
        }
    }
    if stripe.tax_percent > 99 {
        return wrong("stripe.tax_percent: write 0 to 99".into());
    }
    let (least, most) = (stripe.custom_usd_min, stripe.custom_usd_max);
    if least < USD_MIN || most > USD_MAX || least > most {
        return wrong(format!(
            "stripe.custom_usd_min, custom_usd_max: write {USD_MIN} to {USD_MAX}, the smaller first"
        ));
    }
    let digits = |number: &String| {
        number.strip_prefix('T').is_some_and(|digits| {
            digits.len() == 13 && digits.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    if !stripe.registration_number.as_ref().is_none_or(digits) {
        return wrong("stripe.registration_number: write T and 13 digits, or nothing".into());
    }
    Ok(())
}

fn check_plan(plan: &Plan) -> Result<(), Mistake> {
    let Plan { id, usd, jpy, credit_usd, bonus_percent } = plan;
    if *usd < USD_MIN || *usd > USD_MAX || usd.0 % MicroUsd::CENT.0 != 0 {
        return wrong(format!("plans: {id}: usd: write whole cents from {USD_MIN} to {USD_MAX}"));
    }
    if !(JPY_MIN..=JPY_MAX).contains(jpy) {
        return wrong(format!("plans: {id}: jpy: write {JPY_MIN} to {JPY_MAX}"));
    }
    if !is_grantable(*credit_usd) {
        return wrong(format!("plans: {id}: credit_usd: write more than 0, and at most 1000000"));
    }
    if *bonus_percent > BONUS_PERCENT_MAX {
        return wrong(format!("plans: {id}: bonus_percent: write 0 to {BONUS_PERCENT_MAX}"));
    }
    Ok(())
}

fn wrong<T>(what: String) -> Result<T, Mistake> {
    Err((1, what))
}
