//! What may be typed, word for word. Only shapes are checked here; what the words mean is decided by the commands, and
//! whether the configuration can be meant by the configuration. Nothing here reads a file.

use super::args_verbs::{PayoutVerb, Verb};
use super::explain::Side;
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The post-sale back office of a dropshipping seller: from the paid order to the purchase, the books and the payouts.
#[derive(Debug, Parser)]
#[command(name = "postsale", version = super::version(), disable_help_subcommand = true)]
pub struct Typed {
    #[command(flatten)]
    pub from: From,
    #[command(subcommand)]
    pub command: Command,
}

/// Where the configuration comes from.
#[derive(Debug, Args)]
pub struct From {
    /// The configuration [default: what POSTSALE_CONFIG says, or ./config.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Database, journal and lock live here; the same as -o data_dir=DIR
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Sets one key over file and environment, such as -o server.listen=127.0.0.1:0
    #[arg(short = 'o', long = "set", global = true, value_name = "SECTION.KEY=VALUE", value_parser = pair)]
    pub set: Vec<(String, String)>,
    /// Clock offset and failpoints, for tests; only in sandbox mode with far sides on this machine
    #[arg(long, global = true, value_name = "FILE", hide = true)]
    pub test_controls: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the server and work until told to end (SIGTERM, Ctrl-C)
    Serve,
    /// Send one order down the whole road in a scratch directory, and lay the books side by side
    Demo,
    /// Compare the build, then write the readiness report: exit 0 ready, 1 a rehearsal passed, 2 not good, 3 could not tell
    Verify {
        /// Another server than the one of this data directory, such as https://orders.shop.tld
        #[arg(long)]
        url: Option<String>,
        /// The commit that has to answer, at least seven characters of it [default: this program's]
        #[arg(long, value_name = "COMMIT")]
        expect_build: Option<String>,
        #[command(flatten)]
        flow: FlowArgs,
        #[arg(long, value_enum, default_value = "md")]
        format: Format,
        /// Write to this file [default: standard output]
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Ask the rows whether they are true: exit 0 proven, 2 violated, 3 not proven
    Check {
        /// Also the whole timeline, every request and the file itself
        #[arg(long)]
        deep: bool,
        #[command(flatten)]
        format: Json,
    },
    /// Print what would be done next for every open order, doing nothing
    Plan(Json),
    /// List every order that needs a person, and why
    Queue(Json),
    /// Compare the books with the far sides' own statements: exit 0 nothing differs, 2 something does, 3 could not tell
    Reconcile {
        /// Let the server that runs here read the statements now, and wait for it [default: what was last compared]
        #[arg(long)]
        now: bool,
        /// Book this difference as the owner's own movement: money put in or taken out, a withdrawal, a conversion, a fee
        #[arg(long, value_name = "ID", conflicts_with = "now")]
        book: Option<i64>,
        /// Also the differences that do not stand any more
        #[arg(long)]
        resolved: bool,
        #[command(flatten)]
        format: Json,
    },
    /// List payouts, the newest first, and say what a person decides about one
    #[command(args_conflicts_with_subcommands = true)]
    Payouts {
        #[command(subcommand)]
        command: Option<PayoutVerb>,
        #[command(flatten)]
        format: Json,
    },
    /// Say which secrets are configured and until when we are let in; never a secret
    Tokens(Json),
    /// Look for what may keep this installation from working: exit 0 nothing, 1 a warning, 2 something is wrong
    Doctor {
        /// Say instead what nobody has seen yet at this far side, and what to try first
        #[arg(long, value_name = "SIDE")]
        explain: Option<Side>,
        #[command(flatten)]
        format: Json,
    },
    /// Log in to the supplier, and see until when that is good
    Aliexpress {
        #[command(subcommand)]
        command: Aliexpress,
    },
    /// Rates of exchange, each of a day
    Fx {
        #[command(subcommand)]
        command: Fx,
    },
    /// Kill this program at every place where it may die, and see that nothing is bought or paid twice: exit 0 or 2
    Drill {
        /// Print the places and do nothing
        #[arg(long)]
        list: bool,
        /// Print a line for every case
        #[arg(long)]
        verbose: bool,
        /// Only places with this text in their name
        #[arg(long, value_name = "TEXT")]
        only: Option<String>,
    },
    /// Look at orders, and say what a person decides
    Orders {
        #[command(subcommand)]
        command: Orders,
    },
    /// Look at products and enter them
    Products {
        #[command(subcommand)]
        command: Products,
    },
    /// Look at the configuration
    Config {
        #[command(subcommand)]
        command: Configuration,
    },
    /// Bring the database to this program's schema
    Migrate {
        /// Say what would be done, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// STOP: nothing that moves money is sent until `postsale resume`
    Stop,
    /// Take STOP back
    Resume,
    /// After the database or the machine went back in time: let go on what somebody has looked at
    Amnesia {
        #[command(subcommand)]
        command: Amnesia,
    },
    /// Say where profit goes
    Payees {
        #[command(subcommand)]
        command: Payees,
    },
    /// Serve the built-in PayPal and AliExpress by themselves, for another program
    Sandbox {
        /// A loopback address; port 0 picks one
        #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8788")]
        listen: SocketAddr,
        /// Keep the book in this file [default: in memory]
        #[arg(long, value_name = "FILE")]
        book: Option<PathBuf>,
    },
    /// Print the completions of a shell
    Completions { shell: Shell },
}

/// What is done before the report is written.
#[derive(Debug, Args)]
pub struct FlowArgs {
    /// First rehearse the whole road on a stage of its own; nothing leaves it
    #[arg(long)]
    pub simulate: bool,
    /// First send a real test order down the whole road: it is bought and paid out
    #[arg(long, conflicts_with = "simulate")]
    pub real: bool,
    /// In place of the test order a checkout that you approve and pay at PayPal, and that is refunded
    #[arg(long, requires = "real")]
    pub checkout: bool,
    /// The order's fields as JSON, as POST /api/internal/test-post-sale-flow takes them [default: in a sandbox made up]
    #[arg(long, value_name = "FILE")]
    pub order: Option<PathBuf>,
    /// Needed for real money: --confirm "spend real money"
    #[arg(long, value_name = "WORDS", requires = "real")]
    pub confirm: Option<String>,
    /// How long you may take to approve the checkout
    #[arg(long, value_name = "MINUTES", default_value_t = 30)]
    pub wait: u32,
}

/// How a report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    Md,
    Json,
}

#[derive(Debug, Subcommand)]
pub enum Fx {
    /// Say how much of the second currency one of the first is
    Set {
        /// What the supplier asks in, such as EUR
        from: String,
        /// What the books are in, such as USD
        to: String,
        /// A decimal, such as 1.0842
        rate: String,
        /// The day it is of, such as 2026-01-31 [default: now]
        #[arg(long, value_name = "DAY")]
        date: Option<String>,
        /// Say it although it is more than ten per cent off the last one
        #[arg(long)]
        yes: bool,
    },
    /// List the rates that were set, the newest first
    List(Json),
}

#[derive(Debug, Subcommand)]
pub enum Aliexpress {
    /// Print the page to consent on; with a code, log in
    Login {
        /// The code, or the whole address that the browser was sent to
        #[arg(long, value_name = "CODE|ADDRESS")]
        code: Option<String>,
    },
    /// Say what works and until when: exit 0 well, 1 soon not any more, 2 nothing can be bought
    Status(Json),
}

/// On every command that only reads.
#[derive(Debug, Args)]
pub struct Json {
    /// Print JSON for programs
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum Orders {
    /// List orders, the newest first, without anybody's address
    List {
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        format: Json,
    },
    /// Print everything about one order
    Show {
        /// An order's id, a channel's id of it, or a part of either that only one order has
        id: String,
        #[command(flatten)]
        format: Json,
    },
    #[command(flatten)]
    Say(Box<Verb>),
    /// Print what happened to one order, in order
    Timeline {
        /// An order's id, a channel's id of it, or a part of either that only one order has
        id: String,
        #[command(flatten)]
        format: Json,
    },
}

#[derive(Debug, Args)]
pub struct Filter {
    /// Only orders that stand here, such as held or paid_out
    #[arg(long)]
    pub stage: Option<String>,
    /// Only orders that came in since, such as 2026-01-31 or 2026-01-31T08:00:00Z (UTC)
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only orders with this text in their id or the channel's
    #[arg(short, long, value_name = "TEXT")]
    pub q: Option<String>,
    /// At most so many
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    pub limit: u32,
}

#[derive(Debug, Subcommand)]
pub enum Amnesia {
    /// Release one order, the shop for new orders, or all that waits because the shop was switched off
    #[command(group(clap::ArgGroup::new("what").required(true)))]
    Release {
        /// An order's id; also of one that only the journal knows
        #[arg(group = "what")]
        order: Option<String>,
        /// Every trade was looked at: new orders go on from now on
        #[arg(long, group = "what")]
        shop: bool,
        /// The shop was switched off, and nothing was put back to an older day
        #[arg(long, group = "what")]
        was_off: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum Payees {
    /// Confirm the address of a recipient
    Confirm {
        /// platform or seller
        recipient: String,
        email: String,
    },
    /// Let the first payment to a confirmed address go
    Approve {
        /// platform or seller
        recipient: String,
        email: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum Products {
    /// List products
    List(Json),
    /// Print one product
    Show {
        sku: String,
        #[command(flatten)]
        format: Json,
    },
    /// Enter a product, or change what is named of one
    Put(Box<Put>),
}

#[derive(Debug, Args)]
pub struct Put {
    pub sku: String,
    /// What the buyer reads
    #[arg(long)]
    pub title: Option<String>,
    /// For one piece, such as 24.90
    #[arg(long, value_name = "AMOUNT")]
    pub price: Option<String>,
    /// Of the prices [default: shop.currency]
    #[arg(long, value_name = "CODE")]
    pub currency: Option<String>,
    /// The supplier's product id: digits
    #[arg(long, value_name = "ID")]
    pub product_id: Option<String>,
    /// The supplier's id of the variant: digits
    #[arg(long, value_name = "ID")]
    pub sku_id: Option<String>,
    /// The supplier's name of the variant, such as 14:29#Black; empty for a product with one variant
    #[arg(long, value_name = "ATTRIBUTES")]
    pub sku_attr: Option<String>,
    /// The freight service; empty for the cheapest tracked one
    #[arg(long, value_name = "CODE")]
    pub shipping_service: Option<String>,
    /// The most one piece may cost at the buyer's door; empty for the general limits only
    #[arg(long, value_name = "AMOUNT")]
    pub max_landed_cost: Option<String>,
    /// May be sold and bought (a new product may)
    #[arg(long, overrides_with = "inactive")]
    pub active: bool,
    /// May be neither sold nor bought
    #[arg(long)]
    pub inactive: bool,
}

#[derive(Debug, Subcommand)]
pub enum Configuration {
    /// Say whether the configuration is good, or list every mistake with its place
    Check(Json),
    /// Print every key with its value and where it came from; never a secret
    Show(Json),
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("wanted SECTION.KEY=VALUE")?;
    let is_key = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if is_key { Ok((key.to_owned(), value.to_owned())) } else { Err("wanted SECTION.KEY=VALUE".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use std::path::Path;

    #[test]
    fn the_definition_is_sound() {
        Typed::command().debug_assert();
    }

    /// Whoever reads "do: postsale x y" types it.
    #[test]
    fn every_command_that_a_message_names_exists() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut files = vec![root.join("config.toml"), root.join("README.md")];
        rust_files(&root.join("src"), &mut files);
        let mut named = 0;
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            let text = if file.extension().is_some_and(|e| e == "md") { text.replace('\n', " ") } else { text };
            let code = text.split("#[cfg(test)]").next().unwrap();
            for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
                for words in line.split("postsale ").skip(1) {
                    named += usize::from(!is_prose(words));
                    assert!(is_prose(words) || is_command(words), "{}: postsale {words}", file.display());
                }
            }
        }
        assert!(named > 80, "{named} were found");
        for wrong in ["evidence ORDER", "orders evidence ORDER", "backups verify", "restore FILE"] {
            assert!(!is_command(wrong), "{wrong}");
        }
    }

    /// What follows the program's name where it begins no command.
    fn is_prose(words: &str) -> bool {
        let first = words.split(' ').next().unwrap_or_default();
        !first.starts_with(|c: char| c.is_ascii_lowercase()) || first == "is" || first == "in"
    }

    /// The command, and its second word where it wants one.
    fn is_command(words: &str) -> bool {
        let mut words = words.split(|c: char| !c.is_ascii_lowercase() && c != '-');
        let typed = Typed::command();
        let Some(command) = words.next().and_then(|word| typed.find_subcommand(word)) else { return false };
        !command.is_subcommand_required_set()
            || words.next().is_some_and(|word| command.find_subcommand(word).is_some())
    }

    fn rust_files(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => rust_files(&path, found),
                false
                    if path.extension().is_some_and(|e| e == "rs") && !path.to_string_lossy().ends_with("tests.rs") =>
                {
                    found.push(path)
                }
                false => {}
            }
        }
    }

    #[test]
    fn pairs_are_taken_apart_at_the_first_equals_sign() {
        let check = |text: &str, expected: Option<(&str, &str)>| {
            let read = pair(text).ok();
            let read = read.as_ref().map(|(key, value)| (key.as_str(), value.as_str()));
            assert_eq!(read, expected, "{text}");
        };
        check("server.listen=127.0.0.1:0", Some(("server.listen", "127.0.0.1:0")));
        check("alerts.ntfy_url=https://x/?a=b", Some(("alerts.ntfy_url", "https://x/?a=b")));
        check("server.public_url=", Some(("server.public_url", "")));
        check("server.listen", None);
        check("=x", None);
        check("a b=x", None);
    }
}
