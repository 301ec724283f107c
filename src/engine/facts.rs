//! Facts of the whole shop that a person states: by the API through a running engine, or by the command line beside
//! one. Each is written in the caller's transaction together with its event, so that both doors leave the same rows.
//! Nothing here rings a bell: an engine in another process sees the rows within a tick.

use super::listed::is_of_an_open_order;
use crate::domain::entries;
use crate::domain::fx::FxRate;
use crate::domain::statement::FindingKind;
use crate::store::products::Product;
use crate::store::{self, Result};
use jiff::Timestamp;
use rusqlite::Transaction;
use std::io::{ErrorKind, Result as IoResult};
use std::path::Path;

/// The row that stops (MONEY A15).
const STOP: &str = "stop";

pub fn put_product(tx: &Transaction<'_>, product: &Product, now: Timestamp) -> Result<()> {
    store::products::put(tx, product, now)?;
    store::events::append(tx, None, now, "product", &format!("{} {}", product.sku, product.price))
}

/// A rate of exchange by somebody's word. Orders that wait for one are looked at again.
pub fn set_rate(tx: &Transaction<'_>, rate: &FxRate, by: &str, now: Timestamp) -> Result<()> {
    store::rates::put(tx, rate, by, now)?;
    let detail = format!("1 {} is {} {} on {} by {by}", rate.from, rate.decimal(), rate.to, rate.at);
    store::events::append(tx, None, now, "rate", &detail)?;
    store::intake::ring_all(tx, now)
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

/// Why a movement was not booked.
#[derive(Debug, thiserror::Error)]
pub enum NotBooked {
    #[error("there is no finding {0}")]
    Unknown(i64),
    #[error("finding {0} does not stand any more")]
    Gone(i64),
    /// It belongs to an order or contradicts our record, or its amount is not known: booking it would hide that.
    #[error("a {0} is not the owner's own movement; it is settled with its order, or corrected")]
    NotTheOwners(String),
    /// Booked as the owner's, it would be booked again with its order.
    #[error("{0} bears the key of a payout of an open order, which takes it up before it pays")]
    AsOurs(String),
    #[error(transparent)]
    Store(#[from] store::StoreError),
}

/// A person says that a movement which the reconciliation found is the owner's own (money put in or taken out by hand, a
/// withdrawal, a conversion, a fee): it is booked once, under the far side's id, and its finding is resolved.
pub fn book_movement(
    tx: &Transaction<'_>,
    finding: i64,
    by: &str,
    now: Timestamp,
) -> std::result::Result<(), NotBooked> {
    let row = store::findings::find(tx, finding)?.ok_or(NotBooked::Unknown(finding))?;
    if row.resolved_at.is_some() {
        return Err(NotBooked::Gone(finding));
    }
    let kind = FindingKind::parse(&row.kind).filter(|kind| kind.is_the_owners());
    let nets = store::feeds::net_of(tx, &row.provider, &row.reference)?;
    let Some(kind) = kind.filter(|_| !nets.is_empty()) else { return Err(NotBooked::NotTheOwners(row.kind)) };
    if is_of_an_open_order(tx, &store::feeds::customs_of(tx, &row.provider, &row.reference)?)? {
        return Err(NotBooked::AsOurs(row.reference));
    }
    let entry = entries::movement(&row.reference, &nets, kind == FindingKind::ForeignFee);
    store::ledger::book_apart(tx, now, &entry)?;
    store::findings::explained(tx, finding, now)?;
    let nets: Vec<String> = nets.iter().map(|net| net.to_string()).collect();
    let detail = format!("{} {} {}, said {by}", row.kind, row.reference, nets.join(", "));
    Ok(store::events::append(tx, None, now, "movement", &detail)?)
}

/// How the file begins that this program lays down; what a person laid down by hand, only a person takes away.
const LAID_BY: &str = "stopped by ";

/// STOP's other half (MONEY A15). It lies outside the database, so no older copy of that takes it back.
pub fn lay_stop_file(file: &Path, by: &str) -> IoResult<()> {
    std::fs::write(file, format!("{LAID_BY}{by}\n"))
}

/// Takes the file away if this program laid it; says whether it did.
pub fn take_stop_file(file: &Path) -> IoResult<bool> {
    match std::fs::read(file) {
        Ok(bytes) if bytes.starts_with(LAID_BY.as_bytes()) => std::fs::remove_file(file).map(|()| true),
        Ok(_) => Ok(false),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
