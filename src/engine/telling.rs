//! Tracking numbers told to PayPal: a captured order with a number is easier to defend and its money held less long.
//! Nothing hangs on it: a failure is tried again later and keeps no order open.

use super::steps::paypal_order_id;
use super::{Engine, Result};
use crate::domain::trade::Trade;
use crate::failpoint;
use crate::gateway::CallError;
use crate::store;

impl Engine {
    pub(super) fn tell_tracking(&self, trade: &Trade, supplier_order_id: &str) -> Result<()> {
        let id = &trade.order.id;
        let parcel = self.store.read(|c| store::purchases::parcel(c, supplier_order_id))?;
        let proof = trade.capture.as_ref().and_then(|capture| capture.proof.as_ref());
        let (Some((number, carrier)), Some(proof)) = (parcel, proof) else { return Ok(()) };
        let (order, capture) = (paypal_order_id(trade)?, &proof.capture_id);
        let answer = self.paypal()?.tell_tracking(self.now(), order, capture, &number, carrier.as_deref());
        failpoint::hit("look.answered");
        let refusal = match &answer {
            Err(CallError::Refused { code, reason, .. }) => Some(format!("{code}: {reason}")),
            Err(error) => {
                log::info!("order {id}: PayPal was not told a tracking number: {error}");
                None
            }
            Ok(()) => None,
        };
        let now = self.now();
        self.write(|tx| {
            let is_told = answer.is_ok();
            store::purchases::told(tx, supplier_order_id, &number, is_told, refusal.as_deref(), now)?;
            match (is_told, refusal) {
                (true, _) => store::events::append(tx, Some(id), now, "tracking_told", &number),
                (_, Some(refusal)) => store::events::append(tx, Some(id), now, "tracking_refused", &refusal),
                (false, None) => Ok(()),
            }
        })
    }
}
