//! The record itself is whole: timeline, journal mark, entries, jobs, and the file under it. Of the same group as
//! `bypass`: whatever is missing or changed here went around the one door.

use super::{Check, Find, Finding, Group, When};
use crate::store::{Result, events, open};
use rusqlite::Connection;

const BASE: Check = Check {
    id: "",
    title: "",
    group: Group::WebhookBypassDetected,
    weight: 0,
    cap: None,
    is_deep: false,
    action: "",
    find: Find::Rows(""),
    plant: "",
    companions: &[],
};

/// Other runs than the deep one follow the chain over so many of the last events.
const TAIL: i64 = 2000;

pub const CHECKS: &[Check] = &[
    Check {
        id: "database_is_not_behind_its_journal",
        title: "the database knows everything the intent journal knows",
        weight: 2,
        cap: Some(29),
        action: "check at PayPal and AliExpress what happened since, then release order by order: postsale queue",
        find: Find::Rows(
            "SELECT 'meta', value FROM meta WHERE name = 'restored'
             UNION ALL
             SELECT 'meta', 'the mark of the journal is gone'
             WHERE NOT EXISTS (SELECT 1 FROM meta WHERE name = 'journal_seq' AND value GLOB '[0-9]*')",
        ),
        plant: "INSERT INTO meta (name, value) VALUES ('restored', 'journal line 7 is not known here')",
        ..BASE
    },
    Check {
        id: "timeline_is_whole",
        title: "every event follows from the one before it",
        weight: 2,
        cap: Some(29),
        action: "stop, and compare with the newest backup that verifies: postsale stop; postsale backups verify",
        find: Find::Look(timeline),
        plant: "UPDATE events SET detail = 'something else' WHERE seq = 2",
        ..BASE
    },
    Check {
        id: "timeline_tells_it_all",
        title: "every capture, sale and payout stands in its order's timeline",
        weight: 1,
        action: "the end of the timeline may be cut off; compare with a backup: postsale backups verify",
        find: Find::Rows(
            // A chain cannot see that its end is missing; the facts can.
            "SELECT s.order_id, 'sold, and its timeline does not say so' FROM sales s
             WHERE NOT EXISTS (SELECT 1 FROM events e WHERE e.order_id = s.order_id AND e.kind = 'sold')
             UNION ALL
             SELECT c.key, 'done, and the timeline of its order does not say so' FROM claims c
             WHERE c.state = 'done' AND c.slot IN ('capture', 'payout:platform', 'payout:seller')
               AND NOT EXISTS (
                   SELECT 1 FROM events e WHERE e.order_id = c.order_id
                     AND e.kind = CASE c.slot WHEN 'capture' THEN 'captured' ELSE 'paid_out' END)",
        ),
        plant: "DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)",
        ..BASE
    },
    Check {
        id: "entries_have_postings",
        title: "every entry moves something",
        weight: 1,
        action: "stop, and compare the books with a backup: postsale stop; postsale backups verify",
        find: Find::Rows(
            "SELECT 'entry ' || e.id, e.kind || ' ' || e.ref || ' has no postings' FROM entries e
             WHERE NOT EXISTS (SELECT 1 FROM postings p WHERE p.entry_id = e.id)",
        ),
        plant: "INSERT INTO entries (kind, ref, booked_at) VALUES ('planted', 'x', 0)",
        ..BASE
    },
    Check {
        id: "jobs_are_on_time",
        title: "every job ran in its window",
        weight: 2,
        cap: Some(79),
        action: "see whether the program runs, and why the job does not: postsale doctor",
        find: Find::Rows(
            // One that was started in the last hour is running now, as the job is that asks this.
            "SELECT name, 'due for more than an hour and not finished since' FROM jobs
             WHERE due_at < :now - :hour AND (finished_at IS NULL OR finished_at < due_at)
               AND NOT (started_at IS NOT NULL AND started_at >= due_at AND started_at >= :now - :hour)",
        ),
        plant: "INSERT INTO jobs (name, due_at) VALUES ('planted', 0)",
        ..BASE
    },
    Check {
        id: "file_is_whole",
        title: "the database file is sound, and every row still fits the law",
        cap: Some(29),
        is_deep: true,
        action: "stop, and restore the newest backup that verifies: postsale stop; postsale restore FILE",
        find: Find::Look(file),
        plant: "UPDATE orders SET total_minor = 0 - total_minor WHERE id = 'waits-here-order';
                PRAGMA ignore_check_constraints = OFF",
        companions: &["capture_is_booked"],
        ..BASE
    },
    Check {
        id: "law_is_ours",
        title: "every table, index and trigger is one that this program made, word for word",
        cap: Some(29),
        is_deep: true,
        action: "stop, and restore the newest backup that verifies: postsale stop; postsale restore FILE",
        find: Find::Look(law),
        plant: "CREATE TABLE planted (x)",
        ..BASE
    },
    Check {
        id: "references_are_whole",
        title: "every row that names another one finds it",
        cap: Some(29),
        is_deep: true,
        action: "stop, and restore the newest backup that verifies: postsale stop; postsale restore FILE",
        find: Find::Look(references),
        plant: "UPDATE order_lines SET sku = 'GONE' WHERE order_id = 'waits-here-order'",
        ..BASE
    },
];

fn timeline(connection: &Connection, when: &When) -> Result<Vec<Finding>> {
    let broken =
        if when.is_deep { events::first_broken(connection)? } else { events::broken_at_end(connection, TAIL)? };
    let what = "this event does not follow from the one before it";
    Ok(broken.map(|seq| Finding::new(format!("event {seq}"), what)).into_iter().collect())
}

fn file(connection: &Connection, _: &When) -> Result<Vec<Finding>> {
    let mut statement = connection.prepare("PRAGMA integrity_check(20)")?;
    let lines = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(lines.into_iter().filter(|line| line != "ok").map(|line| Finding::new("file", line)).collect())
}

/// SQLite reads a damaged law without a word as long as it can still be parsed.
fn law(connection: &Connection, _: &When) -> Result<Vec<Finding>> {
    let ours = open::law()?;
    let found = open::law_of(connection)?.into_iter().filter(|object| !ours.contains(object));
    Ok(found.map(|(name, _)| Finding::new(name, "is not as this program made it")).collect())
}

fn references(connection: &Connection, _: &When) -> Result<Vec<Finding>> {
    let mut statement = connection.prepare("PRAGMA foreign_key_check")?;
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(2)?));
    let rows = statement.query_map([], read)?.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(rows.into_iter().map(|(table, parent)| Finding::new(table, format!("a row names a missing {parent}"))).collect())
}
