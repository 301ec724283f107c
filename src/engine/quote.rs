//! The quote: the supplier's price, stock and freight for exactly the approved variants, the quantity and the country.
//! Nothing is assumed: a variant that is gone, a price in another currency, an unshippable country are failures with a
//! reason, and a passing trouble is asked again soon.

use super::looks::is_passing;
use super::settle::event;
use super::{Engine, Result};
use crate::domain::guards::Guard;
use crate::domain::money::Money;
use crate::domain::order::{Address, Line};
use crate::domain::purchase::{Quote, QuoteLine};
use crate::domain::trade::Trade;
use crate::gateway::aliexpress::{FreightOption, FreightQuestion};
use crate::gateway::{CallError, Secret};
use crate::store;
use jiff::SignedDuration;

/// Ask again after a passing trouble, each time twice as late up to the longest, and after a real no (which AliExpress
/// gives falsely at times).
const AFTER_TROUBLE: SignedDuration = SignedDuration::from_mins(1);
const AFTER_TROUBLE_MAX: SignedDuration = SignedDuration::from_mins(5);
const AFTER_NO: SignedDuration = SignedDuration::from_mins(30);

/// Why there is no offer.
struct NoOffer {
    reason: String,
    retry_after: SignedDuration,
}

impl From<CallError> for NoOffer {
    fn from(error: CallError) -> NoOffer {
        let retry_after = if is_passing(&error) { AFTER_TROUBLE } else { AFTER_NO };
        NoOffer { reason: error.to_string(), retry_after }
    }
}

fn no(reason: impl Into<String>) -> NoOffer {
    NoOffer { reason: reason.into(), retry_after: AFTER_NO }
}

/// One line's offer and its freight and tax.
struct LineOffer {
    line: QuoteLine,
    items: Money,
    freight: Money,
    tax: Money,
}

impl Engine {
    pub(super) fn quote(&self, trade: &Trade) -> Result<()> {
        let id = &trade.order.id;
        crate::failpoint::hit("look.asking");
        let offer = match self.login()? {
            Some(token) => self.offer(trade, &token),
            None => Err(no("no supplier login")),
        };
        crate::failpoint::hit("look.answered");
        let now = self.now();
        self.write(|tx| match &offer {
            Ok(quote) => {
                store::quotes::insert(tx, id, quote)?;
                event(tx, id, now, "quoted", &format!("items {} freight {}", quote.items, quote.freight))
            }
            Err(failure) => {
                let before = trade.quote_failure.as_ref().filter(|f| !f.is_no());
                let doubled = before.map(|f| (f.retry_at.duration_since(f.failed_at) * 2).min(AFTER_TROUBLE_MAX));
                let retry_after = failure.retry_after.max(doubled.unwrap_or(SignedDuration::ZERO));
                store::quotes::failed(tx, id, now, &failure.reason, now + retry_after)?;
                event(tx, id, now, "no_quote", &failure.reason)
            }
        })
    }

    fn offer(&self, trade: &Trade, token: &Secret) -> std::result::Result<Quote, NoOffer> {
        let nowhere = Address::default();
        let address = trade.order.buyer.as_ref().map_or(&nowhere, |b| &b.address);
        if let Some(misfit) = self.misplaced(trade, address, token) {
            return Err(no(misfit));
        }
        let mut offers = Vec::new();
        for line in &trade.order.lines {
            offers.push(self.line_offer(line, address, token)?);
        }
        let total = |part: fn(&LineOffer) -> Money| -> std::result::Result<Money, NoOffer> {
            let (first, rest) = offers.split_first().ok_or_else(|| no("the order has no lines"))?;
            let sum = rest.iter().try_fold(part(first), |sum, offer| sum.plus(part(offer)));
            sum.map_err(|e| no(format!("the supplier's prices: {e}")))
        };
        let (items, freight, tax) = (total(|o| o.items)?, total(|o| o.freight)?, total(|o| o.tax)?);
        let hash = hash(trade, &offers);
        let lines = offers.into_iter().map(|o| o.line).collect();
        Ok(Quote { hash, quoted_at: self.now(), lines, items, freight, tax })
    }

    /// A field that is not on AliExpress' own list of places, unless a person vouched for the address.
    fn misplaced(&self, trade: &Trade, address: &Address, token: &Secret) -> Option<&'static str> {
        let is_vouched = trade.approval.as_ref().is_some_and(|yes| yes.overrides.contains(&Guard::Address));
        let country = address.country.as_deref().filter(|_| !is_vouched)?;
        self.tree(country, token)?.misfit(address)
    }

    fn line_offer(&self, line: &Line, address: &Address, token: &Secret) -> std::result::Result<LineOffer, NoOffer> {
        let country = address.country.as_deref().ok_or_else(|| no("the buyer's country is not known"))?;
        let aliexpress = self.aliexpress().map_err(|e| no(e.to_string()))?;
        let variant = &line.variant;
        let currency = self.settings.policy.currency;
        let product = aliexpress.product(self.now(), token, &variant.product_id, country, currency)?;
        let found = product.variants.iter().find(|v| v.sku_id == variant.sku_id && v.sku_attr == variant.sku_attr);
        let found =
            found.ok_or_else(|| no(format!("the supplier has no variant {} of {}", variant.sku_id, line.sku)))?;
        let question = FreightQuestion {
            product_id: variant.product_id.clone(),
            sku_id: variant.sku_id.clone(),
            quantity: line.quantity,
            country: country.to_owned(),
            province: address.province.clone(),
            currency: found.price.currency,
        };
        let options = aliexpress.freight(self.now(), token, &question)?;
        let chosen = choose(&options, variant.service.as_deref());
        let zero = Money::zero(found.price.currency);
        let overflow = |e: crate::domain::money::MoneyError| no(e.to_string());
        let freight = chosen.map_or(zero, |option| option.fee);
        let tax = found.tax.unwrap_or(zero).times(line.quantity).map_err(overflow)?;
        Ok(LineOffer {
            items: found.price.times(line.quantity).map_err(overflow)?,
            freight,
            tax,
            line: QuoteLine {
                unit_price: found.price,
                freight: Some(freight),
                tax: Some(tax),
                stock: found.stock,
                buy_limit: found.buy_limit,
                is_on_sale: product.on_sale,
                service: chosen.map(|option| option.code.clone()),
            },
        })
    }
}

/// The product's own service if it names one (and then no other), else the cheapest tracked one, else the cheapest.
fn choose<'a>(options: &'a [FreightOption], wanted: Option<&str>) -> Option<&'a FreightOption> {
    match wanted {
        Some(code) => options.iter().find(|o| o.code == code),
        None => options.iter().min_by_key(|o| (!o.tracked, o.fee.minor, o.code.clone())),
    }
}

/// Of what an approval must see again: variants, quantities, prices, freight, services and the address. Not the stock,
/// which changes by the minute.
fn hash(trade: &Trade, offers: &[LineOffer]) -> String {
    let mut seen = String::new();
    for (line, offer) in trade.order.lines.iter().zip(offers) {
        let (variant, service) = (&line.variant, offer.line.service.as_deref().unwrap_or("-"));
        seen.push_str(&format!(
            "{}|{}|{}|{}|{}|{}|{service};",
            variant.product_id, variant.sku_attr, line.quantity, offer.items, offer.freight, offer.tax
        ));
    }
    if let Some(buyer) = &trade.order.buyer {
        let address = &buyer.address;
        let fields = [&buyer.name, &address.line1, &address.line2, &address.city, &address.province];
        let rest = [&address.postal_code, &address.country, &buyer.phone, &buyer.id_number];
        for field in fields.into_iter().chain(rest) {
            seen.push('|');
            seen.push_str(field.as_deref().unwrap_or(""));
        }
    }
    store::claims::hash(seen.as_bytes())[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::money::Currency;

    #[test]
    fn l27_the_service_named_with_the_product_is_taken_or_none() {
        let option = |code: &str, cents, tracked| FreightOption {
            code: code.to_owned(),
            company: String::new(),
            fee: Money::new(cents, Currency::new("USD").unwrap()),
            tracked,
            days: None,
        };
        let options = [option("SLOW", 0, false), option("FAST", 500, true), option("STD", 199, true)];
        let check = |wanted: Option<&str>, expected: Option<&str>| {
            assert_eq!(choose(&options, wanted).map(|o| o.code.as_str()), expected, "{wanted:?}");
        };
        check(None, Some("STD"));
        check(Some("FAST"), Some("FAST"));
        check(Some("GONE"), None);
        assert_eq!(choose(&options[..1], None).map(|o| o.code.as_str()), Some("SLOW"));
        assert_eq!(choose(&[], None).map(|o| o.code.as_str()), None);
    }
}
