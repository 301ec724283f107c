//! Puts the sources together: the defaults, `config.toml`, the environment, the command line; the later wins. It reads
//! an injected environment, so that a test never touches that of the process, and it stops at no mistake: all of them
//! are listed at once.

use super::file::{self, channel_of};
use super::keys::{KEYS, SECTIONS};
use super::values::{Field, Form, Raw};
use super::{CHANNEL_KEYS, Channel, Config, ConfigError, Origin, Problem, Secrets, rules, suggest};
use crate::domain::money::Currency;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

/// Variables of ours that are no keys. The last two are there when cargo runs the program.
pub const OTHER_VARIABLES: &[&str] = &["POSTSALE_CONFIG", "POSTSALE_COMMIT", "POSTSALE_BUILT_AT_S"];

/// Where the configuration is read from.
pub struct Sources<'a> {
    /// `--config`. `None`: what `POSTSALE_CONFIG` says, or `config.toml` in the working directory.
    pub file: Option<PathBuf>,
    /// The names of all variables of the environment.
    pub names: Vec<String>,
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// Keys set on the command line.
    pub flags: BTreeMap<String, String>,
}

/// What was read, and what deserves a word though nothing forbids it.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: Config,
    pub secrets: Secrets,
    pub warnings: Vec<Problem>,
}

/// Reads everything or lists every mistake.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
    let named = sources.file.clone();
    let named = named.or_else(|| (sources.variable)("POSTSALE_CONFIG").filter(|s| !s.is_empty()).map(PathBuf::from));
    let is_default = named.is_none();
    let path = named.unwrap_or_else(|| PathBuf::from("config.toml"));
    let place = path.display().to_string();
    match fs::read_to_string(&path) {
        Ok(text) => assemble(&place, &text, sources),
        Err(error) => Err(unreadable(place, is_default, &error)),
    }
}

/// Says how to get a file when nobody named one and there is none.
pub(super) fn unreadable(place: String, is_default: bool, error: &std::io::Error) -> ConfigError {
    let reason = if is_default && error.kind() == std::io::ErrorKind::NotFound {
        "not found: copy the one that comes with the program here, or name another with --config FILE or POSTSALE_CONFIG".to_owned()
    } else {
        format!("cannot be read: {error}")
    };
    ConfigError { problems: vec![Problem { place, key: String::new(), reason }] }
}

/// [`load`] with the environment of this process.
pub fn load_from_process(file: Option<PathBuf>, flags: BTreeMap<String, String>) -> Result<Loaded, ConfigError> {
    let names = std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned()).collect();
    let variable = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    load(&Sources { file, names, variable: &variable, flags })
}

/// [`load`] from a text in place of `config.toml` and from exactly these variables. For rehearsals and tests.
pub fn load_text(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    let names = variables.iter().map(|(name, _)| (*name).to_owned()).collect();
    let variable = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
    assemble("config.toml", text, &Sources { file: None, names, variable: &variable, flags: BTreeMap::new() })
}

fn assemble(path: &str, text: &str, sources: &Sources) -> Result<Loaded, ConfigError> {
    let mut entries = Entries { findings: Findings::new(path), values: BTreeMap::new(), channels: BTreeSet::new() };
    let is_whole = file::collect(path, text, &mut entries);
    collect_environment(sources, &mut entries);
    for (name, value) in &sources.flags {
        entries.accept(name, Raw { text: value.clone(), form: Form::Untyped }, Origin::CommandLine);
    }
    let mut reader = Reader::new(&entries);
    let config = Config::read(&mut reader);
    let (failed, unreadable) = (reader.failed, reader.unreadable);
    let mut findings = entries.findings;
    for (origin, key, reason) in unreadable {
        findings.add(origin, &key, reason);
    }
    let mut about_secrets = Vec::new();
    let secrets = Secrets::find(sources.variable, &mut about_secrets);
    let mut warnings = Findings::new(path);
    if is_whole {
        rules::check(&config, &secrets, &failed, &mut findings, &mut warnings);
    }
    let mut problems = findings.into_problems();
    problems.append(&mut about_secrets);
    if !problems.is_empty() {
        return Err(ConfigError { problems });
    }
    Ok(Loaded { config, secrets, warnings: warnings.into_problems() })
}

/// Mistakes or warnings on their way to be listed in the order of the file.
pub(super) struct Findings {
    path: String,
    list: Vec<(Origin, Problem)>,
}

impl Findings {
    fn new(path: &str) -> Self {
        Self { path: path.to_owned(), list: Vec::new() }
    }

    /// What has no line of its own is to be mended in the file.
    pub(super) fn add(&mut self, origin: Origin, key: &str, reason: impl Into<String>) {
        let place = if origin == Origin::Default { self.path.clone() } else { origin.to_string() };
        self.list.push((origin, Problem { place, key: key.to_owned(), reason: reason.into() }));
    }

    /// By line, then what is missing in the file, then variables and the command line.
    fn into_problems(mut self) -> Vec<Problem> {
        self.list.sort_by_key(|(origin, _)| match origin {
            Origin::File { line, .. } => (0, *line),
            Origin::Default => (1, 0),
            Origin::Variable(_) => (2, 0),
            Origin::CommandLine => (3, 0),
        });
        self.list.into_iter().map(|(_, problem)| problem).collect()
    }
}

/// A value as it was written, and where.
struct Entry {
    raw: Raw,
    origin: Origin,
}

/// Everything that was written, the later sources over the earlier.
pub(super) struct Entries {
    pub(super) findings: Findings,
    values: BTreeMap<String, Entry>,
    pub(super) channels: BTreeSet<String>,
}

impl Entries {
    /// Takes a value, or notes that its key does not exist.
    pub(super) fn accept(&mut self, name: &str, raw: Raw, origin: Origin) {
        if is_key(name) {
            if let Some((channel, _)) = channel_of(name) {
                self.channels.insert(channel.to_owned());
            }
            self.values.insert(name.to_owned(), Entry { raw, origin });
        } else if let Some(place) = suggest::secret_meant(name) {
            let where_it_stands = if origin == Origin::CommandLine { "on the command line" } else { "in the file" };
            self.findings.add(origin, name, format!("secrets do not stand {where_it_stands}: {place}"));
        } else {
            let nearest = suggest::nearest_key(name).map(|key| format!("; did you mean {key}?"));
            self.findings.add(origin, name, format!("unknown key{}", nearest.unwrap_or_default()));
        }
    }
}

pub(super) fn is_key(name: &str) -> bool {
    KEYS.iter().any(|key| key.name == name) || channel_of(name).is_some()
}

/// `POSTSALE_SERVER__LISTEN` for `server.listen`.
pub(super) fn variable_of(key: &str) -> String {
    format!("POSTSALE_{}", key.replace('.', "__").to_ascii_uppercase())
}

/// The key that a variable of ours is meant to set, whether or not there is such a key.
fn key_of(variable: &str) -> String {
    let name = variable.trim_start_matches("POSTSALE_").to_ascii_lowercase();
    let Some((section, rest)) = name.split_once("__") else {
        // One underscore where two belong is the likeliest slip.
        let section = SECTIONS.iter().find(|s| name.strip_prefix(**s).is_some_and(|rest| rest.starts_with('_')));
        return section.map_or(name.clone(), |s| format!("{s}.{}", &name[s.len() + 1..]));
    };
    match rest.rsplit_once("__").filter(|_| section == "channels") {
        Some((channel, leaf)) => format!("channels.{channel}.{leaf}"),
        None => format!("{section}.{rest}"),
    }
}

fn collect_environment(sources: &Sources, entries: &mut Entries) {
    let mut names: Vec<&String> = sources.names.iter().filter(|name| name.starts_with("POSTSALE_")).collect();
    names.sort();
    for name in names {
        if OTHER_VARIABLES.contains(&name.as_str()) {
            continue;
        }
        let key = key_of(name);
        let origin = Origin::Variable(name.clone());
        if is_key(&key) && variable_of(&key) == *name {
            let text = (sources.variable)(name).unwrap_or_default();
            entries.accept(&key, Raw { text, form: Form::Untyped }, origin);
        } else if let Some(place) = suggest::secret_meant(&key).filter(|_| !is_key(&key)) {
            entries.findings.add(origin, "", format!("not the variable of a secret: {place}"));
        } else {
            let nearest = if is_key(&key) { Some(key) } else { suggest::nearest_key(&key) };
            let nearest = nearest.map(|key| format!("; did you mean {}?", variable_of(&key)));
            entries.findings.add(origin, "", format!("unknown variable{}", nearest.unwrap_or_default()));
        }
    }
}

/// Hands out the values by key. A value that cannot be read is noted, and the default stands in for it so that the
/// reading goes on; with a note there is never a `Config`.
pub(super) struct Reader<'a> {
    entries: &'a Entries,
    /// That of the amounts.
    currency: Currency,
    data_dir: PathBuf,
    failed: BTreeSet<String>,
    unreadable: Vec<(Origin, String, String)>,
}

impl<'a> Reader<'a> {
    fn new(entries: &'a Entries) -> Self {
        let usd = Currency::new("USD").expect("USD is in the list of currencies");
        let written = |key: &str| entries.values.get(key).map(|entry| entry.raw.text.as_str());
        let currency = written("shop.currency").and_then(Currency::new).unwrap_or(usd);
        let data_dir = written("data_dir").and_then(|text| PathBuf::parse(text, currency).ok());
        let data_dir = data_dir.unwrap_or_else(|| PathBuf::from("data"));
        Self { entries, currency, data_dir, failed: BTreeSet::new(), unreadable: Vec::new() }
    }

    pub(super) fn read<T: Field>(&mut self, key: &str, default: &str) -> T {
        if let Some(entry) = self.entries.values.get(key) {
            match T::read(&entry.raw, self.currency) {
                Ok(value) => return value,
                Err(reason) => {
                    self.failed.insert(key.to_owned());
                    self.unreadable.push((entry.origin.clone(), key.to_owned(), reason));
                }
            }
        }
        let default = match key {
            "service.name" => host_name(),
            "backup.dir" => self.data_dir.join("backups").display().to_string(),
            _ => default.to_owned(),
        };
        T::parse(&default, self.currency).expect("a test reads every default of the table, with and without cents")
    }

    pub(super) fn read_channels(&mut self) -> BTreeMap<String, Channel> {
        let names = self.entries.channels.clone();
        let [percent, fixed] = CHANNEL_KEYS;
        let read = |name: String| {
            let fee_percent = self.read(&format!("channels.{name}.{percent}"), "");
            let fee_fixed = self.read(&format!("channels.{name}.{fixed}"), "");
            (name, Channel { fee_percent, fee_fixed })
        };
        names.into_iter().map(read).collect()
    }

    pub(super) fn origins(&self) -> BTreeMap<String, Origin> {
        self.entries.values.iter().map(|(key, entry)| (key.clone(), entry.origin.clone())).collect()
    }
}

/// What this machine calls itself, for the header of a report.
fn host_name() -> String {
    let files = ["/proc/sys/kernel/hostname", "/etc/hostname"];
    let named = files.iter().filter_map(|path| fs::read_to_string(path).ok()).map(|name| name.trim().to_owned());
    named.into_iter().find(|name| !name.is_empty()).unwrap_or_else(|| "localhost".to_owned())
}
