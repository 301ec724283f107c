//! The law of the schema, tried with raw SQL on a real database: what must not be is refused there, even when the code
//! above it is wrong.

use super::open::{self, Wanted};
use super::{Result, Store, StoreError, claims, events, ledger, payouts};
use crate::domain::claim::{Recipient, Slot};
use crate::domain::entries;
use crate::domain::ledger::Account;
use crate::domain::money::{Currency, Money};
use crate::domain::order::{Mode, OrderId, Origin};
use crate::domain::payout::{NOBODY, receiver_hash};
use jiff::Timestamp;
use tempfile::TempDir;

pub(crate) const ORDER: &str = "order00000000001";
pub(crate) const HASH: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

pub(crate) fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

pub(crate) fn wanted() -> Wanted<'static> {
    Wanted { mode: Mode::Sandbox, shop: "shop", now: now() }
}

/// A database with one product and one order, in a directory that goes away.
pub(crate) struct Law {
    pub dir: TempDir,
    pub store: Store,
}

pub(crate) fn law() -> Law {
    let dir = tempfile::tempdir().unwrap();
    let store = open::open(dir.path(), &wanted()).unwrap();
    let law = Law { dir, store };
    law.allows(
        "INSERT INTO products (sku, title, price_minor, currency, supplier_product_id, sku_attr, sku_id, is_active,
                               updated_at)
         VALUES ('LAMP', 'Lamp', 2500, 'USD', '1005001', '', '12000001', 1, 0)",
    );
    law.allows(&order(ORDER, "checkout", "capture"));
    law
}

impl Law {
    fn run(&self, sql: &str) -> Result<()> {
        self.store.write(|tx| Ok(tx.execute_batch(sql)?))
    }

    pub fn allows(&self, sql: &str) {
        if let Err(error) = self.run(sql) {
            panic!("{error}: {sql}");
        }
    }

    /// Refused, for this reason and no other.
    fn refuses(&self, name: &str, sql: &str, reason: &str) {
        match self.run(sql) {
            Ok(()) => panic!("{name}: allowed {sql}"),
            Err(error) => assert!(error.to_string().contains(reason), "{name}: {error}"),
        }
    }

    fn count(&self, sql: &str) -> i64 {
        self.store.read(|c| Ok::<_, StoreError>(c.query_row(sql, [], |row| row.get(0))?)).unwrap()
    }

    /// A done purchase with one supplier order in this state.
    fn purchase(&self, order: &str, key: &str, supplier_order: &str, state: &str) {
        self.allows(&claim(key, order, "purchase", 1));
        self.allows(&format!(
            "UPDATE claims SET state = 'done', settled_at = 1 WHERE key = '{key}';
             INSERT INTO purchases (key, ceiling_minor, currency, quote_hash, is_auto_pay)
             VALUES ('{key}', 2264, 'USD', 'q', 0);
             INSERT INTO supplier_orders (id, key, state, placed_at, total_minor, currency, paid_at)
             VALUES ('{supplier_order}', '{key}', '{state}', 1, 1039, 'USD', CASE WHEN '{state}' = 'paid' THEN 1 END)"
        ));
    }

    /// A payout of this amount whose item shows `status`.
    fn payout(&self, key: &str, recipient: &str, minor: i64, status: &str, transaction: &str) {
        self.allows(&claim_of(key, ORDER, &format!("payout:{recipient}"), 1, minor));
        self.allows(&format!(
            "INSERT INTO payouts (key, recipient, receiver_hash, item_status, transaction_id)
             VALUES ('{key}', '{recipient}', '{HASH}', {status}, {transaction})"
        ));
    }
}

fn order(id: &str, origin: &str, funds: &str) -> String {
    order_of(id, origin, funds, "sandbox", id, "NULL")
}

fn order_of(id: &str, origin: &str, funds: &str, mode: &str, channel_id: &str, outside_capture: &str) -> String {
    format!(
        "INSERT INTO orders (id, mode, origin, channel, channel_order_id, content_hash, currency, total_minor, funds,
                             outside_capture, created_at, stage)
         VALUES ('{id}', '{mode}', '{origin}', 'etsy', '{channel_id}', 'h', 'USD', 2500, '{funds}', {outside_capture},
                 0, 'paid')"
    )
}

pub(crate) fn claim(key: &str, order: &str, slot: &str, attempt: u32) -> String {
    claim_of(key, order, slot, attempt, 1039)
}

fn claim_of(key: &str, order: &str, slot: &str, attempt: u32, minor: i64) -> String {
    format!(
        "INSERT INTO claims (key, order_id, slot, attempt, amount_minor, currency, request_hash, sends, claimed_at,
                             journal_seq)
         VALUES ('{key}', '{order}', '{slot}', {attempt}, {minor}, 'USD', '{HASH}', 1, 0, 7)"
    )
}

fn sale(order: &str, platform: i64, seller: i64, profit: i64) -> String {
    format!(
        "INSERT INTO sales (order_id, recorded_at, currency, gross_minor, tax_minor, fee_minor, supplier_total_minor,
                            commission_rate, commission_base, commission_minor, profit_minor, paid_by,
                            platform_leg_minor, seller_leg_minor)
         VALUES ('{order}', 0, 'USD', 2500, 0, 136, 1039, 100000, 'gross_profit', 146, {profit}, 'owner', {platform},
                 {seller})"
    )
}

pub(crate) const ONE: &str = "key-of-the-first-claim";
pub(crate) const TWO: &str = "key-of-the-second-claim";

#[test]
fn l24_one_live_claim_of_a_slot() {
    let law = law();
    law.allows(&claim(ONE, ORDER, "purchase", 1));
    law.refuses("a second live one", &claim(TWO, ORDER, "purchase", 2), "UNIQUE constraint failed: claims.order_id");
    law.allows(&claim("key-of-another-slot-", ORDER, "capture", 1));
    law.refuses("the same key", &claim(ONE, ORDER, "payout:seller", 1), "UNIQUE constraint failed: claims.key");
    law.allows(&format!("UPDATE claims SET state = 'done', settled_at = 1 WHERE key = '{ONE}'"));
    law.refuses("beside a done one", &claim(TWO, ORDER, "purchase", 2), "UNIQUE constraint failed: claims.order_id");
    let other = order("order00000000002", "channel", "settled");
    law.allows(&other);
    law.allows(&claim(TWO, "order00000000002", "purchase", 1));
    law.allows(&format!("UPDATE claims SET state = 'void', settled_at = 1 WHERE key = '{TWO}'"));
    let again = claim("key-of-the-third-claim", "order00000000002", "purchase", 1);
    law.refuses("an attempt is counted once", &again, "UNIQUE constraint failed: claims.order_id");
    law.allows(&claim("key-of-the-third-claim", "order00000000002", "purchase", 2));
    law.refuses("an unknown slot", &claim("key-of-no-known-slot-", ORDER, "gift", 1), "CHECK constraint failed");
    law.refuses("a short key", &claim("short", ORDER, "payout:seller", 1), "CHECK constraint failed");
    law.refuses("no order", &claim("key-of-nobodys-order-", "none", "purchase", 1), "FOREIGN KEY constraint failed");
    let free = claim_of("key-of-a-free-claim--", ORDER, "payout:seller", 1, 0);
    law.refuses("an amount of nothing", &free, "CHECK constraint failed");
}

#[test]
fn claims_only_move_forward() {
    let law = law();
    let set = |key: &str, what: &str| format!("UPDATE claims SET {what} WHERE key = '{key}'");
    law.allows(&claim(ONE, ORDER, "capture", 1));
    law.allows(&set(ONE, "state = 'done', settled_at = 1"));
    for state in ["pending', settled_at = NULL, unknown_at = '1", "void"] {
        let sql = set(ONE, &format!("state = '{state}'"));
        law.refuses("back from done", &sql, "moves only from pending");
    }
    law.refuses("settled without a time", &set(ONE, "settled_at = NULL"), "CHECK constraint failed");
    law.allows(&order("order00000000002", "channel", "settled"));
    law.allows(&claim(TWO, "order00000000002", "capture", 1));
    law.allows(&set(TWO, "state = 'void', settled_at = 1"));
    law.refuses("back from void", &set(TWO, "state = 'pending', settled_at = NULL"), "moves only from pending");
    law.refuses("from void to done", &set(TWO, "state = 'done'"), "moves only from pending");
    for change in ["amount_minor = 1", "currency = 'EUR'", "request_hash = replace(request_hash, 'a', 'b')"] {
        law.refuses("A4 what was asked for", &set(ONE, change), "what a claim asked for never changes");
    }
    for change in ["key = 'another-key-of-it--'", "order_id = 'order00000000002'", "slot = 'purchase'", "attempt = 2"] {
        law.refuses("A4 whose it is", &set(ONE, change), "what a claim asked for never changes");
    }
    law.refuses("deleted", "DELETE FROM claims", "claims are never deleted");

    // A placed purchase becomes void only when every supplier order of it died unpaid (MONEY A12).
    for (state, supplier_order) in [("placed", "8100000001"), ("paid", "8100000002"), ("dead", "8100000003")] {
        let (order_id, key) = (format!("order-{state:-<10}"), format!("key-of-a-purchase-{state}"));
        law.allows(&order(&order_id, "channel", "settled"));
        law.purchase(&order_id, &key, supplier_order, state);
        let sql = set(&key, "state = 'void'");
        if state == "dead" { law.allows(&sql) } else { law.refuses(state, &sql, "moves only from pending") }
    }
}

#[test]
fn a9_nothing_is_void_without_its_journal_line() {
    let law = law();
    for (slot, key) in [("capture", ONE), ("purchase", TWO), ("payout:seller", "key-of-the-third-claim")] {
        law.allows(&claim(key, ORDER, slot, 1));
        law.allows(&format!("UPDATE claims SET journal_seq = NULL WHERE key = '{key}'"));
        let void = format!("UPDATE claims SET state = 'void', settled_at = 1 WHERE key = '{key}'");
        law.refuses(slot, &void, "CHECK constraint failed");
        law.allows(&format!("UPDATE claims SET journal_seq = 7 WHERE key = '{key}'"));
        law.allows(&void);
    }
}

#[test]
fn a4_the_bytes_of_a_claim_are_the_ones_it_was_made_with() {
    let law = law();
    let (order, amount) = (OrderId(ORDER.to_owned()), Money::new(2500, Currency::new("USD").unwrap()));
    let new = claims::NewClaim { key: ONE, order: &order, slot: Slot::Capture, attempt: 1, amount, request: b"{}" };
    law.store.write(|tx| claims::insert(tx, &new, now())).unwrap();
    let read = || law.store.read(|c| claims::request(c, ONE));
    assert_eq!(read().unwrap(), b"{}");
    law.allows("UPDATE requests SET bytes = x'7b207d'");
    assert!(matches!(read(), Err(StoreError::Conflict(reason)) if reason.contains("not the one that was claimed")));
    law.allows("UPDATE requests SET bytes = NULL");
    assert!(matches!(read(), Err(StoreError::Conflict(reason)) if reason.contains("erased")));
    // Whoever counts a send says which one he saw, so two can never count the same.
    assert!(law.store.write(|tx| claims::resend(tx, ONE, 0, now())).is_err());
    law.store.write(|tx| claims::resend(tx, ONE, 1, now())).unwrap();
    assert!(law.store.write(|tx| claims::resend(tx, ONE, 1, now())).is_err());
    // An unknown outcome is no proof (MONEY A2).
    assert!(law.store.write(|tx| claims::void(tx, ONE, "refused", now())).is_err());
}

#[test]
fn l22_the_books_are_only_ever_added_to() {
    let law = law();
    let (order, usd) = (OrderId(ORDER.to_owned()), Currency::new("USD").unwrap());
    let book = |id: &str, minor| {
        let entry = entries::captured(id, Money::new(minor, usd));
        law.store.write(|tx| ledger::book(tx, &order, now(), &entry))
    };
    book("CAP1", 2500).unwrap();
    assert!(book("CAP1", 2500).unwrap_err().to_string().contains("UNIQUE"), "an event is booked once");
    book("CAP2", 300).unwrap();
    law.refuses("entry changed", "UPDATE entries SET ref = 'x'", "entries never change");
    law.refuses("entry deleted", "DELETE FROM entries", "entries are never deleted");
    law.refuses("posting changed", "UPDATE postings SET amount_minor = 1", "postings never change");
    law.refuses("posting deleted", "DELETE FROM postings", "postings are never deleted");
    law.refuses("nothing posted", "INSERT INTO postings VALUES (1, 9, 1, 2, 0, 'USD')", "CHECK constraint failed");
    law.refuses(
        "from itself to itself",
        "INSERT INTO postings VALUES (1, 9, 1, 1, 5, 'USD')",
        "CHECK constraint failed",
    );
    law.refuses("no entry", "INSERT INTO postings VALUES (99, 1, 1, 2, 5, 'USD')", "FOREIGN KEY constraint failed");
    law.allows("INSERT INTO postings VALUES (1, 2, 1, 2, 700, 'EUR')");
    let balance = |account| law.store.read(|c| ledger::balance(c, &account, usd)).unwrap().minor;
    assert_eq!((balance(Account::PaypalAvailable), balance(Account::BuyerDeposits)), (2800, -2800));
    let apart = "SELECT count(*) FROM (
                     SELECT account, currency, sum(minor) AS minor FROM (
                         SELECT debit AS account, currency, amount_minor AS minor FROM postings
                         UNION ALL SELECT credit, currency, -amount_minor FROM postings)
                     GROUP BY account, currency
                     EXCEPT SELECT account, currency, minor FROM balances)";
    assert_eq!((law.count(apart), law.count("SELECT count(*) FROM balances")), (0, 4));
}

/// The configuration may change between the supplier's payment and the sale; the books do not.
#[test]
fn the_books_say_who_paid_the_supplier() {
    use crate::domain::policy::PaidBy;
    let law = law();
    let (order, amount) = (OrderId(ORDER.to_owned()), Money::new(1039, Currency::new("USD").unwrap()));
    let book = |id: &str, payer| {
        law.store
            .write(|tx| ledger::book(tx, &order, now(), &entries::supplier_paid(Origin::Channel, id, amount, payer)))
            .unwrap();
        law.store.read(|c| ledger::paid_by(c, &order)).unwrap()
    };
    assert_eq!(law.store.read(|c| ledger::paid_by(c, &order)).unwrap(), None);
    assert_eq!(book("8100000001", PaidBy::Seller), Some(PaidBy::Seller));
    assert_eq!(book("8100000002", PaidBy::Owner), Some(PaidBy::Owner), "never more than was booked as his");
}

#[test]
fn the_timeline_is_only_ever_added_to() {
    let law = law();
    let order = OrderId(ORDER.to_owned());
    for detail in ["one", "two", "three"] {
        law.store.write(|tx| events::append(tx, Some(&order), now(), "test", detail)).unwrap();
    }
    law.refuses("changed", "UPDATE events SET detail = 'x'", "events never change");
    law.refuses("deleted", "DELETE FROM events", "events are never deleted");
    law.refuses(
        "without its hash",
        "INSERT INTO events VALUES (4, NULL, 0, 'k', 'd', x'00')",
        "CHECK constraint failed",
    );
    let broken = || law.store.read(events::first_broken).unwrap();
    assert_eq!(broken(), None);
    law.allows("INSERT INTO events VALUES (4, NULL, 0, 'k', 'forged', zeroblob(32))");
    assert_eq!(broken(), Some(4), "a row that does not follow from the one before it");
}

#[test]
fn l19_a_payout_is_done_by_a_success_with_a_transaction() {
    let cases = [
        ("'SUCCESS'", "'TX1'", true),
        ("'SUCCESS'", "NULL", false),
        ("'PENDING'", "'TX1'", false),
        ("'UNCLAIMED'", "'TX1'", false),
        ("NULL", "NULL", false),
    ];
    for (status, transaction, is_paid) in cases {
        let law = law();
        law.payout(ONE, "seller", 1179, status, transaction);
        let done = format!("UPDATE claims SET state = 'done', settled_at = 1 WHERE key = '{ONE}'");
        if is_paid {
            law.allows(&done)
        } else {
            law.refuses(status, &done, "a payout is done when its item is SUCCESS")
        }
    }
    let law = law();
    law.refuses(
        "a word nobody documented",
        &format!(
            "INSERT INTO payouts (key, recipient, receiver_hash, item_status) VALUES ('{ONE}', 'seller', '', 'PAID')"
        ),
        "CHECK constraint failed",
    );
    law.allows(&claim(ONE, ORDER, "payout:seller", 1));
    law.store.write(|tx| payouts::insert(tx, ONE, Recipient::Seller, "seller@shop.example")).unwrap();
    let order = OrderId(ORDER.to_owned());
    let live = law.store.read(|c| payouts::live(c, &order)).unwrap();
    assert_eq!(live[0].receiver_hash, receiver_hash("seller@shop.example"), "stored as it is compared");
}

#[test]
fn payout_executed_needs_every_leg() {
    const EXECUTED: &str = "UPDATE sales SET payout_executed = 1";
    const REASON: &str = "payout_executed needs a SUCCESS item for every leg";
    let done = |key: &str| format!("UPDATE claims SET state = 'done', settled_at = 1 WHERE key = '{key}'");
    let sold = |platform, seller| {
        let law = law();
        law.purchase(ORDER, "key-of-the-purchase", "8100000001", "paid");
        law.allows(&sale(ORDER, platform, seller, 1179));
        law
    };
    let law = sold(146, 1179);
    law.refuses("no leg", EXECUTED, REASON);
    law.payout(ONE, "platform", 146, "'SUCCESS'", "'TX1'");
    law.allows(&done(ONE));
    law.refuses("one of two legs", EXECUTED, REASON);
    law.payout(TWO, "seller", 1179, "'SUCCESS'", "'TX2'");
    law.refuses("one is not settled", EXECUTED, REASON);
    law.allows(&done(TWO));
    law.allows(EXECUTED);
    let law = sold(0, 1179);
    law.payout(TWO, "seller", 1178, "'SUCCESS'", "'TX2'");
    law.allows(&done(TWO));
    law.refuses("a cent less", EXECUTED, REASON);
    sold(0, 0).refuses("no legs at all", EXECUTED, REASON);
}

/// I3: a paid payout becomes void, and the flag falls, only with the booked return.
#[test]
fn a17_what_was_paid_is_undone_only_by_a_booked_return() {
    let law = law();
    law.purchase(ORDER, "key-of-the-purchase", "8100000001", "paid");
    law.allows(&sale(ORDER, 0, 1179, 1179));
    law.payout(ONE, "seller", 1179, "'SUCCESS'", "'TX1'");
    law.allows(&format!("UPDATE payouts SET item_id = 'ITEM1' WHERE key = '{ONE}'"));
    law.allows(&format!("UPDATE claims SET state = 'done', settled_at = 1 WHERE key = '{ONE}'"));
    law.allows("UPDATE sales SET payout_executed = 1");
    let void = format!("UPDATE claims SET state = 'void' WHERE key = '{ONE}'");
    const FALL: &str = "UPDATE sales SET payout_executed = 0";
    let booked = format!(
        "INSERT INTO entries (kind, ref, order_id, booked_at)
                          VALUES ('payout_returned', 'ITEM1', '{ORDER}', 0)"
    );
    law.refuses("nothing came back", &void, "a claim moves only from pending to done or void");
    law.refuses("nothing came back", FALL, "payout_executed goes back only with a booked return");
    law.refuses("another transaction", "UPDATE payouts SET transaction_id = 'TX2'", "a payout keeps the transactions");
    law.allows("UPDATE payouts SET item_status = 'REVERSED', return_id = 'BACK1'");
    law.refuses("not booked", &void, "a claim moves only from pending to done or void");
    law.allows(&booked);
    law.allows(&void);
    law.allows(FALL);
    law.refuses("another return", "UPDATE payouts SET return_id = 'BACK2'", "a payout keeps the transactions");
}

#[test]
fn l23_a_sale_has_a_paid_purchase() {
    const REASON: &str = "a sale needs a paid purchase";
    for state in ["placed", "dead"] {
        let law = law();
        law.refuses("no purchase", &sale(ORDER, 146, 1179, 1179), REASON);
        law.purchase(ORDER, ONE, "8100000001", state);
        law.refuses(state, &sale(ORDER, 146, 1179, 1179), REASON);
    }
    let law = law();
    law.purchase(ORDER, ONE, "8100000001", "paid");
    law.refuses("a cent is missing", &sale(ORDER, 146, 1178, 1178), "CHECK constraint failed");
    let executed = sale(ORDER, 146, 1179, 1179).replace("seller_leg_minor)", "seller_leg_minor, payout_executed)");
    law.refuses("paid out at birth", &executed.replace("1179)", "1179, 1)"), REASON);
    law.allows(&sale(ORDER, 146, 1179, 1179));
    law.refuses("a second sale", &sale(ORDER, 146, 1179, 1179), "UNIQUE constraint failed");
    law.refuses("deleted", "DELETE FROM sales", "sales are never deleted");
    for change in ["seller_leg_minor = 9999", "commission_minor = 0, profit_minor = 1325", "gross_minor = 2501"] {
        law.refuses("changed", &format!("UPDATE sales SET {change}"), "a recorded sale never changes");
    }
    let trial = "order00000000002";
    law.allows(&order(trial, "purchase_only", "owner"));
    law.purchase(trial, TWO, "8100000002", "paid");
    law.refuses("L5 a trial purchase", &sale(trial, 146, 1179, 1179), "a trial purchase never becomes a sale");
}

#[test]
fn l5_l15_orders_are_what_they_were_born_as() {
    let law = law();
    let new = |mode, channel_id, outside| order_of("order00000000002", "channel", "settled", mode, channel_id, outside);
    law.refuses("the other mode", &new("production", "2", "NULL"), "another mode than the database");
    law.refuses("no mode", &new("test", "2", "NULL"), "another mode than the database");
    law.refuses("the same outside order", &new("sandbox", ORDER, "NULL"), "UNIQUE constraint failed: orders.channel");
    law.allows(&new("sandbox", "2", "'CAP1'"));
    let third = order_of("order00000000003", "channel", "settled", "sandbox", "3", "'CAP1'");
    law.refuses("A13 one capture pays one order", &third, "UNIQUE constraint failed: orders.outside_capture");
    for change in ["mode = 'production'", "origin = 'test'", "channel_order_id = 'x'", "total_minor = 1", "id = 'x'"] {
        let sql = format!("UPDATE orders SET {change} WHERE id = '{ORDER}'");
        law.refuses(change, &sql, "identity, mode, origin and total of an order never change");
    }
    let funded = |origin, funds| order("order00000000004", origin, funds);
    for (origin, funds) in [("checkout", "settled"), ("channel", "capture"), ("test", "settled"), ("channel", "owner")]
    {
        law.refuses("funds of another origin", &funded(origin, funds), "CHECK constraint failed");
    }
    law.refuses("meta mode", "UPDATE meta SET value = 'production' WHERE name = 'mode'", "never change");
    law.refuses("meta shop", "UPDATE meta SET value = 'other' WHERE name = 'shop'", "never change");
}

#[test]
fn l15_a_supplier_order_id_is_the_suppliers_own() {
    let law = law();
    law.allows(&claim(ONE, ORDER, "purchase", 1));
    let insert = |id: &str| format!("INSERT INTO supplier_orders (id, key, placed_at) VALUES ('{id}', '{ONE}', 0)");
    for id in [
        "SIMULATED_ORDER_ID",
        "manual",
        "UNKNOWN",
        "",
        "12345",
        "81000000-1",
        "8100000001 ",
        " 8100000001",
        "-810000001",
    ] {
        law.refuses(id, &insert(id), "CHECK constraint failed");
    }
    law.refuses("too long to be one", &insert(&"8".repeat(33)), "CHECK constraint failed");
    law.allows(&insert("8100000001"));
    law.refuses("bought twice", &insert("8100000001"), "UNIQUE constraint failed");
    let set = |what: &str| format!("UPDATE supplier_orders SET {what}");
    law.refuses(
        "L26 paid without a time",
        &set("state = 'paid', total_minor = 1, currency = 'USD'"),
        "CHECK constraint failed",
    );
    law.refuses("L26 paid without an amount", &set("state = 'paid', paid_at = 1"), "CHECK constraint failed");
    law.refuses("dead and paid", &set("state = 'dead', paid_at = 1, closed_seen_at = 1"), "CHECK constraint failed");
    law.refuses("L13 an amount without a currency", &set("total_minor = 1"), "CHECK constraint failed");
    let product = "UPDATE products SET supplier_product_id = 'manual'";
    law.refuses("a product id that is a word", product, "CHECK constraint failed");
}

#[test]
fn what_is_proven_stays() {
    let law = law();
    let born = claim(ONE, ORDER, "payout:seller", 1).replace("journal_seq)", "journal_seq, state, settled_at)");
    for state in ["done", "void"] {
        let sql = born.replace("0, 7)", &format!("0, 7, '{state}', 1)"));
        law.refuses("born proven", &sql, "a claim is born pending");
    }
    law.allows(&claim(ONE, ORDER, "capture", 1));
    law.allows(&format!("INSERT INTO captures VALUES ('{ONE}', 'CAP1', 1, NULL, 136, 0)"));
    for change in ["is_completed = 0", "capture_id = 'CAP2'", "fee_minor = 0", "fee_minor = NULL"] {
        law.refuses(change, &format!("UPDATE captures SET {change}"), "a capture keeps its id and its fee");
    }
    law.purchase(ORDER, TWO, "8100000001", "paid");
    for change in
        ["state = 'placed'", "state = 'dead', paid_at = NULL, closed_seen_at = 1", "id = '8100000009'", "key = 'x'"]
    {
        law.refuses(change, &format!("UPDATE supplier_orders SET {change}"), "a supplier order keeps its id");
    }
    law.allows(&order("order00000000002", "channel", "settled"));
    law.purchase("order00000000002", "key-of-the-third-claim", "8100000002", "placed");
    let dead = "UPDATE supplier_orders SET state = 'dead' WHERE id = '8100000002'";
    law.refuses("A12 after one reading", dead, "dead after two readings");
    law.allows("UPDATE supplier_orders SET closed_seen_at = 1 WHERE id = '8100000002'");
    law.allows(dead);
    law.payout("key-of-the-payout----", "seller", 1179, "'PENDING'", "NULL");
    for change in ["receiver_hash = 'x'", "recipient = 'platform'", "key = 'x'"] {
        law.refuses(change, &format!("UPDATE payouts SET {change}"), "a payout keeps its receiver");
    }
    law.allows("UPDATE payouts SET batch_id = 'BATCH1'");
    law.refuses("another batch", "UPDATE payouts SET batch_id = 'BATCH2'", "a payout keeps its receiver");
    // Of one that was taken up from PayPal's statement it is learnt, once.
    law.allows(&claim_of("key-of-the-listed-one", ORDER, "payout:platform", 1, 146));
    law.store.write(|tx| payouts::insert(tx, "key-of-the-listed-one", Recipient::Platform, NOBODY)).unwrap();
    law.store.write(|tx| payouts::receiver_learnt(tx, "key-of-the-listed-one", "a@b.example")).unwrap();
    let again = "UPDATE payouts SET receiver_hash = 'x' WHERE key = 'key-of-the-listed-one'";
    law.refuses("a second receiver", again, "a payout keeps its receiver");
    for table in ["captures", "supplier_orders", "payouts"] {
        law.refuses(table, &format!("DELETE FROM {table}"), "are never deleted");
    }
    law.allows(&sale(ORDER, 146, 1179, 1179));
    for change in ["paid_by = 'seller'", "commission_rate = 1", "commission_base = 'net_profit'", "currency = 'EUR'"] {
        law.refuses(change, &format!("UPDATE sales SET {change}"), "a recorded sale keeps");
    }
}

#[test]
fn one_standing_hold_and_one_answer_per_event() {
    let law = law();
    let hold = format!(
        "INSERT INTO holds (order_id, code, detail, held_at, held_by) VALUES ('{ORDER}', 'person', '', 0, 'me')"
    );
    law.allows(&hold);
    law.refuses("a second standing hold", &hold, "UNIQUE constraint failed");
    law.allows("UPDATE holds SET released_at = 1, released_by = 'me'");
    law.allows(&hold);
    let event =
        "INSERT INTO inbox (provider, event_id, kind, received_at, body_hash) VALUES ('paypal', 'WH1', 'k', 0, 'h')";
    law.allows(event);
    law.refuses("L33 the same event", event, "UNIQUE constraint failed");
}

#[test]
fn a_finding_is_never_lost_and_a_resolved_one_stays_resolved() {
    let law = law();
    let finding = |id: i64, resolved: &str| {
        format!(
            "INSERT INTO findings (id, provider, kind, ref, contradicts, first_seen_at, last_seen_at, resolved_at, detail)
             VALUES ({id}, 'paypal', 'twice', 'X', 1, 0, 0, {resolved}, '')"
        )
    };
    law.allows(&finding(1, "NULL"));
    law.refuses("two of one kind stand", &finding(2, "NULL"), "UNIQUE");
    law.refuses("changed", "UPDATE findings SET ref = 'Y'", "keeps what it is about");
    law.refuses("deleted", "DELETE FROM findings", "never deleted");
    law.allows("UPDATE findings SET resolved_at = 1 WHERE id = 1");
    law.refuses("resolved twice", "UPDATE findings SET resolved_at = NULL WHERE id = 1", "stays resolved");
    law.allows(&finding(2, "NULL"));
    let amount = "UPDATE findings SET amount_minor = 1 WHERE id = 2";
    law.refuses("an amount without a currency", amount, "CHECK");
}

#[test]
fn what_a_dispute_moved_stays_written() {
    let law = law();
    let moved = "INSERT INTO dispute_movements (dispute_id, n, is_debit, reason, amount_minor, currency)
                 VALUES ('PP-D-1', 1, 1, 'DISPUTE_SETTLEMENT', 2500, 'USD')";
    law.refuses("a movement of no dispute", moved, "FOREIGN KEY constraint failed");
    let dispute = format!("INSERT INTO disputes (id, order_id, told, told_at) VALUES ('PP-D-1', '{ORDER}', 1, 0)");
    law.allows(&dispute);
    law.refuses("a second row of it", &dispute, "UNIQUE constraint failed");
    law.allows(moved);
    law.refuses("the same movement", moved, "UNIQUE constraint failed");
    law.refuses("a change", "UPDATE dispute_movements SET amount_minor = 1", "stays written");
    law.refuses("a deletion", "DELETE FROM dispute_movements", "stays written");
    law.refuses("heard before it was told", "UPDATE disputes SET heard = 2", "CHECK constraint failed");
    law.refuses("accepted by nobody", "UPDATE disputes SET accepted_at = 1", "CHECK constraint failed");
}

/// Only a person's word gives money back, no more than was paid, once a number, and done is what PayPal showed.
#[test]
fn a14_a_refund_is_ordered_fits_and_is_done_by_proof() {
    let law = law();
    let order = |number: u32, minor: i64, code: &str| {
        format!(
            "INSERT INTO refund_orders (order_id, number, amount_minor, currency, reason, is_confirmed, ordered_at,
                                        ordered_by) VALUES ('{ORDER}', {number}, {minor}, '{code}', 'odd', 0, 0, 'x')"
        )
    };
    law.refuses("nobody ordered it", &claim_of(ONE, ORDER, "refund:1", 1, 500), "a person's order");
    law.refuses("in euros", &order(1, 500, "EUR"), "at most what the buyer paid");
    law.refuses("too much", &order(1, 2501, "USD"), "at most what the buyer paid");
    law.allows(&order(1, 500, "USD"));
    law.refuses("too much together", &order(2, 2001, "USD"), "at most what the buyer paid");
    law.refuses("another amount", &claim_of(ONE, ORDER, "refund:1", 1, 501), "a person's order");
    law.refuses("a second attempt", &claim_of(ONE, ORDER, "refund:1", 2, 500), "a person's order");
    law.refuses("more later", "UPDATE refund_orders SET amount_minor = 600", "keeps its amount");
    law.refuses("never", "DELETE FROM refund_orders", "never deleted");
    law.allows(&claim_of(ONE, ORDER, "refund:1", 1, 500));
    let done = format!("UPDATE claims SET state = 'done', settled_at = 1 WHERE key = '{ONE}'");
    law.refuses("no proof", &done, "PayPal shows it completed");
    law.allows(&claim(TWO, ORDER, "capture", 1));
    law.allows(&format!("INSERT INTO captures VALUES ('{TWO}', 'CAP', 1, NULL, NULL, 0)"));
    let shown = |status: &str| {
        format!(
            "INSERT INTO refunds (refund_id, order_id, capture_id, key, kind, amount_minor, currency, fee_back_minor,
                                  status, seen_at)
             VALUES ('R1', '{ORDER}', 'CAP', '{ONE}', 'refund', 500, 'USD', 0, '{status}', 0)"
        )
    };
    law.allows(&shown("PENDING"));
    law.refuses("pending", &done, "PayPal shows it completed");
    law.allows("UPDATE refunds SET status = 'COMPLETED'");
    law.allows(&done);
    law.refuses("smaller", "UPDATE refunds SET amount_minor = 400", "keeps its id");
    law.refuses("gone", "DELETE FROM refunds", "never deleted");
    law.allows(&order(2, 2000, "USD"));
    law.allows("UPDATE refund_orders SET withdrawn_at = 1 WHERE number = 2");
    law.refuses("withdrawn", &claim_of("key-of-refund-00002", ORDER, "refund:2", 1, 2000), "a person's order");
    law.refuses("no way back", "UPDATE refund_orders SET withdrawn_at = NULL WHERE number = 2", "keeps its amount");
    law.allows(&order(3, 2000, "USD"));
}

/// A correction is a version in a row, adds up, and stays; a leg is paid by PayPal or by other means, never by both.
#[test]
fn b_versions_of_a_sale_and_legs_paid_by_other_means() {
    let law = law();
    law.purchase(ORDER, ONE, "8100000000000001", "paid");
    law.allows(&sale(ORDER, 146, 1179, 1179));
    let version = |version: u32, profit: i64| {
        format!(
            "INSERT INTO sale_versions (order_id, version, corrected_at, gross_minor, tax_minor, fee_minor,
                 supplier_total_minor, commission_minor, profit_minor, platform_leg_minor, seller_leg_minor, reason,
                 reference)
             VALUES ('{ORDER}', {version}, 0, 2000, 0, 136, 1039, 96, {profit}, 96, 729, 'refund', 'R1')"
        )
    };
    law.refuses("not the next", &version(3, 729), "numbered in a row");
    law.refuses("does not add up", &version(2, 730), "CHECK");
    law.allows(&version(2, 729));
    law.refuses("twice", &version(2, 729), "numbered in a row");
    law.refuses("never", "UPDATE sale_versions SET reason = 'x'", "never changes");
    law.refuses("never", "DELETE FROM sale_versions", "never deleted");
    assert_eq!(law.count("SELECT seller_leg_minor FROM sale_now"), 729);
    assert_eq!(law.count("SELECT count(*) FROM sale_all"), 2);
    // The smaller leg counts: what was paid before it became smaller is enough.
    let executed = "UPDATE sales SET payout_executed = 1";
    law.payout(TWO, "platform", 146, "'SUCCESS'", "'TX1'");
    law.allows(&format!("UPDATE claims SET state = 'done', settled_at = 1 WHERE key = '{TWO}'"));
    law.refuses("the seller is owed", executed, "SUCCESS item for every leg");
    let paid =
        "INSERT INTO legs_paid_otherwise (order_id, recipient, reference, amount_minor, currency, said_at, said_by)
                VALUES ('order00000000001', 'seller', 'B1', 729, 'USD', 0, 'x')";
    law.payout("key-of-seller-00001", "seller", 729, "NULL", "NULL");
    law.refuses("a payout is under way", paid, "is under way");
    law.allows("UPDATE claims SET state = 'void', settled_at = 1, unknown_at = NULL WHERE key = 'key-of-seller-00001'");
    law.allows(paid);
    law.refuses("again", &claim_of("key-of-seller-00002", ORDER, "payout:seller", 2, 729), "paid by other means");
    law.refuses("the flag is PayPal's", executed, "SUCCESS item for every leg");
    let settled = "INSERT INTO channel_settlements (order_id, reference, amount_minor, currency, account, settled_at,
                                                    said_at, said_by)
                   VALUES ('order00000000001', 'S1', 100, 'USD', 'bank', 0, 0, 'x')";
    law.refuses("no channel holds it", settled, "at most what it holds");
    let back = |minor: i64| {
        format!("INSERT INTO supplier_refunds VALUES ('8100000000000001', 'R{minor}', {minor}, 'USD', 0, 'x')")
    };
    law.refuses("more than he was paid", &back(1040), "at most what he was paid");
    law.allows(&back(1000));
    law.refuses("more together", &back(40), "at most what he was paid");
}

#[test]
fn a_set_off_names_the_payout_that_had_paid_its_leg() {
    let law = law();
    law.purchase(ORDER, ONE, "8100000000000001", "paid");
    law.allows(&sale(ORDER, 146, 1179, 1179));
    let set_off = |recipient: &str, after: &str| {
        format!("INSERT INTO set_offs VALUES ('{ORDER}', '{recipient}', 100, 'USD', 1, {after})")
    };
    law.payout(TWO, "platform", 146, "'SUCCESS'", "'TX1'");
    law.refuses("on its way", &set_off("platform", "NULL"), "before its leg is paid out");
    law.allows(&format!("UPDATE claims SET state = 'done', settled_at = 1 WHERE key = '{TWO}'"));
    law.refuses("as if none had", &set_off("platform", "NULL"), "names the payout that had paid");
    law.refuses("another", &set_off("platform", &format!("'{ONE}'")), "names the payout that had paid");
    law.allows(&set_off("platform", &format!("'{TWO}'")));
    law.refuses("of the other leg", &set_off("seller", &format!("'{TWO}'")), "names the payout that had paid");
    law.allows(&set_off("seller", "NULL"));
}
