//! The house rules as a test: what `src/ARCHITECTURE.md` says never happens, and what every file looks like.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// One source file: its path under `src/`, and its text without the test modules at its end.
struct Source {
    path: String,
    text: String,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(dir: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

fn is_test_file(path: &str) -> bool {
    path.ends_with("tests.rs") || path.contains("/tests/") || path.ends_with("scripted.rs")
}

fn sources() -> Vec<Source> {
    let src = root().join("src");
    let mut paths = Vec::new();
    rust_files(&src, &mut paths);
    paths.sort();
    let sources = paths.into_iter().map(|path| {
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned();
        Source { path: path.strip_prefix(&src).unwrap().to_string_lossy().into_owned(), text: code }
    });
    sources.filter(|s| !is_test_file(&s.path)).collect()
}

/// The first folder under `src/`, or the file's own name.
fn room(path: &str) -> &str {
    path.split('/').next().unwrap().trim_end_matches(".rs")
}

/// Lines that are code and not comment, with their numbers.
fn code_lines(source: &Source) -> impl Iterator<Item = (usize, &str)> {
    source.text.lines().enumerate().map(|(n, l)| (n + 1, l)).filter(|(_, l)| !l.trim_start().starts_with("//"))
}

/// Every code line in the chosen files that contains one of the words.
fn offences(sources: &[Source], chosen: impl Fn(&str) -> bool, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources.iter().filter(|s| chosen(&s.path)) {
        for (number, line) in code_lines(source) {
            if let Some(word) = words.iter().find(|w| line.contains(**w)) {
                found.push(format!("src/{}:{number}: {word}", source.path));
            }
        }
    }
    found
}

fn none(what: &str, found: Vec<String>) {
    assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
}

#[test]
fn imports_point_one_way() {
    // Who may import whom. A room that is not named here may import nothing of ours.
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("domain", &[][..]),
        ("clock", &[]),
        ("failpoint", &[]),
        ("secret", &[]),
        ("sandbox", &[]),
        ("config", &["domain", "secret"]),
        ("store", &["domain", "failpoint"]),
        ("gateway", &["domain", "secret", "failpoint"]),
        ("engine", &["domain", "store", "gateway", "clock", "failpoint", "secret"]),
        ("assure", &["domain", "store", "engine", "gateway", "clock"]),
        (
            "rehearsal",
            &["domain", "store", "gateway", "engine", "assure", "sandbox", "clock", "secret", "config", "failpoint"],
        ),
        ("schedule", &["domain", "store", "engine", "assure", "clock"]),
        ("web", &["domain", "store", "engine", "assure", "rehearsal", "clock", "secret", "config"]),
        ("build", &[]),
        ("lib", &[]),
        ("main", &["cli"]),
    ]);
    let mut found = Vec::new();
    for source in sources() {
        let home = room(&source.path);
        // Only the command line puts everything together.
        if home == "cli" {
            continue;
        }
        let may = allowed.get(home).unwrap_or_else(|| panic!("src/{home} has no place in the house"));
        for (number, line) in code_lines(&source) {
            for part in line.split("crate::").skip(1) {
                let other: String = part.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                if other != home && !may.contains(&other.as_str()) && !other.is_empty() {
                    found.push(format!("src/{}:{number}: {home} imports {other}", source.path));
                }
            }
        }
    }
    none("an import against the direction of the house", found);
}

#[test]
fn domain_touches_nothing() {
    let words =
        ["std::fs", "std::net", "std::io", "std::thread", "std::time", "::now()", "rusqlite", "serde", "ureq", "log::"];
    none("domain reads a clock or does I/O", offences(&sources(), |p| room(p) == "domain", &words));
}

#[test]
fn the_time_of_day_comes_through_the_clock() {
    // The far sides are another program in spirit, and the Date header of an answer decides nothing.
    let may = ["clock.rs", "build.rs", "sandbox/http.rs", "web/response.rs"];
    let words = ["Timestamp::now", "SystemTime::now", "Zoned::now"];
    none("the clock is read elsewhere", offences(&sources(), |p| !may.contains(&p), &words));
}

#[test]
fn sql_stands_in_the_store_only() {
    let words = [
        "SELECT ",
        "INSERT INTO",
        "DELETE FROM",
        " SET ",
        ".prepare(",
        ".prepare_cached(",
        ".query_row(",
        "execute_batch",
    ];
    none("SQL outside the store", offences(&sources(), |p| room(p) != "store", &words));
    none("SELECT *", offences(&sources(), |_| true, &["SELECT *", "select *"]));
}

#[test]
fn outgoing_http_stands_in_the_gateway_only() {
    let words = ["ureq", "TcpStream::connect"];
    // The gate knocks at its own port to wake its accept loop when it stops.
    let may = |p: &str| room(p) != "gateway" && room(p) != "sandbox" && p != "web/gate.rs";
    none("an outgoing connection outside the gateway", offences(&sources(), may, &words));
}

#[test]
fn only_the_steps_move_money() {
    // The gateway's functions that do, as they are called.
    let words = [".capture(now", ".pay(now", ".place(now", ".refund(now", ".create_order(now", ".cancel_item("];
    let elsewhere = |p: &str| p != "engine/steps.rs" && room(p) != "gateway" && room(p) != "sandbox";
    none("money moves outside engine/steps.rs", offences(&sources(), elsewhere, &words));
    let inside = offences(&sources(), |p| p == "engine/steps.rs", &words);
    assert!(inside.len() >= 4, "the words above no longer find the calls in engine/steps.rs: {inside:?}");
}

#[test]
fn no_float_comes_near_money() {
    let words = ["f64", "f32"];
    let rooms = ["domain", "store", "engine", "gateway", "config"];
    none("a float", offences(&sources(), |p| rooms.contains(&room(p)), &words));
}

#[test]
fn every_file_says_what_it_is_for_and_stays_short() {
    let mut paths = Vec::new();
    for dir in ["src", "tests", "benches"] {
        rust_files(&root().join(dir), &mut paths);
    }
    let mut found = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        if !text.starts_with("//!") && !text.starts_with("#![doc") {
            found.push(format!("{}: does not begin with //!", path.display()));
        }
        let lines = text.lines().count();
        if lines > 800 {
            found.push(format!("{}: {lines} lines", path.display()));
        }
    }
    none("a file without a subject, or with too many", found);
}

#[test]
fn names_are_the_trades_words() {
    let words = ["Manager", "Helper", "fn get_", "fn process_", "fn handle_", "mod util", "mod helpers"];
    none("a banned name", offences(&sources(), |_| true, &words));
}

#[test]
fn only_what_belongs_there_stands_at_the_top() {
    let known = [
        "Cargo.toml",
        "Cargo.lock",
        "src",
        "migrations",
        "config.toml",
        "tests",
        "README.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "CHANGELOG.md",
        "benches",
        "deploy",
        "target",
        "data",
    ];
    let mut found = Vec::new();
    for entry in fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') && !known.contains(&name.as_str()) {
            found.push(name);
        }
    }
    none("something else stands at the top level", found);
}

/// `tests/FAULTS.md` has every row, and every test it names is there.
#[test]
fn every_fault_has_its_tests() {
    let table = fs::read_to_string(root().join("tests/FAULTS.md")).unwrap();
    let mut paths = Vec::new();
    for dir in ["src", "tests"] {
        rust_files(&root().join(dir), &mut paths);
    }
    let sources: String = paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let (mut rows, mut found) = (Vec::new(), Vec::new());
    for line in table.lines().filter(|line| line.starts_with("| F")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [row, fault, end, shown] = cells[..] else { panic!("four cells: {line}") };
        assert!(!fault.is_empty() && !end.is_empty(), "{row}");
        rows.push(row.to_owned());
        // Names of tests are long; what else stands in backticks is not.
        let named: Vec<&str> =
            shown.split('`').skip(1).step_by(2).filter(|name| name.matches('_').count() > 1).collect();
        if named.is_empty() && !shown.starts_with("No test: ") {
            found.push(format!("{row} names no test"));
        }
        let missing = named.iter().filter(|name| !sources.contains(&format!("fn {name}(")));
        found.extend(missing.map(|name| format!("{row}: there is no {name}")));
    }
    let mut wanted: Vec<String> = (1..=18).chain(29..=43).map(|number| format!("F{number}")).collect();
    wanted.push("F32b".to_owned());
    rows.sort();
    wanted.sort();
    assert_eq!(rows, wanted);
    none("tests/FAULTS.md says what is not so", found);
}

/// The text that the hunks of a patch stand on, by file.
fn ground(patch: &str) -> Vec<(String, String)> {
    let mut hunks: Vec<(String, String)> = Vec::new();
    let mut file = "";
    for line in patch.lines() {
        if let Some(path) = line.strip_prefix("+++ b/") {
            file = path;
        } else if line.starts_with("@@ ") {
            hunks.push((file.to_owned(), String::new()));
        } else if let (Some((_, text)), Some(kept)) = (hunks.last_mut(), line.strip_prefix([' ', '-'])) {
            text.push_str(kept);
            text.push('\n');
        }
    }
    hunks
}

/// A patch that no longer applies would be noticed only by the long run.
#[test]
fn every_planted_bug_still_fits_the_code() {
    let plants = std::fs::read_dir(root().join("tests/plants")).unwrap().map(|entry| entry.unwrap().path());
    let patches: Vec<_> = plants.filter(|path| path.extension().is_some_and(|end| end == "patch")).collect();
    assert!(patches.len() > 20, "{patches:?}");
    let mut gone = Vec::new();
    for patch in patches {
        let hunks = ground(&std::fs::read_to_string(&patch).unwrap());
        assert!(!hunks.is_empty(), "{}", patch.display());
        let fits = |(file, text): &(String, String)| std::fs::read_to_string(root().join(file)).unwrap().contains(text);
        gone.extend(hunks.iter().filter(|hunk| !fits(hunk)).map(|(file, _)| format!("{}: {file}", patch.display())));
    }
    none("A planted bug fits no more", gone);
}

/// Whether a key of the configuration is read by its name in code: `config.section.key`, or `section.key` where the
/// configuration was taken apart.
fn is_read(key: &str, sources: &[Source], chosen: impl Fn(&str) -> bool) -> bool {
    let is_part = |c: &char| c.is_alphanumeric() || *c == '_';
    let is_name = |line: &str| {
        line.match_indices(key).any(|(at, _)| {
            let (before, next) = (line[..at].chars().next_back(), line[at + key.len()..].chars().next());
            !before.is_some_and(|c| is_part(&c) || c == '"') && !next.is_some_and(|c| is_part(&c))
        })
    };
    sources.iter().filter(|source| chosen(&source.path)).any(|source| code_lines(source).any(|(_, line)| is_name(line)))
}

/// A key that is accepted and that nothing acts on must be named to whoever sets it, and no longer once something does.
#[test]
fn every_key_has_its_effect_or_says_that_it_has_none() {
    use postsale::config::{KEYS, WITHOUT_EFFECT};
    // A rule alone reads it, or a function of the table itself.
    const BY_THE_CONFIGURATION: [&str; 7] = [
        "paypal.enabled",
        "paypal.base_url",
        "paypal.account_email",
        "aliexpress.enabled",
        "aliexpress.base_url",
        "payout.after",
        "payout.hold_days",
    ];
    let sources = sources();
    let outside = |path: &str| !path.starts_with("config/");
    let acting = |path: &str| outside(path) || path == "config/policy.rs";
    for key in KEYS {
        let named = if key.name.contains('.') { key.name.to_owned() } else { format!("config.{}", key.name) };
        let has_none = WITHOUT_EFFECT.iter().any(|(name, _)| *name == key.name);
        let is_due = !has_none && !BY_THE_CONFIGURATION.contains(&key.name);
        assert!(!is_due || is_read(&named, &sources, acting), "{named}: nothing acts on it; see WITHOUT_EFFECT");
        assert!(!has_none || !is_read(&named, &sources, outside), "{named}: it has its effect by now");
    }
    assert!(!is_read("config.channels", &sources, outside), "channels have their effect by now");
}
