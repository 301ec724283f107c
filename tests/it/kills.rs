//! The real program on the real road: served as shipped, and killed with SIGKILL at ten moments of it. The far sides'
//! books are the judge: bought once, paid once, to the cent.

use crate::shop::{Serving, Shop, checkout, mug};
use serde_json::{Value, json};

/// What a buyer and a seller do for one order; every part may be done again after a crash, and leads on.
fn drive(serving: &Serving) -> Option<String> {
    serving.ask("PUT", "/api/products/MUG", &[], &mug())?;
    let same = [("idempotency-key", "one-checkout")];
    let (status, body) = serving.ask_openly("POST", "/api/paypal/create-order", &same, &checkout())?;
    assert!(status == 200 || status == 201 || status == 503, "{status} {body}");
    let opened: Value = serde_json::from_str(&body).unwrap();
    let order = opened["orderId"].as_str().unwrap().to_owned();
    let paypal_order = opened["paypalOrderId"].as_str()?.to_owned();
    serving.control("POST", &format!("paypal/orders/{paypal_order}/approve"), &json!({}))?;
    let asked = json!({"paypalOrderId": paypal_order});
    serving.ask_openly("POST", "/api/paypal/capture-order", &[], &asked)?;
    Some(order)
}

/// One capture, one purchase, two payouts; and the money adds up in the ledger, the API and the far sides' books.
fn judge(serving: &Serving, shown: &Value, moment: &str) {
    let book = serving.book();
    let rows = |kind: &str| book[kind].as_array().unwrap().clone();
    let (captures, purchases, payouts) = (rows("captures"), rows("purchases"), rows("payouts"));
    let counted = (captures.len(), purchases.len(), payouts.len());
    assert_eq!(counted, (1, 1, 2), "{moment}: {book:#}");
    let cents = |value: &Value| -> i64 { value.as_str().unwrap().replace('.', "").parse().unwrap() };
    let sale = &shown["sale"];
    assert_eq!(sale["payoutExecuted"], json!(true), "{moment}");
    let left = ["fee", "supplierTotal", "commission"].iter().fold(cents(&sale["gross"]), |m, f| m - cents(&sale[*f]));
    assert_eq!(left, cents(&sale["profit"]), "{moment}: the API");
    let legs: i64 = payouts.iter().map(|p| cents(&p["amount"])).sum();
    let far = cents(&captures[0]["amount"]) - cents(&captures[0]["fee"]) - cents(&purchases[0]["amount"]) - legs;
    assert_eq!(far, 0, "{moment}: the far sides' books");
    let posted = |debit: &str| -> i64 {
        let postings = shown["postings"].as_array().unwrap();
        postings.iter().filter(|p| p["debit"] == debit).map(|p| cents(&p["amount"])).sum()
    };
    assert_eq!(posted("payable:platform"), cents(&sale["commission"]), "{moment}: the ledger");
    assert_eq!(posted("payable:seller"), cents(&sale["profit"]), "{moment}: the ledger");
    assert_eq!(posted("cost_of_goods"), cents(&sale["supplierTotal"]), "{moment}: the ledger");
}

#[test]
fn served_as_shipped_an_order_goes_the_whole_road_by_itself() {
    let shop = Shop::shipped();
    let serving = shop.serve(None).unwrap();
    let order = drive(&serving).unwrap();
    let shown = serving.wait_for_stage(&order, &["closed"]);
    judge(&serving, &shown, "no kill");
}

/// Kills the program when it comes by `name` for the time after `passes`, starts it again, and expects the same end.
fn killed_at(name: &str, passes: u32) {
    let moment = format!("{name} after {passes}");
    let shop = Shop::shipped().with("policy.look_again=1s,1s,1s,1s,1s,1s");
    let controls = json!({"failpoints": [{"name": name, "passes": passes}]});
    if let Some(mut serving) = shop.serve(Some(&controls)) {
        drive(&serving);
        assert!(serving.wait_until_dead(), "{moment}: the moment never came\n{}", shop.log());
    }
    let serving = shop.serve(None).unwrap_or_else(|| panic!("{moment}: no second start\n{}", shop.log()));
    let order = drive(&serving).unwrap_or_else(|| panic!("{moment}: no road\n{}", shop.log()));
    let shown = serving.wait_for_stage(&order, &["closed"]);
    judge(&serving, &shown, &moment);
    if std::env::var_os("SHOW").is_some() {
        println!("{}", shop.log());
    }
}

// The platform's payout goes first and the seller's second.

#[test]
fn killed_after_the_order_was_stored() {
    killed_at("intake.committed", 0);
}

#[test]
fn killed_before_the_capture_was_claimed() {
    killed_at("capture.claim.before_commit", 0);
}

#[test]
fn killed_between_the_capture_and_its_answer() {
    killed_at("capture.call.answered", 0);
}

#[test]
fn killed_with_the_captures_answer_in_the_journal() {
    killed_at("capture.outcome.synced", 0);
}

#[test]
fn killed_before_the_purchase_was_claimed() {
    killed_at("purchase.claim.before_commit", 0);
}

#[test]
fn killed_after_the_purchase_was_settled() {
    killed_at("purchase.settle.committed", 0);
}

#[test]
fn killed_before_the_sale_was_committed() {
    killed_at("sale.before_commit", 0);
}

#[test]
fn killed_with_the_first_payout_claimed_and_not_in_the_journal() {
    killed_at("payout.claim.committed", 0);
}

#[test]
fn killed_after_the_first_payout_was_sent() {
    killed_at("payout.call.answered", 0);
}

#[test]
fn killed_after_the_second_payout_was_sent() {
    killed_at("payout.call.answered", 1);
}

#[test]
fn killed_while_looking_at_a_payout() {
    killed_at("look.answered", 4);
}

/// The one moment after which no program can know: the purchase was sent and its answer lost. The order waits for a
/// human, and nothing is bought a second time.
#[test]
fn killed_between_the_purchase_and_its_answer_asks_a_human() {
    let shop = Shop::shipped().with("policy.look_again=1s,1s,1s,1s,1s,1s");
    let controls = json!({"failpoints": [{"name": "purchase.call.answered"}]});
    let mut serving = shop.serve(Some(&controls)).unwrap();
    drive(&serving);
    assert!(serving.wait_until_dead());
    drop(serving);
    let serving = shop.serve(None).unwrap();
    let order = drive(&serving).unwrap();
    let shown = serving.wait_for_stage(&order, &["held", "closed"]);
    assert_eq!(shown["hold"]["code"], "purchase_unknown", "{shown:#}");
    std::thread::sleep(std::time::Duration::from_secs(3));
    let book = serving.book();
    assert_eq!(book["purchases"].as_array().unwrap().len(), 1, "never a second purchase");
    assert_eq!(serving.order(&order)["stage"], "held");
}
