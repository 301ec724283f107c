//! What to say about a name that is no key: the nearest key, or, where it looks like a secret, the variable it belongs
//! in. It must never see a value.

use super::keys::KEYS;
use super::secrets::VARIABLES;

/// Ends of names by which people write secrets into a configuration, and the secret that is meant.
const SECRET_ENDS: [(&str, &str); 10] = [
    ("CLIENT_ID", "PAYPAL_CLIENT_ID"),
    ("CLIENT_SECRET", "PAYPAL_CLIENT_SECRET"),
    ("WEBHOOK_ID", "PAYPAL_WEBHOOK_ID"),
    ("APP_KEY", "ALIEXPRESS_APP_KEY"),
    ("APP_SECRET", "ALIEXPRESS_APP_SECRET"),
    ("BOT_TOKEN", "TELEGRAM_BOT_TOKEN"),
    ("SMTP_PASSWORD", "SMTP_PASSWORD"),
    ("ALERTS_PASSWORD", "SMTP_PASSWORD"),
    ("RUN_SECRET", "INTERNAL_RUN_SECRET"),
    ("INTERNAL_SECRET", "INTERNAL_RUN_SECRET"),
];

/// Whether an unknown name looks like a secret, and where that one belongs.
pub(super) fn secret_meant(name: &str) -> Option<String> {
    let flat = name.replace(['.', '-'], "_").to_ascii_uppercase().replace("__", "_");
    if let Some((_, variable)) = SECRET_ENDS.iter().find(|(end, _)| flat.ends_with(end)) {
        return Some(format!("set {variable}"));
    }
    let leaf = name.rsplit('.').next().unwrap_or(name).to_ascii_uppercase();
    let secret_like = ["SECRET", "PASSWORD", "TOKEN", "API_KEY"].iter().any(|word| leaf.contains(word));
    secret_like.then(|| format!("they come from the environment, as one of {}", VARIABLES.join(", ")))
}

/// The known key nearest to an unknown one, when it is near enough to be meant.
pub(super) fn nearest_key(name: &str) -> Option<String> {
    let mut candidates: Vec<String> = KEYS.iter().map(|key| key.name.to_owned()).collect();
    if let Some(channel) = name.strip_prefix("channels.").and_then(|rest| rest.split('.').next()) {
        candidates.extend(super::CHANNEL_KEYS.iter().map(|key| format!("channels.{channel}.{key}")));
    }
    let leaf = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    let distance = |candidate: &String| {
        let elsewhere = if leaf(candidate) == leaf(name) { 2 } else { usize::MAX };
        edits(candidate, name).min(elsewhere)
    };
    let (edits, nearest) = candidates.into_iter().map(|c| (distance(&c), c)).min()?;
    (edits <= (name.len() / 4).clamp(1, 4)).then_some(nearest)
}

/// How many letters must be added, dropped, changed or swapped with their neighbour to make one name of the other.
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = changed.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_named_when_it_is_near() {
        let check = |name: &str, expected: Option<&str>| assert_eq!(nearest_key(name).as_deref(), expected, "{name}");
        check("policy.cancel_bufer", Some("policy.cancel_buffer"));
        check("polcy.cancel_buffer", Some("policy.cancel_buffer"));
        check("policy.workers", Some("engine.workers"));
        check("server.lisetn", Some("server.listen"));
        check("mdoe", Some("mode"));
        check("channels.etsy.fee_percentage", Some("channels.etsy.fee_percent"));
        check("weather.forecast", None);
        check("x", None);
    }

    #[test]
    fn secrets_are_recognised_by_their_names() {
        let check = |name: &str, variable: &str| {
            let meant = secret_meant(name).unwrap_or_default();
            assert_eq!(meant, format!("set {variable}"), "{name}");
        };
        check("paypal.client_id", "PAYPAL_CLIENT_ID");
        check("paypal.client_secret", "PAYPAL_CLIENT_SECRET");
        check("PAYPAL_WEBHOOK_ID", "PAYPAL_WEBHOOK_ID");
        check("aliexpress.app_key", "ALIEXPRESS_APP_KEY");
        check("alerts.telegram_bot_token", "TELEGRAM_BOT_TOKEN");
        check("alerts.smtp_password", "SMTP_PASSWORD");
        check("internal_run_secret", "INTERNAL_RUN_SECRET");
        assert!(secret_meant("aliexpress.access_token").is_some());
        for key in KEYS {
            assert_eq!(secret_meant(key.name), None, "{}", key.name);
        }
    }
}
