//! What each source may say, and how it is refused.

use std::collections::HashMap;
use std::io::Write;

use super::*;

type Env = std::vec::IntoIter<(String, String)>;

fn env(pairs: &[(&str, &str)]) -> Sources<Env> {
    let pairs: Vec<_> = pairs.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
    let none = Vec::new();
    Sources { file: None, env: pairs.into_iter(), listen: none, data_dir: None, demo: false }
}

fn load_env(pairs: &[(&str, &str)]) -> Result<Config, String> {
    Config::load(env(pairs)).map_err(|e| e.to_string())
}

fn load_file(text: &str) -> Result<Config, String> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let path = file.path().to_owned();
    Config::load(Sources { file: Some(path.clone()), ..env(&[]) })
        .map_err(|e| e.to_string().replace(path.to_str().unwrap(), "FILE"))
}

#[test]
fn the_printed_defaults_are_read_back_as_the_defaults() {
    let text = Config::default_toml();
    assert_eq!(load_file(&text).unwrap(), Config::default());
    assert!(text.contains("# How often a silent WebSocket is pinged.\nping_interval = \"54s\"\n"));
    assert!(text.contains("listen = [\"127.0.0.1:8080\"]"), "{text}");
    assert!(text.contains("jwt_secret = \"\""), "{text}");
}

#[test]
fn every_option_is_documented_and_stands_in_the_reference() {
    let reference = Config::reference();
    for option in Config::options() {
        assert!(option.doc.len() > 5, "{} has no doc", option.name());
        assert!(reference.contains(&format!("| `{}` |", option.key)), "{}", option.name());
    }
}

#[test]
fn every_default_can_be_given_through_the_environment() {
    for option in Config::options() {
        let toml: toml::Table = format!("v = {}", option.default).parse().unwrap();
        let text = match &toml["v"] {
            toml::Value::String(text) => text.clone(),
            toml::Value::Array(items) => {
                items.iter().map(|v| v.as_str().unwrap()).collect::<Vec<_>>().join(",")
            }
            other => other.to_string(),
        };
        let loaded = load_env(&[(&option.env_name(), &text)]);
        assert_eq!(loaded, Ok(Config::default()), "{}", option.name());
    }
}

#[test]
fn a_later_source_wins_over_an_earlier_one() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"[server]\nlisten = [\"127.0.0.1:1\"]\n[agents]\nstatus_ttl = 7\n").unwrap();
    let mut sources = env(&[
        ("AGENT_STATUS_TTL", "8"),
        ("SWITCHBOARD__AGENTS__STATUS_TTL", "9s"),
        ("SWITCHBOARD__SERVER__LISTEN", "127.0.0.1:2, [::1]:2"),
        ("WEBSOCKET_CORS_ORIGIN", "https://a.example, https://b.example:8443"),
        ("JWT_SECRET", "hush"),
        ("HEARTBEAT_INTERVAL", "90"),
        ("HOME", "/root"),
    ]);
    sources.file = Some(file.path().to_owned());
    let config = Config::load(sources.clone()).unwrap();
    assert_eq!(config.agents.status_ttl, Duration::from_secs(9));
    assert_eq!(config.agents.heartbeat_interval, Duration::from_secs(90));
    assert_eq!(config.server.listen.len(), 2);
    assert_eq!(config.auth.cors_origin, ["https://a.example", "https://b.example:8443"]);
    assert_eq!(config.auth.jwt_secret.expose(), "hush");
    sources.listen = vec!["0.0.0.0:3".into()];
    sources.data_dir = Some("/tmp/x".into());
    let config = Config::load(sources).unwrap();
    assert_eq!(config.server.listen, ["0.0.0.0:3".parse().unwrap()]);
    assert_eq!(config.store_url(), StoreUrl::Sqlite("/tmp/x/switchboard.db".into()));
}

#[test]
fn a_duration_is_read_in_every_unit() {
    let cases = HashMap::from([("\"300ms\"", 300), ("\"10s\"", 10_000), ("7", 7_000)]);
    let more = HashMap::from([("\"2m\"", 120_000), ("\"12h\"", 43_200_000), ("\"8\"", 8_000)]);
    for (text, ms) in cases.into_iter().chain(more) {
        let config = load_file(&format!("[retention]\nmessages = {text}\n")).unwrap();
        assert_eq!(config.retention.messages, Duration::from_millis(ms), "{text}");
        assert_eq!(load_file(&config.to_toml()).unwrap(), config, "{text}");
    }
    for text in ["-1", "\"\"", "\"ms\"", "\"1 s\"", "\"1w\"", "1.5", "\"99999999999999999999d\""] {
        let error = load_file(&format!("[retention]\nmessages = {text}\n")).unwrap_err();
        assert!(error.starts_with("retention.messages in FILE line 2: expected a dur"), "{error}");
    }
}

#[test]
fn an_unknown_key_is_refused_with_its_place_and_the_nearest_known_one() {
    let cases = [
        ("\n[auth]\njwt_secert = \"x\"\n", "auth.jwt_secert in FILE line 3", "auth.jwt_secret"),
        ("[sever]\nlisten = []\n", "sever.listen in FILE line 2", "server.listen"),
        ("listen = []\n", "listen in FILE line 1", "server.listen"),
        ("[server]\nfrme_bytes = 1\n", "server.frme_bytes in FILE line 2", "limits.frame_bytes"),
        ("[server.tls]\nx = 1\n", "server.tls in FILE line 1", "tls.cert"),
    ];
    for (text, key, nearest) in cases {
        let error = load_file(text).unwrap_err();
        assert_eq!(error, format!("unknown key {key}; did you mean {nearest}?"));
    }
    let error = load_env(&[("SWITCHBOARD__SERVER__LISEN", "x")]).unwrap_err();
    let place = "SWITCHBOARD__SERVER__LISEN";
    let expected = format!("unknown key server.lisen in {place}; did you mean server.listen?");
    assert_eq!(error, expected);
}

#[test]
fn a_wrong_value_names_its_key_its_place_and_what_is_expected() {
    let cases = [
        ("[server]\nlisten = \"127.0.0.1:1\"\n", "expected addresses with ports"),
        ("[server]\nlisten = []\n", "expected at least one address"),
        ("[server]\nping_timeout = 0\n", "expected more than 0 seconds, not 0"),
        ("[limits]\nframe_bytes = 1023\n", "expected 1024 bytes"),
        ("[limits]\nrest_per_minute = \"12\"\n", "expected a whole number"),
        ("[auth]\nopen_sessions = \"true\"\n", "expected true or false"),
        ("[auth]\ncors_origin = [\"https://a.example/x\"]\n", "expected origins such as"),
        ("[auth]\njwks_url = \"a.example\"\n", "expected an address that"),
        ("[log]\nformat = \"xml\"\n", "expected \"text\" or \"json\", not \"xml\""),
        ("[log]\nlevel = \"inof\"\n", "expected error, warn, info"),
        ("[store]\nurl = \"mysql:x\"\n", "expected sqlite:PATH, postgres:"),
    ];
    for (text, expected) in cases {
        let error = load_file(text).unwrap_err();
        assert!(error.contains(" in FILE line 2: ") && error.contains(expected), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
    let error = load_env(&[("SWITCHBOARD__LIMITS__FRAME_BYTES", "many")]).unwrap_err();
    assert!(error.starts_with("limits.frame_bytes in SWITCHBOARD__LIMITS__FRAME_BYTES: exp"));
    let sources = Sources { listen: vec!["8080".into()], ..env(&[]) };
    let error = Config::load(sources).unwrap_err().to_string();
    assert!(error.starts_with("server.listen in --listen: expected addresses"), "{error}");
}

#[test]
fn a_file_that_is_no_toml_or_missing_is_named() {
    let error = load_file("[server]\nlisten = [\n").unwrap_err();
    assert!(error.starts_with("FILE line 2: ") || error.starts_with("FILE line 3: "), "{error}");
    assert!(!error.contains('\n'), "{error}");
    let sources = Sources { file: Some("/nowhere/x.toml".into()), ..env(&[]) };
    let error = Config::load(sources).unwrap_err().to_string();
    assert!(error.starts_with("cannot read /nowhere/x.toml: "), "{error}");
}

#[test]
fn an_origin_is_a_scheme_a_host_and_a_port_and_nothing_else() {
    let load = |origin: &str| {
        let list = toml::Value::from(vec!["https://good.example", origin]);
        load_file(&format!("[auth]\ncors_origin = {list}\n"))
    };
    for origin in [
        "*",
        "http://localhost:5173",
        "https://Shop.example",
        "https://[::1]:8443",
        "http://[2001:db8::7]",
        "chrome-extension://abcdefghijklmnop",
    ] {
        assert!(load(origin).is_ok(), "{origin}");
    }
    for origin in [
        "https://a.example; script-src *",
        "https://a.example;",
        "https://a.example,https://b.example",
        "https://a.example\u{7f}",
        "https://a.example\r\nX-Other: 1",
        "https://a.example ",
        "https://*.example",
        "https://a.example/x",
        "https://a.example?",
        "https://a.example:0",
        "https://a.example:+80",
        "https://a.example:65536",
        "https://a.example:",
        "https://[::1",
        "https://[a.example]",
        "https://",
        "'self'://a",
        "a.example",
        "null",
        "",
    ] {
        let error = load(origin).unwrap_err();
        assert!(error.starts_with("auth.cors_origin in FILE line 2: expected origins"), "{error}");
        assert!(error.contains(&format!("({origin:?} is none)")), "{error}");
        assert!(!error.contains(char::is_control), "{error:?}");
    }
    let error = load("https://user:hush@a.example").unwrap_err();
    assert!(!error.contains("hush"), "a password is shown: {error}");
}

#[test]
fn the_names_of_the_seeds_switch_redis_and_kafka_on() {
    assert!(!Config::default().has_redis() && !Config::default().has_kafka());
    let redis =
        [("REDIS_HOST", "r"), ("REDIS_PORT", "7"), ("REDIS_PASSWORD", "p"), ("REDIS_DB", "3")];
    let config = load_env(&redis).unwrap();
    assert!(config.has_redis());
    let redis = &config.redis;
    assert_eq!((redis.host.as_str(), redis.port, redis.db), ("r", 7, 3));
    assert_eq!(redis.password.expose(), "p");
    // 130-133: the host alone switches it on.
    assert_eq!(load_env(&[("REDIS_HOST", "localhost")]).unwrap().redis.port, 6379);
    let ignored = [("REDIS_PORT", "6380"), ("REDIS_HOST", "")];
    assert!(!load_env(&ignored).unwrap().has_redis());
    assert!(load_env(&[("KAFKA_BROKERS", "k:9092")]).unwrap().has_kafka());
    let error = load_env(&[("KAFKA_BROKERS", "k")]).unwrap_err();
    assert!(error.starts_with("kafka.brokers in KAFKA_BROKERS: expected hosts"), "{error}");
}

#[test]
fn a_password_in_an_address_is_never_shown() {
    let error = load_env(&[("DATABASE_URL", "postgres:u:hush@h")]).unwrap_err();
    assert!(error.starts_with("store.url in DATABASE_URL: expected postgres://"), "{error}");
    assert!(!error.contains("hush"), "{error}");
    let config = load_env(&[("DATABASE_URL", "postgres://u:hush@h/d")]).unwrap();
    let shown = format!("{config:?} {} {}", config.to_toml(), config.store_url());
    assert!(shown.contains("postgres://u:***@h/d") && !shown.contains("hush"), "{shown}");
    assert!(matches!(config.store_url(), StoreUrl::Postgres(a) if a.expose().contains("hush")));
}

#[test]
fn the_store_is_resolved_from_its_url() {
    let store = |url| load_env(&[("DATABASE_URL", url)]).unwrap().store_url();
    assert_eq!(store("memory:"), StoreUrl::Memory);
    assert_eq!(store("sqlite:a/b.db"), StoreUrl::Sqlite("a/b.db".into()));
    assert_eq!(store("sqlite:///a/b.db"), StoreUrl::Sqlite("/a/b.db".into()));
    assert_eq!(store(""), StoreUrl::Sqlite("./data/switchboard.db".into()));
}

#[test]
fn tls_needs_both_of_its_files() {
    let error = load_env(&[("SWITCHBOARD__TLS__CERT", "a.pem")]).unwrap_err();
    assert!(error.starts_with("tls.cert is set but tls.key is not"), "{error}");
    let both = [("SWITCHBOARD__TLS__CERT", "a.pem"), ("SWITCHBOARD__TLS__KEY", "k.pem")];
    assert_eq!(load_env(&both).unwrap().tls_files(), Some(("a.pem".into(), "k.pem".into())));
    assert_eq!(Config::default().tls_files(), None);
}

#[test]
fn a_provider_needs_what_it_cannot_do_without() {
    let bot = |more: &str| load_file(&format!("[bot]\n{more}"));
    for (given, missing) in [
        ("provider = \"coze\"\nbot_id = \"7\"", "bot.api_key"),
        ("provider = \"coze\"\napi_key = \"k\"", "bot.bot_id"),
        ("provider = \"openai\"", "bot.model"),
        ("provider = \"parrot\"", "\"none\", \"faq\", \"coze\" or \"openai\""),
        ("confidence = 101", "0 to 100"),
        ("breaker_failures = 0", "at least 1"),
        ("name = \" \"", "not empty"),
    ] {
        let err = bot(given).unwrap_err();
        assert!(err.contains(missing), "{given}: {err}");
    }
    assert!(bot("provider = \"openai\"\nmodel = \"m\"").is_ok(), "some want no key");
    assert_eq!(bot("provider = \"faq\"").unwrap().bot.provider, BotProvider::Faq);
    assert_eq!(Config::default().bot.provider, BotProvider::None);
    let shown = bot("provider = \"none\"\napi_key = \"k-77\"").unwrap();
    assert!(!shown.to_toml().contains("k-77") && !format!("{shown:?}").contains("k-77"));
}

const PBX: &str = "[ami.acme]\naddress = \"pbx.example.com:5038\"\nusername = \"board\"\n";

#[test]
fn a_tenants_section_is_its_own() {
    let more = "secret = \"hush\"\nstats_interval = \"5s\"\n";
    let two = "[ami.\"a.b\"]\naddress = \"[::1]:5039\"\nusername = \"u\"\nsecret_file = \"f\"\n\
               tls = true\n";
    let config = load_file(&format!("{PBX}{more}{two}")).unwrap();
    let tenants: Vec<_> = config.ami.keys().map(TenantId::as_str).collect();
    assert_eq!(tenants, ["a.b", "acme"]);
    let acme = &config.ami[&TenantId::parse("acme").unwrap()];
    assert_eq!((acme.address.as_str(), acme.secret.expose()), ("pbx.example.com:5038", "hush"));
    assert_eq!((acme.stats_interval, acme.tls), (Duration::from_secs(5), false));
    let printed = config.to_toml();
    assert!(!printed.contains("hush") && !format!("{config:?}").contains("hush"));
    let again = load_file(&printed).unwrap();
    assert_eq!(again.ami.keys().collect::<Vec<_>>(), config.ami.keys().collect::<Vec<_>>());
    assert_eq!(again.ami[&TenantId::parse("a.b").unwrap()].address, "[::1]:5039");

    let config = load_env(&[
        ("SWITCHBOARD__AMI__ACME__ADDRESS", "127.0.0.1:5038"),
        ("SWITCHBOARD__AMI__ACME__USERNAME", "board"),
        ("SWITCHBOARD__AMI__ACME__SECRET", "hush"),
    ]);
    let config = config.unwrap();
    assert_eq!(config.ami[&TenantId::parse("acme").unwrap()].username, "board");
    assert!(Config::default().ami.is_empty(), "off unless somebody asks for it");
}

#[test]
fn what_is_wrong_with_a_tenants_section_is_named() {
    for (more, problem) in [
        ("", "ami.acme.secret is not set, and neither is secret_file"),
        ("secret = \"s\"\nsecret_file = \"f\"", "ami.acme.secret and secret_file are both set"),
        ("secret = \"s\"\ntls_ca = \"f\"", "ami.acme.tls_ca is set but tls is not"),
        (
            "secert = \"s\"",
            "unknown key ami.acme.secert in FILE line 4; did you mean ami.acme.secret?",
        ),
        ("secret = 7", "ami.acme.secret in FILE line 4: expected a string"),
        (
            "secret = \"a\\nAction: b\"",
            "ami.acme.secret in FILE line 4: expected a text of one line",
        ),
        ("stats_interval = 0", "ami.acme.stats_interval in FILE line 4: expected more than 0"),
        ("[ami.acme.deep]\nx = 1", "unknown key ami.acme.deep in FILE line 4"),
        ("[ami.new]", "unknown key ami.new in FILE line 4; did you mean ami.new.tls?"),
        ("[ami.\"b d\"]\ntls = true", "ami.b d.tls in FILE line 5: expected a tenant's id"),
    ] {
        let err = load_file(&format!("{PBX}{more}\n")).unwrap_err();
        assert!(err.starts_with(problem), "{more}: {err}");
        assert!(!err.contains('\n'), "{err}");
    }
    let bad =
        |address: &str| load_file(&format!("[ami.x]\naddress = \"{address}\"\n")).unwrap_err();
    for address in ["pbx", "pbx:", "pbx:0", "pbx:65536", ":5038", "::1:5038", "a b:1", "tcp://a:1"]
    {
        assert!(bad(address).contains("expected a host and a port"), "{address}");
    }
    assert!(bad("").contains("ami.x.address is not set"));
    assert!(load_file("ami = 1\n").unwrap_err().starts_with("unknown key ami in FILE line 1"));
    assert!(load_file("[ami]\n").unwrap_err().starts_with("unknown key ami in FILE line 1"));
    let err = load_env(&[("SWITCHBOARD__AMI__ACME__ADRESS", "x:1")]).unwrap_err();
    assert!(err.contains("did you mean ami.acme.address?"), "{err}");
}

#[test]
fn a_secret_is_never_shown() {
    let config = load_env(&[("JWT_SECRET", "hush-hush")]).unwrap();
    let shown = format!("{config:?} {}", config.to_toml());
    assert!(!shown.contains("hush"), "{shown}");
    assert!(shown.contains("jwt_secret = \"***\""), "{shown}");
    let error = load_file("[auth]\njwt_secret = 1234\n").unwrap_err();
    assert_eq!(error, "auth.jwt_secret in FILE line 2: expected a string");
}

#[test]
fn the_demo_listens_on_the_seeds_ports_of_loopback_only() {
    let config = Config::load(Sources { demo: true, ..env(&[]) }).unwrap();
    assert_eq!(config.server.listen.len(), 8);
    assert!(config.server.listen.contains(&"[::1]:8082".parse().unwrap()));
    assert!(config.server.data_dir.ends_with("data/demo"));
    assert!(config.auth.open_sessions && config.auth.loopback_origins);

    let listen = vec!["127.0.0.1:0".to_owned()];
    let config = Config::load(Sources { demo: true, listen, ..env(&[]) }).unwrap();
    assert_eq!(config.server.listen, ["127.0.0.1:0".parse().unwrap()]);

    let listen = vec!["0.0.0.0:8080".to_owned()];
    let error = Config::load(Sources { demo: true, listen, ..env(&[]) }).unwrap_err();
    assert!(error.to_string().contains("refuses to listen on 0.0.0.0:8080"), "{error}");
}
