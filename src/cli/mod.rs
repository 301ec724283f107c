//! The command line: what was typed becomes one call. `args` is what may be typed, `sources` what it means, `exit` how
//! it ends, `page` how results look; `assemble` is the only place where the parts of the program are put together, and
//! each other file is one command or a small family.
//!
//! Results go to standard output, everything else to standard error. Only `serve` and `migrate` take the lock; the
//! others read, or write facts, beside a running server. Nothing here calls PayPal or AliExpress, but for a login's code
//! that becomes a token.

mod aliexpress;
mod args;
mod args_verbs;
pub mod assemble;
mod check;
mod configuration;
mod controls;
mod demo;
mod doctor;
mod drill;
pub mod exit;
mod explain;
mod fx;
mod interface;
mod jobs;
mod lists;
mod migrate;
mod order_page;
mod orders;
mod page;
mod plan;
mod products;
mod reconcile;
mod sandbox;
pub mod serve;
pub mod sources;
mod switches;
mod verbs;
mod verify;
mod verify_checkout;
mod verify_flow;

pub use exit::{Exit, Failure};

use args::{Amnesia, Command, Configuration, Orders, Payees, Products, Typed};
use clap::{CommandFactory, Parser};
use sources::Sources;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::sync::LazyLock;

/// The commit this program was built from.
pub const COMMIT: &str = env!("POSTSALE_COMMIT");

/// Who says so, in the timeline.
const BY: &str = "command line";

/// Runs what was typed.
pub fn run(typed: impl IntoIterator<Item = OsString>) -> Result<Exit, Failure> {
    let Typed { from, command } = Typed::try_parse_from(typed)?;
    open_log(&command);
    let sources = Sources::new(from);
    match command {
        Command::Serve => serve::serve(&sources),
        Command::Demo => demo::run(),
        Command::Check { deep, format } => check::check(&sources, deep, format.json),
        Command::Plan(format) => result(plan::plan(&sources, format.json)?),
        Command::Queue(format) => result(lists::queue(&sources, format.json)?),
        Command::Reconcile { now, book, resolved, format } => {
            let asked = reconcile::Asked { now, book, also_resolved: resolved, as_json: format.json };
            reconcile::reconcile(&sources, &asked)
        }
        Command::Payouts { command: None, format } => result(lists::payouts(&sources, format.json)?),
        Command::Payouts { command: Some(verb), .. } => verbs::tell_of_payout(&sources, &verb),
        Command::Tokens(format) => result(lists::tokens(&sources, format.json)?),
        Command::Doctor { explain: None, format } => doctor::doctor(&sources, format.json),
        Command::Doctor { explain: Some(side), format } => explain::explain(side, format.json),
        Command::Fx { command } => match command {
            args::Fx::Set { from, to, rate, date, yes } => {
                fx::set(&sources, &fx::Asked { from, to, rate, date, is_sure: yes })
            }
            args::Fx::List(format) => result(fx::list(&sources, format.json)?),
        },
        Command::Aliexpress { command } => match command {
            args::Aliexpress::Login { code } => aliexpress::login(&sources, code.as_deref()),
            args::Aliexpress::Status(format) => aliexpress::status(&sources, format.json),
        },
        Command::Drill { list, verbose, only } => {
            drill::drill(&sources, &drill::Wanted { lists: list, is_verbose: verbose, only })
        }
        Command::Orders { command } => match command {
            Orders::List { filter, format } => result(orders::list(&sources, &filter, format.json)?),
            Orders::Show { id, format } => result(orders::show(&sources, &id, format.json)?),
            Orders::Say(verb) => verbs::tell(&sources, &verb),
            Orders::Timeline { id, format } => result(orders::timeline(&sources, &id, format.json)?),
        },
        Command::Products { command } => match command {
            Products::List(format) => result(products::list(&sources, format.json)?),
            Products::Show { sku, format } => result(products::show(&sources, &sku, format.json)?),
            Products::Put(put) => products::put(&sources, &put),
        },
        Command::Config { command } => match command {
            Configuration::Check(format) => configuration::check(&sources, format.json),
            Configuration::Show(format) => result(configuration::show(&sources, format.json)?),
        },
        Command::Migrate { dry_run } => migrate::migrate(&sources, dry_run),
        Command::Verify { url, expect_build, flow, format, output } => {
            let is_json = format == args::Format::Json;
            verify::verify(&sources, &verify::Asked { url, expect_build, flow: flow_asked(flow), is_json, output })
        }
        Command::Stop => switches::stop(&sources),
        Command::Resume => switches::resume(&sources),
        Command::Amnesia { command: Amnesia::Release { order, shop, .. } } => {
            verbs::release_amnesia(&sources, order.as_deref(), if shop { "shop" } else { "wasOff" })
        }
        Command::Payees { command } => {
            let (word, recipient, email) = match command {
                Payees::Confirm { recipient, email } => ("confirm", recipient, email),
                Payees::Approve { recipient, email } => ("approve", recipient, email),
            };
            let body = serde_json::json!({ "recipient": recipient, "email": email });
            verbs::tell_shop(&sources, &format!("/api/payees/{word}"), &format!("{word} {recipient}"), &body)
        }
        Command::Sandbox { listen, book } => sandbox::sandbox(listen, book),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Typed::command(), "postsale", &mut script);
            result(String::from_utf8_lossy(&script).into_owned())
        }
    }
}

fn flow_asked(typed: args::FlowArgs) -> verify_flow::FlowAsked {
    use verify_flow::Wanted;
    let wanted = match (typed.simulate, typed.real, typed.checkout) {
        (true, ..) => Wanted::Simulate,
        (_, _, true) => Wanted::Checkout,
        (_, true, _) => Wanted::Real,
        _ => Wanted::Nothing,
    };
    verify_flow::FlowAsked { wanted, order: typed.order, confirm: typed.confirm, wait_minutes: typed.wait }
}

/// Programs that run on tell what they do; the others only what is wrong. `RUST_LOG` wins. Times are UTC.
fn open_log(command: &Command) {
    let usual = match command {
        Command::Serve | Command::Sandbox { .. } => "info,refinery_core=warn",
        _ => "warn",
    };
    let env = env_logger::Env::default().default_filter_or(usual);
    // A second start in one process keeps the first log.
    let _ = env_logger::Builder::from_env(env).format_timestamp_millis().try_init();
}

fn result(text: String) -> Result<Exit, Failure> {
    say(&text)?;
    Ok(Exit::Good)
}

/// Prints a result, whole.
fn say(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Failure::Output)
}

/// Writes a small file beside its place and renames it, so that whoever reads it never sees half of it.
fn write_whole(path: &Path, text: &str) -> Result<(), Failure> {
    let beside = path.with_extension("new");
    std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, path)).map_err(Failure::file(path))
}

/// Version, commit and build time in one line.
fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let built_at = env!("POSTSALE_BUILT_AT_S").parse().ok().and_then(|s| jiff::Timestamp::from_second(s).ok());
        let built_at = built_at.map(|at| format!(", built {at}")).unwrap_or_default();
        format!("{} ({COMMIT}{built_at})", env!("CARGO_PKG_VERSION"))
    });
    &VERSION
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exit code of a line that does not get as far as opening anything.
    fn check(line: &str, expected: Exit) {
        let failure = run(line.split(' ').map(OsString::from)).expect_err(line);
        assert_eq!(failure.exit(), expected, "{line}: {failure}");
    }

    #[test]
    fn what_is_typed_wrongly_exits_64() {
        check("postsale", Exit::Usage);
        check("postsale pay-everybody", Exit::Usage);
        check("postsale serve --now", Exit::Usage);
        check("postsale orders", Exit::Usage);
        check("postsale orders show", Exit::Usage);
        check("postsale plan -o server.listen", Exit::Usage);
        check("postsale completions cobol", Exit::Usage);
        check("postsale sandbox --listen somewhere", Exit::Usage);
    }

    #[test]
    fn help_and_version_are_no_failures() {
        check("postsale --help", Exit::Good);
        check("postsale serve --help", Exit::Good);
        check("postsale --version", Exit::Good);
    }
}
