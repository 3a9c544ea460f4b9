//! What `deploy/` says is so: its files can be read, every metric, option and variable that they name
//! exists, and their time-outs are longer than what they wait for. Where HAProxy, nginx, Prometheus
//! or systemd is installed, it says itself whether it takes its file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use switchboard::config::{Config, SEED_NAMES, parse_duration};
use yaml_rust2::{Yaml, YamlLoader};

use super::alerts::wrong_metrics;

type Environment = BTreeMap<String, String>;

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

fn text(name: &str) -> String {
    fs::read_to_string(deploy().join(name)).unwrap_or_else(|err| panic!("{name}: {err}"))
}

fn yaml(name: &str) -> Yaml {
    let mut documents = YamlLoader::load_from_str(&text(name)).unwrap_or_else(|err| {
        panic!("{name}: {err}");
    });
    assert_eq!(documents.len(), 1, "{name}");
    documents.remove(0)
}

/// What stands under these keys.
fn at<'a>(yaml: &'a Yaml, keys: &[&str]) -> &'a Yaml {
    keys.iter().fold(yaml, |yaml, key| &yaml[*key])
}

/// A mapping of names to values, with what is merged into it.
fn environment(yaml: &Yaml) -> Environment {
    let mut found = Environment::new();
    for (key, value) in yaml.as_hash().unwrap_or_else(|| panic!("no mapping: {yaml:?}")) {
        let key = key.as_str().unwrap();
        if key == "<<" {
            found.extend(environment(value));
            continue;
        }
        let value = value.as_str().unwrap_or_else(|| panic!("{key} is no text: {value:?}"));
        found.insert(key.to_owned(), filled(value));
    }
    found
}

/// A value as it is once the variables in it are set: `${NAME:?why}`, `${NAME:-default}`, `$(NAME)`.
fn filled(value: &str) -> String {
    let mut text = value.to_owned();
    while let Some((before, rest)) = text.split_once("${") {
        let (inner, after) = rest.split_once('}').expect("a closing brace");
        let word = match inner.split_once(":-") {
            Some((_, default)) => default,
            None => "0123456789abcdef0123456789abcdef",
        };
        text = format!("{before}{word}{after}");
    }
    text.replace("$(POD_IP)", "10.0.0.7")
}

/// The program takes this environment, or says what is wrong with it.
fn assert_taken(whose: &str, environment: &Environment) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
    let ran = command.arg("check-config").env_clear().envs(environment).output().unwrap();
    let told = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{whose}: {told}");
    let printed = String::from_utf8_lossy(&ran.stdout);
    for name in environment.keys() {
        // What the program does not know at all it does not complain of, unless it is in its style.
        let is_known = name.starts_with("SWITCHBOARD__")
            || SEED_NAMES.iter().any(|(seed, ..)| seed == name)
            || name == "SQLITE_TMPDIR";
        assert!(is_known, "{whose}: {name} means nothing to the program, see {printed}");
    }
}

#[test]
fn every_file_can_be_read() {
    let mut count = 0;
    let mut dirs = vec![deploy()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let wrong = match path.extension().and_then(|e| e.to_str()) {
                Some("yaml" | "yml") => {
                    YamlLoader::load_from_str(&text).err().map(|e| e.to_string())
                }
                Some("json") => serde_json::from_str::<Value>(&text).err().map(|e| e.to_string()),
                _ => continue,
            };
            assert_eq!(wrong, None, "{}", path.display());
            count += 1;
        }
    }
    assert!(count > 10, "{count}");
}

#[test]
fn the_program_takes_what_the_files_set() {
    let compose = yaml("compose.yaml");
    for node in ["node1", "node2", "node3"] {
        let set = environment(at(&compose, &["services", node, "environment"]));
        assert!(set.len() > 5 && set.contains_key("DATABASE_URL"), "{set:?}");
        assert_taken(node, &set);
    }
    let mut set = environment(&yaml("kubernetes/configmap.yaml")["data"]);
    set.extend(environment(&yaml("kubernetes/secret.yaml")["stringData"]));
    let deployment = yaml("kubernetes/deployment.yaml");
    let container = &at(&deployment, &["spec", "template", "spec", "containers"])[0];
    for variable in container["env"].as_vec().unwrap() {
        if let (Some(name), Some(value)) = (variable["name"].as_str(), variable["value"].as_str()) {
            set.insert(name.into(), filled(value));
        }
    }
    assert!(set.contains_key("SWITCHBOARD__CLUSTER__ADVERTISE"));
    assert_taken("kubernetes", &set);
    assert_taken(
        "Dockerfile",
        &of_lines(&text("Dockerfile"), |line| {
            line.trim_start_matches("ENV").trim_end_matches('\\').trim().split_once('=')
        }),
    );
    let unit = text("systemd/switchboard.service");
    assert_taken(
        "systemd",
        &of_lines(&unit, |line| line.strip_prefix("Environment=")?.split_once('=')),
    );
}

/// The settings of a file that has one on a line, those that look like ours.
fn of_lines(text: &str, read: impl Fn(&str) -> Option<(&str, &str)>) -> Environment {
    let lines = text.lines().map(str::trim).filter(|line| line.contains("SWITCHBOARD__"));
    let found: Environment =
        lines.map(|line| read(line).unwrap_or_else(|| panic!("{line:?}"))).map(owned).collect();
    assert!(!found.is_empty());
    found
}

fn owned((key, value): (&str, &str)) -> (String, String) {
    (key.into(), value.into())
}

#[test]
fn the_dashboard_shows_metrics_that_there_are() {
    let dashboard: Value = serde_json::from_str(&text("grafana/dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let (mut shown, mut ids) = (0, Vec::new());
    for panel in panels {
        let title = panel["title"].as_str().unwrap();
        assert!(!ids.contains(&&panel["id"]), "{title}: its id is another one's");
        ids.push(&panel["id"]);
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expr = target["expr"].as_str().unwrap();
            let wrong = wrong_metrics(expr);
            assert!(wrong.is_empty(), "{title}: {wrong:?}");
            shown += 1;
        }
    }
    assert!(shown > 40, "{shown}");
}

/// The words after a setting at the beginning of a line.
fn setting<'a>(text: &'a str, name: &str) -> &'a str {
    let mut lines = text.lines().map(str::trim);
    let found = lines.find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name}"));
    found.trim_matches([' ', '=', ':', ';'])
}

#[test]
fn nobody_is_cut_off_before_its_time() {
    let options = Config::default();
    let drain = options.server.drain_timeout;
    let longest_poll = options.socketio.ping_interval + options.socketio.ping_timeout;
    let quiet = options.server.ping_interval;
    let longer = |what: &str, text: &str, than| {
        let found = parse_duration(text).unwrap_or_else(|err| panic!("{what} {text}: {err}"));
        assert!(found > than, "{what} is {found:?}, which has to be more than {than:?}");
    };
    let haproxy = text("haproxy.cfg");
    longer("haproxy: timeout server", setting(&haproxy, "timeout server"), longest_poll);
    longer("haproxy: timeout client", setting(&haproxy, "timeout client"), longest_poll);
    longer("haproxy: timeout tunnel", setting(&haproxy, "timeout tunnel"), quiet);
    let nginx = text("nginx.conf");
    longer(
        "nginx: proxy_read_timeout",
        setting(&nginx, "proxy_read_timeout"),
        longest_poll.max(quiet),
    );
    longer(
        "nginx: proxy_send_timeout",
        setting(&nginx, "proxy_send_timeout"),
        longest_poll.max(quiet),
    );
    let unit = text("systemd/switchboard.service");
    longer("systemd: TimeoutStopSec", setting(&unit, "TimeoutStopSec"), drain);
    let compose = yaml("compose.yaml");
    let stop = at(&compose, &["x-node", "stop_grace_period"]).as_str().unwrap();
    longer("compose: stop_grace_period", stop, drain);
    let pod = yaml("kubernetes/deployment.yaml");
    let pod = at(&pod, &["spec", "template", "spec"]);
    let before =
        pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1].as_str().unwrap();
    let grace = pod["terminationGracePeriodSeconds"].as_i64().unwrap().to_string();
    longer("kubernetes: grace", &grace, drain + parse_duration(before).unwrap());
}

#[test]
fn pods_and_containers_are_as_safe_as_they_say() {
    let pod = yaml("kubernetes/deployment.yaml");
    let pod = at(&pod, &["spec", "template", "spec"]);
    assert_eq!(at(pod, &["securityContext", "runAsNonRoot"]).as_bool(), Some(true));
    let container = &pod["containers"][0];
    let safety = &container["securityContext"];
    assert_eq!(safety["readOnlyRootFilesystem"].as_bool(), Some(true));
    assert_eq!(safety["allowPrivilegeEscalation"].as_bool(), Some(false));
    let image = text("Dockerfile");
    let user = at(pod, &["securityContext", "runAsUser"]).as_i64().unwrap();
    assert_eq!(setting(&image, "USER"), format!("{user}:{user}"));
    let data = container["volumeMounts"][0]["mountPath"].as_str().unwrap();
    assert_eq!(setting(&image, "VOLUME"), data);
    assert_eq!(at(&yaml("compose.yaml"), &["x-node", "read_only"]).as_bool(), Some(true));
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        let path = container[probe]["httpGet"]["path"].as_str().unwrap();
        assert!(switchboard::http::openapi::document().paths.paths.contains_key(path), "{path}");
    }
}

/// Where a program is, if it is installed.
fn program(name: &str) -> Option<PathBuf> {
    let places = ["/usr/sbin", "/usr/bin", "/usr/local/bin", "/usr/local/sbin"];
    let found = places.into_iter().map(|dir| Path::new(dir).join(name)).find(|path| path.exists());
    if found.is_none() {
        eprintln!("{name} is not here to look at its own file");
    }
    found
}

fn assert_passes(command: &mut Command) {
    let ran = command.output().unwrap();
    let told = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{told}{}", String::from_utf8_lossy(&ran.stdout));
}

#[test]
fn whoever_is_installed_takes_its_file() {
    let dir = tempfile::TempDir::new().unwrap();
    if let Some(haproxy) = program("haproxy") {
        assert_passes(
            Command::new(haproxy).args(["-c", "-q", "-f"]).arg(deploy().join("haproxy.cfg")),
        );
    }
    if let Some(nginx) = program("nginx") {
        // It would write to the places of its package.
        let config = dir.path().join("nginx.conf");
        let own = text("nginx.conf").replace("/dev/stdout", "access.log");
        let pid = dir.path().join("pid");
        fs::write(&config, format!("pid {};\n{own}", pid.display())).unwrap();
        assert_passes(
            Command::new(nginx).args(["-t", "-q", "-p"]).arg(dir.path()).arg("-c").arg(&config),
        );
    }
    if let Some(promtool) = program("promtool") {
        let config = deploy().join("prometheus/prometheus.yml");
        assert_passes(Command::new(&promtool).args(["check", "config"]).arg(config));
    }
    if let Some(analyze) = program("systemd-analyze") {
        let here = env!("CARGO_BIN_EXE_switchboard");
        let unit = text("systemd/switchboard.service").replace("/usr/local/bin/switchboard", here);
        let (service, socket) =
            (dir.path().join("switchboard.service"), dir.path().join("switchboard.socket"));
        fs::write(&service, unit).unwrap();
        fs::write(&socket, text("systemd/switchboard.socket")).unwrap();
        assert_passes(Command::new(analyze).arg("verify").arg(service).arg(socket));
    }
}
