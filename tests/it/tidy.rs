//! Rules about the code itself, checked like any other behaviour: what `ARCHITECTURE.md` says of
//! the layers, and what `CONTRIBUTING.md` says of files. To change a rule, change its table here.

use std::fs;
use std::path::{Path, PathBuf};

/// The modules from the lowest layer to the highest. A module may use those of lower layers;
/// never a higher one, and never a peer. The order is the strictest that holds.
const LAYERS: &[&[&str]] = &[
    &["limits", "testing"],
    &["model"],
    &["config"],
    &["telemetry"],
    &["redis"],
    &["auth", "log", "hub", "presence", "broker", "bot", "routing", "sink"],
    &["app"],
    &["door"],
    &["wire", "http", "ingest"],
    &["server"],
    &["backup", "doctor", "moving", "simulate"],
    &["main"],
];

/// Modules that may use these and nothing else, although more lies below them: what is pure, and
/// what is no business of theirs to configure or to count.
const NARROWER: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("config", &["limits", "model"]),
    ("auth", &["limits", "model"]),
    ("log", &["limits", "model"]),
    ("hub", &["limits", "model"]),
    ("redis", &["limits", "config", "testing"]),
    ("presence", &["limits", "model", "redis", "testing"]),
    ("broker", &["limits", "model", "redis", "testing"]),
    ("bot", &["limits", "model"]),
    ("routing", &["model"]),
    ("sink", &["limits", "model"]),
    ("door", &["limits", "model", "config"]),
];

/// Files over 500 lines, each with the reason why it is one.
const LONG_FILES: &[(&str, &str)] = &[];

/// Where JSON may be known: the edges, and what stores or describes JSON itself.
const JSON: &[&str] = &[
    "src/wire/",
    "src/http/",
    "src/http.rs",
    "src/door.rs",
    "src/main.rs",
    // Payloads are kept as JSON.
    "src/log/",
    "src/model/event",
    "src/model/conversation.rs",
    // Tokens and key sets are JSON by their standards.
    "src/auth/",
    // Providers speak it.
    "src/bot/",
    // What nodes tell each other, and what Redis holds for others to read.
    "src/broker/",
    "src/presence/redis/",
    // Receivers outside are told in it.
    "src/sink/",
    // Log lines.
    "src/telemetry",
    // The type of a page's metadata, which nobody looks into.
    "src/app/conversations.rs",
    // And of what is sent to a user.
    "src/app/notify.rs",
    // Producers write it, wherever it comes from.
    "src/app/events/",
    // An alert has data.
    "src/app/webhooks/",
    // A routing policy is kept, and changed, field by field.
    "src/app/staff/",
    // Policies are read, and outcomes printed.
    "src/simulate",
];

const FILE_LINES_MAX: usize = 500;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file of the repository with its path from the root, without what is built or fetched.
fn files() -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    collect(root(), &mut found);
    found.sort();
    assert!(found.len() > 50, "the repository is not here");
    found
}

fn collect(dir: &Path, found: &mut Vec<(String, PathBuf)>) {
    const BUILT: &[&str] = &[
        ".git",
        "target",
        "node_modules",
        "dist",
        "data",
        "corpus",
        ".venv",
        "__pycache__",
        "bench-results.json",
    ];
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if BUILT.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() && !path.is_symlink() {
            collect(&path, found);
        } else {
            let relative = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
            found.push((relative, path));
        }
    }
}

/// Every Rust file below one of these directories, with its text.
fn sources(dirs: &[&str]) -> Vec<(String, String)> {
    let is_source =
        |name: &String| name.ends_with(".rs") && dirs.iter().any(|dir| name.starts_with(dir));
    let sources = files().into_iter().filter(|(name, _)| is_source(name));
    sources.map(|(name, path)| (name, fs::read_to_string(path).unwrap())).collect()
}

fn without_comments(text: &str) -> String {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.collect::<Vec<_>>().join("\n")
}

fn fail_if_any(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

// === layers ===

/// The module a file belongs to.
fn module_of(file: &str) -> &str {
    let inside = file.trim_start_matches("src/");
    inside.split('/').next().unwrap().trim_end_matches(".rs")
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// The modules of this crate that a file's text names, `use` groups included.
fn named_modules(file: &str, text: &str) -> Vec<String> {
    let code = without_comments(text);
    let depth = file.trim_end_matches("/mod.rs").matches('/').count();
    let out_of_module = "super::".repeat(depth);
    let own_name = if file == "src/main.rs" { "switchboard::" } else { "crate::" };
    let mut named = Vec::new();
    for prefix in [own_name, out_of_module.as_str()] {
        for (at, _) in code.match_indices(prefix) {
            let is_longer = code[..at].ends_with(|c: char| c.is_alphanumeric() || "_:".contains(c));
            if is_longer && !prefix.starts_with("super") {
                continue;
            }
            let rest = &code[at + prefix.len()..];
            match rest.strip_prefix('{') {
                Some(group) => named.extend(heads_of_group(group)),
                None => named.push(word(rest).to_owned()),
            }
        }
    }
    named.retain(|name| layer_of(name).is_some());
    named
}

/// The first word of each member of `{a, b::{c, d}, e}`, what follows the opening brace given.
fn heads_of_group(group: &str) -> Vec<String> {
    let (mut depth, mut is_head, mut heads) = (1, true, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => is_head = true,
            _ if is_head && !c.is_whitespace() => {
                heads.push(word(&group[at..]).to_owned());
                is_head = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    heads
}

fn word(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    &text[..end]
}

fn wrong_imports(file: &str, text: &str) -> Vec<String> {
    let module = module_of(file);
    let Some(own) = layer_of(module) else {
        return if file == "src/lib.rs" {
            vec![]
        } else {
            vec![format!("{file}: no layer has it")]
        };
    };
    let narrower = NARROWER.iter().find(|(name, _)| *name == module).map(|(_, only)| only);
    let is_allowed = |used: &str| {
        used == module
            // Where the servers are that tests need is no business of any layer.
            || used == "testing"
            || narrower.is_none_or(|only| only.contains(&used))
                && layer_of(used).is_some_and(|layer| layer < own)
    };
    let named = named_modules(file, text).into_iter().filter(|used| !is_allowed(used));
    named.map(|used| format!("{file} uses {used}")).collect()
}

#[test]
fn imports_point_down() {
    let mut broken = Vec::new();
    for (file, text) in sources(&["src/"]) {
        broken.extend(wrong_imports(&file, &text));
    }
    fail_if_any("a module may use lower layers only (see the table)", &broken);
}

#[test]
fn an_import_against_the_grain_is_seen() {
    for (file, text) in [
        ("src/hub.rs", "use crate::app::App;"),
        ("src/hub.rs", "use super::app::App;"),
        ("src/log/mod.rs", "fn f() { crate::hub::Hub::default(); }"),
        ("src/log/sqlite/mod.rs", "use crate::{model::Event, telemetry::Metrics};"),
        ("src/log/sqlite/rows.rs", "use super::super::super::presence;"),
        ("src/wire/mod.rs", "use crate::{\n    app::App,\n    http::pages,\n};"),
        ("src/model/event.rs", "use crate::config::Config;"),
        ("src/novel.rs", "//! Of no layer."),
    ] {
        assert_eq!(wrong_imports(file, text).len(), 1, "{file}: {text}");
    }
    for (file, text) in [
        ("src/app/mod.rs", "use crate::{log::{self, Log}, model::Event};"),
        ("src/log/memory.rs", "use super::change; use super::super::log::Change;"),
        ("src/hub.rs", "/// See [`crate::app`].\nuse my_crate::app;"),
    ] {
        assert_eq!(wrong_imports(file, text), [""; 0], "{file}: {text}");
    }
}

// === files ===

#[test]
fn every_file_opens_with_what_it_is() {
    let sources = sources(&[
        "src/",
        "tests/",
        "bench/",
        "clients/",
        "drill/",
        "fuzz/",
        "socketio/",
        "build.rs",
    ]);
    let broken = sources.into_iter().filter(|(_, text)| !text.starts_with("//! "));
    fail_if_any("no //! at the top", &broken.map(|(file, _)| file).collect::<Vec<_>>());
}

#[test]
fn a_long_file_has_a_reason() {
    let mut broken = Vec::new();
    for (file, text) in
        sources(&["src/", "tests/", "bench/", "clients/", "drill/", "fuzz/", "socketio/"])
    {
        let lines = text.lines().count();
        let is_listed = LONG_FILES.iter().any(|(name, _)| *name == file);
        match lines > FILE_LINES_MAX {
            true if !is_listed => broken.push(format!("{file} has {lines} lines")),
            false if is_listed => broken.push(format!("{file} has {lines} lines and is listed")),
            _ => {}
        }
    }
    fail_if_any("split it, or give a reason in LONG_FILES", &broken);
}

#[test]
fn sql_stays_in_the_backend_that_speaks_it() {
    const SQL: &[&str] = &["SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM ", "PRAGMA "];
    let mut broken = Vec::new();
    for (file, text) in sources(&["src/"]) {
        let has_sql = SQL.iter().any(|word| text.contains(word)) || text.contains("rusqlite");
        // The doctor asks a database about itself, and nothing of the product.
        let may = ["src/log/sqlite/", "src/log/postgres/", "src/doctor/postgres.rs"];
        if has_sql && !may.iter().any(|place| file.starts_with(place)) {
            broken.push(file);
        }
    }
    fail_if_any("SQL outside src/log/sqlite and src/log/postgres", &broken);
}

#[test]
fn json_stays_at_the_edges() {
    let sources = sources(&["src/"]).into_iter();
    let knows_json = |text: &str| without_comments(text).contains("serde_json");
    let broken = sources.filter(|(file, text)| {
        knows_json(text) && !JSON.iter().any(|place| file.starts_with(place))
    });
    fail_if_any("serde_json elsewhere", &broken.map(|(file, _)| file).collect::<Vec<_>>());
}

#[test]
fn only_the_configuration_reads_the_environment() {
    let reads = |text: &str| {
        let code = without_comments(text);
        ["env::var(", "env::var_os(", "env::vars(", "env::vars_os("]
            .iter()
            .any(|call| code.contains(call))
    };
    let broken = sources(&["src/"])
        .into_iter()
        .filter(|(file, text)| reads(text) && !file.starts_with("src/config"))
        // Where the servers are that tests need.
        .filter(|(file, _)| file != "src/testing.rs");
    fail_if_any("reads the environment", &broken.map(|(file, _)| file).collect::<Vec<_>>());
}

#[test]
fn every_migration_is_embedded() {
    let code: String = sources(&["src/log/"]).into_iter().map(|(_, text)| text).collect();
    let migrations = files().into_iter().filter(|(name, _)| name.starts_with("migrations/"));
    let names: Vec<String> = migrations.map(|(name, _)| name).collect();
    assert!(!names.is_empty());
    let broken: Vec<String> = names.into_iter().filter(|name| !code.contains(name)).collect();
    fail_if_any("not embedded by src/log", &broken);
}

#[test]
fn nothing_names_the_machine_it_was_written_on() {
    let homes = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/Use", "rs/")];
    let home = concat!("/ho", "me/");
    let mut broken = Vec::new();
    for (file, path) in files() {
        let Ok(text) = fs::read_to_string(path) else { continue };
        for (number, line) in text.lines().enumerate() {
            // A directory of that name below another one is none of a machine.
            let has = |dir: &str| {
                let mut found = line.match_indices(dir);
                found.any(|(at, _)| {
                    !line[..at].ends_with(|c: char| c.is_alphanumeric() || "_.-}*".contains(c))
                })
            };
            if homes.iter().any(|dir| has(dir)) || has(home) {
                broken.push(format!("{file}:{}", number + 1));
            }
        }
    }
    fail_if_any("a path of one machine", &broken);
}
