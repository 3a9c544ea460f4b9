//! The subcommands. Thin: each reads the configuration, calls the library, and prints.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use clap::{Args, Parser, Subcommand};
use serde_json::json;
use switchboard::auth::Claims;
use switchboard::backup::BackupArgs;
use switchboard::config::{Config, ConfigError, Sources, StoreUrl, environment};
use switchboard::model::{Event, Moment, Role};
use switchboard::server::{self, Running};
use switchboard::{backup, doctor, log, moving, simulate, telemetry};
use tokio::signal::unix::{SignalKind, signal};

/// The real-time layer of a contact centre.
#[derive(Parser)]
#[command(name = "switchboard", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Args, Clone)]
struct Common {
    /// The configuration file (TOML); see default-config.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The directory of the database and of the generated secret.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Try it out: the ports 3000, 8080, 8081 and 8082 of this machine, sample people, no tokens
    /// needed.
    #[arg(long)]
    demo: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server.
    Serve {
        #[command(flatten)]
        common: Common,
        /// An address to listen on, such as 127.0.0.1:8080; may be repeated.
        #[arg(long, value_name = "ADDR")]
        listen: Vec<String>,
    },
    /// Print a signed token.
    Token(#[command(flatten)] TokenArgs),
    /// Check the configuration and say what it comes to.
    CheckConfig(#[command(flatten)] Common),
    /// Print a configuration file with every option and its default.
    DefaultConfig(#[command(flatten)] Common),
    /// Bring the database up to this program's schema, or move it to PostgreSQL.
    Migrate {
        #[command(flatten)]
        common: Common,
        /// Move this log, sqlite:PATH; its server may go on meanwhile.
        #[arg(long, value_name = "URL", requires = "to")]
        from: Option<String>,
        /// To this empty database, postgres://USER:PASSWORD@HOST/DATABASE.
        #[arg(long, value_name = "URL", requires = "from")]
        to: Option<String>,
    },
    /// Check this machine and the configuration, and say how to mend what is wrong.
    Doctor(#[command(flatten)] Common),
    /// Copy the database while the server goes on.
    Backup {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        wanted: BackupArgs,
    },
    /// Try out how conversations are routed.
    #[command(subcommand)]
    Routing(Routing),
    /// List the events.
    Events {
        #[command(flatten)]
        common: Common,
        /// As JSON: [{type, durable, roles, payload}], the payload being a sample.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Subcommand)]
enum Routing {
    /// Serve the load of a log, or one drawn by lot, under another policy, and compare.
    Simulate {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        wanted: simulate::SimulateArgs,
    },
}

#[derive(Args)]
struct TokenArgs {
    #[command(flatten)]
    common: Common,
    /// customer, agent, admin, bot or service.
    #[arg(long)]
    role: String,
    /// The user's id.
    #[arg(long)]
    user: String,
    /// The tenant.
    #[arg(long, default_value = "default")]
    tenant: String,
    /// The user's name.
    #[arg(long)]
    name: Option<String>,
    /// The user's e-mail address.
    #[arg(long)]
    email: Option<String>,
    /// A department of an agent; may be repeated, the first is the one shown.
    #[arg(long = "department", value_name = "D")]
    departments: Vec<String>,
    /// A conversation of a customer; may be repeated.
    #[arg(long = "conversation", value_name = "C")]
    conversations: Vec<String>,
    /// How long it holds: 30s, 5m, 1h, 7d.
    #[arg(long, default_value = "1h")]
    ttl: String,
}

/// Usage and configuration are the caller's to mend (2); the rest is a failure (1).
enum Failure {
    Usage(String),
    Failed(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(err: anyhow::Error) -> Failure {
        Failure::Failed(err)
    }
}

impl From<simulate::Error> for Failure {
    fn from(err: simulate::Error) -> Failure {
        match err {
            simulate::Error::Usage(message) => Failure::Usage(message),
            simulate::Error::Failed(err) => Failure::Failed(err.into()),
        }
    }
}

impl From<moving::Error> for Failure {
    fn from(err: moving::Error) -> Failure {
        match err {
            moving::Error::Usage(message) => Failure::Usage(message),
            err => Failure::Failed(err.into()),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(err: ConfigError) -> Failure {
        Failure::Usage(err.to_string())
    }
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(err) => return usage(&err),
    };
    match run(cli.command) {
        Ok(code) => code,
        Err(Failure::Usage(message)) => {
            eprintln!("switchboard: {message}");
            ExitCode::from(2)
        }
        Err(Failure::Failed(err)) => {
            // One line: what failed, and why.
            eprintln!("switchboard: {err:#}");
            ExitCode::from(1)
        }
    }
}

/// Help goes out as it is; an error becomes one line.
fn usage(err: &clap::Error) -> ExitCode {
    if !err.use_stderr() {
        // A closed pipe is no reason to fail.
        let _ = err.print();
        return ExitCode::SUCCESS;
    }
    let text = err.to_string();
    let lines = text.lines().map(str::trim).filter(|l| !l.is_empty());
    let told = lines.take_while(|l| !l.starts_with("Usage:") && !l.starts_with("For more"));
    let told: Vec<&str> = told.map(|l| l.trim_start_matches("error: ")).collect();
    eprintln!("switchboard: {}; see switchboard --help", told.join(" "));
    ExitCode::from(2)
}

fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Serve { common, listen } => serve(checked(load(&common, listen)?)?),
        Command::Token(args) => print_token(args),
        Command::CheckConfig(common) => check_config(&checked(load(&common, vec![])?)?),
        Command::DefaultConfig(_) => print(&Config::default_toml()),
        Command::Migrate { common, from: Some(from), to: Some(to) } => {
            move_log(&from, &to, &load(&common, vec![])?)
        }
        Command::Migrate { common, .. } => migrate(&load(&common, vec![])?),
        Command::Doctor(common) => examine(&load(&common, vec![])?),
        Command::Backup { common, wanted } => {
            print(&backup::run(&load(&common, vec![])?, &wanted)?)
        }
        Command::Routing(Routing::Simulate { common, wanted }) => {
            try_out(&load(&common, vec![])?, &wanted)
        }
        Command::Events { json, .. } => print_events(json),
    }
}

fn load(common: &Common, listen: Vec<String>) -> Result<Config, Failure> {
    Ok(Config::load(Sources {
        file: common.config.clone(),
        env: environment(),
        listen,
        data_dir: common.data_dir.clone(),
        demo: common.demo,
    })?)
}

/// The files a configuration names belong to it: what is wrong with them is its error.
fn checked(config: Config) -> Result<Config, Failure> {
    server::check_files(&config).map_err(|err| Failure::Usage(format!("{err:#}")))?;
    Ok(config)
}

fn print(text: &str) -> Result<ExitCode, Failure> {
    match writeln!(io::stdout(), "{}", text.trim_end()) {
        // Whoever reads only the first lines is served.
        Err(err) if err.kind() != io::ErrorKind::BrokenPipe => Err(anyhow!(err).into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn serve(config: Config) -> Result<ExitCode, Failure> {
    telemetry::init(&config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let code = runtime.block_on(serve_until_told(config));
    // What is still blocked is a read of the database; nothing waits for it any more.
    runtime.shutdown_timeout(Duration::from_millis(200));
    code
}

async fn serve_until_told(config: Config) -> Result<ExitCode, Failure> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot hear SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot hear SIGINT")?;
    let running = tokio::select! {
        started = server::start(config) => started?,
        _ = terminate.recv() => return Ok(ExitCode::SUCCESS),
        _ = interrupt.recv() => return Ok(ExitCode::SUCCESS),
    };
    announce(&running)?;
    let code = tokio::select! {
        _ = terminate.recv() => ExitCode::SUCCESS,
        _ = interrupt.recv() => ExitCode::SUCCESS,
        () = running.failed() => ExitCode::from(1),
    };
    tracing::info!("draining");
    if running.drain().await {
        tracing::info!("drained");
    } else {
        tracing::warn!("the drain took too long; what was left is cut off, nothing is lost");
    }
    Ok(code)
}

fn announce(running: &Running) -> Result<(), Failure> {
    let mut out = String::new();
    for url in &running.urls {
        out += &format!("listening on {url}\n");
    }
    if let Some(path) = &running.secret_file {
        out += &format!("tokens are signed with the secret in {}\n", path.display());
    }
    if let (Some(demo), Some(url)) = (&running.demo, running.urls.first()) {
        out += "\nThis is a demo: no tokens needed, on this machine only.\n\n";
        out += &format!("  chat, both sides   {url}/websocket-test.html\n");
        out += &format!("  what there is      {url}/\n");
        out += &format!("  API reference      {url}/docs\n\n");
        out += &format!("  conversation {} (test-conv, test-session)\n", demo.conversation);
        out += &format!("  login {} with password {}\n\n", demo.login.0, demo.login.1);
        for (who, token) in &demo.tokens {
            out += &format!("  token of {who}:\n  {token}\n\n");
        }
    }
    print(&out)?;
    io::stdout().flush().context("standard output")?;
    Ok(())
}

fn print_token(args: TokenArgs) -> Result<ExitCode, Failure> {
    let usage = |message: String| Failure::Usage(message);
    let config = load(&args.common, vec![])?;
    let role = Role::parse(&args.role).ok_or_else(|| {
        usage(format!("--role {}: expected customer, agent, admin, bot or service", args.role))
    })?;
    let ttl = switchboard::config::parse_duration(&args.ttl)
        .map_err(|err| usage(format!("--ttl {}: {err}", args.ttl)))?;
    let ids =
        |flag: &str, ids: &[String]| match ids.iter().find(|id| uuid::Uuid::try_parse(id).is_err())
        {
            Some(bad) => Err(usage(format!("--{flag} {bad}: expected a UUID"))),
            None => Ok(()),
        };
    ids("department", &args.departments)?;
    ids("conversation", &args.conversations)?;
    let user = switchboard::model::UserId::parse(&args.user);
    if user.map_err(|e| usage(format!("--user: {e}")))?.is_bot() {
        return Err(usage(format!("--user {}: is the bot's own", args.user)));
    }
    switchboard::model::TenantId::parse(&args.tenant)
        .map_err(|e| usage(format!("--tenant: {e}")))?;
    std::fs::create_dir_all(&config.server.data_dir)
        .with_context(|| format!("cannot make {}", config.server.data_dir.display()))?;
    let (secret, _) = server::secret(&config)?;
    let now = Moment::now().unix_seconds();
    let claims = Claims {
        sub: args.user,
        tenant: args.tenant,
        role,
        name: args.name,
        email: args.email,
        departments: args.departments,
        conversations: args.conversations,
        exp: now.saturating_add(i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX)),
        iat: Some(now),
    };
    let token = server::tokens(&config, secret)?.sign(&claims).context("cannot sign")?;
    print(&token)
}

fn check_config(config: &Config) -> Result<ExitCode, Failure> {
    print(&format!("{}\n# The configuration holds.", config.to_toml().trim_end()))
}

fn migrate(config: &Config) -> Result<ExitCode, Failure> {
    let path = match config.store_url() {
        StoreUrl::Sqlite(path) => path,
        StoreUrl::Postgres(address) => return migrate_database(address.expose()),
        StoreUrl::Memory => return print("the memory store has nothing to migrate"),
    };
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    }
    let (before, after) = log::migrate(&path).context("cannot migrate")?;
    print(&match before == after {
        true => format!("{}: at version {after} already", path.display()),
        false => format!("{}: from version {before} to {after}", path.display()),
    })
}

fn migrate_database(address: &str) -> Result<ExitCode, Failure> {
    let url = log::PostgresUrl(address.to_owned());
    let migrated = runtime()?.block_on(log::migrate_database(&url));
    let (before, after) = migrated.context("cannot migrate")?;
    print(&match before == after {
        true => format!("the PostgreSQL database: at version {after} already"),
        false => format!("the PostgreSQL database: from version {before} to {after}"),
    })
}

fn move_log(from: &str, to: &str, config: &Config) -> Result<ExitCode, Failure> {
    runtime()?.block_on(moving::run(from, to, config, &mut io::stdout()))?;
    Ok(ExitCode::SUCCESS)
}

/// A runtime for a subcommand that waits for others.
fn runtime() -> Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().context("cannot start the runtime")
}

fn examine(config: &Config) -> Result<ExitCode, Failure> {
    let findings = runtime()?.block_on(doctor::examine(config));
    let text: Vec<String> = findings.iter().map(ToString::to_string).collect();
    print(&text.join("\n"))?;
    let is_ill = findings.iter().any(|f| f.verdict == doctor::Verdict::Fail);
    Ok(if is_ill { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

fn try_out(config: &Config, wanted: &simulate::SimulateArgs) -> Result<ExitCode, Failure> {
    print(&runtime()?.block_on(simulate::run(wanted, &config.store_url()))?)
}

fn print_events(as_json: bool) -> Result<ExitCode, Failure> {
    let mut rows = Vec::new();
    for event in Event::samples() {
        let facts = event.facts();
        if facts.is_announcement() {
            continue;
        }
        let payload = event.payload().context("a sample payload")?;
        let payload: serde_json::Value = serde_json::from_str(&payload).context("a payload")?;
        rows.push((event.name(), facts, payload));
    }
    if as_json {
        let rows: Vec<_> = rows
            .into_iter()
            .map(|(name, facts, payload)| {
                json!({ "type": name, "durable": facts.is_durable,
                        "roles": facts.roles, "payload": payload })
            })
            .collect();
        return print(&serde_json::to_string_pretty(&rows).context("events")?);
    }
    let mut text = format!("{:<26} {:<9} {}\n", "EVENT", "KEPT", "HEARD BY");
    for (name, facts, _) in rows {
        let kept = if facts.is_durable { "durable" } else { "volatile" };
        let roles: Vec<&str> = facts.roles.iter().map(|r| r.as_str()).collect();
        text += &format!("{name:<26} {kept:<9} {}\n", roles.join(", "));
    }
    print(&text)
}
