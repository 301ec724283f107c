//! Money at risk: what may have gone out without an answer, and what stands still until a human has decided.

use super::super::{Result, columns};
use crate::domain::money::Money;
use rusqlite::Connection;

/// One reason in one currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Risk {
    pub amount: Money,
    /// `capture_unknown`, `purchase_unknown`, `payout_unknown`, or the code of a hold.
    pub reason: String,
    /// How many claims or orders.
    pub count: u32,
}

/// Unknown outcomes, and held orders that have none. An order is counted once.
pub fn at_risk(connection: &Connection) -> Result<Vec<Risk>> {
    let sql = "WITH unknown AS (
                   SELECT c.order_id, c.slot, c.amount_minor, c.currency FROM claims c
                   WHERE c.state = 'pending' AND c.unknown_at IS NOT NULL AND c.slot <> 'checkout'
                     AND NOT EXISTS (SELECT 1 FROM payouts p WHERE p.key = c.key AND p.batch_id IS NOT NULL)
                     AND NOT EXISTS (SELECT 1 FROM captures k WHERE k.key = c.key))
               SELECT reason, currency, sum(minor) AS minor, count(*) AS count FROM (
                   SELECT CASE WHEN instr(slot, ':') > 0 THEN substr(slot, 1, instr(slot, ':') - 1) ELSE slot END
                          || '_unknown' AS reason, currency, amount_minor AS minor FROM unknown
                   UNION ALL
                   SELECT CASE WHEN instr(o.waits_for, ':') > 0
                               THEN substr(o.waits_for, 1, instr(o.waits_for, ':') - 1) ELSE 'held' END,
                          o.currency, o.total_minor
                   FROM orders o WHERE o.closed_at IS NULL AND o.stage = 'held'
                     AND o.id NOT IN (SELECT order_id FROM unknown))
               GROUP BY reason, currency ORDER BY reason, currency";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut risks = Vec::new();
    while let Some(row) = rows.next()? {
        let amount = columns::money(row, "minor", columns::currency(row, "currency")?)?;
        risks.push(Risk { amount, reason: row.get("reason")?, count: row.get("count")? });
    }
    Ok(risks)
}
