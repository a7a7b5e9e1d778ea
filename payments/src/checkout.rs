//! To Stripe's page. All that the credit will need is written into the payment itself, signed and
//! kept by Stripe: a later change of a plan changes no purchase.

use crate::{CallError, Offer, Payments, Session};
use schemas::ids::AccountId;
use schemas::money::Currency;
use std::collections::HashMap;
use stripe_checkout::checkout_session::{
    CreateCheckoutSession, CreateCheckoutSessionCustomerCreation, CreateCheckoutSessionLineItems,
    CreateCheckoutSessionLineItemsPriceData, CreateCheckoutSessionPaymentIntentData,
    CreateCheckoutSessionPaymentIntentDataSetupFutureUsage, ProductData,
};

/// What marks a payment as ours.
pub(crate) const PURPOSE: &str = "fly_purpose";
/// The one purpose there is.
pub(crate) const CREDIT: &str = "credit";
/// Whose credit it becomes.
pub(crate) const ACCOUNT: &str = "fly_account";
/// What a new account is to be called.
pub(crate) const NEW_NAME: &str = "fly_new_name";
/// Which plan.
pub(crate) const PLAN: &str = "fly_plan";
/// The credit, in micro-USD.
pub(crate) const CREDIT_MICRO_USD: &str = "fly_credit_micro_usd";
/// What comes on top, in micro-USD.
pub(crate) const BONUS_MICRO_USD: &str = "fly_bonus_micro_usd";

/// The number of an auto-recharge; a payment that the buyer makes himself has none.
pub(crate) const RECHARGE: &str = "fly_recharge";
/// The buyer's card is saved for auto-recharge.
pub(crate) const SAVES_CARD: &str = "fly_saves_card";

/// Who buys.
#[derive(Debug, Clone)]
pub struct Buyer {
    /// Whose credit it becomes.
    pub account: AccountId,
    /// What the account is to be called, when it is made by this purchase.
    pub new_name: Option<String>,
    /// Where Stripe sends its receipt.
    pub email: Option<String>,
    /// How Stripe knows the buyer, when a card was saved before.
    pub customer: Option<String>,
}

/// A purchase that is to be paid.
#[derive(Debug, Clone)]
pub struct Order {
    /// Who buys.
    pub buyer: Buyer,
    /// What.
    pub offer: Offer,
    /// The way back from Stripe's page; `{CHECKOUT_SESSION_ID}` becomes the session's name.
    pub success_url: String,
    /// The way back for somebody who doesn't pay.
    pub cancel_url: String,
    /// Whether the card is saved for auto-recharge.
    pub saves_card: bool,
    /// Whether the page is in Japanese.
    pub in_japanese: bool,
    /// The same key is the same purchase.
    pub idempotency_key: String,
}

impl Payments {
    /// Opens Stripe's page for an order.
    ///
    /// # Errors
    /// When Stripe refuses or is away.
    pub async fn checkout(&self, order: &Order) -> Result<Session, CallError> {
        self.client.create_session(&request(order), &order.idempotency_key).await
    }

    /// A visit of Stripe's page.
    ///
    /// # Errors
    /// When Stripe doesn't know it, or is away.
    pub async fn session(&self, id: &str) -> Result<Session, CallError> {
        self.client.session(id).await
    }
}

fn request(order: &Order) -> CreateCheckoutSession {
    let price = order.offer.price;
    let currency = currency_of(price.currency);
    let name = format!("Fly-LLM credit ${}", order.offer.credit);
    let mut data = CreateCheckoutSessionLineItemsPriceData::new(currency);
    data.unit_amount = i64::try_from(price.minor).ok();
    data.product_data = Some(ProductData::new(name));
    let mut item = CreateCheckoutSessionLineItems::new();
    item.price_data = Some(data);
    item.quantity = Some(1);
    let facts = metadata(order);
    let mut payment = CreateCheckoutSessionPaymentIntentData::new();
    // What is written on the session does not reach the payment by itself.
    payment.metadata = Some(facts.clone());
    if order.saves_card {
        payment.setup_future_usage =
            Some(CreateCheckoutSessionPaymentIntentDataSetupFutureUsage::OffSession);
    }
    let mut request = CreateCheckoutSession::new()
        .mode(stripe_shared::CheckoutSessionMode::Payment)
        .line_items(vec![item])
        .client_reference_id(order.buyer.account.as_str())
        .metadata(facts)
        .payment_intent_data(payment)
        .success_url(order.success_url.clone())
        .cancel_url(order.cancel_url.clone())
        .locale(if order.in_japanese {
            stripe_shared::CheckoutSessionLocale::Ja
        } else {
            stripe_shared::CheckoutSessionLocale::Auto
        });
    // Stripe takes a customer or an address, and not both.
    if let Some(customer) = order.buyer.customer.as_ref().filter(|_| order.saves_card) {
        return request.customer(customer.clone());
    }
    if let Some(email) = &order.buyer.email {
        request = request.customer_email(email.clone());
    }
    if order.saves_card {
        request = request.customer_creation(CreateCheckoutSessionCustomerCreation::Always);
    }
    request
}

/// A currency as Stripe's client calls it.
pub(crate) fn currency_of(currency: Currency) -> stripe_types::Currency {
    match currency {
        Currency::Usd => stripe_types::Currency::USD,
        Currency::Jpy => stripe_types::Currency::JPY,
    }
}

fn metadata(order: &Order) -> HashMap<String, String> {
    let Offer { plan, credit, bonus, .. } = &order.offer;
    let mut facts = HashMap::from([
        (PURPOSE.to_owned(), CREDIT.to_owned()),
        (ACCOUNT.to_owned(), order.buyer.account.to_string()),
        (CREDIT_MICRO_USD.to_owned(), credit.0.to_string()),
        (BONUS_MICRO_USD.to_owned(), bonus.0.to_string()),
    ]);
    facts.extend(plan.iter().map(|plan| (PLAN.to_owned(), plan.clone())));
    facts.extend(order.saves_card.then(|| (SAVES_CARD.to_owned(), "yes".to_owned())));
    facts.extend(order.buyer.new_name.iter().map(|name| (NEW_NAME.to_owned(), name.clone())));
    facts
}
