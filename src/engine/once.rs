//! Facts from outside that carry an `Idempotency-Key`: the same request again changes nothing, another body under the
//! same key is refused, and the key is remembered in the transaction of the change. Calls nobody.

use super::intake::{Rejected, Taken, approved, held, released};
use super::words::Word;
use super::{Engine, EngineError};
use crate::domain::claim::Slot;
use crate::domain::guards::{Approval, Guard};
use crate::domain::hold::HoldCode;
use crate::domain::order::{Address, Buyer, OrderId, Origin};
use crate::domain::pipeline::next_step;
use crate::domain::purchase::Purchase;
use crate::domain::trade::Step;
use crate::store::idempotency::Seen;
use crate::store::{self, StoreError};
use jiff::Timestamp;
use rusqlite::{Connection, Transaction};

/// One request as its sender names it.
#[derive(Clone, Copy, Debug)]
pub struct Once<'a> {
    /// The sender's own key, 1 to 255 characters.
    pub key: &'a str,
    /// Method and path; a key means nothing on another route.
    pub route: &'a str,
    /// SHA-256 of the body, hex.
    pub body_hash: &'a str,
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard<T> {
    /// It was new, and this is what it did.
    Now(T),
    /// It came before; nothing was done.
    Before,
}

#[derive(Debug, thiserror::Error)]
pub enum NotHeard {
    #[error("this key came before with another body")]
    OtherBody,
    /// Where the goods go is fixed once they are ordered.
    #[error("the goods are ordered; the buyer and the address cannot be changed any more")]
    AlreadyBought,
    /// What was said does not fit what is known. `not_before`: from then on it will be heard.
    #[error("{detail}")]
    Refused { code: &'static str, detail: String, not_before: Option<Timestamp> },
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl From<StoreError> for NotHeard {
    fn from(error: StoreError) -> NotHeard {
        NotHeard::Engine(error.into())
    }
}

/// What a human corrects while releasing an order.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Correction {
    /// Fields that are `None` stay as they are.
    pub name: Option<String>,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub id_number: Option<String>,
    /// The whole address in place of the old one, so that no two are mixed.
    pub address: Option<Address>,
}

impl Correction {
    pub fn is_empty(&self) -> bool {
        *self == Correction::default()
    }
}

impl Engine {
    /// A human's yes to the offer, or to what the supplier asks for a placed order now. One that leaves a guard in the
    /// way is refused, and says which.
    pub fn approve_once(
        &self,
        once: &Once<'_>,
        order: &OrderId,
        approval: &Approval,
        reason: Option<&str>,
        by: &str,
    ) -> Result<Heard<()>, NotHeard> {
        self.once(once, order, "approve", by, |tx, now| {
            approved(tx, order, approval, reason, by, now)?;
            if approval.overrides.contains(&Guard::Ceiling) {
                self.raise_ceiling(tx, order, by, now)?;
            }
            match self.still_in_the_way(tx, order, now)? {
                Some(detail) => Err(NotHeard::Refused { code: "still_blocked", detail, not_before: None }),
                None => Ok(()),
            }
        })
    }

    /// Accepts what the supplier asks for a placed order, exactly so much and no more: another total asks again
    /// (MONEY A18).
    fn raise_ceiling(&self, tx: &Transaction<'_>, order: &OrderId, by: &str, now: Timestamp) -> Result<(), NotHeard> {
        let Some(purchase) = store::purchases::live(tx, order)?.filter(Purchase::is_placed) else { return Ok(()) };
        let total = purchase.total().filter(|total| total.currency == purchase.ceiling.currency);
        let Some(total) = total.filter(|total| total.minor > purchase.ceiling.minor) else { return Ok(()) };
        store::purchases::accept(tx, &purchase.claim.key, total)?;
        let detail = format!("{} to {total} by {by}", purchase.ceiling);
        Ok(store::events::append(tx, Some(order), now, "ceiling_raised", &detail)?)
    }

    /// What a yes would have to name and did not: asked as if the supplier's last offer came this moment.
    fn still_in_the_way(
        &self,
        tx: &Transaction<'_>,
        order: &OrderId,
        now: Timestamp,
    ) -> Result<Option<String>, NotHeard> {
        let (mut trade, shop) = self.load(tx, order, now)?;
        if let Some(quote) = &mut trade.quote {
            quote.quoted_at = now;
        }
        let is_a_yes = [HoldCode::Guard, HoldCode::NeedsApproval, HoldCode::OverCeiling];
        Ok(match next_step(&trade, &shop, &self.settings.policy, now) {
            Step::Hold { hold, .. } if is_a_yes.contains(&hold.code) => Some(hold.detail),
            _ => None,
        })
    }

    /// Stops one order until somebody releases it.
    pub fn hold_once(&self, once: &Once<'_>, order: &OrderId, reason: &str, by: &str) -> Result<Heard<()>, NotHeard> {
        let word = Word { said: Some(reason), ..Word::of(order, "hold", by) };
        self.once_said(once, order, &word, |tx, now| Ok(held(tx, order, reason, by, now)?))
    }

    /// Corrects what is to be corrected and takes the standing hold off. Says whether there was one.
    pub fn release_once(
        &self,
        once: &Once<'_>,
        order: &OrderId,
        correction: &Correction,
        by: &str,
    ) -> Result<Heard<bool>, NotHeard> {
        let _hand = if correction.is_empty() { None } else { Some(self.hand_on(order)?) };
        // A correction is personal data, so that one was made is all the journal keeps.
        let verb = if correction.is_empty() { "release" } else { "release-and-correct" };
        self.once(once, order, verb, by, |tx, now| {
            if !correction.is_empty() {
                correct(tx, order, correction, by, now)?;
            }
            Ok(released(tx, order, by, now)?)
        })
    }

    /// Corrects the buyer or the address before the goods are ordered. The supplier is asked for his offer again.
    pub fn correct_once(
        &self,
        once: &Once<'_>,
        order: &OrderId,
        correction: &Correction,
        by: &str,
    ) -> Result<Heard<()>, NotHeard> {
        // No worker may be in the middle of an offer for the old address.
        let _hand = self.hand_on(order)?;
        self.once(once, order, "correct", by, |tx, now| correct(tx, order, correction, by, now))
    }

    /// Opens a checkout, or finds the one that the same key opened.
    pub fn open_checkout_once(
        &self,
        once: &Once<'_>,
        sku: &str,
        quantity: u32,
        buyer: Option<Buyer>,
    ) -> Result<Taken, Rejected> {
        let seen = self.store.read(|c| store::idempotency::find(c, once.key, once.route))?;
        if let Some(Seen { body_hash, order: Some(order) }) = seen
            && body_hash != once.body_hash
        {
            return Err(Rejected::OtherContent(order));
        }
        // The order's own identity hangs on the key, so that a program that died between the two transactions finds
        // the order again and not a second one.
        let reference = format!("key-{}", &store::claims::hash(once.key.as_bytes())[..32]);
        let taken = self.open_checkout_order(sku, quantity, buyer, Some(&reference))?;
        let (order, now) = (&taken.order, self.now());
        self.store
            .write(|tx| store::idempotency::record(tx, once.key, once.route, once.body_hash, Some(order), now))?;
        Ok(taken)
    }

    /// Whether the request has not been heard yet. A key that came with another body is refused.
    pub(super) fn is_new(&self, once: &Once<'_>) -> Result<bool, NotHeard> {
        self.store.read(|c| is_known(c, once)).map(|is_known| !is_known)
    }

    /// The road of every verb: known already, or said to the journal, done and remembered together.
    pub(super) fn once<T>(
        &self,
        once: &Once<'_>,
        order: &OrderId,
        verb: &str,
        by: &str,
        change: impl FnOnce(&Transaction<'_>, Timestamp) -> Result<T, NotHeard>,
    ) -> Result<Heard<T>, NotHeard> {
        self.once_said(once, order, &Word::of(order, verb, by), change)
    }

    /// What a person proved of a claim, whose key the word's transaction answered, goes to the journal once it was heard:
    /// the next start believes a proof, and one whose word failed must not be believed. After a death in between the
    /// journal still has the word, which stands in doubt with an older database.
    pub(super) fn note_heard(
        &self,
        heard: Heard<String>,
        outcome: &str,
        ids: &[String],
    ) -> Result<Heard<()>, NotHeard> {
        let Heard::Now(key) = heard else { return Ok(Heard::Before) };
        self.note_proof(&key, outcome, ids)?;
        Ok(Heard::Now(()))
    }

    fn once_said<T>(
        &self,
        once: &Once<'_>,
        order: &OrderId,
        word: &Word<'_>,
        change: impl FnOnce(&Transaction<'_>, Timestamp) -> Result<T, NotHeard>,
    ) -> Result<Heard<T>, NotHeard> {
        if self.store.read(|c| is_known(c, once))? {
            return Ok(Heard::Before);
        }
        let heard = self.hear(word, |tx, now| {
            // Asked again inside the transaction: two may have come at the same moment.
            if is_known(tx, once)? {
                return Ok(Heard::Before);
            }
            let value = change(tx, now)?;
            store::idempotency::record(tx, once.key, once.route, once.body_hash, Some(order), now)?;
            store::intake::ring(tx, order, now)?;
            Ok::<_, NotHeard>(Heard::Now(value))
        })?;
        self.bell.ring();
        Ok(heard)
    }
}

fn is_known(connection: &Connection, once: &Once<'_>) -> Result<bool, NotHeard> {
    match store::idempotency::find(connection, once.key, once.route)? {
        None => Ok(false),
        Some(seen) if seen.body_hash == once.body_hash => Ok(true),
        Some(_) => Err(NotHeard::OtherBody),
    }
}

/// Before Place only: what was ordered goes where it was ordered to. The offer at hand was for the old address, so it is
/// thrown away, and with it the approval of it (MONEY A18).
fn correct(
    tx: &Transaction<'_>,
    order: &OrderId,
    correction: &Correction,
    by: &str,
    now: Timestamp,
) -> Result<(), NotHeard> {
    if store::claims::live(tx, order, Slot::Purchase)?.is_some() {
        return Err(NotHeard::AlreadyBought);
    }
    let row =
        store::views::order(tx, order)?.ok_or_else(|| StoreError::Unreadable(format!("there is no order {order}")))?;
    let mut buyer = store::intake::buyer(tx, order)?.unwrap_or_default();
    buyer.name = correction.name.clone().or(buyer.name);
    buyer.email = correction.email.clone().or(buyer.email);
    buyer.phone = correction.phone.clone().or(buyer.phone);
    buyer.id_number = correction.id_number.clone().or(buyer.id_number);
    if let Some(address) = &correction.address {
        let is_paypals = row.origin == Origin::Checkout.word();
        buyer.address = if is_paypals { filled(&buyer.address, address)? } else { address.clone() };
    }
    store::intake::set_buyer(tx, order, &buyer, "operator")?;
    store::quotes::failed(tx, order, now, "the buyer or the address was corrected", now)?;
    Ok(store::events::append(tx, Some(order), now, "corrected", by)?)
}

/// An order paid through PayPal goes to PayPal's address and to no other; what is missing there may be filled in
/// (MONEY A20).
fn filled(known: &Address, given: &Address) -> Result<Address, NotHeard> {
    let field = |known: &Option<String>, given: &Option<String>| match (known, given) {
        (Some(old), Some(new)) if !is_same_text(old, new) => Err(NotHeard::Refused {
            code: "address_is_paypals",
            detail: "The buyer paid for this address at PayPal; only what is missing in it may be filled in. To send \
                     the goods elsewhere, cancel the order and let the buyer pay again."
                .to_owned(),
            not_before: None,
        }),
        (Some(old), _) => Ok(Some(old.clone())),
        (None, new) => Ok(new.clone()),
    };
    Ok(Address {
        line1: field(&known.line1, &given.line1)?,
        line2: field(&known.line2, &given.line2)?,
        city: field(&known.city, &given.city)?,
        province: field(&known.province, &given.province)?,
        postal_code: field(&known.postal_code, &given.postal_code)?,
        country: field(&known.country, &given.country)?,
    })
}

/// The same, however it was typed.
fn is_same_text(a: &str, b: &str) -> bool {
    let plain =
        |text: &str| -> String { text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect() };
    plain(a) == plain(b)
}
