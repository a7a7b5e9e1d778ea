//! What is sold: plans of the configuration, or an amount of the buyer's own. Amounts are exact;
//! the bonus is rounded down, to a micro-USD.

use crate::Payments;
use infra::config::Plan;
use schemas::money::{Currency, MicroUsd, Money};

/// Micro-USD in a dollar.
const DOLLAR: u64 = 1_000_000;

/// A price and what it brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Which plan; none for an amount of the buyer's own.
    pub plan: Option<String>,
    /// What is to be paid.
    pub price: Money,
    /// The credit that it brings.
    pub credit: MicroUsd,
    /// What comes on top.
    pub bonus: MicroUsd,
}

/// Nothing is sold like that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// No plan has that name.
    #[error("there is no plan '{name}': {known} are sold")]
    Plan {
        /// What was asked for.
        name: String,
        /// What is there.
        known: String,
    },
    /// The amount is outside of what is sold, or has parts of a smallest unit.
    #[error("an amount of one's own is {least} to {most}, in whole cents or yen")]
    Amount {
        /// The smallest.
        least: Money,
        /// The largest.
        most: Money,
    },
}

impl OfferError {
    /// The same in Japanese.
    pub fn japanese(&self) -> String {
        match self {
            Self::Plan { name, known } => {
                format!(
                    "プラン '{name}' はありません。販売中のプランは {} です",
                    known.replace(", ", "、")
                )
            }
            Self::Amount { least, most } => format!(
                "任意の金額は {least} から {most} までを、1セントまたは1円の単位で指定してください"
            ),
        }
    }
}

impl Payments {
    /// The plans, as they are sold in a currency.
    pub fn offers(&self, currency: Currency) -> Vec<Offer> {
        self.plans.iter().map(|plan| of_plan(plan, currency)).collect()
    }

    /// A plan by its name.
    ///
    /// # Errors
    /// When no plan has that name.
    pub fn plan(&self, name: &str, currency: Currency) -> Result<Offer, OfferError> {
        let plan = self.plans.iter().find(|plan| plan.id == name);
        plan.map(|plan| of_plan(plan, currency)).ok_or_else(|| {
            let known: Vec<&str> = self.plans.iter().map(|plan| plan.id.as_str()).collect();
            let name = name.chars().take(40).collect();
            OfferError::Plan { name, known: known.join(", ") }
        })
    }

    /// An amount of the buyer's own, in the currency's smallest unit.
    ///
    /// # Errors
    /// When it is less or more than what is sold.
    pub fn amount(&self, price: Money) -> Result<Offer, OfferError> {
        self.amount_from(self.settings.custom_usd_min, price)
    }

    /// The same from another least amount on.
    pub(crate) fn amount_from(&self, least: MicroUsd, price: Money) -> Result<Offer, OfferError> {
        let most = self.settings.custom_usd_max;
        let (least, most) = (self.price_of(least, price), self.price_of(most, price));
        if price.minor < least.minor || price.minor > most.minor {
            return Err(OfferError::Amount { least, most });
        }
        let credit = match price.currency {
            Currency::Usd => price.minor * MicroUsd::CENT.0.unsigned_abs(),
            Currency::Jpy => price.minor * DOLLAR / self.settings.jpy_per_usd,
        };
        let credit = MicroUsd(i64::try_from(credit).unwrap_or(i64::MAX));
        Ok(Offer { plan: None, price, credit, bonus: MicroUsd::ZERO })
    }

    fn price_of(&self, credit: MicroUsd, like: Money) -> Money {
        let credit = credit.0.unsigned_abs();
        let minor = match like.currency {
            Currency::Usd => credit / MicroUsd::CENT.0.unsigned_abs(),
            Currency::Jpy => credit * self.settings.jpy_per_usd / DOLLAR,
        };
        Money { minor, ..like }
    }
}

fn of_plan(plan: &Plan, currency: Currency) -> Offer {
    let minor = match currency {
        Currency::Usd => (plan.usd.0 / MicroUsd::CENT.0).unsigned_abs(),
        Currency::Jpy => plan.jpy,
    };
    Offer {
        plan: Some(plan.id.clone()),
        price: Money { currency, minor },
        credit: plan.credit_usd,
        bonus: share(plan.credit_usd, u64::from(plan.bonus_percent), 100),
    }
}

/// `amount · part / whole`, rounded down; exact, because the product is wide.
pub(crate) fn share(amount: MicroUsd, part: u64, whole: u64) -> MicroUsd {
    let product = i128::from(amount.0) * i128::from(part);
    let share = product / i128::from(whole.max(1));
    MicroUsd(i64::try_from(share).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use infra::config::Config;
    use infra::environment::{Environment, STRIPE_SECRET_KEY};

    fn payments() -> Payments {
        infra::net::install_cryptography();
        let environment = Environment::of([(STRIPE_SECRET_KEY, "sk_test_x")]);
        let config = Config::load(None, &environment).unwrap();
        Payments::new(&config).unwrap().unwrap()
    }

    fn money(currency: Currency, minor: u64) -> Money {
        Money { currency, minor }
    }

    #[test]
    fn plans_are_sold_in_both_currencies() {
        let payments = payments();
        let sold = |name: &str, currency| {
            let offer = payments.plan(name, currency).unwrap();
            (offer.price.minor, offer.credit.0, offer.bonus.0)
        };
        assert_eq!(sold("starter", Currency::Usd), (1_000, 10_000_000, 0));
        assert_eq!(sold("starter", Currency::Jpy), (1_000, 10_000_000, 0));
        assert_eq!(sold("pro", Currency::Jpy), (5_000, 50_000_000, 2_500_000));
        assert_eq!(sold("enterprise", Currency::Usd), (20_000, 200_000_000, 20_000_000));
        assert!(payments.plan("free", Currency::Usd).is_err());
        assert_eq!(payments.offers(Currency::Jpy).len(), 3);
    }

    #[test]
    fn own_amounts_have_bounds() {
        let payments = payments();
        let credit = |currency, minor| payments.amount(money(currency, minor)).map(|o| o.credit.0);
        assert_eq!(credit(Currency::Usd, 1_000), Ok(10_000_000));
        assert_eq!(credit(Currency::Usd, 1_234), Ok(12_340_000));
        assert_eq!(credit(Currency::Jpy, 1_234), Ok(12_340_000));
        for (currency, minor) in
            [(Currency::Usd, 999), (Currency::Usd, 100_001), (Currency::Jpy, 999)]
        {
            let refused = credit(currency, minor).unwrap_err().japanese();
            assert!(refused.contains(" から ") && !refused.contains("amount"), "{refused}");
        }
        let refused = payments.plan("nope", Currency::Jpy).unwrap_err().japanese();
        assert!(refused.starts_with("プラン 'nope' はありません"), "{refused}");
    }

    #[test]
    fn a_share_is_never_more_than_its_part() {
        assert_eq!(share(MicroUsd(10), 1, 3), MicroUsd(3));
        assert_eq!(share(MicroUsd(i64::MAX), 100, 100), MicroUsd(i64::MAX));
        assert_eq!(share(MicroUsd(5), 0, 0), MicroUsd(0));
    }
}
