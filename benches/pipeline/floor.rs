//! The floor's side. What the engine's writer did for two orders in a row is taken apart into statements and values; a
//! value that differs between the two becomes another one for every further order, everything else stays. The floor
//! then writes exactly that, prepared beforehand, with no reading, deciding or asking: the same rows in the same commits,
//! and one append and fsync for every line of the journal.

use crate::figures::Run;
use crate::world::World;
use postsale::store::StoreError;
use rusqlite::config::DbConfig;
use rusqlite::types::Value;
use rusqlite::{Connection, Statement, params_from_iter};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// One statement of the writer, as SQLite told it.
pub struct Heard {
    pub sql: String,
    pub with_values: String,
    /// How long the journal was then.
    pub journal_bytes: u64,
}

/// A shop to write into, the statements heard while it was founded, and where its three orders ended.
pub struct Ground {
    pub world: World,
    pub heard: Arc<Mutex<Vec<Heard>>>,
    pub marks: [usize; 3],
}

/// What one order writes.
pub struct Script {
    acts: Vec<Act>,
    /// The text of every writing statement, each once.
    statements: Vec<String>,
    pub commits: u64,
    lines: u64,
    line_bytes: u64,
}

enum Act {
    Begin,
    Commit,
    /// A statement by its index, and each value as the first and the second recorded order had it.
    Write(usize, Vec<(Value, Value)>),
    Journal(Vec<u8>),
}

impl Script {
    /// From what was heard of two orders that went the same road.
    pub fn of(first: &[Heard], second: &[Heard], journal: &[u8]) -> Script {
        let (first, second) = (written(first), written(second));
        assert_eq!(first.len(), second.len(), "two orders in a row wrote differently");
        let mut script = Script { acts: Vec::new(), statements: Vec::new(), commits: 0, lines: 0, line_bytes: 0 };
        let mut journal_bytes = second.first().map_or(0, |heard| heard.journal_bytes);
        for (a, b) in first.iter().zip(&second) {
            assert_eq!(a.sql, b.sql, "two orders in a row wrote differently");
            let told = usize::try_from(journal_bytes).expect("fits")..usize::try_from(b.journal_bytes).expect("fits");
            for line in journal[told].split_inclusive(|byte| *byte == b'\n') {
                script.lines += 1;
                script.line_bytes += line.len() as u64;
                script.acts.push(Act::Journal(line.to_vec()));
            }
            journal_bytes = b.journal_bytes;
            let act = match b.sql.as_str() {
                BEGIN => Act::Begin,
                COMMIT => Act::Commit,
                sql => Act::Write(script.index(sql), values(a).into_iter().zip(values(b)).collect()),
            };
            script.commits += u64::from(matches!(act, Act::Commit));
            script.acts.push(act);
        }
        script
    }

    fn index(&mut self, sql: &str) -> usize {
        let found = self.statements.iter().position(|known| known == sql);
        found.unwrap_or_else(|| {
            self.statements.push(sql.to_owned());
            self.statements.len() - 1
        })
    }

    /// Every act of an order, a line each.
    pub fn acts(&self) -> String {
        let show = |act: &Act| match act {
            Act::Begin => String::new(),
            Act::Commit => "commit".to_owned(),
            Act::Journal(line) => format!("journal {} bytes", line.len()),
            Act::Write(index, _) => {
                let words: Vec<&str> = self.statements[*index].split_whitespace().collect();
                format!("    {}", words.join(" ").chars().take(110).collect::<String>())
            }
        };
        self.acts.iter().map(show).collect::<Vec<_>>().join("\n")
    }

    pub fn summary(&self) -> String {
        let Script { commits, lines, line_bytes, .. } = self;
        let statements = self.acts.iter().filter(|act| matches!(act, Act::Write(..))).count();
        format!(
            "one order on the whole road: {commits} commits of {statements} writing statements, \
             {lines} journal lines of {} bytes",
            line_bytes / lines.max(&1)
        )
    }
}

const BEGIN: &str = "BEGIN IMMEDIATE";
const COMMIT: &str = "COMMIT";

/// The transactions that wrote something, and of those only what wrote.
pub fn written(heard: &[Heard]) -> Vec<&Heard> {
    let writes = |sql: &str| ["INSERT", "UPDATE", "DELETE"].iter().any(|verb| sql.trim_start().starts_with(verb));
    let mut kept = Vec::new();
    let mut open: Vec<&Heard> = Vec::new();
    for told in heard {
        match told.sql.as_str() {
            BEGIN => open = vec![told],
            COMMIT if open.len() > 1 => {
                open.push(told);
                kept.append(&mut open);
            }
            sql if writes(sql) => open.push(told),
            _ => {}
        }
    }
    kept
}

/// The values of a statement, read off its text: where one has `?1`, the other has the literal.
pub fn values(heard: &Heard) -> Vec<Value> {
    let (mut template, mut rest) = (heard.sql.as_str(), heard.with_values.as_str());
    let mut values = BTreeMap::new();
    while let Some(at) = template.find('?') {
        rest = &rest[at..];
        let after = &template[at + 1..];
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        let number: usize = after[..digits].parse().expect("numbered parameters");
        template = &after[digits..];
        let (value, length) = literal(rest);
        values.insert(number, value);
        rest = &rest[length..];
    }
    values.into_values().collect()
}

/// The literal a text begins with, and its length.
fn literal(text: &str) -> (Value, usize) {
    if text.starts_with("NULL") {
        return (Value::Null, 4);
    }
    if let Some(hex) = text.strip_prefix("x'") {
        let length = hex.find('\'').expect("a blob ends");
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap_or("0"), 16).unwrap_or(0);
        return (Value::Blob(hex.as_bytes()[..length].chunks(2).map(byte).collect()), length + 3);
    }
    if let Some(quoted) = text.strip_prefix('\'') {
        let mut end = 0;
        loop {
            end += quoted[end..].find('\'').expect("a text ends");
            if !quoted[end + 1..].starts_with('\'') {
                return (Value::Text(quoted[..end].replace("''", "'")), end + 2);
            }
            end += 2;
        }
    }
    let length = text.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'-').count();
    (Value::Integer(text[..length].parse().expect("a whole number")), length)
}

/// What a value is for the `order`th further order: numbers go on as they went, ids become other ids.
fn further(values: &(Value, Value), order: i64) -> Value {
    // What falls, such as the supplier's stock, stays where it is.
    let on = |a: i64, b: i64| b + (b - a).max(0) * order;
    match values {
        (a, b) if a == b => b.clone(),
        (Value::Integer(a), Value::Integer(b)) => Value::Integer(on(*a, *b)),
        (Value::Text(a), Value::Text(b)) if b.len() < 6 => match (a.parse(), b.parse()) {
            (Ok(a), Ok(b)) => Value::Text(on(a, b).to_string()),
            _ => Value::Text(b.clone()),
        },
        (_, Value::Text(b)) => {
            let all_digits = b.bytes().all(|byte| byte.is_ascii_digit());
            let alphabet = if all_digits { &b"123456789"[..] } else { &b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"[..] };
            let letters = chance(b.as_bytes(), order).take(b.len());
            Value::Text(letters.map(|n| char::from(alphabet[usize::from(n) % alphabet.len()])).collect())
        }
        (_, Value::Blob(b)) => Value::Blob(chance(b, order).take(b.len()).collect()),
        (_, b) => b.clone(),
    }
}

/// Bytes without a pattern, always the same for the same beginning.
fn chance(seed: &[u8], order: i64) -> impl Iterator<Item = u8> {
    let mut state =
        seed.iter().fold(order.unsigned_abs(), |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb).to_be_bytes()[0]
    })
}

/// Writes `orders` orders after the two that were recorded.
pub fn run(script: &Script, ground: &Ground, orders: u32) -> Run {
    let data_dir = ground.world.data_dir();
    let connection = Connection::open(postsale::store::open::path(&data_dir)).expect("a database");
    for (pragma, value) in [("journal_mode", "WAL"), ("synchronous", "FULL"), ("foreign_keys", "ON")] {
        connection.pragma_update(None, pragma, value).expect("a pragma");
    }
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).expect("a setting");
    let journal = OpenOptions::new().append(true).open(data_dir.join("intents.log")).expect("a journal");
    let (bytes, rows) = (database_bytes(&connection).expect("readable"), connection.total_changes());
    let took = replay(&connection, journal, script, orders);
    Run {
        orders,
        took,
        far_sides: Duration::ZERO,
        database_bytes: database_bytes(&connection).expect("readable") - bytes,
        rows: connection.total_changes() - rows,
    }
}

fn replay(connection: &Connection, mut journal: File, script: &Script, orders: u32) -> Duration {
    let prepare = |sql: &str| connection.prepare(sql).expect("a statement that ran before");
    let (mut begin, mut commit) = (prepare(BEGIN), prepare(COMMIT));
    let mut statements: Vec<Statement<'_>> = script.statements.iter().map(|sql| prepare(sql)).collect();
    let mut took = Duration::ZERO;
    for order in 1..=i64::from(orders) {
        // The values are made before the clock runs.
        let values = |act: &Act| match act {
            Act::Write(_, values) => values.iter().map(|pair| further(pair, order)).collect(),
            Act::Begin | Act::Commit | Act::Journal(_) => Vec::new(),
        };
        let rows: Vec<Vec<Value>> = script.acts.iter().map(values).collect();
        let begun = Instant::now();
        for (act, row) in script.acts.iter().zip(&rows) {
            match act {
                Act::Begin => run_one(&mut begin, &[]),
                Act::Commit => run_one(&mut commit, &[]),
                Act::Write(index, _) => run_one(&mut statements[*index], row),
                Act::Journal(line) => {
                    journal.write_all(line).and_then(|()| journal.sync_data()).expect("a journal line");
                }
            }
        }
        took += begun.elapsed();
    }
    took
}

fn run_one(statement: &mut Statement<'_>, row: &[Value]) {
    // Some statements answer with a row.
    let stepped = statement.query(params_from_iter(row)).and_then(|mut rows| {
        while rows.next()?.is_some() {}
        Ok(())
    });
    if let Err(error) = stepped {
        panic!("{error}\n{:?}\n{row:?}", statement.expanded_sql());
    }
}

/// Pages in use, those still in the write-ahead log included.
pub fn database_bytes(connection: &Connection) -> Result<u64, StoreError> {
    let read = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, u32>(0));
    Ok(u64::from(read("page_count")?) * u64::from(read("page_size")?))
}
