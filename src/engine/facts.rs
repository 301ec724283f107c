//! Facts of the whole shop that a person states: by the API through a running engine, or by the command line beside
//! one. Each is written in the caller's transaction together with its event, so that both doors leave the same rows.
//! Nothing here rings a bell: an engine in another process sees the rows within a tick.

use crate::store::products::Product;
use crate::store::{self, Result};
use jiff::Timestamp;
use rusqlite::Transaction;

/// The row that stops (MONEY A15).
const STOP: &str = "stop";

pub fn put_product(tx: &Transaction<'_>, product: &Product, now: Timestamp) -> Result<()> {
    store::products::put(tx, product, now)?;
    store::events::append(tx, None, now, "product", &format!("{} {}", product.sku, product.price))
}

/// STOP: nothing that moves money is sent until it is taken back. The file beside the database is the caller's.
pub fn stop(tx: &Transaction<'_>, by: &str, now: Timestamp) -> Result<()> {
    store::meta::set(tx, STOP, by)?;
    store::events::append(tx, None, now, "stop", by)
}

/// Takes STOP back and wakes every open order; says whether the row stood. The file beside the database stops too, as
/// long as it is there.
pub fn resume(tx: &Transaction<'_>, by: &str, now: Timestamp) -> Result<bool> {
    let was_stopped = store::meta::remove(tx, STOP)?;
    store::events::append(tx, None, now, "resume", by)?;
    store::intake::ring_all(tx, now)?;
    Ok(was_stopped)
}
