//! The record itself is whole: timeline, journal mark, entries, jobs, the law, and the file under it. Of the same group as
//! `bypass`: whatever is missing or changed here went around the one door.

use super::{Check, Find, Finding, Group, When};
use crate::domain::order::Mode;
use crate::store::{Result, StoreError, events, open};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};
use std::collections::BTreeMap;
use std::sync::OnceLock;

const BASE: Check = Check::of(Group::WebhookBypassDetected);

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
        action: "stop, and compare with your newest copy of the data directory: postsale stop",
        find: Find::Look(timeline),
        plant: "UPDATE events SET detail = 'something else' WHERE seq = 2",
        ..BASE
    },
    Check {
        id: "timeline_tells_it_all",
        title: "every capture, sale and payout stands in its order's timeline",
        weight: 1,
        action: "the end of the timeline may be cut off; compare with your newest copy of the data directory: postsale stop",
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
        action: "stop, and compare the books with your newest copy of the data directory: postsale stop",
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
        title: "the database file is sound, every value stands twice in it, and every row still fits the law",
        cap: Some(29),
        is_deep: true,
        action: "stop, end the program, and put the newest sound copy in the database's place: postsale stop",
        find: Find::Look(file),
        plant: "UPDATE orders SET total_minor = 0 - total_minor WHERE id = 'waits-here-order';
                PRAGMA ignore_check_constraints = OFF",
        companions: &["capture_is_booked"],
        ..BASE
    },
    Check {
        id: "law_is_whole",
        title: "tables, indexes, triggers and views are the program's own, to the letter",
        cap: Some(29),
        is_deep: true,
        action: "stop, end the program, and put the newest sound copy in the database's place: postsale stop",
        find: Find::Look(law),
        plant: "DROP TRIGGER claims_are_never_deleted",
        ..BASE
    },
    Check {
        id: "references_are_whole",
        title: "every row that names another one finds it",
        cap: Some(29),
        is_deep: true,
        action: "stop, end the program, and put the newest sound copy in the database's place: postsale stop",
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

/// The checks that tell of a damaged file rather than of wrong books.
pub const OF_THE_FILE: [&str; 5] =
    ["file_is_whole", "law_is_whole", "references_are_whole", "timeline_is_whole", "requests_are_what_was_claimed"];

/// What SQLite finds wrong in the file, by table where it can be told.
pub fn damage(connection: &Connection) -> Result<Vec<Finding>> {
    let mut found = damaged_values(connection)?;
    if found.is_empty() {
        found = dangling(connection)?;
    }
    Ok(found)
}

fn damaged_values(connection: &Connection) -> Result<Vec<Finding>> {
    let lines = match objections(connection) {
        // So damaged that SQLite cannot go through it.
        Err(error) if error.is_damage() => vec![error.to_string()],
        lines => lines?,
    };
    if lines.is_empty() {
        return unreadable(connection);
    }
    Ok(lines.into_iter().map(|line| Finding::new(table_of(connection, &line), line)).collect())
}

/// Trees that cannot be gone through: SQLite's check takes a tree for what its first page says that it is, and not for
/// what the schema says, and an empty one of another kind passes.
fn unreadable(connection: &Connection) -> Result<Vec<Finding>> {
    let sql = "SELECT t.name, NULL FROM sqlite_schema t WHERE t.type = 'table'
               UNION ALL
               SELECT t.name, i.name FROM sqlite_schema t, pragma_index_list(t.name) i
               WHERE t.type = 'table' AND i.origin = 'c' AND NOT i.partial";
    let mut statement = connection.prepare_cached(sql)?;
    let trees = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?)))?;
    let mut found = Vec::new();
    for tree in trees {
        let (table, index) = tree?;
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let how = index.map_or("NOT INDEXED".to_owned(), |index| format!("INDEXED BY {}", quoted(&index)));
        let sql = format!("SELECT 1 FROM {} {how} LIMIT 1", quoted(&table));
        match connection.prepare_cached(&sql).and_then(|mut first| first.exists([])).map_err(StoreError::from) {
            Err(error) if error.is_damage() => found.push(Finding::new(table, format!("{how}: {error}"))),
            looked => drop(looked?),
        }
    }
    Ok(found)
}

fn objections(connection: &Connection) -> Result<Vec<String>> {
    let mut statement = connection.prepare_cached("PRAGMA integrity_check(20)")?;
    let lines = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(lines.into_iter().filter(|line| line != "ok").collect())
}

/// SQLite names an index, a tree by its first page, or a column.
fn table_of(connection: &Connection, line: &str) -> String {
    let sql = "SELECT tbl_name FROM sqlite_schema
               WHERE ?1 GLOB '*index ' || name OR ?1 GLOB '*index ' || name || ' *'
                  OR ?1 GLOB 'Tree ' || rootpage || ' *' OR ?1 GLOB '* in ' || name || '.*' OR ?1 GLOB '* in ' || name";
    let found = connection.query_row(sql, [line], |row| row.get(0)).optional();
    found.ok().flatten().unwrap_or_else(|| "file".to_owned())
}

fn file(connection: &Connection, _: &When) -> Result<Vec<Finding>> {
    damaged_values(connection)
}

/// The schema as the migrations make it, beside the one in the file.
fn law(connection: &Connection, _: &When) -> Result<Vec<Finding>> {
    let (own, found) = (own_laws()?, laws(connection)?);
    let lacking = own.iter().filter(|(name, _)| !found.contains_key(*name));
    let lacking = lacking.map(|(name, (table, _))| Finding::new(table, format!("{name} is missing")));
    let other = found.iter().filter_map(|(name, (table, text))| match own.get(name) {
        None => Some(Finding::new(table, format!("{name} is not of this program"))),
        Some((_, own)) if own != text => Some(Finding::new(table, format!("{name} is another than the program's"))),
        Some(_) => None,
    });
    Ok(lacking.chain(other).collect())
}

/// Everything in a schema by kind and name: its table, and its text.
type Laws = BTreeMap<String, (String, Option<String>)>;

fn own_laws() -> Result<&'static Laws> {
    static OWN: OnceLock<Laws> = OnceLock::new();
    if let Some(own) = OWN.get() {
        return Ok(own);
    }
    let wanted = open::Wanted { mode: Mode::Sandbox, shop: "law", now: Timestamp::UNIX_EPOCH };
    let own = laws(&open::in_memory(&wanted).map_err(|e| StoreError::Unreadable(e.to_string()))?)?;
    Ok(OWN.get_or_init(|| own))
}

fn laws(connection: &Connection) -> Result<Laws> {
    // A person may have let SQLite gather statistics. A damaged name of the same bytes may be no text any more.
    let sql = "SELECT type || ' ' || name || iif(typeof(type) = 'text' AND typeof(name) = 'text' AND
                                                 typeof(tbl_name) = 'text' AND typeof(sql) <> 'blob', '', ', not as text'),
                      CAST(tbl_name AS TEXT), CAST(sql AS TEXT)
               FROM sqlite_schema WHERE name NOT GLOB 'sqlite_stat*'";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn references(connection: &Connection, _: &When) -> Result<Vec<Finding>> {
    dangling(connection)
}

fn dangling(connection: &Connection) -> Result<Vec<Finding>> {
    let mut statement = connection.prepare_cached("PRAGMA foreign_key_check")?;
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(2)?));
    let rows = statement.query_map([], read)?.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(rows.into_iter().map(|(table, parent)| Finding::new(table, format!("a row names a missing {parent}"))).collect())
}
