//! `postsale plan`: what would be done next for every open order, by the same pure function and the same surroundings
//! as the engine's, doing nothing. It reads the configuration of this shell: what the server was started with otherwise
//! is not known here.

use super::assemble::{Outside, settings};
use super::exit::Failure;
use super::page::{Facts, Rows, pretty};
use super::sources::{Joined, Sources};
use crate::domain::pipeline::{next_step, stage};
use crate::domain::trade::{Step, Trade};
use crate::engine::Settings;
use crate::engine::release::Standing;
use crate::store::{self, Store, StoreError};
use jiff::Timestamp;

pub fn plan(sources: &Sources, as_json: bool) -> Result<String, Failure> {
    let Joined { config, secrets, store, clock } = sources.join()?;
    let outside = Outside::described(&config, &secrets);
    // Nothing is sent, so nobody is told where to return to.
    let settings = settings(&config, &outside, String::new());
    let planned = steps(&store, &settings, clock.now())?;
    let rows = Rows(planned.iter().map(|(trade, step)| row(trade, step)).collect());
    if as_json {
        return Ok(pretty(&rows.json()));
    }
    let standing = store.read(|c| Standing::of(c, &settings))?;
    let above: String = standing.lines(&sources.typed()).into_iter().map(|line| format!("{line}\n")).collect();
    Ok(above + &rows.text().unwrap_or_else(|| "No order is open.\n".to_owned()))
}

/// Every open trade with its next step, all of one moment.
fn steps(store: &Store, settings: &Settings, now: Timestamp) -> Result<Vec<(Trade, Step)>, StoreError> {
    store.read(|connection| {
        let is_restored = store::meta::value(connection, crate::engine::open::UNREADABLE)?.is_some();
        let around = settings.surroundings(connection, is_restored, true, now)?;
        let shop = store::shop::load(connection, &around, now)?;
        let mut planned = Vec::new();
        for id in store::trades::open(connection)? {
            let trade = store::trades::load(connection, &settings.shop, &id)?;
            let step = next_step(&trade, &shop, &settings.policy, now);
            planned.push((trade, step));
        }
        Ok(planned)
    })
}

fn row(trade: &Trade, step: &Step) -> Facts {
    let (next, why) = describe(step);
    Facts::default()
        .with("id", &trade.order.id.0)
        .with("stage", stage(trade, step).word())
        .with("next", next)
        .with("until", step.until())
        .with("why", why)
}

/// A step in a few words, and what there is to say about it.
pub fn describe(step: &Step) -> (&'static str, Option<String>) {
    match step {
        Step::Wait { why, .. } => ("wait", Some(why.to_string())),
        Step::Hold { hold, .. } => ("hold", Some(format!("{}: {}; {}", hold.code, hold.detail, hold.code.advice()))),
        Step::OpenCheckout => ("open the checkout", None),
        Step::AskCheckout => ("ask PayPal about the checkout", None),
        Step::Capture { attempt, amount } => ("capture", Some(format!("{amount}, attempt {attempt}"))),
        Step::Hear => ("ask PayPal again, because it rang", None),
        Step::ReadFee => ("ask PayPal for its fee", None),
        Step::Quote => ("ask the supplier for an offer", None),
        Step::Place(placing) => {
            let way = if placing.is_auto_pay { "paid at once" } else { "to be paid on the site" };
            ("buy", Some(format!("{} of at most {}, {way}", placing.landed, placing.ceiling)))
        }
        Step::ResendPlace => ("send the purchase once more", Some("the same bytes under the same key".to_owned())),
        Step::Withdraw(_) => ("give up a claim that was never sent", None),
        Step::Inspect { supplier_order_id } => ("look at the supplier's order", Some(supplier_order_id.clone())),
        Step::RecordSale => ("record the sale", None),
        Step::SetOff { recipient, amount } => ("net a debt", Some(format!("{amount} that the {recipient} owes"))),
        Step::Pay { recipient, attempt, amount, .. } => {
            ("pay", Some(format!("{amount} to the {recipient}, attempt {attempt}")))
        }
        Step::ResendPayout(recipient) => ("send the payout once more", Some(format!("to the {recipient}, same key"))),
        Step::CancelPayout(recipient) => ("take an unclaimed payout back", Some(format!("from the {recipient}"))),
        Step::TellTracking { supplier_order_id } => {
            ("tell PayPal the tracking number", Some(format!("of supplier order {supplier_order_id}")))
        }
        Step::AskPayout(recipient) => ("ask PayPal about the payout", Some(format!("to the {recipient}"))),
        Step::Refund { number, amount } => ("give money back", Some(format!("{amount}, refund {number}"))),
        Step::ResendRefund(number) => ("send the refund once more", Some(format!("refund {number}, same key"))),
        Step::AskRefund(number) => ("ask PayPal about the refund", Some(format!("refund {number}"))),
        Step::Track => ("ask where the parcel is", None),
        Step::Close => ("close", None),
    }
}
