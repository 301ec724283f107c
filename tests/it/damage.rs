//! A disk that gives back other bytes than were written (F31): one bit, a sector, a page. Whatever changes a value that
//! is read must be noticed by the deep check and be named by its table; and then the database is only read, and nothing
//! is sent.

use crate::judge::End;
use crate::schedule::Dice;
use crate::world::{World, data_dir, policy};
use jiff::SignedDuration;
use postsale::assure::integrity::{Question, run};
use postsale::assure::score::Verdict;
use postsale::domain::order::Mode;
use postsale::domain::policy::Policy;
use postsale::store::checks::{self, Check, When};
use postsale::store::{self, StoreError, open};
use rusqlite::{Connection, OpenFlags};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Rows of each table as text; the schema is one of them.
type Dump = BTreeMap<String, String>;

fn dump(connection: &Connection) -> rusqlite::Result<Dump> {
    let mut statement = connection.prepare("SELECT name, sql FROM sqlite_schema ORDER BY name")?;
    let names = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?)));
    let names: Vec<_> = names?.collect::<Result<_, _>>()?;
    let mut tables = Dump::from([("schema".to_owned(), format!("{names:?}"))]);
    for (name, sql) in names {
        if !sql.is_some_and(|sql| sql.starts_with("CREATE TABLE")) {
            continue;
        }
        // The table itself, and not its copy in an index.
        let mut statement = connection.prepare(&format!("SELECT * FROM \"{name}\" NOT INDEXED"))?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        let text = tables.entry(name).or_default();
        while let Some(row) = rows.next()? {
            for column in 0..columns {
                text.push_str(&format!("{:?}|", row.get_ref(column)?));
            }
        }
    }
    Ok(tables)
}

/// Who noticed a damage.
#[derive(Default)]
struct Noticed {
    /// SQLite's own check of structure, constraints and references.
    structure: bool,
    /// The same check, by the copy of every value.
    copy: bool,
    /// The program's checks: schema, timeline, requests, books.
    ours: bool,
    /// What they name.
    named: BTreeSet<String>,
}

/// The deep check as it goes through a file.
fn look(connection: &Connection, when: &When, table: &[Check]) -> Noticed {
    let mut noticed = Noticed::default();
    for check in table {
        let Ok(found) = check.look(connection, when) else {
            // A check that cannot look is no pass. That it cannot is SQLite's doing, and about the file as a whole.
            noticed.structure = true;
            noticed.named.insert("file".to_owned());
            continue;
        };
        for finding in found {
            match check.id {
                "file_is_whole" if finding.what.contains("_twice") => noticed.copy = true,
                "file_is_whole" | "references_are_whole" => noticed.structure = true,
                _ => noticed.ours = true,
            }
            noticed.named.insert(match check.id {
                "law_is_whole" => "schema".to_owned(),
                "timeline_is_whole" => "events".to_owned(),
                "requests_are_what_was_claimed" => "requests".to_owned(),
                _ => finding.id,
            });
        }
    }
    noticed
}

#[derive(Default, Debug)]
struct Rates {
    damages: u32,
    /// Of these, so many changed what is read, or left it unreadable.
    changing: u32,
    by_structure: u32,
    by_copy: u32,
    by_ours: u32,
    unreadable: u32,
    unseen: Vec<String>,
    /// Noticed, with the file as a whole for its place.
    by_file: u32,
    /// Noticed, and nothing that changed is among what was named. Of what cannot be read at all, no name is asked for.
    unnamed: Vec<String>,
}

/// Damages copies of `sound`, each in `width` bytes at a random place (0 = one bit), until `times` of them have changed
/// what is read. Most of a young file is empty room.
fn damaged(sound: &[u8], when: &When, width: usize, times: u32) -> Rates {
    let (dir, table) = (data_dir(), checks::table());
    let path = open::path(dir.path());
    let read = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let connection = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        (dump(&connection), connection)
    };
    let (whole, connection) = read(sound);
    let whole = whole.unwrap();
    let noticed = look(&connection, when, &table);
    assert!(!noticed.structure && !noticed.copy && !noticed.ours, "the sound file: {:?}", noticed.named);
    let mut dice = Dice::new(31 + width as u64);
    let mut rates = Rates::default();
    while rates.changing < times {
        rates.damages += 1;
        let mut bytes = sound.to_vec();
        // No width: a single bit.
        let place = if let Some(parts) = sound.len().checked_div(width) {
            let start = dice.below(parts) * width;
            if dice.below(2) == 0 {
                bytes[start..start + width].fill_with(|| u8::try_from(dice.below(256)).unwrap());
            } else {
                // Written to the wrong place: sound in itself.
                let other = dice.below(parts) * width;
                bytes[start..start + width].copy_from_slice(&sound[other..other + width]);
            }
            start
        } else {
            let bit = dice.below(sound.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            bit / 8
        };
        let (dumped, connection) = read(&bytes);
        let changed: BTreeSet<&String> = match &dumped {
            Ok(dumped) if *dumped == whole => continue,
            Ok(dumped) => whole.keys().filter(|name| dumped.get(*name) != whole.get(*name)).collect(),
            Err(_) => BTreeSet::new(),
        };
        let noticed = look(&connection, when, &table);
        rates.changing += 1;
        rates.by_structure += u32::from(noticed.structure);
        rates.by_copy += u32::from(noticed.copy);
        rates.by_ours += u32::from(noticed.ours);
        rates.unreadable += u32::from(dumped.is_err());
        if !noticed.structure && !noticed.copy && !noticed.ours {
            rates.unseen.push(format!("byte {place}: {changed:?} {:?}", dumped.as_ref().err()));
        } else if dumped.is_err() || changed.iter().any(|name| noticed.named.contains(*name)) {
            continue;
        } else if noticed.named.contains("file") {
            rates.by_file += 1;
        } else {
            rates.unnamed.push(format!("byte {place}: {changed:?}, named {:?}", noticed.named));
        }
    }
    rates
}

/// So many damages of each kind that change something: 1,500 in the full run.
fn times() -> u32 {
    if std::env::var_os("POSTSALE_FULL").is_some() { 1500 } else { 40 }
}

#[test]
fn f31_every_damage_that_changes_a_value_is_noticed_and_named() {
    let world = World::new();
    let order = world.paid_order();
    world.run_for(SignedDuration::from_hours(24));
    assert_eq!(world.stage(&order), "closed");
    world.engine.store.checkpoint().unwrap();
    let sound = std::fs::read(open::path(&world.data_dir())).unwrap();
    let when = When { now: world.now(), ladder: SignedDuration::from_hours(24 * 7), is_deep: true };
    for (what, width) in [("one bit", 0), ("512 bytes", 512), ("4 KiB", 4096)] {
        let rates = damaged(&sound, &when, width, times());
        let Rates { damages, changing, by_structure, by_copy, by_ours, unreadable, unseen, by_file, unnamed } = &rates;
        println!(
            "{what}: of {damages} damages {changing} changed what is read ({unreadable} left something unreadable). \
             Noticed by SQLite's structure check {by_structure}, by the second copy {by_copy}, by our checks {by_ours}, \
             by nobody {}; what could be read was named by its table, {by_file} times by the file as a whole",
            unseen.len()
        );
        assert_eq!(unseen, &[] as &[String], "{what}");
        assert_eq!(unnamed, &[] as &[String], "{what}: noticed, and its table was not named");
    }
}

/// SQLite's own check passes an empty index whose page says that it is a table.
#[test]
fn f31_an_empty_tree_of_another_kind_is_noticed() {
    let world = World::new();
    world.engine.store.checkpoint().unwrap();
    let path = open::path(&world.data_dir());
    let connection = Connection::open(&path).unwrap();
    let sql = "SELECT rootpage FROM sqlite_schema WHERE name = 'heard_words_twice'";
    let page: u32 = connection.query_row(sql, [], |row| row.get(0)).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let kind = &mut bytes[usize::try_from(page - 1).unwrap() * 4096];
    assert_eq!(std::mem::replace(kind, 0x0d), 0x0a, "a leaf of an index");
    let damaged = data_dir();
    std::fs::write(open::path(damaged.path()), bytes).unwrap();
    let connection = Connection::open(open::path(damaged.path())).unwrap();
    let mut own = connection.prepare("PRAGMA integrity_check").unwrap();
    let own: String = own.query_row([], |row| row.get(0)).unwrap();
    assert_eq!(own, "ok");
    let when = When { now: world.now(), ladder: SignedDuration::from_hours(24 * 7), is_deep: true };
    let noticed = look(&connection, &when, &checks::table());
    assert!(noticed.structure && noticed.named.contains("heard_words"), "{:?}", noticed.named);
}

/// Turns over one bit of the first place where `text` stands in the database file.
fn flip(dir: &Path, text: &str) {
    let path = open::path(dir);
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(text.len()).position(|window| window == text.as_bytes()).unwrap();
    bytes[at] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn f31_a_damaged_database_is_only_read_and_nothing_is_sent() {
    let mut world = World::penniless_with(Policy { cancel_buffer: SignedDuration::from_hours(2), ..policy() });
    let order = world.paid_order();
    world.run_for(SignedDuration::from_hours(1));
    let sql = "INSERT INTO rates (from_currency, to_currency, billionths, of_at, set_at, set_by)
               VALUES ('EUR', 'USD', 1, 0, 0, 'word of the bank')";
    world.engine.store.write(|tx| tx.execute_batch(sql).map_err(StoreError::from)).unwrap();
    world.engine.store.checkpoint().unwrap();
    let sound = world.copy_of_files();
    flip(&world.data_dir(), "word of the bank");
    let question =
        |is_deep| Question { now: world.now(), build: "test", is_deep, ladder: SignedDuration::from_hours(24) };
    run(&world.engine.store, &question(false)).unwrap();
    assert_eq!(world.engine.store.damaged(), None, "the whole file is read by the deep check");
    let answer = run(&world.engine.store, &question(true)).unwrap();
    assert_eq!(answer.verdict(), Verdict::Violated);
    let what = world.engine.store.damaged().expect("noticed").to_owned();
    assert!(what.starts_with("rates: "), "{what}");

    let captured = world.book("captures").len();
    for _ in 0..3 {
        world.wind(SignedDuration::from_hours(1));
        assert!(world.engine.run_due().unwrap_err().to_string().contains("nothing is written or sent"));
        assert!(world.engine.advance(&order).is_err());
    }
    assert_eq!(["captures", "purchases", "payouts"].map(|kind| world.book(kind).len()), [captured, 0, 0]);
    assert!(world.engine.take_order(&world.report("1001")).is_err());
    assert!(!world.stage(&order).is_empty(), "it is read all the same");

    let wanted = open::Wanted { mode: Mode::Sandbox, shop: "shop", now: world.now() };
    let refused = open::open(&world.data_dir(), &wanted).err().unwrap().to_string();
    assert!(refused.contains("rates: ") && refused.contains("take ") && refused.contains("DAMAGED"), "{refused}");
    let beside = open::join(&world.data_dir(), &wanted).unwrap();
    assert!(beside.read(|c| store::views::order(c, &order)).unwrap().is_some());
    let written = beside.write(|tx| store::meta::set(tx, "a", "b"));
    assert!(matches!(written, Err(StoreError::Damaged(_))), "{written:?}");

    // A sound copy in its place.
    world.restart_in(sound);
    assert_eq!(world.engine.store.damaged(), None);
    world.run_for(SignedDuration::from_hours(3));
    assert_eq!(world.judge(&order, "F31"), End::Closed);
}
