//! The way out after the database or the machine went back in time: trade by trade, and the shop for what is new. Only
//! a person may say it, after a look at PayPal and at the supplier.

use super::amnesia::make_good;
use super::by_hand::refused;
use super::lifesign::{OFF_FROM, OFF_UNTIL, settle_here};
use super::once::NotHeard;
use super::words::Word;
use super::{Engine, Result};
use crate::domain::order::OrderId;
use crate::store::doubts::{self, Cause};
use crate::store::{self, meta};
use rusqlite::Connection;

/// What to do with what only the journal knows.
pub const LOST_ADVICE: &str = "look at PayPal and at the supplier what became of it; if the order comes in again it is \
                               held, and bought under no second key; then amnesia release with this order's id";

/// What is released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Release {
    /// One trade; or, of an order that is not here, what the journal knows of it.
    Trade(OrderId),
    /// The shop: orders that come in from now on are no longer in doubt. Trades that are stay where they are.
    Shop,
    /// The shop was switched off and nothing went back in time.
    WasOff,
}

/// What holds for the whole shop and stands above every list of orders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    pub is_stopped: bool,
    /// Why the shop is shut.
    pub restored: Option<String>,
    /// Trades in doubt one by one, and how many of them only because the shop gave no sign of life.
    pub doubted: u32,
    pub off: u32,
}

impl Standing {
    pub fn of(connection: &Connection, settings: &super::Settings) -> store::Result<Standing> {
        Ok(Standing {
            is_stopped: meta::value(connection, "stop")?.is_some() || settings.stop_file().exists(),
            restored: doubts::restored(connection)?.map(|(why, _)| why),
            doubted: doubts::count(connection, None)?,
            off: doubts::count(connection, Some(Cause::Off))?,
        })
    }

    /// A line each, with what to do. `typed`: what has to be typed again for a command about this shop.
    pub fn lines(&self, typed: &str) -> Vec<String> {
        let mut lines = Vec::new();
        if self.is_stopped {
            lines.push(format!("STOP is set: nothing that moves money is sent; postsale{typed} resume takes it back."));
        }
        if let Some(why) = &self.restored {
            lines.push(format!(
                "RESTORED: nothing is sent before somebody has looked. {why}. When every trade was looked at: \
                 postsale{typed} amnesia release --shop"
            ));
        }
        let others = self.doubted - self.off;
        if others > 0 {
            lines.push(format!("{others} trades wait to be released, each: postsale{typed} amnesia release ORDER"));
        }
        if self.off > 0 {
            lines.push(format!(
                "{} trades wait because the shop gave no sign of life for a while. If it was switched off: \
                 postsale{typed} amnesia release --was-off",
                self.off
            ));
        }
        lines
    }
}

impl Engine {
    /// STOP, and what is in doubt.
    pub fn standing(&self) -> Result<Standing> {
        Ok(self.store.read(|c| Standing::of(c, &self.settings))?)
    }

    /// Releases it, or says why not. What is said twice is heard once.
    pub fn release_amnesia(&self, release: &Release, by: &str) -> std::result::Result<(), NotHeard> {
        let Some(journal) = &self.journal else {
            let detail = "The intent journal cannot be read; nothing can be released before it is put back.";
            return Err(refused("journal_unreadable", detail));
        };
        match release {
            Release::Trade(order) => self.hear(&Word::of(order, "amnesia-release", by), |tx, now| {
                let is_here = store::views::order(tx, order)?.is_some();
                if is_here {
                    make_good(tx, journal, &self.settings.shop, order, now)?;
                }
                let was_forgotten = doubts::seen(tx, order, by, now)?;
                let was_doubted = doubts::clear(tx, order, by, now)?;
                if !was_forgotten && !was_doubted {
                    return Err(refused("not_in_doubt", "Nothing of this order is in doubt."));
                }
                if is_here {
                    store::events::append(tx, Some(order), now, "amnesia_released", by)?;
                    store::intake::ring(tx, order, now)?;
                }
                Ok(())
            })?,
            Release::Shop => self.hear(&Word { order: None, verb: "amnesia-release", by, said: None }, |tx, now| {
                if doubts::restored(tx)?.is_none() {
                    return Err(refused("not_restored", "The shop did not go back in time, or was released already."));
                }
                doubts::open_shop(tx)?;
                meta::set(tx, PAID_BEFORE, &store::to_ms(now).to_string())?;
                settle_here(tx)?;
                store::events::append(tx, None, now, "amnesia_released", by)?;
                Ok(store::intake::ring_all(tx, now)?)
            })?,
            Release::WasOff => self.hear(&Word { order: None, verb: "was-off", by, said: None }, |tx, now| {
                let (lifted, was_off) = (doubts::clear_all(tx, Cause::Off, by, now)?, meta::remove(tx, OFF_UNTIL)?);
                meta::remove(tx, OFF_FROM)?;
                if lifted == 0 && !was_off {
                    return Err(refused("not_off", "Nothing waits because the shop gave no sign of life."));
                }
                meta::set_tick(tx, now.max(meta::tick(tx)?.unwrap_or(now)))?;
                store::events::append(tx, None, now, "was_off", &format!("{by}; {lifted} trades go on"))?;
                Ok(store::intake::ring_all(tx, now)?)
            })?,
        }
        self.bell.ring();
        Ok(())
    }
}

/// Orders paid before this may have been here before the shop went back in time.
const PAID_BEFORE: &str = "paid_before";
