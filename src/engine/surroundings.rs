//! What is true around a trade besides the tables: STOP's file, the far sides, the payees the configuration proposes.
//! The engine asks with its gateways in hand; the command line asks beside a running engine, with none. Both must get
//! the same answer, so it is made here and nowhere else. It never calls anybody.

use super::{ALIEXPRESS, Settings};
use crate::domain::trade::{ClockState, FarSide};
use crate::store::shop::Surroundings;
use crate::store::{self, Result};
use jiff::Timestamp;
use rusqlite::Connection;
use std::path::PathBuf;

/// What a running engine thinks of the clock, for who looks beside it.
pub const CLOCK: &str = "clock";
/// When it was last compared with a far side's, and how many seconds that one was ahead: `MS SECONDS`.
pub const CLOCK_COMPARED: &str = "clock_compared";

impl Settings {
    /// The same settings with a far side that cannot be asked as such, whatever the configuration says of it.
    pub(super) fn reaching(mut self, paypal: bool, aliexpress: bool) -> Settings {
        for (side, is_reached) in [(&mut self.paypal, paypal), (&mut self.aliexpress, aliexpress)] {
            if !is_reached && *side == FarSide::Ready {
                *side = FarSide::NoToken;
            }
        }
        self
    }

    /// `is_restored`: the journal knows what the database does not. `may_refresh`: the last refresh of the supplier login
    /// did not fail just now. Whether PayPal knows our credentials only a running engine can tell.
    pub fn surroundings(
        &self,
        connection: &Connection,
        is_restored: bool,
        may_refresh: bool,
        now: Timestamp,
    ) -> Result<Surroundings> {
        let meta = store::meta::all(connection)?;
        Ok(Surroundings {
            is_stopped: self.stop_file().exists(),
            is_restored,
            clock: meta.value(CLOCK).and_then(ClockState::parse).unwrap_or(ClockState::Good),
            latest: meta.tick()?.map_or(now, |tick| tick.max(now)),
            paypal: self.paypal,
            aliexpress: self.aliexpress_state(connection, may_refresh, now)?,
            currency: self.policy.currency,
            first_orders: self.policy.first_orders_manual,
            platform: self.platform.clone(),
            seller: self.seller.clone(),
            are_payouts_refused: super::permissions::are_payouts_refused(connection, &meta)?,
            meta,
        })
    }

    /// STOP is a row and a file; either stops (MONEY A15). This is the file.
    pub fn stop_file(&self) -> PathBuf {
        self.data_dir.join("STOP")
    }

    /// The supplier can be asked with a login that works, or that can be refreshed.
    fn aliexpress_state(&self, connection: &Connection, may_refresh: bool, now: Timestamp) -> Result<FarSide> {
        if self.aliexpress != FarSide::Ready {
            return Ok(self.aliexpress);
        }
        let login = store::tokens::find(connection, ALIEXPRESS)?;
        let alive = login.is_some_and(|l| {
            let is_refreshable = l.refresh_token.is_some() && l.refresh_expires_at.is_none_or(|end| end > now);
            l.access_expires_at > now || is_refreshable && may_refresh
        });
        Ok(if alive { FarSide::Ready } else { FarSide::NoToken })
    }
}
