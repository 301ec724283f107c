//! Finds the secrets: in the environment, or in the file that the same variable with `_FILE` names. They never stand in
//! `config.toml`, never enter `Config`, and no message repeats one.

use super::Problem;
use crate::secret::Secret;
use ring::rand::SecureRandom;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

macro_rules! secrets {
    ($($(#[$doc:meta])* $field:ident = $variable:literal,)*) => {
        /// What was found. `None`: not set, which is a state and not a mistake.
        #[derive(Clone, Debug, Default)]
        pub struct Secrets {
            $($(#[$doc])* pub $field: Option<Secret>,)*
            /// Variable or file, by the secret's variable.
            origins: BTreeMap<&'static str, String>,
        }

        /// The variables that hold secrets. Each may have `_FILE` appended.
        pub(super) const VARIABLES: &[&str] = &[$($variable),*];

        impl Secrets {
            /// Every secret with the name of its variable.
            pub fn all(&self) -> Vec<(&'static str, Option<&Secret>)> {
                vec![$(($variable, self.$field.as_ref())),*]
            }

            fn slot(&mut self, variable: &str) -> Option<&mut Option<Secret>> {
                match variable { $($variable => Some(&mut self.$field),)* _ => None }
            }
        }
    };
}

secrets! {
    /// All scopes of the API.
    internal_run = "INTERNAL_RUN_SECRET",
    paypal_client_id = "PAYPAL_CLIENT_ID",
    paypal_client_secret = "PAYPAL_CLIENT_SECRET",
    paypal_webhook_id = "PAYPAL_WEBHOOK_ID",
    aliexpress_app_key = "ALIEXPRESS_APP_KEY",
    aliexpress_app_secret = "ALIEXPRESS_APP_SECRET",
    telegram_bot_token = "TELEGRAM_BOT_TOKEN",
    smtp_password = "SMTP_PASSWORD",
}

const INTERNAL_FILE: &str = "internal-secret";

impl Secrets {
    /// Where a secret came from: its variable or a file. `None` when it is not set.
    pub fn origin(&self, variable: &str) -> Option<&str> {
        self.origins.get(variable).map(String::as_str)
    }

    /// Reads every secret; adds a problem for each that is set twice or cannot be read. Empty counts as not set.
    pub(super) fn find(variable: &dyn Fn(&str) -> Option<String>, problems: &mut Vec<Problem>) -> Secrets {
        let mut secrets = Secrets::default();
        let set = |name: &str| variable(name).filter(|text| !text.is_empty());
        for name in VARIABLES {
            let file_name = format!("{name}_FILE");
            let mut refuse = |place: &str, reason: String| {
                problems.push(Problem { place: place.to_owned(), key: String::new(), reason });
            };
            let (word, origin) = match (set(name), set(&file_name)) {
                (None, None) => continue,
                (Some(_), Some(_)) => {
                    refuse(name, format!("set twice: unset either {name} or {file_name}"));
                    continue;
                }
                (Some(word), None) => (word, (*name).to_owned()),
                (None, Some(path)) => match fs::read_to_string(&path) {
                    Ok(word) => (word, path),
                    Err(error) => {
                        refuse(&file_name, format!("{path} cannot be read: {error}"));
                        continue;
                    }
                },
            };
            let word = word.trim_end_matches(['\n', '\r']);
            if word.chars().any(char::is_control) {
                refuse(&origin, "holds more than one line, or a control character".to_owned());
            } else if *name == "PAYPAL_WEBHOOK_ID" && word == "WEBHOOK_ID" {
                let reason = "WEBHOOK_ID is a placeholder: copy the id of your webhook from PayPal's dashboard";
                refuse(&origin, reason.to_owned());
            } else if !word.is_empty() {
                secrets.put(name, word, origin);
            }
        }
        secrets
    }

    /// Gives a sandbox its `INTERNAL_RUN_SECRET` when none is set: the one in `data_dir/internal-secret`, or a new one
    /// written there, readable by its owner only. Not for production, where the owner sets it or goes without.
    pub fn ensure_internal(&mut self, data_dir: &Path) -> io::Result<()> {
        if self.internal_run.is_some() {
            return Ok(());
        }
        let path = data_dir.join(INTERNAL_FILE);
        let word = match fs::read_to_string(&path) {
            Ok(word) if !word.trim().is_empty() => {
                fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
                word.trim().to_owned()
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => draw_into(&path)?,
        };
        self.put("INTERNAL_RUN_SECRET", &word, path.display().to_string());
        Ok(())
    }

    fn put(&mut self, name: &'static str, word: &str, origin: String) {
        if let Some(slot) = self.slot(name) {
            *slot = Some(Secret::new(word));
            self.origins.insert(name, origin);
        }
    }
}

/// 32 random bytes in hexadecimal. Written beside and renamed, so that a crash leaves no half secret.
fn draw_into(path: &Path) -> io::Result<String> {
    let mut bytes = [0u8; 32];
    ring::rand::SystemRandom::new().fill(&mut bytes).map_err(|_| io::Error::other("no randomness to be had"))?;
    let word = data_encoding::HEXLOWER.encode(&bytes);
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    let beside = path.with_extension("new");
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    writeln!(file, "{word}")?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    Ok(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(variables: &[(&str, &str)]) -> (Secrets, Vec<String>) {
        let lookup = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| v.to_string());
        let mut problems = Vec::new();
        let secrets = Secrets::find(&lookup, &mut problems);
        (secrets, problems.iter().map(Problem::to_string).collect())
    }

    #[test]
    fn come_from_the_environment_or_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        fs::write(&path, "from-file\r\n").unwrap();
        let path = path.to_str().unwrap();
        for name in VARIABLES {
            let (secrets, problems) = find(&[(name, "from-variable")]);
            assert!(problems.is_empty(), "{problems:?}");
            let found = secrets.all().into_iter().find(|(n, _)| n == name).unwrap().1;
            assert_eq!(found.unwrap().expose(), "from-variable");
            let file = format!("{name}_FILE");
            let (secrets, problems) = find(&[(&file, path), (name, "")]);
            assert!(problems.is_empty(), "{problems:?}");
            let found = secrets.all().into_iter().find(|(n, _)| n == name).unwrap().1;
            assert_eq!(found.unwrap().expose(), "from-file");
            assert_eq!(secrets.origin(name), Some(path));
        }
        assert!(find(&[("SMTP_PASSWORD", "")]).0.smtp_password.is_none());
    }

    #[test]
    fn mistakes_are_named_without_the_secret() {
        let check = |variables: &[(&str, &str)], expected: &str| {
            let (secrets, problems) = find(variables);
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].starts_with(expected), "{problems:?}");
            assert!(!problems[0].contains("hunter2") && !format!("{secrets:?}").contains("hunter2"));
        };
        check(
            &[("PAYPAL_CLIENT_ID", "hunter2"), ("PAYPAL_CLIENT_ID_FILE", "/x")],
            "PAYPAL_CLIENT_ID: set twice: unset either PAYPAL_CLIENT_ID or PAYPAL_CLIENT_ID_FILE",
        );
        check(&[("SMTP_PASSWORD_FILE", "/nowhere/x")], "SMTP_PASSWORD_FILE: /nowhere/x cannot be read: ");
        check(&[("SMTP_PASSWORD", "hunter2\nX: y")], "SMTP_PASSWORD: holds more than one line");
        check(&[("PAYPAL_WEBHOOK_ID", "WEBHOOK_ID")], "PAYPAL_WEBHOOK_ID: WEBHOOK_ID is a placeholder");
    }

    #[test]
    fn a_sandbox_draws_its_own_and_keeps_it() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = dir.path().join("data");
        let mut first = Secrets::default();
        first.ensure_internal(&data_dir).unwrap();
        let word = first.internal_run.as_ref().unwrap().expose().to_owned();
        assert_eq!(word.len(), 64);
        let path = data_dir.join(INTERNAL_FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let mut second = Secrets::default();
        second.ensure_internal(&data_dir).unwrap();
        assert_eq!(second.internal_run.as_ref().unwrap().expose(), word);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        fs::write(&path, "").unwrap();
        let mut third = Secrets::default();
        third.ensure_internal(&data_dir).unwrap();
        assert_eq!(third.internal_run.as_ref().unwrap().expose().len(), 64);

        let mut set = find(&[("INTERNAL_RUN_SECRET", "mine")]).0;
        set.ensure_internal(&data_dir).unwrap();
        assert_eq!(set.internal_run.unwrap().expose(), "mine");
    }
}
