//! The configuration as the domain's rules see it: one function. It decides nothing and has no defaults but one, who
//! paid the supplier while payouts are off, because then there is only one person it could have been.

use super::{Config, kinds};
use crate::domain::fx::FxPolicy;
use crate::domain::policy::{
    CommissionBase, CommissionRule, Limits, PaidBy, PayoutPolicy, Policy, Purchasing, ReleaseEvent,
};
use jiff::SignedDuration;
use std::time::Duration;

/// Every limit and rate of a configuration that was loaded, and so has passed its rules.
pub fn policy_of(config: &Config) -> Policy {
    let Config { policy, limits, .. } = config;
    Policy {
        currency: config.shop.currency,
        purchasing: match policy.purchasing {
            kinds::Purchasing::Automatic => Purchasing::Automatic,
            kinds::Purchasing::Manual => Purchasing::Manual,
        },
        first_orders_manual: policy.first_orders_manual,
        is_shadow: policy.shadow,
        cancel_buffer: signed(policy.cancel_buffer),
        quote_max_age: signed(policy.quote_max_age),
        look_again: policy.look_again.iter().copied().map(signed).collect(),
        is_auto_pay: config.aliexpress.autopay,
        limits: Limits {
            orders_per_day: limits.orders_per_day,
            spend_per_day: limits.spend_per_day,
            purchase_max: limits.purchase_max,
            profit_min: limits.min_profit,
            margin_min: limits.min_margin_percent,
            payouts_per_day: limits.payouts_per_day,
            payout_max: limits.payout_max,
            refunds_per_day: limits.refunds_per_day,
            pay_out_per_day: limits.pay_out_per_day,
            free_capital: limits.free_capital,
        },
        fx: FxPolicy {
            max_age: SignedDuration::from_hours(24 * i64::from(config.fx.max_age_days)),
            margin: config.fx.margin_percent,
        },
        payouts: config.payout.enabled.then(|| payouts(config)),
        paid_by: paid_by(config),
    }
}

fn payouts(config: &Config) -> PayoutPolicy {
    let (after, hold_days) = config.payout.release();
    PayoutPolicy {
        commission: CommissionRule {
            rate: config.commission.rate_percent.expect("payouts on without a commission are refused when loading"),
            base: match config.commission.base {
                kinds::CommissionBase::GrossProfit => CommissionBase::GrossProfit,
                kinds::CommissionBase::NetProfit => CommissionBase::NetProfit,
            },
        },
        after: match after {
            kinds::PayoutAfter::SupplierPaid => ReleaseEvent::SupplierPaid,
            kinds::PayoutAfter::Shipped => ReleaseEvent::Shipped,
            kinds::PayoutAfter::Delivered => ReleaseEvent::Delivered,
        },
        hold_days,
    }
}

fn paid_by(config: &Config) -> PaidBy {
    match config.supplier.paid_by {
        Some(kinds::PaidBy::Owner) => PaidBy::Owner,
        Some(kinds::PaidBy::Seller) => PaidBy::Seller,
        // Nobody is owed anything, so the owner and the seller are one person.
        None if !config.payout.enabled => PaidBy::Owner,
        None => unreachable!("payouts on without supplier.paid_by are refused when loading"),
    }
}

/// A length of time in the configuration is at most ten years.
fn signed(length: Duration) -> SignedDuration {
    SignedDuration::try_from(length).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_text;
    use crate::domain::money::{Money, Rate};

    fn policy(text: &str) -> Policy {
        policy_of(&load_text(text, &[]).unwrap().config)
    }

    #[test]
    fn payouts_off_owe_nobody_and_the_owner_pays() {
        let off = policy("");
        assert_eq!(off.payouts, None);
        assert_eq!(off.paid_by, PaidBy::Owner);
        assert_eq!(policy("[supplier]\npaid_by = \"seller\"\n").paid_by, PaidBy::Seller);
    }

    #[test]
    fn every_word_arrives_as_it_was_meant() {
        let text = "[shop]\ncurrency = \"EUR\"\n[supplier]\npaid_by = \"seller\"\n\
                    [commission]\nrate_percent = \"12.5\"\nbase = \"net_profit\"\n\
                    [payout]\nenabled = true\nafter = \"delivered\"\nhold_days = 14\n\
                    [policy]\npurchasing = \"manual\"\nfirst_orders_manual = 7\nshadow = true\ncancel_buffer = \"90m\"\n\
                    quote_max_age = \"5m\"\nlook_again = \"5m,1h\"\n\
                    [limits]\norders_per_day = 1\nspend_per_day = \"2\"\npurchase_max = \"2\"\nmin_profit = \"4\"\n\
                    min_margin_percent = 5\npayouts_per_day = 6\npayout_max = \"7\"\npay_out_per_day = \"9\"\nfree_capital = \"8\"\n";
        let policy = policy(text);
        let money = |text: &str| Money::parse(text, policy.currency).unwrap();
        assert_eq!(policy.currency.code(), "EUR");
        assert_eq!((policy.purchasing, policy.first_orders_manual), (Purchasing::Manual, 7));
        assert!(policy.is_shadow && !policy.is_auto_pay);
        assert_eq!(policy.cancel_buffer, SignedDuration::from_mins(90));
        assert_eq!(policy.quote_max_age, SignedDuration::from_mins(5));
        assert_eq!(policy.look_again, [SignedDuration::from_mins(5), SignedDuration::from_hours(1)]);
        let limits = Limits {
            orders_per_day: 1,
            spend_per_day: money("2"),
            purchase_max: money("2"),
            profit_min: money("4"),
            margin_min: Rate::parse_percent("5").unwrap(),
            refunds_per_day: 10,
            payouts_per_day: 6,
            payout_max: money("7"),
            pay_out_per_day: money("9"),
            free_capital: Some(money("8")),
        };
        assert_eq!(policy.limits, limits);
        let commission = CommissionRule { rate: Rate::parse_percent("12.5").unwrap(), base: CommissionBase::NetProfit };
        let payouts = PayoutPolicy { commission, after: ReleaseEvent::Delivered, hold_days: 14 };
        assert_eq!(policy.payouts, Some(payouts));
        assert_eq!(policy.paid_by, PaidBy::Seller);
    }

    #[test]
    fn the_shipped_file_pays_out_when_the_supplier_is_paid() {
        let policy = policy(include_str!("../../config.toml"));
        let payouts = policy.payouts.unwrap();
        assert_eq!((payouts.after, payouts.hold_days), (ReleaseEvent::SupplierPaid, 0));
        assert!(policy.is_auto_pay);
    }
}
