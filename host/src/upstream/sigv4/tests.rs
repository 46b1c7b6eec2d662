//! Requests with their signatures: the first ones and the keys are those of the test suite that AWS publishes, the
//! others were signed by its SDK for Python.

use std::time::Duration;

use super::*;
use crate::upstream::Secret;

const SESSION_TOKEN: &str = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWL==";

fn credentials(region: &str, session_token: Option<&str>) -> AwsCredentials {
    AwsCredentials {
        region: region.to_owned(),
        access_key_id: Secret::from("AKIDEXAMPLE"),
        secret_access_key: Secret::from("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
        session_token: session_token.map(Secret::from),
    }
}

/// The headers that signing adds to a request of 30 August 2015.
fn signed(
    credentials: &AwsCredentials,
    service: &str,
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> HeaderMap {
    let name = |name: &str| HeaderName::try_from(name).unwrap();
    let mut headers: HeaderMap = headers.iter().map(|(key, value)| (name(key), value.parse().unwrap())).collect();
    let uri: Uri = url.parse().unwrap();
    let request = Signable { method, uri: &uri, body: body.as_bytes() };
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160);
    sign(credentials, service, now, &request, &mut headers);
    headers
}

/// What is signed, and the signature.
fn signature(headers: &HeaderMap) -> (&str, &str) {
    let authorization = headers["authorization"].to_str().unwrap();
    let (_, rest) = authorization.split_once("SignedHeaders=").unwrap();
    rest.split_once(", Signature=").unwrap()
}

#[test]
fn requests_of_the_published_test_suite_have_the_published_signatures() {
    let form: &[(&str, &str)] = &[("content-type", "application/x-www-form-urlencoded")];
    for (method, path, headers, body, expected) in [
        ("GET", "/", &[][..], "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST", "/", &[], "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        (
            "GET",
            "/?Param2=value2&Param1=value1",
            &[],
            "",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            "GET",
            "/?Param1=value2&Param1=Value1",
            &[],
            "",
            "eedbc4e291e521cf13422ffca22be7d2eb8146eecf653089df300a15b2382bd1",
        ),
        ("GET", "//example//", &[], "", "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"),
        (
            "GET",
            "/example1/example2/../..",
            &[],
            "",
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        ("POST", "/", form, "Param1=value1", "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"),
    ] {
        let url = format!("https://example.amazonaws.com{path}");
        let headers = signed(&credentials("us-east-1", None), "service", method, &url, headers, body);
        assert_eq!(signature(&headers).1, expected, "{method} {path}");
    }
}

#[test]
fn paths_and_queries_of_every_spelling_are_signed_as_the_sdk_signs_them() {
    const BODY: &str = r#"{"messages":[{"role":"user","content":[{"text":"hé"}]}]}"#;
    for (path, expected) in [
        ("/model/amazon.nova-lite-v1%3A0/converse", "3a94ae7be8be205d41d37be2875024a2701886827f7ad7b1662dbbd87066280c"),
        (
            "/model/amazon.nova-lite-v1:0/converse-stream",
            "7958917451ab05c7aa2c037efc037855a5f2e9ae220619a1493faf9622e5360c",
        ),
        (
            "/model/arn%3Aaws%3Aservice%3Aus-east-1%3A123456789012%3Ainference-profile%2F\
                us.maker.model-3-7-v1%3A0/converse",
            "5c0cb9ed64ddf74d0881fa89f08fa68a00671a0b0bd00660b16e9b429ea8042c",
        ),
        ("/model/a~b_c-d.e/converse", "f76e2219f76e5f72d7a7dc522d95d6e5ed23bcf871edb954623bd7a1d22c1650"),
        ("/model/a%20b%2Bc/converse", "66e671baf77918af2cf681b13b0d287ad8f1b071d9056482482f52a1c87ee7ae"),
        ("/model/x/converse?a=1&b=%20x&a=0", "b49cda280418603234d1fc32feb3e6a96b2700ef8d699031aace31497f9f42b0"),
        ("/x?empty&z=~&y=a%2Fb", "1085622b968cf1eba0217f124d5ac9b313ea83681925e82c778d3190f77604df"),
        ("/x?empty=&z=%7e&y=a%2fb", "1085622b968cf1eba0217f124d5ac9b313ea83681925e82c778d3190f77604df"),
        ("/x/", "008e190cbb02e2a2b90af48005ca6f6a1ad30f0d852ad35050d4bf5df6118be6"),
    ] {
        let url = format!("https://service-runtime.us-east-1.amazonaws.com{path}");
        let content_type = [("content-type", "application/json")];
        let headers = signed(&credentials("us-east-1", None), "service", "POST", &url, &content_type, BODY);
        assert_eq!(signature(&headers), ("content-type;host;x-amz-date", expected), "{path}");
    }
}

#[test]
fn ports_tokens_and_headers_of_amazons_own_are_signed_and_others_are_not() {
    let json = ("content-type", "application/json");
    let ours = [json, ("user-agent", "weir"), ("accept-encoding", "gzip"), ("x-request-id", "1")];
    let meta = [json, ("x-amz-meta", "  two   spaces ")];
    for (url, headers, token, names, expected) in [
        (
            "http://localhost:8080/base/model/m%3A0/converse",
            &ours[..],
            Some(SESSION_TOKEN),
            "content-type;host;x-amz-date;x-amz-security-token",
            "220df9307d6bef8264aefefd1efdf2eff272fbd5ee22b45fde804dab00d6528c",
        ),
        (
            "https://host:443/a",
            &meta[..],
            Some(SESSION_TOKEN),
            "content-type;host;x-amz-date;x-amz-meta;x-amz-security-token",
            "525b0054477fcd83c6a301cd58ee55f303c65dda46711e7afb1c391cedd1033f",
        ),
    ] {
        let headers = signed(&credentials("eu-central-1", token), "service", "POST", url, headers, "{}");
        assert_eq!(signature(&headers), (names, expected), "{url}");
        assert_eq!(headers["x-amz-security-token"], SESSION_TOKEN);
        assert!(!format!("{headers:?}").contains("AQoD"));
    }
}

#[test]
fn what_an_operator_set_in_place_of_the_signature_is_replaced() {
    let old = [("x-amz-date", "old"), ("x-amz-security-token", "old"), ("authorization", "old")];
    let headers = signed(&credentials("us-east-1", None), "service", "GET", "https://example.amazonaws.com/", &old, "");
    assert_eq!(signature(&headers).1, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
    assert_eq!(headers["x-amz-date"], "20150830T123600Z");
    assert!(!headers.contains_key("x-amz-security-token"));
}

#[test]
fn a_long_key_is_hashed_first() {
    // Test case 6 of RFC 4231.
    let code = hmac(&[0xAA; 131], b"Test Using Larger Than Block-Size Key - Hash Key First");
    assert_eq!(hex(&code), "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}
