//! A payout that PayPal's statement shows and the books do not know: the machine went back in time as a whole, and nothing
//! else has told of it (MONEY A5). It is taken up under its key, in the amount and of the time that PayPal shows; its order
//! waits until somebody has looked, nothing of it is sent again, and the batch ends it (`payouts resolve`).

use super::amnesia::is_announced;
use super::claim::key;
use super::correct::correct_sale;
use super::settle::event;
use super::steps::payout_request;
use super::{Engine, EngineError, Result};
use crate::domain::claim::{Recipient, Slot};
use crate::domain::money::Money;
use crate::domain::payout::receiver_hash;
use crate::domain::trade::Trade;
use crate::gateway::paypal::payout_body;
use crate::store::feeds::{self, ListedPayout};
use crate::store::journal::NewIntent;
use crate::store::sales::Why;
use crate::store::{self, claims, doubts, payouts};
use rusqlite::Connection;

/// What the journal says of such a claim, with the time that PayPal shows.
pub(super) const LISTED: &str = "listed";
/// An attempt that came to nothing stands in no statement, and the next one may have paid: so many are asked for.
const ATTEMPTS: u32 = 8;

impl Engine {
    /// Whether PayPal's statement shows this leg as paid by an attempt that is not known here. Then it is taken up, and
    /// nothing may be sent now.
    pub(super) fn take_up_listed(&self, trade: &Trade, recipient: Recipient, owed: Money, payee: &str) -> Result<bool> {
        let (id, slot, now) = (&trade.order.id, Slot::Payout(recipient), self.now());
        let Some((attempt, key, listed)) = self.store.read(|c| self.listed(c, trade, slot))? else { return Ok(false) };
        let amount = listed.amount.filter(|amount| amount.currency == owed.currency).unwrap_or(owed);
        let request = payout_body(&payout_request(trade, &key, recipient, amount, payee));
        // The journal first: a death in between leaves a line that the next start takes up by itself.
        let payee_hash = Some(receiver_hash(payee));
        let intent =
            NewIntent { order: id, slot, attempt, key: &key, amount, request: &request, payee_hash, terms: None };
        let line = self.open_line(Some(&key), |journal| journal.claim(now, &intent))?;
        let journal_seq = line.ok_or_else(|| EngineError::Fault("no journal".to_owned()))?;
        self.note_proof(&key, LISTED, &[listed.at.to_string()])?;
        let known = self.write(|tx| {
            let new = claims::NewClaim { key: &key, order: id, slot, attempt, amount, request: &request };
            claims::rebuild(tx, &new, journal_seq, listed.at)?;
            payouts::insert(tx, &key, recipient, payee)?;
            // What PayPal shows may be more than what is owed now.
            correct_sale(tx, &self.settings.shop, id, &Why { at: now, reason: "payout rebuilt", reference: &key })?;
            let what =
                format!("PayPal's statement shows {amount} under {key} of {}, which was not known here", listed.at);
            event(tx, id, now, "payout_unknown", &what)?;
            doubts::put(tx, id, &what, now)?;
            self.mark_known(tx, journal_seq)
        })?;
        self.settled(journal_seq, known);
        Ok(true)
    }

    /// The first attempt from the next one on that the statement shows. What the journal knows of is taken up from it.
    fn listed(
        &self,
        connection: &Connection,
        trade: &Trade,
        slot: Slot,
    ) -> store::Result<Option<(u32, String, ListedPayout)>> {
        let next = trade.attempts(slot) + 1;
        for attempt in next..next + ATTEMPTS {
            let key = key(trade, slot, attempt);
            if is_announced(connection, &key)? {
                return Ok(None);
            }
            if let Some(listed) = feeds::payout_listed(connection, &key)? {
                return Ok(Some((attempt, key, listed)));
            }
        }
        Ok(None)
    }
}
