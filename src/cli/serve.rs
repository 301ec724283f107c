//! `postsale serve`: the house is opened (lock, database, far sides, server, engine), works until told to end, and is
//! closed in the right order. It never prints a secret, only where one lies.

use super::assemble::{self, Access, Outside};
use super::exit::{Exit, Failure};
use super::sources::{Sources, wanted};
use super::{jobs, say, write_whole};
use crate::assure::evidence::{Keeper, Notes};
use crate::clock::Clock;
use crate::config::{self, Config, Loaded, Secrets};
use crate::domain::trade::FarSide;
use crate::engine::{self, Engine};
use crate::sandbox::{Sandbox, aliexpress::KNOWN_PRODUCT};
use crate::schedule::Schedule;
use crate::store::lock::{self, DirectoryLock};
use crate::store::{errands, open, products};
use crate::web::api::{self, BuildInfo, Desk};
use crate::web::{Answered, App, Door, Options, Problem, Request, Server};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// A call that moves money may take this long to end; PayPal is given a minute to answer.
const PATIENCE_FOR_CALLS: Duration = Duration::from_secs(65);
/// Everything else may take this long.
const PATIENCE: Duration = Duration::from_secs(10);
/// How soon a signal is seen.
const GLANCE: Duration = Duration::from_millis(50);
/// What a shell shows for a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// Where PayPal rings.
pub const WEBHOOK_PATH: &str = "/api/webhooks/paypal";

const ADDRESS: &str = "address";
const SANDBOX_ADDRESS: &str = "sandbox-address";

/// Serves until SIGTERM or Ctrl-C.
pub fn serve(sources: &Sources) -> Result<Exit, Failure> {
    let loaded = sources.load()?;
    let clock = sources.clock(&loaded.config)?;
    // Before anything is begun, so that no signal finds us half open.
    let signals = Signals::watch()?;
    let house = House::open_typed(loaded, clock, sources.typed())?;
    say(&house.welcome(&sources.typed())?)?;
    signals.wait();
    house.close();
    Ok(Exit::Good)
}

/// Everything that runs while the server serves. Fields are dropped from the top: no more requests, no more work, no
/// more far sides, and the lock last.
pub struct House {
    server: Server,
    schedule: Option<Schedule>,
    workers: Option<engine::Running>,
    engine: Arc<Engine>,
    // After everybody who has lines to keep.
    _keeper: Keeper,
    sandbox: Option<Sandbox>,
    config: Config,
    secrets: Secrets,
    outside: Outside,
    _lock: DirectoryLock,
}

impl House {
    /// Opens everything, or says why not. Exit 75: another process has the directory.
    pub fn open(loaded: Loaded, clock: Arc<dyn Clock>) -> Result<House, Failure> {
        House::open_typed(loaded, clock, String::new())
    }

    /// `typed`: what has to be typed again for a command about this shop.
    fn open_typed(loaded: Loaded, clock: Arc<dyn Clock>, typed: String) -> Result<House, Failure> {
        let Loaded { config, mut secrets, .. } = loaded;
        let dir = &config.data_dir;
        make_private(dir)?;
        if config.is_production() && !config.server.allow_volatile_data_dir {
            open::refuse_volatile_file_system(dir)?;
        }
        let lock = lock::acquire(dir)?;
        forget_addresses(dir)?;
        let was_left_open = open::was_left_open(dir);
        let store = Arc::new(open::open(dir, &wanted(&config, clock.now()))?);
        if was_left_open {
            open::look_through(&store)?;
        }
        if !config.is_production() {
            secrets.ensure_internal(dir).map_err(Failure::file(dir))?;
        }
        let keeper = Keeper::start(Arc::clone(&store), Arc::clone(&clock))?;
        let sandbox = assemble::start_sandbox(&config, &secrets, &clock)?;
        let outside = match &sandbox {
            None => Outside::described(&config, &secrets),
            Some(sandbox) => {
                let credentials = sandbox.credentials().map_err(Failure::file(dir.join("sandbox.jsonl")))?;
                if config.aliexpress.far_side() == config::FarSide::Builtin {
                    assemble::log_in(&store, &credentials, clock.as_ref())?;
                }
                Outside::new(&config, &secrets, &credentials)
            }
        };
        // The engine has to know the address, so the port is opened first; until the engine is there it answers 503.
        let front: Arc<OnceLock<Arc<App>>> = Arc::default();
        let server = start_server(&config, Arc::clone(&front), keeper.notes())?;
        let public_url = assemble::public_url(&config, server.address());
        let engine = assemble::engine(&config, &outside, store, clock, public_url, &keeper.notes())?;
        let engine = Arc::new(engine);
        engine.book_opening_balance()?;
        let now = engine.now();
        let broken_off = engine.store.write(|tx| errands::break_off_all(tx, now))?;
        if broken_off > 0 {
            log::warn!("{broken_off} jobs were broken off when the program ended; GET /api/jobs/ID says which");
        }
        let door = door(&config, &secrets)?;
        let schema = open::schema_of(&config.data_dir)?.found;
        let fingerprint = config::fingerprint(&config);
        let has_secret = secrets.internal_run.is_some();
        let mut desk = Desk::new(Arc::clone(&engine), BuildInfo::this(), fingerprint, schema, has_secret);
        desk.installation = Some(Arc::new(assemble::installation(&config, &outside, typed)));
        let _ = front.set(app(desk, door));
        if config.paypal.far_side() == config::FarSide::Builtin {
            register(&engine, &outside, &assemble::local_url(server.address()));
        }
        let workers = engine.run().map_err(|error| Failure::Machine { what: "no threads to work with", error })?;
        let schedule =
            Schedule::start(Arc::clone(&engine.store), Arc::clone(&engine.clock), jobs::all(&engine, &config))?;
        if let Some(sandbox) = &sandbox {
            write_whole(&config.data_dir.join(SANDBOX_ADDRESS), &format!("{}\n", sandbox.address()))?;
        }
        write_whole(&config.data_dir.join(ADDRESS), &format!("{}\n", server.address()))?;
        log::info!("serving on {}", server.address());
        Ok(House {
            server,
            schedule: Some(schedule),
            workers: Some(workers),
            engine,
            _keeper: keeper,
            sandbox,
            config,
            secrets,
            outside,
            _lock: lock,
        })
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// The built-in far sides; `None`: no far side is built in.
    pub fn sandbox(&self) -> Option<&Sandbox> {
        self.sandbox.as_ref()
    }

    /// Stops accepting, lets a call that moves money end, and everything else that ends soon. What does not end in time
    /// is left as it is: its claim stands, and the next start looks before it does anything.
    pub fn close(mut self) {
        log::info!("ending: no more requests, no new steps");
        let (server, workers, schedule) = (&self.server, self.workers.take(), self.schedule.take());
        let is_clean = std::thread::scope(|scope| {
            let web = scope.spawn(|| server.stop(PATIENCE));
            scope.spawn(move || drop(schedule));
            let engine = workers.is_none_or(|workers| workers.stop(PATIENCE_FOR_CALLS, PATIENCE));
            engine & web.join().unwrap_or(false)
        });
        if !is_clean {
            log::warn!("something was still in hand; the next start looks at it first");
        }
        if let Err(error) = self.engine.store.checkpoint() {
            log::warn!("the database keeps part of itself in its -wal file: {error}");
        }
        if let Err(failure) = forget_addresses(&self.config.data_dir) {
            log::warn!("{failure}");
        }
        log::info!("ended");
    }

    /// What a person wants to know first. `typed`: what has to be typed again for a command about this shop.
    fn welcome(&self, typed: &str) -> Result<String, Failure> {
        let Outside { paypal, aliexpress, .. } = &self.outside;
        let has_products = !self.engine.store.read(products::list)?.is_empty();
        let next = if has_products || self.sandbox.is_none() {
            format!("postsale{typed} plan")
        } else {
            format!(
                "postsale{typed} products put mug --title \"A mug\" --price 24.90 --product-id {KNOWN_PRODUCT} \
                 --sku-id 12000012345678901 --sku-attr 14:29#Black"
            )
        };
        let secret = match self.secrets.origin("INTERNAL_RUN_SECRET") {
            Some(place) => format!("x-internal-secret is in {place}"),
            None => "x-internal-secret is not set, so it opens nothing".to_owned(),
        };
        let mut text =
            format!("postsale is open at http://{} in {} mode\n\n", self.address(), self.config.mode.as_str());
        for (label, value) in [
            ("PayPal", reached(paypal, &self.config.paypal.far_side(), "PAYPAL_CLIENT_ID and PAYPAL_CLIENT_SECRET")),
            (
                "AliExpress",
                reached(aliexpress, &self.config.aliexpress.far_side(), "ALIEXPRESS_APP_KEY and ALIEXPRESS_APP_SECRET"),
            ),
            ("data", self.config.data_dir.display().to_string()),
            ("secret", secret),
            ("next", next),
        ] {
            text.push_str(&format!("  {label:<10}  {value}\n"));
        }
        for line in self.engine.standing()?.lines(typed) {
            text.push_str(&format!("\n{line}\n"));
        }
        text.push_str("\nCtrl-C ends it in good order.\n");
        Ok(text)
    }
}

/// The built-in PayPal is ours, so it is told by ourselves where to ring. Without it the program works by asking.
fn register(engine: &Engine, outside: &Outside, local_url: &str) {
    let Some(webhook_id) = &outside.webhook_id else { return };
    match engine.have_told(webhook_id.expose(), &format!("{local_url}{WEBHOOK_PATH}")) {
        Ok(done) => log::info!("webhook: {done}"),
        Err(reason) => log::warn!("the built-in PayPal does not ring here: {reason}"),
    }
}

fn app(desk: Desk, door: Door) -> Arc<App> {
    let table = api::table(door);
    Arc::new(move |request| table.answer(&desk, request))
}

fn door(config: &Config, secrets: &Secrets) -> Result<Door, Failure> {
    let secret = secrets.internal_run.as_ref().map(|secret| secret.expose());
    let door = Door::new(secret, config.is_production(), Box::new(|_| None));
    door.map_err(|error| Failure::Machine { what: "no random numbers", error })
}

fn start_server(config: &Config, front: Arc<OnceLock<Arc<App>>>, notes: Notes) -> Result<Server, Failure> {
    let answer = move |request: Request| match front.get() {
        Some(app) => app(request),
        None => Problem::unavailable("starting", "The server is starting.", 1).into(),
    };
    let mut options = Options::new(&config.data_dir, super::COMMIT);
    options.on_answer = Some(Arc::new(move |answered: &Answered| {
        let request = format!("{} {}", answered.method, answered.path);
        notes.answered(&answered.id, request, answered.status, answered.took_ms);
    }));
    options.trusted_proxies = config.server.trusted_proxies.clone();
    let address = config.server.listen;
    let server = Server::start(&address.to_string(), options, Arc::new(answer));
    server.map_err(|error| match error.kind() {
        // The port is free, and the machine gives no thread to answer on it.
        ErrorKind::WouldBlock => Failure::Machine { what: "no threads to answer with", error },
        _ => Failure::Listen { address, key: "server.listen", error },
    })
}

/// One far side in words.
fn reached(access: &Access, side: &config::FarSide, variables: &str) -> String {
    match (access, access.state(), side) {
        (Access::Known { base_url, .. }, _, config::FarSide::Builtin) => format!("built in, at {base_url}"),
        (Access::Known { base_url, .. }, ..) => base_url.clone(),
        (_, FarSide::Off, _) => "off; its part is done by hand".to_owned(),
        _ => format!("not reached before {variables} are set"),
    }
}

/// Makes the directory for its owner only; one that is there keeps its rights, and too wide ones are named.
fn make_private(dir: &Path) -> Result<(), Failure> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(Failure::file(dir))?;
    let mode = fs::metadata(dir).map_err(Failure::file(dir))?.permissions().mode();
    if mode & 0o077 != 0 {
        log::warn!("others on this machine can look into {0}; chmod 700 {0}", dir.display());
    }
    Ok(())
}

/// An address that nobody listens on would lead whoever reads it astray.
fn forget_addresses(dir: &Path) -> Result<(), Failure> {
    for name in [ADDRESS, SANDBOX_ADDRESS] {
        let path = dir.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(Failure::File { path, error }),
            _ => {}
        }
    }
    Ok(())
}

/// SIGTERM and Ctrl-C as a flag.
pub struct Signals(Arc<AtomicBool>);

impl Signals {
    pub fn watch() -> Result<Signals, Failure> {
        let (leave, interrupted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        // In this order: the first Ctrl-C finds the flag down and raises it, the second finds it up and ends at once.
        flag::register_conditional_shutdown(SIGINT, INTERRUPTED, Arc::clone(&interrupted))
            .and_then(|_| flag::register(SIGINT, interrupted))
            .and_then(|_| flag::register(SIGINT, Arc::clone(&leave)))
            .and_then(|_| flag::register(SIGTERM, Arc::clone(&leave)))
            .map_err(|error| Failure::Machine { what: "signals cannot be watched", error })?;
        Ok(Signals(leave))
    }

    /// Returns when the program is told to end.
    pub fn wait(&self) {
        while !self.0.load(Ordering::SeqCst) {
            std::thread::sleep(GLANCE);
        }
    }
}
