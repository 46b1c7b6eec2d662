//! Files that are no plugins: each is refused at load with a reason that an operator can act on, and a plugin that
//! serves already goes on serving.

use weir_tests::guests::{Folder, guest, variant, variant_answer};
use weir_tests::{Config, Dialect, Gateway, Provider, Upstream, bounded, chat, reply, run};

/// What each file is, its bytes, and words of the reason.
fn cases() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let text = |text: &str| wat::parse_str(text).expect("the tests' components are well-formed");
    let good = guest("variant");
    vec![
        ("an empty file", Vec::new(), "empty"),
        ("a text", b"#!/bin/sh\necho hello\n".to_vec(), "not WebAssembly"),
        ("a text format component", b"(component)".to_vec(), "not WebAssembly"),
        ("the first bytes of a header", good[..6].to_vec(), ""),
        ("a header and nothing else", good[..8].to_vec(), "weir:plugin"),
        ("half a component", good[..good.len() / 2].to_vec(), "damaged"),
        ("all but the last byte", good[..good.len() - 1].to_vec(), "damaged"),
        ("a header and noise", [&good[..8], &[0xa5; 4096][..]].concat(), "damaged"),
        ("a core module", text("(module)"), "core module"),
        ("WebAssembly of the future", b"\0asm\x0e\0\x01\0".to_vec(), "version"),
        ("a component without exports", text("(component)"), "weir:plugin"),
        (
            "another version of the contract",
            text(r#"(component (instance $i) (export "weir:plugin/provider@0.2.0" (instance $i)))"#),
            "0.2.0",
        ),
        (
            "an import that is not granted",
            text(
                r#"(component
                    (import "weir:plugin/retrieval@0.1.0" (instance
                        (export "search" (func (param "query" string) (result string)))))
                    (instance $i)
                    (export "weir:plugin/provider@0.1.0" (instance $i)))"#,
            ),
            "weir:plugin/retrieval@0.1.0",
        ),
        (
            "an import of outgoing HTTP",
            text(
                r#"(component
                    (import "wasi:http/outgoing-handler@0.2.0" (instance))
                    (instance $i)
                    (export "weir:plugin/provider@0.1.0" (instance $i)))"#,
            ),
            "wasi:http/outgoing-handler",
        ),
        (
            "an import from a newer version of a granted interface",
            text(
                r#"(component
                    (import "weir:plugin/log@0.2.0" (instance))
                    (instance $i)
                    (export "weir:plugin/provider@0.1.0" (instance $i)))"#,
            ),
            "weir:plugin/log@0.2.0",
        ),
        (
            "the right export with nothing in it",
            text(r#"(component (instance $i) (export "weir:plugin/provider@0.1.0" (instance $i)))"#),
            "world",
        ),
    ]
}

#[tokio::test]
async fn a_file_that_is_no_plugin_is_refused_at_start_and_by_every_command() {
    let folder = Folder::new();
    let place = tempfile::tempdir().unwrap();
    let provider = Provider::of_plugin("broken", "http://127.0.0.1:1");
    let file = Config::new().plugins(folder.path()).provider(provider).write(place.path());
    let (file, component) = (file.to_str().unwrap().to_owned(), folder.file("broken").to_str().unwrap().to_owned());
    for (name, bytes, words) in cases() {
        folder.put("broken", &bytes);
        for arguments in [vec!["check", &file], vec!["serve", "--config", &file], vec!["plugin", "inspect", &component]]
        {
            let finished = run(&arguments, &[]).await;
            println!("{name}, {}: {}", arguments[0], finished.output);
            assert_eq!(finished.code, Some(1), "{name}: {}", finished.output);
            assert!(finished.output.contains(words), "{name}: {}", finished.output);
            assert!(finished.output.contains("broken"), "it names the plugin: {}", finished.output);
            assert!(!finished.output.contains("panicked"), "{name}: {}", finished.output);
        }
    }
}

#[tokio::test]
async fn a_file_that_is_no_plugin_leaves_the_old_one_serving() {
    let upstream = Upstream::choosing(|_, request| match request.wants_stream() {
        true => reply::stream(&Dialect::OpenAi.text_stream(&["x"])),
        false => reply::json(200, &Dialect::OpenAi.answer("x")),
    })
    .await;
    let folder = Folder::new().with_plugin("demo");
    folder.put("variant", &variant(variant_answer(0)));
    let provider = Provider::of_plugin("variant", &Dialect::OpenAi.base_url(upstream.address()));
    let config = Config::new().plugins(folder.path()).provider(provider).provider(Provider::offline("demo", &["demo"]));
    let gateway = Gateway::start(&config).await;
    for (name, bytes, words) in cases() {
        folder.put("variant", &bytes);
        gateway.admin().send("POST", "/plugins/reload", &[], "").await;
        let refused = async {
            loop {
                let plugin = gateway.plugin("variant").await;
                if plugin["error"].as_str().is_some_and(|error| error.contains(words)) {
                    return plugin;
                }
                tokio::task::yield_now().await;
            }
        };
        let plugin = bounded(&format!("{name} is refused because of {words:?}"), refused).await;
        assert_eq!(plugin["generation"], 1, "{name}: {plugin}");
        let answer = gateway.client().chat(&chat::request_to("variant/m1", "x")).await;
        assert_eq!(answer.content(), "variant 00000000", "{name}");
        gateway.client().stream(&chat::stream_to("variant/m1", "x")).await.assert_complete();
        assert_eq!(gateway.client().chat(&chat::request_to("demo/demo", "x")).await.status, 200);
    }
    // The log is written behind the requests.
    let logged = async {
        while gateway.log().entries().iter().filter(|entry| entry["level"] == "ERROR").count() < cases().len() {
            tokio::task::yield_now().await;
        }
    };
    bounded("each refusal is in the log", logged).await;

    folder.put("variant", &variant(variant_answer(1)));
    gateway.admin().send("POST", "/plugins/reload", &[], "").await;
    let answer = gateway.client().chat(&chat::request_to("variant/m1", "x")).await;
    assert_eq!(answer.content(), "variant 00000001", "a good file heals it");
    assert!(gateway.plugin("variant").await["error"].is_null());
}
