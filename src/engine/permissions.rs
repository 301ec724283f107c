//! What PayPal lets our app do, read from its token and kept as a row, so that a missing permission shows before the
//! first payout is refused. It moves no money and decides nothing.

use super::{Engine, Result};
use crate::gateway::CallError;
use crate::gateway::paypal::PERMISSIONS;
use crate::store;
use crate::store::meta::Meta;
use jiff::Timestamp;
use rusqlite::{Connection, Transaction};

/// Names of the rows: the words of what is permitted, and when PayPal said so in milliseconds.
pub const GRANTED: &str = "paypal_permissions";
pub const GRANTED_AT: &str = "paypal_permissions_at";
/// When PayPal last refused a payout for want of permission, in milliseconds.
const REFUSED_AT: &str = "paypal_payouts_refused_at";

/// Whether PayPal does not let this app pay out, as far as can be told: it refused a payout so and has accepted none
/// since, or its token lists what it permits, payouts are not among it, and none was ever accepted. A token that lists
/// nothing known here tells nothing.
pub fn are_payouts_refused(connection: &Connection, meta: &Meta) -> store::Result<bool> {
    let refused_at = meta.value(REFUSED_AT).and_then(|text| text.parse::<i64>().ok());
    if let Some(at) = refused_at {
        return Ok(!store::payouts::is_any_accepted(connection, at)?);
    }
    let granted = meta.value(GRANTED).filter(|words| !words.is_empty());
    match granted {
        Some(words) if !words.split(' ').any(|word| word == "payouts") => {
            Ok(!store::payouts::is_any_accepted(connection, i64::MIN)?)
        }
        _ => Ok(false),
    }
}

/// PayPal refused a payout because it permits none.
pub(super) fn refused(tx: &Transaction<'_>, now: Timestamp) -> store::Result<()> {
    log::error!("PayPal does not permit payouts; nothing more is bought for which profit could not be paid out");
    store::meta::set(tx, REFUSED_AT, &store::to_ms(now).to_string())
}

impl Engine {
    /// Asks PayPal and keeps the answer. `Ok(Err(..))`: PayPal did not say, or says that what the configuration needs is
    /// not permitted.
    pub fn read_permissions(&self) -> Result<std::result::Result<String, String>> {
        let Some(paypal) = &self.paypal else { return Ok(Ok("PayPal is not asked".to_owned())) };
        let now = self.now();
        let granted = match paypal.permissions(now) {
            Ok(granted) => granted,
            Err(CallError::Refused { reason, .. }) => return Ok(Err(reason)),
            Err(error) => return Ok(Err(error.to_string())),
        };
        self.write(|tx| {
            store::meta::set(tx, GRANTED, &granted.join(" "))?;
            store::meta::set(tx, GRANTED_AT, &now.as_millisecond().to_string())
        })?;
        let missing: Vec<&str> = PERMISSIONS.iter().map(|(word, ..)| *word).filter(|w| !granted.contains(w)).collect();
        let must = self.settings.policy.payouts.is_some() && missing.contains(&"payouts");
        Ok(match (must, missing.as_slice()) {
            (true, _) => {
                Err(format!("payouts are on and PayPal does not permit them; missing: {}", missing.join(", ")))
            }
            (false, []) => Ok("everything is permitted".to_owned()),
            (false, missing) => Ok(format!("not permitted: {}", missing.join(", "))),
        })
    }
}
