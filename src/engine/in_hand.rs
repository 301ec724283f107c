//! Which order each worker has in hand, in a file that outlives the process: an order in hand at two crashes in a row,
//! at the same step, is held, so that one order cannot stop the shop. Not fsynced: it is about dying processes, not
//! about losing power.

use crate::domain::order::OrderId;
use crate::domain::trade::Step;
use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Bytes of one worker's place.
const PLACE: usize = 64;

pub struct InHand {
    file: Option<File>,
    next_place: AtomicUsize,
}

thread_local! {
    static PLACE_OF_THREAD: std::cell::Cell<Option<usize>> = const { std::cell::Cell::new(None) };
}

impl InHand {
    /// Opens the file and answers what stood in it: the orders in hand, with their steps, when the program died.
    pub fn open(data_dir: &Path) -> std::io::Result<(InHand, Vec<(OrderId, String)>)> {
        let path = data_dir.join("in-hand");
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let places = bytes.chunks(PLACE).filter_map(|place| {
            let text = std::str::from_utf8(place).ok()?.trim_end_matches(['\0', ' ']);
            let (order, step) = text.split_once(' ')?;
            Some((OrderId(order.to_owned()), step.to_owned()))
        });
        let died_with = places.collect();
        file.set_len(0)?;
        Ok((InHand { file: Some(file), next_place: AtomicUsize::new(0) }, died_with))
    }

    pub fn note(&self, order: &OrderId, step: &Step) {
        self.put(&format!("{order} {}", name(step)));
    }

    /// The worker has nothing in hand.
    pub fn clear(&self) {
        self.put("");
    }

    fn put(&self, text: &str) {
        let Some(file) = &self.file else { return };
        let place = PLACE_OF_THREAD.with(|cell| match cell.get() {
            Some(place) => place,
            None => {
                let place = self.next_place.fetch_add(1, Ordering::Relaxed);
                cell.set(Some(place));
                place
            }
        });
        let padded = format!("{text:<PLACE$.PLACE$}");
        if let Err(error) = file.write_all_at(padded.as_bytes(), (place * PLACE) as u64) {
            log::warn!("cannot note the order in hand: {error}");
        }
    }
}

/// The step's bare name.
pub(super) fn name(step: &Step) -> String {
    let text = format!("{step:?}");
    text.chars().take_while(|c| c.is_ascii_alphanumeric()).collect()
}

/// A person's hand on an order: while it lies there no worker takes the order up. Taken off on drop.
pub(super) struct Hand<'a> {
    taken: &'a Mutex<HashSet<OrderId>>,
    order: OrderId,
}

/// So long a worker may take to put an order down before the person is told to come back.
const HAND_PATIENCE: Duration = Duration::from_secs(3);

impl<'a> Hand<'a> {
    /// `None`: a worker keeps the order in hand, most likely because a call is under way.
    pub fn lay(taken: &'a Mutex<HashSet<OrderId>>, order: &OrderId) -> Option<Hand<'a>> {
        let started = Instant::now();
        while !taken.lock().unwrap_or_else(PoisonError::into_inner).insert(order.clone()) {
            if started.elapsed() >= HAND_PATIENCE {
                return None;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Hand { taken, order: order.clone() })
    }
}

impl Drop for Hand<'_> {
    fn drop(&mut self) {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.order);
    }
}
