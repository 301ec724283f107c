//! Every guard blocks alone in one situation and passes in the one beside it; unknown blocks; overrides are for one
//! offer; caps wait.

use super::guards::{Approval, Guard, Reading, Verdict, before_capture, before_place};
use super::order::{Funds, Origin};
use super::policy::Purchasing;
use super::standard::*;
use super::trade::Step;

fn readings(w: &World) -> Vec<Reading> {
    before_place(&w.trade, &w.shop, &w.policy, w.trade.quote.as_ref().unwrap(), w.now)
}

fn blocking(w: &World) -> Vec<Guard> {
    readings(w).into_iter().filter(Reading::blocks).map(|r| r.guard).collect()
}

fn check(name: &str, world: &World, expected: &[Guard]) {
    let mut blocking = blocking(world);
    blocking.sort_unstable();
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(blocking, expected, "{name}");
}

fn approval(overrides: &[Guard]) -> Approval {
    Approval { quote_hash: Some("offer-1".to_owned()), overrides: overrides.to_vec(), expires_at: None }
}

/// A situation in which one guard alone blocks, and the nearest one in which it does not.
fn alone(guard: Guard) -> (World, World) {
    let quoted = |items| paid().with(|w| w.quote().items = usd(items));
    let reported = |total: &str, unit: &str, seconds| {
        reported(paid(), Funds::Settled).with(|w| {
            (w.trade.order.total, w.trade.order.lines[0].unit_price) = (usd(total), usd(unit));
            w.trade.order.paid_at = Some(ago(seconds));
        })
    };
    let line = |change: fn(&mut super::purchase::QuoteLine)| paid().with(|w| change(&mut w.quote().lines[0]));
    match guard {
        Guard::Complete => {
            (paid().with(|w| w.trade.order.buyer.as_mut().unwrap().phone = Some(" ".to_owned())), paid())
        }
        Guard::Address => {
            let street = |text: &str| {
                paid().with(|w| w.trade.order.buyer.as_mut().unwrap().address.line1 = Some(text.to_owned()))
            };
            (street("1 Oa"), street("1 Oak"))
        }
        Guard::ActiveProduct => (paid().with(|w| w.trade.order.lines[0].is_active = false), paid()),
        Guard::OnSale => (line(|l| l.is_on_sale = false), paid()),
        Guard::Stock => (line(|l| l.stock = Some(0)), line(|l| l.stock = Some(1))),
        Guard::BuyLimit => (line(|l| l.buy_limit = Some(0)), line(|l| l.buy_limit = Some(1))),
        Guard::Shipping => (line(|l| l.service = None), paid()),
        Guard::Currency => (paid().with(|w| w.policy.currency = money("1", "EUR").currency), paid()),
        Guard::ListPrice => (reported("25.00", "20.83", HOUR), reported("25.00", "20.84", HOUR)),
        Guard::OldOrder => (reported("25.00", "25.00", 72 * HOUR + 1), reported("25.00", "25.00", 72 * HOUR)),
        Guard::Ceiling => {
            let ceiling = |items| quoted(items).with(|w| w.policy.limits.profit_min = usd("5.00"));
            (ceiling("16.66"), ceiling("16.65"))
        }
        Guard::Margin => (quoted("20.41"), quoted("20.40")),
        Guard::PurchaseMax => {
            let most = |text| paid().with(|w| w.policy.limits.purchase_max = usd(text));
            (most("10.38"), most("10.39"))
        }
        Guard::LandedCostMax => {
            let most = |text| paid().with(|w| w.trade.order.lines[0].landed_cost_max = Some(usd(text)));
            (most("10.38"), most("10.39"))
        }
        Guard::LookAlike => (paid().with(|w| w.trade.look_alikes = 1), paid()),
        Guard::OrdersPerDay => {
            let bought = |n| paid().with(|w| w.shop.purchases_last_day = n);
            (bought(20), bought(19))
        }
        Guard::SpendPerDay => {
            let spent = |text| paid().with(|w| w.shop.spent_last_day = usd(text));
            (spent("489.62"), spent("489.61"))
        }
        Guard::FreeCapital => {
            let out = |text| {
                paid().with(|w| (w.policy.limits.free_capital, w.shop.laid_out) = (Some(usd("20.00")), usd(text)))
            };
            (out("9.62"), out("9.61"))
        }
        Guard::PayoutPermission => {
            let refused = || paid().with(|w| w.shop.are_payouts_refused = true);
            (refused(), refused().with(|w| w.policy.payouts = None))
        }
        Guard::Approval => (paid().with(|w| w.policy.purchasing = Purchasing::Manual), paid()),
    }
}

#[test]
fn l28_each_guard_blocks_alone_and_passes_beside_it() {
    for guard in Guard::ALL {
        let (blocks, passes) = alone(*guard);
        check(guard.word(), &blocks, &[*guard]);
        check(guard.word(), &passes, &[]);
        assert!(matches!(passes.next(), Step::Place(_)), "{guard}: {}", brief(&passes.next(), now()));
    }
}

#[test]
fn caps_wait_and_the_others_hold() {
    for guard in Guard::ALL {
        let (blocks, _) = alone(*guard);
        let expected = match guard {
            Guard::OrdersPerDay | Guard::SpendPerDay | Guard::FreeCapital => {
                "wait: over a daily cap; goes on by itself; 15m"
            }
            Guard::Approval => "hold: needs_approval; 15m",
            // Seen before anybody is asked for an offer.
            Guard::Complete => "hold: incomplete; 15m",
            _ => "hold: guard; 15m",
        };
        assert_eq!(guard.is_cap(), expected.starts_with("wait"), "{guard}");
        assert_eq!(brief(&blocks.next(), blocks.now), expected, "{guard}");
    }
}

#[test]
fn l28_every_guard_is_asked_exactly_once_and_says_what_it_saw() {
    let readings = readings(&paid());
    let mut guards: Vec<Guard> = readings.iter().map(|r| r.guard).collect();
    guards.sort_unstable();
    assert_eq!(guards, Guard::ALL);
    assert!(readings.iter().all(|r| !r.saw.is_empty() && r.verdict == Verdict::Yes));
}

#[test]
fn a18_an_override_is_for_the_guards_named_and_one_offer() {
    for guard in Guard::ALL {
        let (blocks, _) = alone(*guard);
        let approved = |approval| blocks.clone().with(|w| w.trade.approval = Some(approval));
        let yes = approved(approval(&[*guard]));
        check(guard.word(), &yes, &[]);
        let reading = readings(&yes).into_iter().find(|r| r.guard == *guard).unwrap();
        assert_eq!(reading.verdict, Verdict::Overridden, "{guard}: what was overridden is written down as such");
        // The approval guard waits for exactly this: a human's yes to this offer.
        let others: Vec<Guard> = Guard::ALL.iter().copied().filter(|g| g != guard).collect();
        let still = if *guard == Guard::Approval { vec![] } else { vec![*guard] };
        check(guard.word(), &approved(approval(&others)), &still);
        check(
            "another offer",
            &approved(Approval { quote_hash: Some("x".to_owned()), ..approval(&[*guard]) }),
            &[*guard],
        );
        check("expired", &approved(Approval { expires_at: Some(now()), ..approval(&[*guard]) }), &[*guard]);
        check("any offer", &approved(Approval { quote_hash: None, ..approval(&[*guard]) }), &[]);
    }
    let (manual, _) = alone(Guard::Approval);
    let stale =
        manual.with(|w| w.trade.approval = Some(Approval { quote_hash: Some("x".to_owned()), ..approval(&[]) }));
    let reading = readings(&stale).into_iter().find(|r| r.guard == Guard::Approval).unwrap();
    assert_eq!(reading.verdict, Verdict::Stale);
}

#[test]
fn l29_unknown_blocks() {
    use Guard::{BuyLimit, Ceiling, Currency, LandedCostMax, ListPrice, Margin, OldOrder, OnSale};
    use Guard::{PurchaseMax, Shipping, SpendPerDay, Stock};
    check("stock not told", &paid().with(|w| w.quote().lines[0].stock = None), &[Stock]);
    check("no limit told is no limit", &paid().with(|w| w.quote().lines[0].buy_limit = None), &[]);
    check("fee not told", &paid().with(|w| w.capture().proof.as_mut().unwrap().fee = None), &[Ceiling, Margin]);
    let undated = reported(paid(), Funds::Settled).with(|w| w.trade.order.paid_at = None);
    check("date not told", &undated, &[OldOrder]);
    check("no line quoted", &paid().with(|w| w.quote().lines.clear()), &[OnSale, Stock, Shipping]);
    let two = paid().with(|w| w.trade.order.lines.push(line()));
    assert!(blocking(&two).contains(&Stock), "one of two lines quoted");
    let euro = paid().with(|w| {
        w.trade.order.lines[0].landed_cost_max = Some(usd("20.00"));
        let quote = w.quote();
        (quote.items, quote.freight, quote.tax) = (money("8.40", "EUR"), money("1.99", "EUR"), money("0", "EUR"));
        let line = &mut quote.lines[0];
        (line.unit_price, line.freight, line.tax) = (quote.items, Some(quote.freight), Some(quote.tax));
    });
    check("L13 in euro", &euro, &[Currency, Ceiling, Margin, PurchaseMax, SpendPerDay, LandedCostMax]);
    let mixed = paid().with(|w| w.quote().freight = money("1.99", "EUR"));
    check("L13 in two currencies", &mixed, &[Currency, Ceiling, Margin, PurchaseMax, SpendPerDay]);
    let list = reported(paid(), Funds::Settled).with(|w| w.trade.order.lines[0].unit_price = money("25.00", "EUR"));
    check("L13 list prices in euro", &list, &[ListPrice]);
    let huge = paid().with(|w| w.quote().items.minor = i64::MAX);
    check("too large to add", &huge, &[Currency, Ceiling, Margin, PurchaseMax, SpendPerDay]);
    let many = paid().with(|w| (w.trade.order.lines[0].quantity, w.quote().lines[0].buy_limit) = (51, Some(50)));
    assert!(blocking(&many).contains(&BuyLimit) && blocking(&many).contains(&Stock), "L27 quantity");
    let limits = paid().with(|w| w.policy.limits.profit_min = money("1.00", "EUR"));
    check("limits in euro", &limits, &[Ceiling]);
}

/// MONEY A7: a channel's total may be a fifth off the list, a checkout's is our own.
#[test]
fn a7_totals_near_the_list() {
    let reported = |total| reported(paid(), Funds::Settled).with(|w| w.trade.order.total = usd(total));
    check("a fifth above", &reported("30.00"), &[]);
    check("a cent more", &reported("30.01"), &[Guard::ListPrice]);
    check("a fifth below", &reported("20.00"), &[]);
    check("a cent less", &reported("19.99"), &[Guard::ListPrice]);
    check(
        "a checkout made when the price was another",
        &paid().with(|w| w.trade.order.lines[0].unit_price = usd("50.00")),
        &[],
    );
}

/// The owner may try what is not for sale yet; nobody else buys it.
#[test]
fn only_a_trial_purchase_takes_an_inactive_product() {
    let inactive = |origin, funds| {
        reported(paid(), funds).with(|w| {
            (w.trade.order.origin, w.trade.order.lines[0].is_active) = (origin, false);
        })
    };
    check("a trial purchase", &inactive(Origin::PurchaseOnly, Funds::Owner), &[]);
    check("a test", &inactive(Origin::Test, Funds::Owner), &[Guard::ActiveProduct]);
    check("a channel's order", &inactive(Origin::Channel, Funds::Settled), &[Guard::ActiveProduct]);
}

/// Each line's limit is held against that line alone, with its own freight.
#[test]
fn a_limit_is_for_its_own_line() {
    let two = |limit: &str, freight: Option<&str>| {
        paid().with(|w| {
            w.trade.order.lines.push(line());
            w.trade.order.lines[0].landed_cost_max = Some(usd(limit));
            (w.trade.order.total, w.policy.limits.margin_min) = (usd("90.00"), rate("0"));
            let mut second = w.quote().lines[0].clone();
            (second.unit_price, second.freight) = (usd("40.00"), Some(usd("3.00")));
            w.quote().lines[0].freight = freight.map(usd);
            w.quote().lines.push(second);
            (w.quote().items, w.quote().freight) = (usd("48.40"), usd("4.99"));
        })
    };
    check("a dear neighbour", &two("10.39", Some("1.99")), &[]);
    check("a cent over", &two("10.38", Some("1.99")), &[Guard::LandedCostMax]);
    check("a freight that is not known", &two("10.39", None), &[Guard::LandedCostMax]);
}

/// What the queue says names every guard and the word that lets it go on.
#[test]
fn what_stands_in_the_way_names_the_way_on() {
    let check = |name: &str, world: &World, expected: &str| {
        let said = super::guards::in_the_way(&readings(world)).unwrap_or_default();
        assert_eq!(said, expected, "{name}");
    };
    check("nothing", &paid(), "");
    let two = paid().with(|w| {
        w.trade.look_alikes = 1;
        w.trade.order.lines[0].is_active = false;
    });
    let both = "active_product: 1 inactive; look_alike: 1 alike within a day; approve with override \
                [active_product, look_alike] lets it go on";
    check("two", &two, both);
    let named = approval(&[Guard::LookAlike]);
    let one = "active_product: 1 inactive; approve with override [active_product] lets it go on";
    check("one of two", &two.with(|w| w.trade.approval = Some(named)), one);
    let (manual, _) = alone(Guard::Approval);
    check("a plain yes", &manual, "approval: purchasing is manual; approve lets it go on");
    let (cap, _) = alone(Guard::OrdersPerDay);
    check("a cap", &cap, "");
}

/// MONEY A20: before the buyer is charged, by the same guards of the offer; whether the goods can be had nobody
/// overrides there.
#[test]
fn a20_the_guards_before_the_capture() {
    let check = |name: &str, world: World, expected: &[Guard]| {
        let readings =
            before_capture(&world.trade, &world.shop, &world.policy, world.trade.quote.as_ref().unwrap(), world.now);
        let blocking: Vec<Guard> = readings.into_iter().filter(Reading::blocks).map(|r| r.guard).collect();
        assert_eq!(blocking, expected, "{name}");
    };
    check("all well", approved(), &[]);
    let offer = [Guard::Complete, Guard::ActiveProduct, Guard::OnSale, Guard::Stock, Guard::BuyLimit, Guard::Shipping];
    for guard in offer.into_iter().chain([Guard::Currency, Guard::PurchaseMax, Guard::LandedCostMax]) {
        let (blocks, _) = alone(guard);
        check(guard.word(), blocks.clone(), &[guard]);
        check("cannot be overridden", blocks.with(|w| w.trade.approval = Some(approval(&[guard]))), &[guard]);
    }
    for guard in [Guard::LookAlike, Guard::Address, Guard::PayoutPermission] {
        let (blocks, _) = alone(guard);
        check(guard.word(), blocks.clone(), &[guard]);
        check("a person vouches", blocks.with(|w| w.trade.approval = Some(approval(&[guard]))), &[]);
    }
    let dear = |items| approved().with(|w| w.quote().items = usd(items));
    check("the fee is not known yet", dear("22.01"), &[]);
    check("above all it could bring", dear("22.02"), &[Guard::Ceiling]);
}
