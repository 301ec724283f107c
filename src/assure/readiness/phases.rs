//! The phases and their rows: each row says what was seen, where, and how to change it. A row about something that was
//! never looked at is UNKNOWN, one about something that has not happened yet PENDING.

use super::summary::{flag, order, payout, purchase, sale};
use super::{Evidence, Installation, Lines, Phase, Row, SOURCES, Seen, Status};
use crate::assure::score::Verdict;
use crate::domain::order::Mode;
use crate::domain::trade::{ClockState, FarSide};
use crate::engine::login::Outlook;
use crate::gateway::paypal::PERMISSIONS;
use crate::gateway::probe::is_same;
use crate::store::journal::is_on_another_disk;
use crate::store::log_lines::LogLine;
use jiff::SignedDuration;
use std::path::Path;

/// An answer of a far side proves the credentials for so long (L8).
const AUTHENTICATED_FOR: SignedDuration = SignedDuration::from_hours(24);
/// A slow shop sells little, and PayPal rings only when something happens.
const WEBHOOK_SEEN_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Our clock may be so far behind a far side's.
const CLOCK_BEHIND_MAX: SignedDuration = SignedDuration::from_mins(2);
/// A login with less than this left is worth a word.
const TOKEN_SHORT: SignedDuration = SignedDuration::from_hours(72);

pub(super) fn all(at: &Installation, evidence: &Evidence, seen: &Seen) -> Vec<Phase> {
    let writer = Writer { at, evidence, seen };
    let phases = [
        ("build", writer.build()),
        ("service", writer.service()),
        ("migration", writer.migration()),
        ("integrity", writer.integrity()),
        ("test flow", writer.test_flow()),
        ("log evidence", writer.log_evidence()),
        ("database validation", writer.database()),
        ("connectors", writer.connectors()),
    ];
    let phase = |(number, (name, rows)): (u32, (&str, Vec<Row>))| {
        let status = rows.iter().map(|row| row.status).max_by_key(|status| badness(*status));
        Phase { number, name: name.to_owned(), status: status.unwrap_or(Status::Unknown), rows }
    };
    (0..).zip(phases).map(phase).collect()
}

fn badness(status: Status) -> u32 {
    match status {
        Status::Skipped => 0,
        Status::Ok => 1,
        Status::Pending => 2,
        Status::Unknown => 3,
        Status::Fail => 4,
    }
}

pub(super) fn row(id: &str, status: Status, value: impl Into<String>) -> Row {
    Row { id: id.to_owned(), status, value: value.into(), warning: None, fix: None }
}

fn if_good(is_good: bool) -> Status {
    if is_good { Status::Ok } else { Status::Fail }
}

pub(super) struct Writer<'a> {
    pub(super) at: &'a Installation,
    pub(super) evidence: &'a Evidence,
    seen: &'a Seen,
}

impl Writer<'_> {
    fn is_sandbox(&self) -> bool {
        self.at.settings.mode == Mode::Sandbox
    }

    /// With a command of ours as its fix.
    pub(super) fn or(&self, mut row: Row, command: &str) -> Row {
        row.fix = (!row.status.is_green()).then(|| format!("postsale{} {command}", self.at.typed));
        row
    }

    /// With something else as its fix.
    pub(super) fn or_do(&self, mut row: Row, what: &str) -> Row {
        row.fix = (!row.status.is_green()).then(|| what.to_owned());
        row
    }

    fn build(&self) -> Vec<Row> {
        let build = &self.evidence.build;
        let is_known = build != "unknown" && !build.ends_with("-dirty");
        let mut known = row("commit", if_good(is_known || self.is_sandbox()), format!("this program is {build}"));
        known.warning = (!is_known).then(|| "not built from a committed tree".to_owned());
        vec![self.or_do(known, "cargo build --release in a clean checkout"), self.or(self.drill(), "drill")]
    }

    /// Whether this build was killed everywhere and did nothing twice. A sandbox may do without.
    fn drill(&self) -> Row {
        let without = if self.is_sandbox() { Status::Skipped } else { Status::Pending };
        match &self.evidence.drill {
            None => row("drill", without, "this installation has not been drilled"),
            Some(drill) if !is_same(&drill.build, &self.evidence.build) => {
                row("drill", without, format!("the last drill, at {}, was of build {}", drill.at, drill.build))
            }
            Some(drill) => row("drill", if_good(drill.is_good), format!("{} at {}", drill.result, drill.at)),
        }
    }

    fn service(&self) -> Vec<Row> {
        let start = |row| self.or(row, "serve");
        let service = match &self.seen.service {
            Some(Ok(service)) => service,
            Some(Err(reason)) => return vec![start(row("answers", Status::Unknown, reason.as_str()))],
            None => return vec![start(row("answers", Status::Unknown, "no server runs here"))],
        };
        let is_same = is_same(&service.commit, &self.evidence.build);
        let told = |answer: &Result<u16, String>, wanted: u16, what: &str| match answer {
            Ok(status) if *status == wanted => (Status::Ok, format!("{status} without a token from {}", service.url)),
            Ok(status) => (Status::Fail, format!("{status} in place of {wanted} from {}: {what}", service.url)),
            Err(reason) => (Status::Unknown, reason.clone()),
        };
        let (unknown, unknown_value) = told(&service.unknown_path, 404, "a proxy or an old build answers");
        let (check, check_value) = told(&service.check, 200, "the check must be open");
        let mut rows = vec![
            start(row("answers", if_good(is_same), format!("{} answers as {}", service.url, service.commit))),
            start(row("unknown_path_is_404", unknown, unknown_value)),
            start(row("integrity_check_is_open", check, check_value)),
        ];
        rows.push(start(self.jobs()));
        rows
    }

    fn jobs(&self) -> Row {
        let Evidence { jobs, late, .. } = self.evidence;
        let failed: Vec<&str> =
            jobs.iter().filter(|job| job.is_ok == Some(false)).map(|job| job.name.as_str()).collect();
        let ran = jobs.iter().filter(|job| job.finished_at.is_some()).count();
        match (ran, late.is_empty(), failed.is_empty()) {
            (0, ..) => row("jobs_on_time", Status::Unknown, "no job has run"),
            (_, false, _) => row("jobs_on_time", Status::Fail, format!("late: {}", late.join(", "))),
            (_, _, false) => row("jobs_on_time", Status::Fail, format!("failed: {}", failed.join(", "))),
            _ => row("jobs_on_time", Status::Ok, format!("{} jobs, none late", jobs.len())),
        }
    }

    fn migration(&self) -> Vec<Row> {
        let schema = self.evidence.schema;
        let value = format!("schema version {} in the file, {} in the program", schema.found, schema.known);
        vec![self.or(row("schema", if_good(schema.found == schema.known), value), "migrate")]
    }

    fn integrity(&self) -> Vec<Row> {
        let Some(answer) = &self.evidence.integrity else {
            return vec![self.or(row("verdict", Status::Unknown, "no check has run"), "serve")];
        };
        let status = match answer.verdict() {
            Verdict::Proven => Status::Ok,
            Verdict::Violated => Status::Fail,
            Verdict::NotProven => Status::Unknown,
        };
        let failed = answer.checks.iter().filter(|line| line.status == crate::assure::score::Status::Fail);
        let failed: Vec<&str> = failed.map(|line| line.id.as_str()).collect();
        let named = if failed.is_empty() { String::new() } else { format!("; failed: {}", failed.join(", ")) };
        let verdict = format!("{} at {}{named}", answer.verdict, answer.checked_at);
        let tested = answer.self_test;
        let caught = match tested.planted {
            0 => Status::Unknown,
            planted => if_good(planted == tested.caught),
        };
        let age = self.evidence.now.duration_since(answer.checked_at);
        let window = self.at.integrity_every * 2 + SignedDuration::from_mins(5);
        let fresh = if age <= window { Status::Ok } else { Status::Unknown };
        let is_ours = is_same(&answer.build, &self.evidence.build);
        let by = if is_ours { Status::Ok } else { Status::Unknown };
        vec![
            self.or(row("verdict", status, verdict), "check"),
            self.or(
                row("planted_faults", caught, format!("{} of {} were caught", tested.caught, tested.planted)),
                "check",
            ),
            self.or(row("check_is_fresh", fresh, format!("checked {} s ago", age.as_secs())), "serve"),
            self.or(row("checked_by_this_build", by, format!("checked by {}", answer.build)), "serve"),
        ]
    }

    fn test_flow(&self) -> Vec<Row> {
        let road = self.evidence.road.as_ref();
        // What has not happened is pending; only what went wrong has failed.
        let later = |(status, value): (Status, String)| match (status, road) {
            (Status::Fail, None) => (Status::Pending, value),
            (Status::Fail, Some(road)) if road.stage != "held" && road.stage != "cancelled" => (Status::Pending, value),
            (status, _) => (status, value),
        };
        let rows = [
            ("order", order(self.at, road)),
            ("purchase", purchase(self.at, road)),
            ("sale", sale(road)),
            ("payouts", payout(self.at, road)),
        ];
        let mut rows: Vec<Row> = rows
            .into_iter()
            .map(|(id, judged)| {
                let (status, value) = later(judged);
                self.or(row(id, status, value), "verify --real")
            })
            .collect();
        if let Some(road) = road.filter(|road| road.stage == "held") {
            let value = format!("order {} is held: {}", road.order, road.waits_for);
            rows.push(self.or(row("goes_on", Status::Fail, value), "queue"));
        }
        if self.is_sandbox() {
            rows.push(self.or(self.books(), "orders list"));
        }
        rows
    }

    fn books(&self) -> Row {
        let sides = format!("{} and {}", self.at.paypal, self.at.aliexpress);
        match &self.evidence.books {
            Err(reason) => row("far_books_agree", Status::Unknown, format!("{sides}: {reason}")),
            // A balance alone proves nothing (L2), and differs from nothing either.
            Ok(books) if books.rows == 0 || !books.agrees && books.differences.is_empty() => {
                row("far_books_agree", Status::Pending, format!("{sides}: nothing to compare"))
            }
            Ok(books) if books.agrees => {
                row("far_books_agree", Status::Ok, format!("{} rows alike at {sides}", books.rows))
            }
            Ok(books) => {
                let named: Vec<&str> = books.differences.iter().take(10).map(String::as_str).collect();
                row("far_books_agree", Status::Fail, format!("{sides}: {}", named.join(", ")))
            }
        }
    }

    fn log_evidence(&self) -> Vec<Row> {
        SOURCES.iter().map(|source| self.log_row(source)).collect()
    }

    fn log_row(&self, source: &str) -> Row {
        let id = format!("{}_lines", source.to_lowercase());
        if self.side(source).is_some_and(|(side, _)| side == FarSide::Off) {
            return row(&id, Status::Skipped, "switched off");
        }
        match self.lines(source).and_then(|lines| lines.newest.as_ref()) {
            Some(line) => row(&id, Status::Ok, told(line)),
            None => self.or(row(&id, Status::Pending, "no line is kept yet"), "serve"),
        }
    }

    fn lines(&self, source: &str) -> Option<&Lines> {
        self.evidence.lines.iter().find(|lines| lines.source == source)
    }

    fn side(&self, source: &str) -> Option<(FarSide, &str)> {
        match source {
            "PAYPAL" => Some((self.at.settings.paypal, &self.at.paypal)),
            "ALIEXPRESS" => Some((self.at.settings.aliexpress, &self.at.aliexpress)),
            _ => None,
        }
    }

    fn database(&self) -> Vec<Row> {
        let second = match &self.evidence.second {
            Ok(second) => second,
            Err(reason) => return vec![self.or(row("second_connection", Status::Unknown, reason.as_str()), "doctor")],
        };
        let mode = second.mode.as_deref().unwrap_or("-");
        let is_mode = mode == self.at.settings.mode.word();
        let (flag, flag_value) = match flag(self.at, self.evidence) {
            (Status::Fail, value) => (Status::Pending, value),
            other => other,
        };
        vec![
            self.or(row("file_is_sound", if_good(second.soundness == "ok"), second.soundness.as_str()), "doctor"),
            self.or(
                row(
                    "nothing_dangles",
                    if_good(second.dangling == 0),
                    format!("{} rows point to nothing", second.dangling),
                ),
                "check --deep",
            ),
            self.or(row("mode", if_good(is_mode), format!("the database is {mode}")), "config check"),
            self.or_do(row("payout_flag", flag, flag_value), "wait for the payouts, then write the report again"),
        ]
    }

    fn connectors(&self) -> Vec<Row> {
        let mut rows =
            self.credentials("PAYPAL", "paypal", "set PAYPAL_CLIENT_ID and PAYPAL_CLIENT_SECRET, then restart");
        rows.extend(self.permissions());
        rows.extend(self.credentials(
            "ALIEXPRESS",
            "aliexpress",
            "set ALIEXPRESS_APP_KEY and ALIEXPRESS_APP_SECRET, then restart",
        ));
        rows.extend(self.statements());
        rows.extend(self.webhook());
        rows.push(self.token());
        rows.push(self.payees());
        rows.push(self.limits());
        let Evidence { is_stopped, restored, .. } = self.evidence;
        let stop = if *is_stopped { "STOP is set: nothing is sent" } else { "STOP is not set" };
        rows.push(self.or(row("stop", if_good(!is_stopped), stop), "resume"));
        let back = restored.as_deref().unwrap_or("the database did not go back in time");
        rows.push(self.or_do(
            row("not_restored", if_good(restored.is_none()), back),
            "postsale queue; then postsale amnesia release",
        ));
        let is_shadow = self.at.settings.policy.is_shadow;
        let shadow = if is_shadow { "policy.shadow is true: nothing is sent" } else { "policy.shadow is false" };
        rows.push(self.or_do(row("sending", if_good(!is_shadow), shadow), "set policy.shadow = false, then restart"));
        rows.push(self.journal());
        rows.push(self.clock());
        rows
    }

    /// One row for each thing PayPal has to permit. Without the first no profit leaves; the others can be lived without.
    fn permissions(&self) -> Vec<Row> {
        if self.at.settings.paypal != FarSide::Ready {
            return Vec::new();
        }
        let Some(granted) = &self.evidence.permissions else {
            let unasked = row("paypal_permissions", Status::Unknown, "PayPal was not asked what it permits");
            return vec![self.or(unasked, "serve")];
        };
        let fix =
            "switch it on for the app in PayPal's developer dashboard; an old token lacks it for up to nine hours";
        let one = |(word, _, what): &(&str, &str, &str)| {
            let is_refused = *word == "payouts" && self.evidence.are_payouts_refused;
            let is_named = granted.split(' ').any(|g| g == *word);
            let is_granted = is_named && !is_refused;
            let is_needed = *word == "payouts" && self.at.settings.policy.payouts.is_some();
            let value = match (is_granted, is_named) {
                (true, _) => "permitted",
                (_, true) => "PayPal refused a payout for want of permission, and has accepted none since",
                // The names of the permissions have not been seen at a real account yet.
                _ if granted.is_empty() => "PayPal's token names nothing that is known here, so this cannot be told",
                _ => "not permitted",
            };
            let mut row = row(&format!("paypal_permits_{word}"), if_good(is_granted || !is_needed), value);
            row.warning = (!is_granted).then(|| format!("without it not: {what}"));
            self.or_do(row, fix)
        };
        PERMISSIONS.iter().map(one).collect()
    }

    fn credentials(&self, source: &str, name: &str, fix: &str) -> Vec<Row> {
        let Some((side, far)) = self.side(source) else { return Vec::new() };
        let (configured, authenticated) = (format!("{name}_configured"), format!("{name}_authenticated"));
        match side {
            FarSide::Off => vec![row(&configured, Status::Skipped, format!("{far} is switched off"))],
            FarSide::NoToken if source == "PAYPAL" => {
                vec![self.or_do(row(&configured, Status::Fail, format!("no credentials for {far}")), fix)]
            }
            FarSide::NoToken | FarSide::Ready => {
                let is_set = side == FarSide::Ready;
                let value = format!("{far}: {}", if is_set { "credentials are set" } else { "no credentials" });
                vec![
                    self.or_do(row(&configured, if_good(is_set), value), fix),
                    self.authenticated(source, &authenticated, far),
                ]
            }
        }
    }

    /// An answer with success needs credentials that work; it proves them for a day, unless they were refused since.
    fn authenticated(&self, source: &str, id: &str, far: &str) -> Row {
        // A checkout asks both: the supplier for his offer, and PayPal.
        let fix = "verify --real --checkout";
        if let Some(refused) = self.lines(source).and_then(|lines| lines.login_refused.as_ref()) {
            let row = row(id, Status::Fail, format!("{far} refuses the credentials: {}", told(refused)));
            return match source {
                "ALIEXPRESS" => self.or(row, "aliexpress login"),
                _ => self.or_do(row, "put PAYPAL_CLIENT_ID and PAYPAL_CLIENT_SECRET right, then restart"),
            };
        }
        let Some(line) = self.lines(source).and_then(|lines| lines.answered.as_ref()) else {
            return self.or(row(id, Status::Unknown, format!("{far} has not answered a call with success")), fix);
        };
        let is_fresh = self.evidence.now.duration_since(line.at) <= AUTHENTICATED_FOR;
        let value = format!("{far}: {}", told(line));
        self.or(row(id, if is_fresh { Status::Ok } else { Status::Unknown }, value), fix)
    }

    /// Deliveries prove the whole way from PayPal to us: the address, the webhook id and the certificate.
    fn webhook(&self) -> Option<Row> {
        let far = &self.at.paypal;
        if self.at.settings.paypal == FarSide::Off {
            return None;
        }
        let fix = "doctor";
        let Some(rung_at) = self.evidence.rung_at else {
            let value = format!("{far} has not rung yet; the program works by asking meanwhile");
            return Some(self.or(row("webhook_seen", Status::Pending, value), fix));
        };
        let is_fresh = self.evidence.now.duration_since(rung_at) <= WEBHOOK_SEEN_FOR;
        let status = if is_fresh { Status::Ok } else { Status::Unknown };
        let mut row = row("webhook_seen", status, format!("{far} rang last at {rung_at}"));
        let unplaced = self.evidence.unplaced;
        row.warning = (unplaced > 0).then(|| format!("{unplaced} events belong to no order of ours: GET /api/queue"));
        Some(self.or(row, fix))
    }

    fn token(&self) -> Row {
        let far = &self.at.aliexpress;
        if self.at.settings.aliexpress == FarSide::Off {
            return row("aliexpress_token", Status::Skipped, format!("{far} is switched off"));
        }
        let Some((until, may_refresh)) = self.evidence.token else {
            return self.or(row("aliexpress_token", Status::Fail, format!("no login at {far}")), "aliexpress login");
        };
        let left = until.duration_since(self.evidence.now);
        let is_alive = left.is_positive() || may_refresh;
        let refresh = if may_refresh { "can be refreshed" } else { "cannot be refreshed" };
        let mut row = row("aliexpress_token", if_good(is_alive), format!("{far}: good until {until}, {refresh}"));
        let is_short = left < TOKEN_SHORT && !may_refresh;
        let Outlook { ends, trouble } = &self.evidence.outlook;
        let short = is_short.then(|| "less than three days are left".to_owned());
        row.warning = ends.clone().or(trouble.clone()).or(short).filter(|_| is_alive);
        self.or(row, "aliexpress login")
    }

    fn payees(&self) -> Row {
        if self.at.settings.policy.payouts.is_none() {
            return row("payees", Status::Skipped, "payouts are off");
        }
        let open: Vec<&str> = self.evidence.payees.iter().filter(|(_, is)| !is).map(|(name, _)| *name).collect();
        let value = match open.is_empty() {
            true => "both payees are confirmed as configured".to_owned(),
            false => format!("not confirmed as configured: {}", open.join(", ")),
        };
        self.or_do(row("payees", if_good(open.is_empty()), value), "POST /api/payees/confirm")
    }

    fn limits(&self) -> Row {
        let limits = &self.at.settings.policy.limits;
        let value = format!(
            "{} orders and {} a day, {} a purchase, {} payouts and {} a day, {} a payout",
            limits.orders_per_day,
            limits.spend_per_day,
            limits.purchase_max,
            limits.payouts_per_day,
            limits.pay_out_per_day,
            limits.payout_max
        );
        let lets_through = limits.orders_per_day > 0 && limits.purchase_max.is_positive();
        self.or_do(row("limits", if_good(lets_through), value), "raise limits.* in config.toml, then restart")
    }

    fn journal(&self) -> Row {
        let data_dir: &Path = &self.at.settings.data_dir;
        let is_there = data_dir.join("intents.log").exists();
        let mut row = row("journal", if_good(is_there), format!("beside the database in {}", data_dir.display()));
        match &self.at.journal_mirror {
            Some(mirror) => {
                row.value.push_str(&format!(", mirrored in {}", mirror.display()));
                if !is_on_another_disk(mirror, data_dir) {
                    let warning = "journal.mirror lies on the same disk: what puts one back puts back both";
                    row.warning = Some(warning.to_owned());
                }
            }
            None => {
                let warning = "journal and database lie on one disk, without a mirror; set journal.mirror";
                row.warning = Some(warning.to_owned());
            }
        }
        self.or(row, "doctor")
    }

    /// By what this process heard of a far side, and by what the engine keeps. Only a far clock that is ahead proves
    /// something of the first: an older time may just be an older answer.
    fn clock(&self) -> Row {
        let Evidence { now, clock, compared, .. } = self.evidence;
        let is_alone = self.at.settings.paypal == FarSide::Off && self.at.settings.aliexpress == FarSide::Off;
        if is_alone && *clock != Some(ClockState::Suspect) {
            return row("clock", Status::Skipped, "no far side is switched on to compare it with");
        }
        let heard =
            self.seen.far_clock.map(|far| (far.duration_since(*now), format!("a far side showed {far}, we {now}")));
        let kept = compared
            .filter(|(at, _)| now.duration_since(*at) <= AUTHENTICATED_FOR)
            .map(|(at, ahead)| (ahead, format!("a far side was {} s ahead of it at {at}", ahead.as_secs())));
        let said = match (&heard, &kept, compared) {
            (Some((_, said)), ..) | (None, Some((_, said)), _) => said.clone(),
            (None, None, Some((at, _))) => format!("it was last compared with a far side's at {at}"),
            (None, None, None) => "it was not compared with a far side's yet".to_owned(),
        };
        let is_behind = heard.iter().chain(&kept).any(|(ahead, _)| *ahead > CLOCK_BEHIND_MAX);
        let (status, value) = match clock {
            Some(ClockState::Suspect) => (Status::Fail, format!("CLOCK SUSPECT, nothing is sent: {said}")),
            _ if is_behind => (Status::Fail, said),
            Some(ClockState::Good) if heard.is_some() || kept.is_some() => (Status::Ok, said),
            Some(ClockState::Good | ClockState::Unproven) => (Status::Unknown, said),
            None => (Status::Pending, said),
        };
        let row = row("clock", status, value);
        if status == Status::Fail {
            self.or_do(row, "set this machine's clock, then restart")
        } else {
            self.or(row, "serve")
        }
    }
}

/// A line as evidence.
fn told(line: &LogLine) -> String {
    let status = line.status.map_or("no answer".to_owned(), |status| status.to_string());
    let id = line.debug_id.as_ref().or(line.request_id.as_ref()).map(|id| format!(", id {id}")).unwrap_or_default();
    format!("{} {status} at {}{id}", line.operation, line.at)
}
