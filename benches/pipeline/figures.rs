//! Medians, ratios and how far they spread, in whole numbers.

use std::time::Duration;

/// One run of one side.
pub struct Run {
    pub orders: u32,
    pub took: Duration,
    /// The part of it that the far sides took themselves.
    pub far_sides: Duration,
    pub database_bytes: u64,
    /// Rows inserted, changed or deleted, triggers included.
    pub rows: u64,
}

/// The runs of one side, one per pair.
pub struct Column {
    name: &'static str,
    pub runs: Vec<Run>,
}

impl Run {
    /// Nanoseconds per order.
    pub fn total_ns(&self) -> u64 {
        per(self.took, self.orders)
    }

    /// Nanoseconds per order without the far sides' own.
    pub fn own_ns(&self) -> u64 {
        per(self.took.saturating_sub(self.far_sides), self.orders)
    }

    pub fn far_sides_ns_per_order(&self) -> u64 {
        per(self.far_sides, self.orders)
    }
}

fn per(time: Duration, orders: u32) -> u64 {
    let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    (ns / u64::from(orders)).max(1)
}

impl Column {
    pub fn new(name: &'static str) -> Column {
        Column { name, runs: Vec::new() }
    }

    fn median_of(&self, figure: impl Fn(&Run) -> u64) -> u64 {
        median(self.runs.iter().map(figure).collect())
    }

    pub fn line(&self, commits: u64) -> String {
        let ns = self.median_of(Run::total_ns);
        let orders_per_s = 1_000_000_000 / ns;
        let commits_per_s = commits * 1_000_000_000 / ns;
        let bytes = self.median_of(|r| r.database_bytes / u64::from(r.orders));
        let rows = self.median_of(|r| r.rows / u64::from(r.orders));
        let (name, us) = (self.name, ns / 1000);
        format!("{name:<32}{orders_per_s:>10}{commits_per_s:>11}{us:>11}{bytes:>12}{rows:>10}")
    }

    /// How fast this side is in parts of the other: the median of the pairs, the least and the most.
    pub fn ratio_to(&self, floor: &Column, figure: impl Fn(&Run) -> u64) -> String {
        let pairs = self.runs.iter().zip(&floor.runs);
        let ratios: Vec<u64> = pairs.map(|(run, floor)| floor.total_ns() * 1000 / figure(run)).collect();
        let least = ratios.iter().min().copied().unwrap_or(0);
        let most = ratios.iter().max().copied().unwrap_or(0);
        let middle = median(ratios);
        format!("{} ({} to {})", in_thousandths(middle), in_thousandths(least), in_thousandths(most))
    }
}

/// The middle one; of an even number the lower of the two.
pub fn median(mut figures: Vec<u64>) -> u64 {
    figures.sort_unstable();
    figures.get(figures.len().saturating_sub(1) / 2).copied().unwrap_or(0)
}

/// 742 is 0.742.
pub fn in_thousandths(figure: u64) -> String {
    format!("{}.{:03}", figure / 1000, figure % 1000)
}
