//! The configuration from the outside. Each file in `cases/` is a configuration that is wrong and, at its end, what is
//! to be said about it: a new case is a new file. What is right is compared below, value by value.

mod endpoints;
mod presets;
mod random;
mod standing;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Config, Environment, Errors, Fetch, KeySecret, ModelInfo, Origins, Prices, Source};
use super::{UnsupportedParameters, load};
use crate::telemetry::LogFormat;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/config/cases");

/// The variables that every case may use.
const VARIABLES: [(&str, &str); 3] = [("SECRET", "sk-do-not-show-me"), ("PORT", "9000"), ("EMPTY", "")];

/// Lines `#! NAME=value` are variables of this case, lines `#= text` the expected messages.
#[test]
fn every_wrong_configuration_is_refused_with_the_place_and_a_way_out() {
    let mut cases: Vec<PathBuf> = fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() > 10, "the cases are not where they should be");
    for case in cases {
        let text = fs::read_to_string(&case).unwrap();
        let marked = |mark| text.lines().filter_map(move |line| line.strip_prefix(mark)).map(str::trim);
        let own = marked("#!").map(|line| line.split_once('=').unwrap());
        let environment = Environment::new(VARIABLES.into_iter().chain(own));
        let expected = marked("#=").collect::<Vec<_>>().join("\n");
        let found = match load(&Source { file: Some(case.clone()), environment }) {
            Ok(_) => String::new(),
            Err(errors) => errors.to_string().replace(&format!("{}/", case.parent().unwrap().display()), ""),
        };
        assert!(!found.contains("do-not-show-me"), "{} shows a secret:\n{found}", case.display());
        assert_eq!(found, expected, "\n{}\nfound:\n{found}\n", case.display());
    }
}

#[test]
fn every_key_can_be_set() {
    let config = read(EVERYTHING, &[("OPENAI_API_KEY", "sk-1"), ("PORT", "9000"), ("DEBUG", "true")]).unwrap();
    assert_eq!(config.listen, address("0.0.0.0:9000"));
    assert_eq!(config.admin_listen, Some(address("[::1]:9001")));
    assert_eq!(config.tls.as_ref().unwrap().cert, Path::new("folder/tls/cert.pem"));
    assert_eq!(config.tls.as_ref().unwrap().key, Path::new("/etc/key.pem"));
    assert_eq!(config.plugins.path, Path::new("folder/components"));
    assert_eq!(config.plugins.limits.call_deadline, Duration::from_millis(250));
    assert_eq!(config.plugins.limits_of("heavy").memory_bytes, 256 << 20);
    assert_eq!(config.plugins.limits_of("heavy").call_deadline, Duration::from_millis(250));
    assert_eq!(config.plugins.limits_of("other").memory_bytes, 64 << 20);
    assert!(config.plugins.limits_of("heavy").fresh_instances);
    assert_eq!(config.keys.len(), 2, "the entry with an empty key is off");
    assert_eq!(config.keys[0].secret, KeySecret::of("plain"));
    assert_eq!(config.keys[1].secret, KeySecret::of("hello"));
    assert!(!config.keys[0].admin && config.keys[1].admin);
    assert_eq!(config.models[0].name, "task:code/fast");
    assert_eq!(config.models[0].targets[0].to_string(), "openai/ft/gpt:4o");
    assert_eq!(config.default_model.as_deref(), Some("task:code/fast"));
    assert_eq!(config.limits.body_bytes, 1_000_000);
    assert_eq!(config.limits.event_bytes, 4096);
    assert_eq!(config.limits.connections, 20_000);
    assert_eq!(config.client_timeouts.drain, Duration::from_secs(120));
    assert_eq!(config.cors.origins, Origins::These(vec!["https://chat.example.com".into()]));
    assert_eq!((config.log.level.as_str(), config.log.format), ("info,weir::plugin=debug", LogFormat::Text));

    let provider = config.provider("openai").unwrap();
    assert_eq!(provider.base_url.as_ref().unwrap(), "https://api.openai.com/v1");
    assert_eq!(provider.api_key.as_ref().unwrap().expose(), "sk-1");
    assert!(provider.discover && provider.optional && provider.allow_http);
    assert!(provider.headers[0].1.is_sensitive());
    assert_eq!(provider.forward_headers[0], "x-tenant");
    assert_eq!(provider.operations.as_deref(), Some(&["chat".to_owned(), "count-tokens".to_owned()][..]));
    assert_eq!(provider.unsupported_parameters, UnsupportedParameters::Refuse);
    assert_eq!(provider.embedding_inputs, Some(96));
    let aws = provider.aws.as_ref().unwrap();
    assert_eq!((aws.region.as_str(), aws.access_key_id.expose()), ("eu-west-1", "AKIA"));
    assert_eq!(aws.secret_access_key.expose(), "wJalr");
    assert_eq!(aws.session_token.as_ref().unwrap().expose(), "token");
    let [small, four, large] = provider.models.as_slice() else { panic!("{:?}", provider.models) };
    assert_eq!((small, four.id.as_str()), (&ModelInfo::named("gpt-4o-mini"), "4"));
    assert_eq!((large.context_window, large.max_output_tokens), (Some(128_000), Some(16_384)));
    assert_eq!(
        (large.input_modalities.join("+"), large.output_modalities.join("+")),
        ("text+image".into(), "text".into())
    );
    assert_eq!(large.prices, Some(Prices { input: 2.5, output: 10.0, cached_input: Some(1.25) }));
    assert_eq!(provider.facts("gpt-4.1").and_then(|known| known.context_window), Some(1_000_000));
    let fetch = Fetch {
        enabled: false,
        max_bytes: 1 << 20,
        timeout: Duration::from_secs(2),
        private_addresses: true,
        redirects: 0,
    };
    assert_eq!(config.fetch, fetch);
    assert_eq!(provider.settings.to_string(), r#"{"version":"2024","n":3,"ratio":0.5,"on":true,"list":[1,"a",null]}"#);
    // Its own over the global over the default.
    assert_eq!(provider.timeouts.connect, Duration::from_secs(1));
    assert_eq!(provider.timeouts.idle, Duration::from_secs(3600));
    assert_eq!(provider.timeouts.total, Duration::from_secs(600));
    assert_eq!((provider.retries.attempts, config.retries.attempts), (1, 4));
    assert_eq!(provider.ca_file.as_ref().unwrap().path, Path::new("folder/ca.pem"));
    let files = ["/etc/key.pem", "folder/ca.pem", "folder/components", "folder/tls/cert.pem", "folder/weir.yaml"];
    assert_eq!(config.files(), files.map(PathBuf::from));
}

#[test]
fn a_provider_knows_its_place_and_is_the_same_elsewhere_in_the_file() {
    let text = "providers:\n  - { name: one, base_url: \"http://127.0.0.1:1\" }\n";
    let (above, below) = (read(text, &[]).unwrap(), read(&format!("# moved\n\n{text}"), &[]).unwrap());
    assert_eq!(above.providers[0].place.to_string(), "folder/weir.yaml:2:5");
    assert_eq!(below.providers[0].place.to_string(), "folder/weir.yaml:4:5");
    assert_eq!(above, below);
}

const EVERYTHING: &str = r#"
listen: "0.0.0.0:${PORT}"
allow_anonymous: "${DEBUG}"
admin_listen: "[::1]:9001"
tls: { cert: tls/cert.pem, key: /etc/key.pem }
plugins:
  path: components
  cache: /var/cache/weir
  limits: { call_deadline: 250ms, table_elements: 10, instances: 5, output_bytes: 1MiB, log_lines_per_second: 1,
            reuse: 1, kv_entries: 1, kv_bytes: 1KiB }
  overrides:
    heavy: { memory_bytes: 256MiB, fresh_instances: true }
keys:
  - { name: dev, key: plain }
  - { name: ops, key: "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824", admin: true }
  - { name: off, key: "${NOT_SET:-}" }
providers:
  - name: openai
    plugin: openai
    base_url: https://api.openai.com/v1/
    api_key: "${OPENAI_API_KEY}"
    aws: { region: eu-west-1, access_key_id: AKIA, secret_access_key: wJalr, session_token: token }
    models:
      - gpt-4o-mini
      - 4
      - { id: gpt-4o, context_window: 128000, max_output_tokens: 16384, input_modalities: [text, image],
          output_modalities: [text], prices: { input: 2.5, output: 10, cached_input: 1.25 } }
    known_models: [{ id: gpt-4.1, context_window: 1_000_000 }]
    operations: [chat, count-tokens]
    unsupported_parameters: refuse
    embedding_inputs: 96
    discover: true
    optional: true
    headers: { x-organization: acme }
    forward_headers: [X-Tenant]
    settings: { version: "2024", n: 3, ratio: 0.5, on: true, list: [1, a, ~] }
    timeouts: { connect: 1s }
    retries: { attempts: 1 }
    breaker: { failures: 9, enabled: false }
    concurrency: { limit: 4 }
    health_checks: { enabled: false }
    ca_file: ca.pem
    allow_http: true
models:
  - { name: "task:code/fast", targets: ["openai/ft/gpt:4o"] }
default_model: "task:code/fast"
limits: { body_bytes: 1MB, answer_bytes: 1GiB, event_bytes: 4096, header_bytes: 8KiB, headers: 50,
          connections: 20_000, streams_per_connection: 10, requests_in_flight: 1 }
timeouts: { connect: 2s, first_byte: 2m, idle: 1h, min_speed: 10, speed_window: 20s }
client_timeouts: { header: 1s, body: 1s, write: 1s, keep_alive: 1s, drain: 120s }
fetch: { enabled: false, max_bytes: 1MiB, timeout: 2s, private_addresses: true, redirects: 0 }
retries: { attempts: 4, backoff: 10ms, max_backoff: 1s, budget_ratio: 0.5, budget_min_per_second: 1 }
breaker: { failures: 3, error_rate: 0.75, window: 10s, minimum_requests: 5, open: 5s, max_open: 1m, probes: 2, strict: true }
concurrency: { limit: 100, connections: 7, queue: 0, queue_timeout: 500ms }
cooldown: { default: 1s, max: 1h }
figures: { decay: 5s, window: 30s }
health_checks: { enabled: true, interval: 30s, timeout: 2s, ttl: 1m, rise: 1, fall: 1 }
outliers: { enabled: false, minimum_requests: 50, error_rate: 0.1, factor: 2, latency_factor: 4.5, max_share: 0.25,
            ejection: 10s, max_ejection: 1m }
hedging: { ratio: 0.1 }
cors: { origins: ["https://Chat.example.com"], headers: [x-tenant], max_age: 5m }
log: { level: "info,weir::plugin=debug", format: text }
"#;

#[test]
fn an_empty_file_a_json_file_and_anchors_are_all_yaml() {
    for (text, providers) in [
        ("", 0),
        ("# nothing\n", 0),
        ("---\nproviders: ~\n", 0),
        ("\u{feff}{\n\t\"providers\": [\n\t\t{\"name\": \"a\", \"models\": [\"x\\u0041\"]}\n\t]\n}\n", 1),
        (
            "providers:\n- &a { name: a, timeouts: &t { idle: 1s } }\n- { <<: *a, name: b }\n- { name: c, timeouts: *t }\n",
            3,
        ),
    ] {
        let config = read(text, &[]).unwrap_or_else(|errors| panic!("{text}: {errors}"));
        assert_eq!(config.providers.len(), providers, "{text}");
        assert!(config.providers.iter().all(|provider| providers < 3 || provider.timeouts.idle.as_secs() == 1));
    }
}

#[test]
fn every_example_is_a_valid_configuration() {
    let folder = Path::new(FOLDER).join("../../../../examples");
    let set = ["APP", "OPS", "OPENAI_API", "ANTHROPIC_API", "GROQ_API", "OPENROUTER_API", "AWS_SECRET_ACCESS"];
    let keys = set.map(|name| (format!("{name}_KEY"), name)).into_iter();
    let environment = Environment::new(keys.chain([("AWS_ACCESS_KEY_ID".to_owned(), "AKIA")]));
    let mut examples: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path().join("weir.yaml")).collect();
    examples.retain(|file| file.exists());
    assert!(examples.len() > 2);
    for example in examples {
        let source = Source { file: Some(example), environment: environment.clone() };
        assert!(load(&source).is_ok_and(|config| !config.providers.is_empty()), "{:?}", load(&source));
    }
}

#[test]
fn hostile_documents_are_refused_quickly() {
    let nested = |levels| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    let (deep, deepest) = (nested(100), nested(100_000));
    let large = "a".repeat(2 << 20);
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        laughs += &format!("a{level}: &a{level} [{aliases}]\n");
    }
    for (text, expected) in [
        (deep.as_str(), "nested more than 64 levels deep"),
        (&deepest, "not YAML: recursion limit exceeded"),
        (&large, "is larger than 1048576 bytes"),
        (&laughs, "more than 100000 values"),
        ("a: &a [*a]", "an alias cannot stand inside its own anchor"),
        ("a: *b", "not YAML: "),
        ("a: 1\n---\nb: 1\n", "a second document starts here"),
        ("{a: 1", "not YAML: "),
        ("? [a]\n: 1\n", "a key has to be a single word or text"),
        ("a: !custom b", "the tag `!custom` means nothing here"),
        ("listen: 127.0.0.1:1\n\0\nlost: 1\n", "weir.yaml:2:1: not YAML: holds a NUL"),
        ("just text", "expected a mapping"),
    ] {
        let errors = read(text, &[]).unwrap_err().to_string();
        assert!(errors.contains(expected), "{}: {errors}", &text[..text.len().min(30)]);
    }
    let folder = std::env::temp_dir().join(format!("weir-config-{}.yaml", std::process::id()));
    fs::write(&folder, b"listen: 1\nlog: \xff\xfe\n").unwrap();
    let errors = load(&Source { file: Some(folder.clone()), ..Source::default() }).unwrap_err().to_string();
    fs::remove_file(&folder).unwrap();
    assert!(errors.ends_with("is not UTF-8 text; line 2 holds other bytes"), "{errors}");
    let errors = load(&Source { file: Some("no/such/file".into()), ..Source::default() }).unwrap_err().to_string();
    assert!(errors.starts_with("no/such/file: cannot be read: "), "{errors}");
}

#[test]
fn a_variable_wins_over_the_file() {
    let text = "listen: 127.0.0.1:1\nlimits: { headers: 5 }\nkeys: [{ name: dev, key: one }]\nplugins: { path: p }\n";
    let config = read(
        text,
        &[
            ("WEIR_LISTEN", "0.0.0.0:2"),
            ("WEIR_LIMITS__BODY_BYTES", "1KiB"),
            ("WEIR_LIMITS__HEADERS", ""),
            ("WEIR_PLUGINS__PATH", "here"),
            ("WEIR_CORS__ORIGINS", "http://a, http://b:1"),
            ("WEIR_LOG", "debug"),
            ("WEIR_LOG__FORMAT", "json"),
            ("WEIR_KEY", "two"),
            ("WEIR_CONFIG", "weir.yaml"),
            ("WEIR_SERVICE_HOST", "10.0.0.1"),
            ("WEIR_PORT", "tcp://10.0.0.1:80"),
            ("OTHER", "x"),
        ],
    )
    .unwrap();
    assert_eq!(config.listen, address("0.0.0.0:2"));
    assert_eq!((config.limits.body_bytes, config.limits.headers), (1024, 5));
    assert_eq!(config.plugins.path, Path::new("here"));
    assert_eq!(config.cors.origins, Origins::These(vec!["http://a".into(), "http://b:1".into()]));
    assert_eq!((config.log.level.as_str(), config.log.format), ("debug", LogFormat::Json));
    let names: Vec<_> = config.keys.iter().map(|key| (key.name.as_str(), key.secret, key.admin)).collect();
    assert_eq!(names, [("dev", KeySecret::of("one"), false), ("default", KeySecret::of("two"), false)]);

    // The same secret is the same key, by whatever name.
    let config = read("keys: [{ name: dev, key: \"${WEIR_KEY}\" }]", &[("WEIR_KEY", "two")]).unwrap();
    assert_eq!(config.keys.len(), 1);
}

#[test]
fn a_variable_that_sets_nothing_is_refused() {
    for (name, value, expected) in [
        ("WEIR_LISTN", "x", "sets nothing: there is no key `listn`; did you mean `WEIR_LISTEN`?"),
        (
            "WEIR_LIMITS__BODY_BYTE",
            "1",
            "sets nothing: there is no key `body_byte`; did you mean `WEIR_LIMITS__BODY_BYTES`?",
        ),
        (
            "WEIR_LIMIT__BODY_BYTES",
            "1",
            "sets nothing: there is no key `limit`; did you mean `WEIR_LIMITS__BODY_BYTES`?",
        ),
        ("WEIR_ABC", "1", "sets nothing: there is no key `abc`"),
        ("WEIR_", "1", "sets nothing: there is no key ``"),
        (
            "WEIR_PROVIDERS__0__NAME",
            "1",
            "leads into a list; a variable sets single values, in a list the file can use `${NAME}`",
        ),
        (
            "WEIR_LISTEN__PORT",
            "1",
            "`port` would be inside of a single value; `__` goes one level down, `_` is part of a name",
        ),
        ("WEIR_LIMITS", "1", "`limits`: expected a mapping, found a number"),
        (
            "WEIR_LIMITS__HEADERS",
            "many",
            "`headers`: expected a whole number, found what the environment variable `WEIR_LIMITS__HEADERS` holds",
        ),
    ] {
        let errors = read("listen: 127.0.0.1:1\nproviders: []\n", &[(name, value)]).unwrap_err();
        assert_eq!(errors.to_string(), format!("environment variable {name}: {expected}"));
    }
}

#[test]
fn without_a_file_there_is_what_the_environment_shows() {
    for (variables, expected) in [
        (&[][..], "ollama http://127.0.0.1:11434/ -, demo - -"),
        (&[("OPENAI_API_KEY", "")], "ollama http://127.0.0.1:11434/ -, demo - -"),
        (
            &[("OPENAI_API_KEY", "o"), ("ANTHROPIC_API_KEY", "a"), ("OLLAMA_HOST", "gpu")],
            "openai https://api.openai.com/v1 o, anthropic https://api.anthropic.com/ a, ollama http://gpu:11434/ -, demo - -",
        ),
        (
            &[("OPENAI_BASE_URL", "http://vllm:8000/v1/"), ("OLLAMA_HOST", "0.0.0.0:99")],
            "openai http://vllm:8000/v1 -, ollama http://127.0.0.1:99/ -, demo - -",
        ),
        (
            &[("CO_API_KEY", "c"), ("GOOGLE_API_KEY", "g"), ("GEMINI_API_KEY", "h"), ("HF_TOKEN", "f")],
            "gemini https://generativelanguage.googleapis.com/ h, cohere https://api.cohere.com/ c, \
             huggingface https://router.huggingface.co/v1 f, ollama http://127.0.0.1:11434/ -, demo - -",
        ),
        (
            &[("AZURE_OPENAI_API_KEY", "z"), ("AZURE_OPENAI_ENDPOINT", "https://me.openai.azure.com/")],
            "azure-openai https://me.openai.azure.com/ z, ollama http://127.0.0.1:11434/ -, demo - -",
        ),
        (
            &[("AZURE_OPENAI_API_KEY", "z"), ("AWS_ACCESS_KEY_ID", "a"), ("AWS_REGION", "eu-west-1")],
            "ollama http://127.0.0.1:11434/ -, demo - -",
        ),
        (
            &[("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_DEFAULT_REGION", "eu-west-1")],
            "bedrock https://bedrock-runtime.eu-west-1.amazonaws.com/ -, ollama http://127.0.0.1:11434/ -, demo - -",
        ),
        (
            &[("AWS_BEARER_TOKEN_BEDROCK", "b")],
            "bedrock https://bedrock-runtime.us-east-1.amazonaws.com/ b, ollama http://127.0.0.1:11434/ -, demo - -",
        ),
    ] {
        let config = load(&Source { file: None, environment: Environment::new(variables.iter().copied()) }).unwrap();
        let found: Vec<String> = config
            .providers
            .iter()
            .map(|provider| {
                let url = provider.base_url.as_ref().map_or("-".to_owned(), ToString::to_string);
                format!("{} {url} {}", provider.name, provider.api_key.as_ref().map_or("-", |key| key.expose()))
            })
            .collect();
        assert_eq!(found.join(", "), expected);
        assert!(
            config
                .providers
                .iter()
                .all(|provider| provider.optional == ["ollama", "bedrock"].contains(&&*provider.name))
        );
        let signed = config.provider("bedrock").and_then(|bedrock| bedrock.aws.as_ref());
        assert_eq!(signed.is_some(), variables.contains(&("AWS_SECRET_ACCESS_KEY", "s")));
        assert!(config.models.is_empty() && config.file.is_none());
    }
    let environment = Environment::new([("OPENAI_BASE_URL", "sk-not-a-url"), ("WEIR_LISTEN", "0.0.0.0:80")]);
    let errors = load(&Source { file: None, environment }).unwrap_err().to_string();
    assert!(errors.contains("found what the environment variable `OPENAI_BASE_URL` holds"), "{errors}");
    assert!(errors.contains("environment variable WEIR_LISTEN: `listen`: 0.0.0.0:80 can be reached"), "{errors}");
}

#[test]
fn nothing_that_is_printed_shows_a_secret() {
    let text = "keys: [{ name: a, key: \"${SECRET}\" }]\nproviders:\n- { name: p, api_key: \"${SECRET}\", headers: { x-key: \"${SECRET}\" } }\n";
    let source = Source { file: None, environment: Environment::new(VARIABLES) };
    let config = read(text, &VARIABLES).unwrap();
    assert!(!format!("{source:?} {config:?}").contains("do-not-show-me"));
}

fn read(text: &str, variables: &[(&str, &str)]) -> Result<Config, Errors> {
    let environment = Environment::new(variables.iter().copied());
    super::from_text(text, &Source { file: Some("folder/weir.yaml".into()), environment })
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn the_default_model_is_any_name_that_a_client_could_ask_for() {
    let config = |name: &str| {
        format!(
            "providers: [{{ name: openai, base_url: \"http://127.0.0.1:1/v1\" }}]\nmodels:\n  \
             - {{ name: \"task:*\", aliases: [job], targets: [\"openai/*\"] }}\ndefault_model: \"{name}\"\n"
        )
    };
    for name in ["task:code", "job", "openai/gpt"] {
        assert_eq!(read(&config(name), &[]).unwrap().default_model.as_deref(), Some(name));
    }
    let errors = read(&config("tusk:code"), &[]).unwrap_err();
    assert!(errors.to_string().contains("weir.yaml:4:16: `default_model`: neither a name"), "{errors}");
}
