//! Prints what is in force: every key with its value and where it came from, as TOML or JSON, and the fingerprint that
//! tells two configurations apart. A secret appears as `***` or as not set, never otherwise.

use super::keys::{KEYS, WITHOUT_EFFECT};
use super::values::Field;
use super::{CHANNEL_KEYS, Config, Secrets};
use data_encoding::HEXLOWER;
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// Every key that exists in this configuration with its value, channels last.
fn values(config: &Config) -> Vec<(String, Value)> {
    let mut values: Vec<_> = KEYS.iter().map(|key| (key.name.to_owned(), (key.shown)(config))).collect();
    for (name, channel) in &config.channels {
        let [percent, fixed] = CHANNEL_KEYS;
        values.push((format!("channels.{name}.{percent}"), channel.fee_percent.shown()));
        values.push((format!("channels.{name}.{fixed}"), channel.fee_fixed.shown()));
    }
    values
}

/// TOML that could be loaded again. What is not set, and the secrets, are comments.
pub fn show(config: &Config, secrets: &Secrets) -> String {
    let mut text = String::new();
    let mut current = String::new();
    for (name, value) in values(config) {
        let (section, key) = name.rsplit_once('.').unwrap_or(("", &name));
        if section != current {
            let _ = writeln!(text, "\n[{section}]");
            section.clone_into(&mut current);
        }
        // A JSON string without control characters is a TOML string too.
        let _ = match value {
            Value::Null => writeln!(text, "# {key} is not set"),
            value => writeln!(text, "{key} = {value} # {}{}", config.origin(&name), effect(&name)),
        };
    }
    text.push_str("\n# Secrets\n");
    for (variable, secret) in secrets.all() {
        let _ = match (secret, secrets.origin(variable)) {
            (Some(secret), Some(origin)) => writeln!(text, "# {variable} = {secret} # {origin}"),
            _ => writeln!(text, "# {variable} = (not set)"),
        };
    }
    text
}

fn effect(name: &str) -> &'static str {
    let is_of = |without: &str| name == without || without == "channels" && name.starts_with("channels.");
    if WITHOUT_EFFECT.iter().any(|(without, _)| is_of(without)) { ", without effect in this version" } else { "" }
}

/// `{"fingerprint", "values": {key: {"value", "origin"}}, "secrets": {variable: "***" or null}}`.
pub fn show_json(config: &Config, secrets: &Secrets) -> Value {
    let origin = |name: &str| config.origin(name).to_string();
    let values: Map<String, Value> = values(config)
        .into_iter()
        .map(|(name, v)| (name.clone(), json!({"value": v, "origin": origin(&name)})))
        .collect();
    let secrets: Map<String, Value> = secrets
        .all()
        .into_iter()
        .map(|(name, secret)| (name.to_owned(), json!(secret.map(ToString::to_string))))
        .collect();
    json!({"fingerprint": fingerprint(config), "values": values, "secrets": secrets})
}

/// The first twelve hexadecimal digits of the SHA-256 over all values in their canonical form. Where a value came from
/// does not count, nor does any secret.
pub fn fingerprint(config: &Config) -> String {
    let lines: Vec<String> = values(config).into_iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    let digest = ring::digest::digest(&ring::digest::SHA256, lines.concat().as_bytes());
    HEXLOWER.encode(digest.as_ref()).chars().take(12).collect()
}

#[cfg(test)]
mod tests {
    use super::super::load_text;
    use super::*;

    const SECRETS: [(&str, &str); 3] = [
        ("INTERNAL_RUN_SECRET", "hunter2-internal"),
        ("PAYPAL_CLIENT_SECRET", "hunter2-paypal"),
        ("SMTP_PASSWORD", ""),
    ];

    #[test]
    fn what_is_shown_loads_again_to_the_same() {
        let text = "mode = \"sandbox\"\n[policy]\ncancel_buffer = \"90m\"\n[channels.etsy]\nfee_percent = 6.5\n";
        assert!(load_text(text, &[]).is_err());
        let text = text.replace("6.5", "\"6.50\"");
        let mut variables = SECRETS.to_vec();
        variables.push(("POSTSALE_SERVICE__PROJECT", "a \"quoted\" \\ nämé"));
        let first = load_text(&text, &variables).unwrap();
        let shown = show(&first.config, &first.secrets);
        let second = load_text(&shown, &[]).unwrap();
        assert_eq!(fingerprint(&first.config), fingerprint(&second.config), "{shown}");
        assert_eq!(second.config.service.project, "a \"quoted\" \\ nämé");
        for line in [
            "\n[policy]\n",
            "\ncancel_buffer = \"90m\" # config.toml:3\n",
            "\nproject = \"a \\\"quoted\\\" \\\\ nämé\" # POSTSALE_SERVICE__PROJECT\n",
            "\nlisten = \"127.0.0.1:8787\" # default\n",
            "\n# public_url is not set\n",
            "\n[channels.etsy]\nfee_percent = \"6.5\" # config.toml:5, without effect in this version\n# fee_fixed is not set\n",
            "\n# INTERNAL_RUN_SECRET = *** # INTERNAL_RUN_SECRET\n",
            "\n# SMTP_PASSWORD = (not set)\n",
        ] {
            assert!(shown.contains(line), "{line:?} is missing in\n{shown}");
        }
    }

    #[test]
    fn secrets_appear_nowhere() {
        let mut variables = SECRETS.to_vec();
        variables.push(("POSTSALE_ALERTS__WEBHOOK_URL", "https://hooks.chat.com/hunter2"));
        let loaded = load_text("", &variables).unwrap();
        let printed = [
            show(&loaded.config, &loaded.secrets),
            show_json(&loaded.config, &loaded.secrets).to_string(),
            format!("{loaded:?}"),
        ];
        for text in printed {
            assert!(text.contains("***") && !text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn json_has_values_origins_and_states_of_secrets() {
        let loaded = load_text("[engine]\nworkers = 8\n", &SECRETS).unwrap();
        let shown = show_json(&loaded.config, &loaded.secrets);
        assert_eq!(shown["values"]["engine.workers"], json!({"value": 8, "origin": "config.toml:2"}));
        assert_eq!(shown["values"]["server.public_url"], json!({"value": null, "origin": "default"}));
        assert_eq!(shown["secrets"]["PAYPAL_CLIENT_SECRET"], "***");
        assert_eq!(shown["secrets"]["SMTP_PASSWORD"], Value::Null);
        assert_eq!(shown["fingerprint"], json!(fingerprint(&loaded.config)));
    }

    #[test]
    fn the_fingerprint_follows_values_only() {
        let of = |text: &str, variables: &[(&str, &str)]| fingerprint(&load_text(text, variables).unwrap().config);
        let plain = of("", &[]);
        assert!(plain.len() == 12 && plain.bytes().all(|b| b.is_ascii_hexdigit()));
        assert_eq!(plain, of("[policy]\ncancel_buffer = \"1h\"\n", &SECRETS));
        assert_eq!(plain, of("", &[("POSTSALE_MODE", "sandbox")]));
        assert_ne!(plain, of("[policy]\ncancel_buffer = \"61m\"\n", &[]));
        assert_ne!(plain, of("[channels.etsy]\n", &[]));
    }
}
