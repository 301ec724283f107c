//! Request ids: the client's own where it is harmless, else one of ours. They name log lines and decide nothing, so
//! they are unique rather than secret.

use ring::rand::{SecureRandom, SystemRandom};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// `given` if it is one to 64 letters, digits and hyphens, else a new one of the same kind.
pub(super) fn request_id(given: Option<&str>) -> String {
    match given {
        Some(id) if is_sane(id) => id.to_owned(),
        _ => fresh(),
    }
}

fn is_sane(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn fresh() -> String {
    static RUN: OnceLock<String> = OnceLock::new();
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let run = RUN.get_or_init(|| {
        let mut bytes = [0; 5];
        // Without random numbers the process id tells two runs apart well enough for a log.
        match SystemRandom::new().fill(&mut bytes) {
            Ok(()) => data_encoding::HEXLOWER.encode(&bytes),
            Err(_) => std::process::id().to_string(),
        }
    });
    format!("{run}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_odd_id_is_replaced() {
        fn check(given: &str, is_kept: bool) {
            let id = request_id(Some(given));
            assert_eq!(id == given, is_kept, "{given:?}");
            assert!(is_sane(&id));
        }
        check("abc-123", true);
        check(&"x".repeat(64), true);
        check(&"x".repeat(65), false);
        check("", false);
        check("a b", false);
        check("a=b", false);
        assert_ne!(request_id(None), request_id(None));
    }
}
