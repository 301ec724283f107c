//! The product's HTTP interface: products, orders, the buyer's checkout, the queue, sales, payouts and what the server
//! says of itself. A handler reads a view or stores a fact through the engine's door and rings the bell; it never calls
//! a far side and never moves money.
//!
//! Money leaves as a decimal string with its currency beside it, times as RFC 3339 in UTC. Buyers' data leave only
//! through `GET /api/orders/{id}`, never in a list, a timeline or a log (L40).

mod build;
mod by_hand;
mod checkout;
mod desk;
mod errands;
mod evidence;
mod input;
mod intake;
mod integrity;
mod json;
mod money;
mod money_back;
mod order_json;
mod orders;
mod pages;
mod paging;
mod products;
mod queue;
mod reconciliation;
mod reports;
mod status;
mod switches;
#[cfg(test)]
mod tests;
mod trial_fields;
mod trials;
mod verbs;
mod webhook;

pub use build::BuildInfo;
pub use desk::Desk;
pub use trials::test_order;

use super::auth::{Door, Scope};
use super::route::{Route, Table};

static ROUTES: &[Route<Desk>] = &[
    Route::get("/healthz", Scope::Open, status::alive),
    Route::get("/readyz", Scope::Open, status::ready),
    Route::get("/api/version", Scope::Open, status::version),
    Route::get("/api/debug/post-sale-integrity-check", Scope::Open, integrity::show),
    Route::get("/api/debug/log-evidence", Scope::Read, evidence::list),
    Route::get("/api/internal/health", Scope::Open, status::health),
    // The test flows, and the report of one, completed later.
    Route::post("/api/internal/test-post-sale-flow", Scope::Money, trials::flow),
    Route::get("/api/internal/test-post-sale-flow/{id}", Scope::Read, trials::flow_of),
    Route::post("/api/internal/test-fulfillment-only", Scope::Money, trials::purchase),
    Route::get("/api/internal/test-fulfillment-only/{id}", Scope::Read, trials::purchase_of),
    Route::get("/api/jobs/{id}", Scope::Read, errands::show),
    Route::get("/api/products", Scope::Read, products::list),
    Route::get("/api/products/{sku}", Scope::Read, products::show),
    Route::put("/api/products/{sku}", Scope::Operate, products::put),
    Route::post("/api/orders", Scope::Operate, intake::take),
    Route::get("/api/orders", Scope::Read, orders::list),
    Route::get("/api/orders/{id}", Scope::Read, orders::show),
    Route::get("/api/orders/{id}/timeline", Scope::Read, orders::timeline),
    // Approving and releasing let money move; stopping does not.
    Route::post("/api/orders/{id}/approve", Scope::Money, verbs::approve),
    Route::post("/api/orders/{id}/hold", Scope::Operate, verbs::hold),
    Route::post("/api/orders/{id}/release", Scope::Money, verbs::release),
    Route::post("/api/orders/{id}/cancel", Scope::Operate, verbs::cancel),
    Route::post("/api/orders/{id}/refund", Scope::Money, money_back::refund),
    Route::post("/api/orders/{id}/settle", Scope::Money, money_back::settle),
    Route::post("/api/orders/{id}/supplier-refund", Scope::Money, money_back::supplier_refund),
    Route::post("/api/orders/{id}/resolve-refund", Scope::Money, money_back::resolve_refund),
    Route::post("/api/payouts/{id}/resolve", Scope::Money, money_back::resolve_payout),
    Route::post("/api/payouts/{id}/mark-paid", Scope::Money, money_back::mark_paid),
    Route::post("/api/orders/{id}/correct", Scope::Money, verbs::correct),
    Route::post("/api/payouts/{id}/approve", Scope::Money, verbs::approve_payout),
    Route::post("/api/payouts/{id}/cancel", Scope::Money, verbs::cancel_payout),
    // What a person says he found, bought or paid ends in a sale and in payouts.
    Route::post("/api/orders/{id}/resolve", Scope::Money, by_hand::resolve),
    Route::post("/api/orders/{id}/mark-purchased", Scope::Money, by_hand::mark_purchased),
    Route::post("/api/orders/{id}/mark-supplier-paid", Scope::Money, by_hand::mark_supplier_paid),
    Route::post("/api/orders/{id}/mark-shipped", Scope::Money, by_hand::mark_shipped),
    Route::post("/api/orders/{id}/mark-delivered", Scope::Money, by_hand::mark_delivered),
    Route::post("/api/stop", Scope::Money, switches::stop),
    Route::post("/api/resume", Scope::Money, switches::resume),
    Route::post("/api/payees/confirm", Scope::Money, switches::confirm_payee),
    Route::post("/api/payees/approve", Scope::Money, switches::approve_payee),
    Route::post("/api/amnesia/release", Scope::Money, switches::release_amnesia),
    Route::get("/api/queue", Scope::Read, queue::list),
    Route::get("/api/sales", Scope::Read, money::sales),
    Route::get("/api/sales/{id}", Scope::Read, money::sale),
    Route::get("/api/payouts", Scope::Read, money::payouts),
    Route::get("/api/payouts/{id}", Scope::Read, money::payout),
    Route::get("/api/reconciliation", Scope::Read, reconciliation::show),
    Route::post("/api/reconciliation/{id}/book", Scope::Money, reconciliation::book),
    Route::get("/api/reports/readiness", Scope::Read, reports::show),
    Route::post("/api/reports/readiness", Scope::Money, reports::write),
    Route::post("/api/paypal/create-order", Scope::Open, checkout::create).limited(),
    Route::post("/api/paypal/capture-order", Scope::Open, checkout::capture).limited(),
    // The signature is its token. PayPal's bursts come from few addresses, so it is not limited per address; what it can
    // make us do is (see the certificates).
    Route::post("/api/webhooks/paypal", Scope::Open, webhook::take),
    Route::get("/buy/{sku}", Scope::Open, pages::buy).limited(),
    Route::post("/buy/{sku}", Scope::Open, pages::pay).limited(),
    Route::get("/paypal/return", Scope::Open, pages::returned).limited(),
    Route::get("/paypal/cancel", Scope::Open, pages::cancelled).limited(),
    Route::get("/aliexpress/callback", Scope::Open, pages::consented).limited(),
];

/// Every route of this interface.
pub fn routes() -> &'static [Route<Desk>] {
    ROUTES
}

/// The routes behind a door.
pub fn table(door: Door) -> Table<Desk> {
    Table::new(ROUTES, door)
}
