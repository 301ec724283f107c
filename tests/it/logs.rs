//! The warnings of this process, kept so that a test can ask whether one was written. The shops of all tests write here, so
//! a test looks for the ids of its own.

use std::sync::{Mutex, Once};

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());
static STARTED: Once = Once::new();

struct Keeper;

impl log::Log for Keeper {
    fn enabled(&self, line: &log::Metadata<'_>) -> bool {
        line.level() <= log::Level::Warn
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            LINES.lock().unwrap().push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

/// From now on warnings are kept.
pub fn keep() {
    STARTED.call_once(|| {
        log::set_logger(&Keeper).unwrap();
        log::set_max_level(log::LevelFilter::Warn);
    });
}

/// Whether one line says all of this.
pub fn has(parts: &[&str]) -> bool {
    LINES.lock().unwrap().iter().any(|line| parts.iter().all(|part| line.contains(part)))
}
