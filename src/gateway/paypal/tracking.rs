//! Telling PayPal where the goods are. It moves no money, and telling the same number twice does no harm.

use super::{Call, Operation, PayPal, plain};
use crate::gateway::CallError;
use jiff::Timestamp;
use serde_json::json;

/// PayPal's word for a carrier, by what its name has in it in lower case; the first that fits.
const CARRIERS: &[(&str, &str)] = &[
    ("cainiao", "CAINIAO"),
    ("aliexpress", "CAINIAO"),
    ("yanwen", "YANWEN"),
    ("yun express", "YUNEXPRESS"),
    ("yunexpress", "YUNEXPRESS"),
    ("4px", "FOUR_PX_EXPRESS"),
    ("china post", "CN_CHINA_POST_EMS"),
    ("china ems", "CN_CHINA_POST_EMS"),
    ("epacket", "CN_CHINA_POST_EMS"),
    ("sf express", "CN_SF_EXPRESS"),
    ("singapore post", "SG_SG_POST"),
    ("singpost", "SG_SG_POST"),
    ("usps", "USPS"),
    ("fedex", "FEDEX"),
    ("dhl", "DHL"),
    ("dpd", "DPD"),
    ("gls", "GLS"),
    ("hermes", "HERMES"),
    ("royal mail", "ROYAL_MAIL"),
    ("canada post", "CA_CANADA_POST"),
    ("ups", "UPS"),
];

/// PayPal takes so many characters of a tracking number.
const NUMBER_CHARS_MAX: usize = 64;

/// PayPal's word for the carrier. `None` = it is not known, and then none is named: a wrong one is worse.
pub fn carrier_word(name: &str) -> Option<&'static str> {
    let name = name.to_lowercase();
    CARRIERS.iter().find(|(part, _)| name.contains(part)).map(|(_, word)| *word)
}

impl PayPal {
    /// Puts a tracking number on a captured order; the buyer gets no mail for it. Both spellings of the capture's id are
    /// sent, because PayPal's reference names the one and its schema demands the other.
    pub fn tell_tracking(
        &self,
        now: Timestamp,
        paypal_order_id: &str,
        capture_id: &str,
        number: &str,
        carrier: Option<&str>,
    ) -> Result<(), CallError> {
        if !(1..=NUMBER_CHARS_MAX).contains(&number.chars().count()) {
            return Err(CallError::refused_here(format!("a tracking number has 1 to {NUMBER_CHARS_MAX} characters")));
        }
        let capture_id = plain("capture", capture_id)?;
        let mut body = json!({ "capture_id": capture_id, "transaction_id": capture_id, "tracking_number": number,
            "status": "SHIPPED", "notify_payer": false });
        if let Some(word) = carrier.and_then(carrier_word) {
            body["carrier"] = json!(word);
        }
        let path = format!("/v2/checkout/orders/{}/track", plain("order", paypal_order_id)?);
        let body = body.to_string().into_bytes();
        let call = Call::post(Operation::Track, path, None, &body);
        self.answer(now, &call).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_carrier_is_named_in_paypals_word_or_not_at_all() {
        let check = |name: &str, word: Option<&str>| assert_eq!(carrier_word(name), word, "{name}");
        check("Cainiao", Some("CAINIAO"));
        check("AliExpress Standard Shipping", Some("CAINIAO"));
        check("YANWEN Economic Air Mail", Some("YANWEN"));
        check("China Post Registered Air Mail", Some("CN_CHINA_POST_EMS"));
        check("4PX Singapore Post OM Pro", Some("FOUR_PX_EXPRESS"));
        check("USPS", Some("USPS"));
        check("Seller's own cart", None);
        check("", None);
    }
}
