//! Which difference is said, and when. One row of a table each; what agrees must say nothing.

use super::claim::State;
use super::money::{Currency, Money};
use super::order::OrderId;
use super::payout::ItemStatus;
use super::reconcile::{balance, compare, supplier, withheld};
use super::statement::*;
use jiff::{SignedDuration, Timestamp};

const NOON: &str = "2030-01-31T12:00:00Z";

fn at(hours: i64) -> Timestamp {
    NOON.parse::<Timestamp>().unwrap() + SignedDuration::from_hours(hours)
}

fn usd(cents: i64) -> Money {
    Money::new(cents, Currency::new("USD").unwrap())
}

fn ours(kind: OursKind, state: State, id: Option<&str>, cents: i64) -> Ours {
    Ours {
        kind,
        key: format!("key-{kind}"),
        order: OrderId("order".to_owned()),
        state,
        id: id.map(str::to_owned),
        amount: usd(cents),
        fee: Some(usd(30)),
        at: at(0),
        item: None,
    }
}

fn row(code: &str, id: &str, cents: i64) -> Row {
    Row {
        id: id.to_owned(),
        code: code.to_owned(),
        at: at(0),
        seen_at: at(0),
        nth: 1,
        amount: Some(usd(cents)),
        fee: Some(usd(-30)),
        reference: None,
        invoice: None,
        custom: None,
    }
}

fn capture() -> Ours {
    ours(OursKind::Capture, State::Done, Some("C1"), 2500)
}

fn payout() -> Ours {
    ours(OursKind::Payout, State::Done, Some("P1"), 900)
}

fn refund() -> Ours {
    Ours { fee: None, ..ours(OursKind::Refund, State::Done, Some("R1"), 500) }
}

/// What is found `hours` after noon, with the report known through to then; kinds in the order they are found.
fn found(ledger: &Ledger, rows: &[Row], hours: i64) -> Vec<FindingKind> {
    let statement = Statement { rows: rows.to_vec(), since: at(-1), known_through: Some(at(hours)) };
    compare(ledger, &statement, at(hours)).findings.iter().map(|finding| finding.kind).collect()
}

fn check(ours: &[Ours], rows: &[Row], hours: i64, expected: &[FindingKind]) {
    let ledger = Ledger { ours: ours.to_vec(), ..Ledger::default() };
    assert_eq!(found(&ledger, rows, hours), expected, "{ours:?}\n{rows:?}\nat {hours} h");
}

use FindingKind as K;

#[test]
fn what_agrees_is_not_spoken_of() {
    check(&[capture()], &[row("T0006", "C1", 2500)], 9, &[]);
    check(&[payout()], &[row("T0001", "P1", -900)], 9, &[]);
    check(&[refund()], &[row("T1107", "R1", -500)], 9, &[]);
    // A fee that we do not know yet, and one that stands in a row of its own.
    check(&[Ours { fee: None, ..capture() }], &[row("T0006", "C1", 2500)], 9, &[]);
    check(&[Ours { fee: Some(usd(2)), ..refund() }], &[Row { fee: None, ..row("T1107", "R1", -500) }], 9, &[]);
    // Set aside and let go again.
    check(&[payout()], &[row("T1503", "H1", -930), row("T1105", "H2", 930), row("T0001", "P1", -900)], 9, &[]);
    check(&[], &[row("T1503", "H1", -930), row("T1503", "H1", -930)], 9, &[]);
    // Nothing from before is ours to explain.
    check(&[], &[Row { at: at(-2), ..row("T0400", "W", -900) }], 9, &[]);
    check(&[Ours { at: at(-2), ..capture() }], &[], 9, &[]);
}

#[test]
fn what_is_missing_there_is_said_only_when_it_cannot_come_any_more() {
    for ours in [capture(), payout(), refund()] {
        check(std::slice::from_ref(&ours), &[], 2, &[]);
        check(std::slice::from_ref(&ours), &[], 3, &[K::MissingThere]);
        check(&[Ours { state: State::Pending, ..ours.clone() }], &[], 99, &[]);
        check(&[Ours { state: State::Void, ..ours }], &[], 99, &[]);
    }
    // However late it is: a report that is not known that far proves nothing.
    let ledger = Ledger { ours: vec![capture()], ..Ledger::default() };
    for known_through in [None, Some(at(2))] {
        let statement = Statement { rows: Vec::new(), since: at(-1), known_through };
        assert_eq!(compare(&ledger, &statement, at(999)).findings, []);
    }
}

#[test]
fn amounts_currencies_and_fees_are_compared_to_the_cent() {
    check(&[capture()], &[row("T0006", "C1", 2499)], 0, &[K::AmountDiffers]);
    check(&[capture()], &[Row { fee: Some(usd(-31)), ..row("T0006", "C1", 2500) }], 0, &[K::FeeDiffers]);
    check(&[capture()], &[Row { fee: None, ..row("T0006", "C1", 2500) }], 0, &[K::FeeDiffers]);
    let euro = Money::new(2500, Currency::new("EUR").unwrap());
    check(&[capture()], &[Row { amount: Some(euro), ..row("T0006", "C1", 0) }], 0, &[K::CurrencyDiffers]);
    check(&[payout()], &[row("T0001", "P1", -901)], 0, &[K::AmountDiffers]);
    check(&[refund()], &[row("T1107", "R1", -1)], 0, &[K::AmountDiffers]);
    check(&[capture()], &[Row { amount: None, ..row("T0006", "C1", 0) }], 0, &[K::Unreadable]);
    // Also of what is still under way.
    let pending = Ours { state: State::Pending, ..payout() };
    check(&[pending], &[row("T0001", "P1", -901)], 0, &[K::AmountDiffers]);
}

#[test]
fn what_moved_twice_is_said_at_once() {
    let second = |row: Row| Row { nth: 2, ..row };
    let (one, two) = (row("T0006", "C1", 2500), second(row("T0006", "C1", 2500)));
    check(&[capture()], &[one, two], 0, &[K::DuplicateId]);
    let by_key = |row: Row, kind: OursKind| Row { custom: Some(format!("key-{kind}")), ..row };
    let (first, again) = (row("T0001", "P1", -900), by_key(row("T0001", "P2", -900), OursKind::Payout));
    check(&[payout()], &[first, again], 0, &[K::Twice]);
    let (first, again) = (row("T1107", "R1", -500), by_key(row("T1107", "R2", -500), OursKind::Refund));
    check(&[refund()], &[first, again], 0, &[K::Twice]);
    let other = Row { custom: Some("order".to_owned()), ..row("T0006", "C2", 2500) };
    let checkouts = [OrderId("order".to_owned())].into();
    let ledger = Ledger { ours: vec![capture()], checkouts, ..Ledger::default() };
    assert_eq!(found(&ledger, &[row("T0006", "C1", 2500), other], 0), [K::Twice]);
}

#[test]
fn what_was_given_up_and_moved_all_the_same_is_said_once_the_return_cannot_come() {
    let void = |item: ItemStatus| Ours { state: State::Void, item: Some(item), ..payout() };
    let left = row("T0001", "P1", -900);
    check(&[void(ItemStatus::Failed)], std::slice::from_ref(&left), 2, &[]);
    check(&[void(ItemStatus::Failed)], std::slice::from_ref(&left), 3, &[K::HappenedAllTheSame]);
    let back = |code: &str| Row { reference: Some("P1".to_owned()), ..row(code, "B1", 900) };
    check(&[void(ItemStatus::Returned)], &[left.clone(), back("T1114")], 9, &[]);
    check(&[void(ItemStatus::Refunded)], &[left.clone(), back("T1115")], 9, &[]);
    // By our key alone, where the id was never told.
    let nameless = Ours { id: None, ..void(ItemStatus::Failed) };
    let by_key = Row { custom: Some("key-payout".to_owned()), ..left.clone() };
    check(&[nameless], &[by_key], 9, &[K::HappenedAllTheSame]);
    let capture = Ours { state: State::Void, ..capture() };
    check(&[capture], &[row("T0006", "C1", 2500)], 9, &[K::HappenedAllTheSame]);
}

#[test]
fn a_payout_that_came_back_is_said_unless_we_know() {
    let rows = [row("T0001", "P1", -900), Row { reference: Some("P1".to_owned()), ..row("T1114", "B1", 900) }];
    check(&[payout()], &rows, 0, &[K::PayoutReturned]);
    check(&[Ours { item: Some(ItemStatus::Returned), ..payout() }], &rows, 0, &[]);
    let ledger = Ledger { ours: vec![payout()], booked: ["B1".to_owned()].into(), ..Ledger::default() };
    assert_eq!(found(&ledger, &rows, 0), []);
    check(&[], &[row("T1114", "B1", 900)], 0, &[K::ForeignInflow]);
}

#[test]
fn a_payout_under_way_is_in_hand_for_as_long_as_paypal_takes() {
    let unclaimed = Ours { state: State::Pending, item: Some(ItemStatus::Unclaimed), ..payout() };
    check(std::slice::from_ref(&unclaimed), &[row("T0001", "P1", -900)], 24 * 29, &[]);
    let nameless = Ours { id: None, ..unclaimed };
    let by_key = Row { custom: Some("key-payout".to_owned()), ..row("T0001", "P1", -900) };
    check(&[nameless], &[by_key], 99, &[]);
}

#[test]
fn what_is_ours_and_not_known_here_is_asked_about_first() {
    let paid = Row { custom: Some("order".to_owned()), ..row("T0006", "C1", 2500) };
    let checkouts = [OrderId("order".to_owned())].into();
    let ledger = Ledger { checkouts, ..Ledger::default() };
    let statement = |row: &Row| Statement { rows: vec![row.clone()], since: at(-1), known_through: Some(at(0)) };
    let compared = compare(&ledger, &statement(&paid), at(0));
    assert_eq!((compared.findings.len(), compared.look_at.len()), (0, 1));
    let compared = compare(&ledger, &statement(&paid), at(1));
    assert_eq!((compared.findings[0].kind, compared.look_at.len()), (K::MissingHere, 1));
    // The report came late: the hour begins when it did.
    let late = Row { seen_at: at(9), ..paid };
    assert_eq!(compare(&ledger, &statement(&late), at(9)).findings, []);
    // A13: nobody's checkout is no order.
    assert_eq!(compare(&Ledger::default(), &statement(&late), at(99)).look_at.len(), 0);
    check(&[], &[late], 9, &[K::ForeignInflow]);
    let pending = |ours: Ours| Ours { state: State::Pending, ..ours };
    check(&[pending(capture())], &[row("T0006", "C1", 2500)], 0, &[]);
    check(&[pending(capture())], &[row("T0006", "C1", 2500)], 1, &[K::MissingHere]);
    check(&[pending(refund())], &[row("T1107", "R1", -500)], 1, &[K::MissingHere]);
}

#[test]
fn a_refund_of_another_hand_waits_for_one_of_ours_that_is_under_way() {
    let foreign = Row { reference: Some("C1".to_owned()), ..row("T1107", "R9", -500) };
    let rows = [row("T0006", "C1", 2500), foreign];
    check(&[capture()], &rows, 0, &[K::ForeignRefund]);
    let under_way = Ours { state: State::Pending, id: None, ..refund() };
    check(&[capture(), under_way.clone()], &rows, 0, &[]);
    check(&[capture(), under_way], &rows, 1, &[K::ForeignRefund]);
}

#[test]
fn every_code_has_its_word_and_what_is_booked_is_known() {
    let check = |code: &str, cents: i64, expected: FindingKind| {
        let row = row(code, "X1", cents);
        check(&[], std::slice::from_ref(&row), 0, &[expected]);
        // Whoever books it under its id has explained it.
        let ledger = Ledger { booked: ["X1".to_owned()].into(), ..Ledger::default() };
        assert_eq!(found(&ledger, &[row], 0), [], "{code}");
    };
    check("T0000", 100, K::ForeignInflow);
    check("T0000", -100, K::ForeignOutflow);
    check("T0001", -100, K::ForeignOutflow);
    check("T1106", -100, K::Reversal);
    check("T1107", -100, K::ForeignRefund);
    check("T1201", -100, K::Chargeback);
    check("T1202", 100, K::Chargeback);
    check("T0106", -100, K::ForeignFee);
    check("T1108", 100, K::ForeignFee);
    check("T0200", -100, K::Conversion);
    check("T0300", 100, K::ForeignInflow);
    check("T0400", -100, K::Withdrawal);
    check("T9999", -100, K::ForeignOutflow);
    check("T9", 100, K::ForeignInflow);
}

#[test]
fn a_vouched_payment_of_a_channel_is_compared_with_its_order() {
    let settled = [("S1".to_owned(), (OrderId("order".to_owned()), usd(2500)))].into();
    let ledger = Ledger { settled, ..Ledger::default() };
    assert_eq!(found(&ledger, &[row("T0000", "S1", 2500)], 0), []);
    assert_eq!(found(&ledger, &[row("T0000", "S1", 2400)], 0), [K::AmountDiffers]);
    assert_eq!(found(&ledger, &[], 99), [], "it may lie in another account");
}

fn reading(hours: i64, total: i64, kept_back: i64) -> Reading {
    let withheld = Some(usd(kept_back));
    Reading { as_of: at(hours), total: usd(total), available: usd(total - kept_back), withheld }
}

#[test]
fn the_balance_is_compared_only_over_a_time_that_is_known() {
    let check = |last: Reading, known: Option<i64>, since: i64, expected: Option<i64>| {
        let rows = vec![
            Row { at: at(1), ..row("T0006", "C1", 2500) },
            Row { at: at(2), ..row("T1503", "H1", -930) },
            Row { at: at(5), ..row("T0400", "W1", -1000) },
        ];
        let statement = Statement { rows, since: at(since), known_through: known.map(at) };
        let found = balance(&reading(0, 10_000, 0), &last, &statement);
        assert_eq!(found.and_then(|f| f.amount), expected.map(usd), "{last:?} {known:?} {since}");
    };
    check(reading(4, 12_470, 0), Some(4), 0, None);
    check(reading(6, 11_440, 0), Some(6), 0, None);
    check(reading(4, 12_471, 0), Some(4), 0, Some(1));
    check(reading(4, 12_000, 0), Some(4), 0, Some(-470));
    // Rows not known that far, or not from that early on.
    check(reading(4, 12_471, 0), Some(3), 0, None);
    check(reading(4, 12_471, 0), None, 0, None);
    check(reading(4, 12_471, 0), Some(4), 1, None);
    check(reading(0, 12_471, 0), Some(4), 0, None);
    // In the second of the reading itself the row may count or not, and nothing else explains a difference.
    check(reading(5, 12_470, 0), Some(5), 0, None);
    check(reading(5, 11_440, 0), Some(5), 0, None);
    check(reading(5, 11_441, 0), Some(5), 0, Some(-1_029));
}

#[test]
fn money_kept_back_is_said_beyond_what_is_set_aside_for_payouts() {
    let held = vec![row("T1503", "H1", -930), row("T1105", "H2", 100)];
    let statement = Statement { rows: held, since: at(-1), known_through: Some(at(9)) };
    let check = |kept_back: i64, expected: Option<i64>| {
        let found = withheld(&reading(1, 10_000, kept_back), &statement);
        assert_eq!(found.and_then(|f| f.amount), expected.map(usd), "{kept_back}");
    };
    check(0, None);
    check(830, None);
    check(831, Some(1));
    assert_eq!(withheld(&Reading { withheld: None, ..reading(1, 10_000, 0) }, &statement), None);
}

#[test]
fn the_supplier_is_believed_once_our_books_could_know() {
    let look = |is_paid: bool, is_ended: bool, cents: i64| {
        let status = "SEEN".to_owned();
        Some(SupplierLook { at: at(0), status, is_paid, is_ended, total: Some(usd(cents)) })
    };
    let order = |paid_at: Option<Timestamp>, look: Option<SupplierLook>| SupplierOrder {
        id: "8100".to_owned(),
        order: OrderId("order".to_owned()),
        paid_at,
        booked: paid_at.map(|_| usd(840)),
        is_all_back: false,
        look,
    };
    let check = |order: SupplierOrder, hours: i64, expected: Option<FindingKind>| {
        let kind = supplier(std::slice::from_ref(&order), at(hours)).first().map(|f| f.kind);
        assert_eq!(kind, expected, "{order:?} at {hours}");
    };
    let paid = Some(at(-1));
    check(order(paid, None), 9, None);
    check(order(None, None), 9, None);
    check(order(paid, look(true, false, 840)), 9, None);
    check(order(None, look(false, false, 840)), 9, None);
    check(order(None, look(false, true, 840)), 9, None);
    check(order(paid, look(true, false, 841)), 0, Some(K::AmountDiffers));
    check(order(paid, look(false, false, 840)), 0, Some(K::SupplierUnpaid));
    check(order(Some(at(1)), look(false, false, 840)), 9, None);
    check(order(None, look(true, false, 840)), 0, None);
    check(order(None, look(true, false, 840)), 1, Some(K::SupplierPaid));
    check(order(paid, look(true, true, 840)), 0, Some(K::SupplierEnded));
    check(SupplierOrder { is_all_back: true, ..order(paid, look(true, true, 840)) }, 0, None);
}

#[test]
fn what_a_dispute_moved_is_known_once_by_its_payment_and_amount() {
    let of_it = |row: Row| Row { reference: Some("C1".to_owned()), ..row };
    let (fee, held) = (of_it(row("T0106", "D1", -1500)), of_it(row("T1110", "D2", -2500)));
    let check = |disputed: &[i64], rows: &[Row], expected: &[FindingKind]| {
        let disputed = disputed.iter().map(|cents| (capture().order, usd(*cents))).collect();
        let ledger = Ledger { ours: vec![capture()], disputed, ..Ledger::default() };
        assert_eq!(found(&ledger, rows, 0), expected);
    };
    check(&[-1500, -2500], &[fee.clone(), held.clone()], &[]);
    check(&[-2500], &[fee, held.clone()], &[K::ForeignFee]);
    check(&[-2500], &[held.clone(), Row { id: "D3".to_owned(), ..held.clone() }], &[K::ForeignOutflow]);
    check(&[-2500], &[Row { reference: None, ..held }], &[K::ForeignOutflow]);
}

#[test]
fn what_is_booked_as_a_reversal_explains_that_much_of_its_capture_and_nothing_else() {
    let of_it = |code: &str, id: &str, cents: i64| Row { reference: Some("C1".to_owned()), ..row(code, id, cents) };
    let check = |booked: i64, rows: &[Row], expected: &[FindingKind]| {
        let reversed = vec![("C1".to_owned(), usd(booked))];
        // The entry of a reversal bears a name of its own, which is no id of PayPal's.
        let booked = ["reversal-C1".to_owned()].into();
        let ledger = Ledger { ours: vec![capture()], reversed, booked, ..Ledger::default() };
        assert_eq!(found(&ledger, rows, 0), expected, "{rows:?}");
    };
    let whole = of_it("T1106", "X1", -2500);
    check(2500, std::slice::from_ref(&whole), &[]);
    check(2500, &[of_it("T1201", "X1", -2500)], &[]);
    check(2500, &[of_it("T1110", "X1", -2500)], &[]);
    check(2500, &[of_it("T1106", "X1", -1000), of_it("T1106", "X2", -1500)], &[]);
    let others = [whole.clone(), of_it("T0106", "X2", -2000), of_it("T1107", "X3", -500)];
    check(2500, &others, &[K::ForeignFee, K::ForeignRefund]);
    check(2500, &[whole.clone(), of_it("T1106", "X2", -2500)], &[K::Reversal]);
    check(2500, &[of_it("T1106", "X1", -2501)], &[K::Reversal]);
    check(2400, std::slice::from_ref(&whole), &[K::Reversal]);
    check(2500, &[of_it("T1106", "X1", 2500)], &[K::Reversal]);
    check(2500, &[Row { reference: Some("C2".to_owned()), ..whole.clone() }], &[K::Reversal]);
    let euro = Money::new(-2500, Currency::new("EUR").unwrap());
    check(2500, &[Row { amount: Some(euro), ..whole }], &[K::Reversal]);
}
