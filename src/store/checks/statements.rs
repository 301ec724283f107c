//! What the far sides' own statements say of our books: the findings of the reconciliation that stand. A finding is made
//! only once its time has come, so a statement that is not read yet fails nothing here; how far they are read is said by
//! `knownThrough` and by readiness.

use super::{Check, Find, Group};

const BASE: Check = Check {
    weight: 1,
    action: "look what PayPal or AliExpress shows under this id, and book or correct it: postsale reconcile",
    ..Check::of(Group::WebhookBypassDetected)
};

pub const CHECKS: &[Check] = &[
    Check {
        id: "records_are_as_stated",
        title: "no capture, refund, payout or purchase is contradicted by the far side's own statement",
        cap: Some(59),
        find: Find::Rows(
            "SELECT coalesce(order_id, ref), kind || ': ' || detail FROM findings
             WHERE resolved_at IS NULL AND contradicts = 1
               AND kind NOT IN ('twice', 'duplicate_id', 'happened_all_the_same')",
        ),
        plant: "INSERT INTO findings (provider, kind, ref, contradicts, first_seen_at, last_seen_at, detail)
                VALUES ('paypal', 'missing_there', 'CAPTURE-A', 1, 0, 0, 'planted')",
        ..BASE
    },
    Check {
        id: "no_movement_is_unexplained",
        title: "every movement the far sides state is known here",
        find: Find::Rows(
            "SELECT coalesce(order_id, ref), kind || ': ' || detail FROM findings
             WHERE resolved_at IS NULL AND contradicts = 0 AND kind <> 'withheld'",
        ),
        plant: "INSERT INTO findings (provider, kind, ref, contradicts, first_seen_at, last_seen_at, detail)
                VALUES ('paypal', 'foreign_outflow', 'PLANTED', 0, 0, 0, 'planted')",
        ..BASE
    },
    Check {
        id: "nothing_moved_twice",
        title: "the far sides state every capture, refund and payout once, and none that was given up",
        group: Group::DuplicatePayoutRisk,
        cap: Some(29),
        find: Find::Rows(
            "SELECT coalesce(order_id, ref), kind || ': ' || detail FROM findings
             WHERE resolved_at IS NULL AND kind IN ('twice', 'duplicate_id', 'happened_all_the_same')",
        ),
        plant: "INSERT INTO findings (provider, kind, ref, contradicts, first_seen_at, last_seen_at, detail)
                VALUES ('paypal', 'twice', 'PAID-A1', 1, 0, 0, 'planted')",
        ..BASE
    },
];
