//! What AliExpress' documents leave open, each possibility as a switch of the built-in one, and every test of the road run
//! under every combination of them. The usual run takes one other combination for each test, in turn; with
//! `POSTSALE_FULL` set it takes them all.

use crate::lanes;
use crate::world;
use crate::{by_hand, customs, guards, login, money, rates, road, supplier, supplier_trouble};
use postsale::sandbox::aliexpress::Switches;
use serde_json::{Value, json};
use std::panic::catch_unwind;

/// One way in which AliExpress may behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variant {
    /// What a used `out_order_id` is answered with: an error, the same ids, or a second order.
    pub repeat: &'static str,
    /// Whether stock is looked at before the `out_order_id`.
    pub is_stock_first: bool,
    /// Whether a refresh ends the old refresh token.
    pub rotates: bool,
    pub list_shape: &'static str,
}

const REPEATS: [&str; 3] = ["refuse", "same", "again"];
/// The two shapes that have been seen.
pub const SHAPES: [&str; 2] = ["wrapped", "bare"];
/// How the built-in one is where nothing else is said.
pub const USUAL: Variant = Variant { repeat: "refuse", is_stock_first: false, rotates: false, list_shape: "wrapped" };

impl Variant {
    /// Every combination, the usual one first.
    pub fn all() -> Vec<Variant> {
        let mut all = Vec::new();
        for (repeat, is_stock_first) in REPEATS.iter().flat_map(|r| [false, true].map(|s| (*r, s))) {
            for (rotates, list_shape) in [false, true].iter().flat_map(|r| SHAPES.map(|s| (*r, s))) {
                all.push(Variant { repeat, is_stock_first, rotates, list_shape });
            }
        }
        all
    }

    pub fn switches(self) -> Vec<(&'static str, Value)> {
        vec![
            ("repeat", json!(self.repeat)),
            ("stock_before_key", json!(self.is_stock_first)),
            ("rotate_refresh_token", json!(self.rotates)),
            ("list_shape", json!(self.list_shape)),
        ]
    }
}

/// Whether everything is to be run that can be, however long it takes.
pub fn is_full() -> bool {
    std::env::var_os("POSTSALE_FULL").is_some()
}

#[test]
fn there_are_as_many_variants_as_combinations() {
    let all = Variant::all();
    assert_eq!((all.len(), all[0]), (3 * 2 * 2 * 2, USUAL));
    let usual = Switches::default();
    assert_eq!((usual.repeat.as_str(), usual.stock_before_key), (USUAL.repeat, USUAL.is_stock_first));
    assert_eq!((usual.list_shape.as_str(), usual.rotate_refresh_token), (USUAL.list_shape, USUAL.rotates));
}

macro_rules! tests_of_the_road {
    ($($module:ident: $($test:ident)*;)*) => {
        const ROAD: &[(&str, &str, fn())] = &[$($((stringify!($module), stringify!($test), $module::$test)),*),*];
        const MODULES: &[(&str, &str)] = &[$((stringify!($module), include_str!(concat!(stringify!($module), ".rs")))),*];
    };
}

tests_of_the_road! {
    road:
        one_order_goes_the_whole_road
        ;
    supplier:
        f14_l26_placed_is_not_paid
        a11_a_total_over_the_ceiling_is_shown_before_anybody_pays
        a11_the_ceiling_is_on_the_sum
        a11_nothing_is_sold_before_every_part_is_paid_and_a_mixed_one_is_held
        a12_a_closed_order_is_dead_after_two_readings_a_day_apart
        a12_a_false_closed_reading_does_not_kill_a_paid_order
        a12_nobody_pays_for_an_order_that_stands_still
        f14_risk_control_is_waited_out
        f14_an_automatic_payment_that_failed_waits_for_the_seller
        l11_a_loss_is_booked
        an_order_that_hides_at_first_is_found
        ;
    supplier_trouble:
        a18_a_total_over_the_ceiling_waits_for_a_yes_to_exactly_that
        a_yes_that_changes_nothing_says_so
        a_total_of_nothing_is_a_hold
        a12_a_closed_order_is_not_shown_as_to_be_paid
        a12_nobody_pays_after_the_deadline
        a17_a_paid_order_that_the_supplier_ends_is_held_before_the_profit_leaves
        a_dispute_at_the_supplier_is_noted
        l11_a_price_raised_after_the_payment_is_a_loss_with_a_word
        a_look_alike_is_asked_about_before_the_buyer_is_charged
        one_yes_is_for_one_of_two_alike
        an_address_that_does_not_fit_names_the_field
        parcels_keep_their_numbers
        no_word_of_the_supplier_is_believed_alone
        f14_an_answer_that_names_anothers_order_is_no_purchase
        ;
    by_hand:
        a8_an_unknown_purchase_is_resolved_with_the_ids_found
        a8_nothing_there_counts_after_a_day_and_the_next_attempt_goes_unpaid
        a_typed_id_of_another_order_holds_and_is_not_booked
        l32_goods_bought_by_hand_go_the_same_road
        a_purchase_by_hand_never_stands_beside_an_unknown_one
        ;
    customs:
        a_brazilian_is_asked_for_his_cpf_and_it_goes_out_with_his_birthday
        a_brazilian_may_keep_his_birthday_to_himself
        ;
    guards:
        the_suppliers_offer_must_be_there
        the_suppliers_offer_must_be_enough_and_in_our_currency
        the_free_capital_is_not_exceeded
        l27_another_variant_is_never_taken_instead
        l27_the_named_service_is_taken_or_none
        one_cent_over_is_over
        a_price_that_rises_is_seen_before_anybody_pays
        a7_totals_off_the_products_price_are_looked_at
        a13_old_orders_are_looked_at
        l14_what_is_missing_is_never_filled_in
        an_unknown_fee_blocks
        another_currency_blocks
        a_look_alike_is_looked_at
        l42_manual_purchasing_and_the_first_orders_wait_for_a_yes
        a18_a_yes_is_to_what_was_seen
        a_product_that_is_off_is_not_bought
        l28_an_order_does_not_stand_in_its_own_way
        the_cancel_buffer_is_waited_out
        ;
    rates:
        a16_another_currency_waits_for_a_rate_of_the_day
        a16_a_rate_that_makes_it_too_dear_is_seen_before_anybody_pays
        a16_what_was_charged_needs_no_rate
        a16_what_the_seller_laid_out_abroad_is_owed_in_the_currency_of_the_sale
        ;
    login:
        f10_every_reply_to_a_consent
        a_consent_becomes_a_login_once
        a_code_lives_three_minutes_and_a_state_an_hour
        f17_one_refresh_for_all_and_nobody_waits_for_it_in_a_transaction
        a_new_login_is_not_overwritten_by_a_refresh
        f17_the_end_of_the_consent_is_seen_coming
        f16_a_refused_refresh_is_no_storm
        tokens_are_written_down_in_one_place
        f18_nothing_is_bought_while_the_clocks_are_apart
        ;
    money:
        a1_profit_does_not_leave_before_the_goods
        a2_a_refused_resend_of_a_payout_proves_nothing
        a2_a_refused_resend_of_a_purchase_proves_nothing
        a2_an_answer_that_could_not_be_written_down_leaves_the_outcome_unknown
        a2_a_payout_refused_at_first_keeps_its_batch_id
        a4_a_lost_database_buys_nothing_again
        a7_only_money_that_came_in_goes_out
        a8_bytes_that_charge_are_never_resent
        a8_a_second_attempt_and_a_dear_one_go_unpaid
        a10_what_is_promised_is_not_free
        a10_no_funds_at_first_is_waited_for
        a13_one_capture_pays_one_order
        a15_stop_stops_and_looks_go_on
        a19_no_payout_goes_out_after_day_25
        a19_the_first_resend_leaves_the_far_side_its_time
        a20_only_the_confirmed_payee_is_paid
        a20_the_buyer_is_charged_only_for_what_can_be_had
        limits_of_one_payout_hold
        ;
}

/// Tests in those files that meet no supplier, or walk through the variants themselves.
const ELSEWHERE: [&str; 3] = [
    "a16_a_rate_that_jumps_is_said_twice",
    "l11_a_loss_is_said_in_the_log_the_timeline_and_the_queue",
    "the_whole_road_under_every_variant",
];

#[test]
fn no_test_of_the_road_is_left_out() {
    for (module, source) in MODULES {
        for name in
            source.split("#[test]\n").skip(1).map(|test| test.split("fn ").nth(1).unwrap().split('(').next().unwrap())
        {
            let is_listed = ROAD.iter().any(|(m, test, _)| m == module && *test == name);
            assert!(is_listed || ELSEWHERE.contains(&name), "{module}::{name} runs under no variant");
        }
    }
}

#[test]
fn every_test_of_the_road_runs_under_every_variant() {
    let others = &Variant::all()[1..];
    let in_turn = |number: usize| &others[number * 7 % others.len()];
    let run = |number: usize| if is_full() { others.to_vec() } else { vec![*in_turn(number)] };
    let cases: Vec<_> =
        (0..ROAD.len()).flat_map(|number| run(number).into_iter().map(move |v| (ROAD[number], v))).collect();
    // Nobody is left who could know of the first order, neither here nor there.
    let is_lost =
        |name: &str, variant: &Variant| name == "a4_a_lost_database_buys_nothing_again" && variant.repeat == "again";
    let cases: Vec<_> = cases.into_iter().filter(|((_, name, _), variant)| !is_lost(name, variant)).collect();
    let complaints = lanes::each(&cases, |((module, name, test), variant)| {
        let outcome = catch_unwind(|| world::under(variant.switches(), test));
        outcome.is_err().then(|| format!("{module}::{name} under {variant:?}"))
    });
    let complaints: Vec<String> = complaints.into_iter().flatten().collect();
    println!("{} runs, {} complaints", cases.len(), complaints.len());
    assert!(complaints.is_empty(), "{complaints:#?}");
}
