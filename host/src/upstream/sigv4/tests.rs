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
        ("/model/amazon.nova-lite-v1%3A0/converse", "a331543d86e07dd8c4dac7c91eaba7226d76ce91aa1082036765ff9fee3ad4d6"),
        (
            "/model/amazon.nova-lite-v1:0/converse-stream",
            "f39f89fb86a8582f17898e96a1132093858773e3375138dea3df02a46c1532d2",
        ),
        (
            "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2F\
                us.anthropic.claude-3-7-sonnet-20250219-v1%3A0/converse",
            "ee10f2bc91098e3c459792ceca793b00f891702723333a034bcfc337db2c58a8",
        ),
        ("/model/a~b_c-d.e/converse", "af278de9701001d055a319352fca51e6c7a4143de8b899cf707743fb6234c70a"),
        ("/model/a%20b%2Bc/converse", "d16c9a395c2ced67c1277da044155e0b204f375b84fc0fe18426b02ed13bf67a"),
        ("/model/x/converse?a=1&b=%20x&a=0", "40bf8b32edb6d45fdb32e94f5c8b4eacbf8f49b1f5c04ed9f999df93e010bbab"),
        ("/x?empty&z=~&y=a%2Fb", "6245056f4c24824cea6dbccfb32209289b72799e27860dbb2ad800dc12b10759"),
        ("/x?empty=&z=%7e&y=a%2fb", "6245056f4c24824cea6dbccfb32209289b72799e27860dbb2ad800dc12b10759"),
        ("/x/", "0a5fe705cc1e6b7f7280c391065fd6059d89b4a8d1a88ad9a7b29f05fc589a94"),
    ] {
        let url = format!("https://bedrock-runtime.us-east-1.amazonaws.com{path}");
        let content_type = [("content-type", "application/json")];
        let headers = signed(&credentials("us-east-1", None), "bedrock", "POST", &url, &content_type, BODY);
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
            "cbf2c86cd533f562e3cea56bfd87afe5c846df1faea49ac3512c4750d9b01ccb",
        ),
        (
            "https://host:443/a",
            &meta[..],
            Some(SESSION_TOKEN),
            "content-type;host;x-amz-date;x-amz-meta;x-amz-security-token",
            "87bb6e25a22c889d1bb71dd47bc401145a1593d047eba94e20315300e4e639cf",
        ),
    ] {
        let headers = signed(&credentials("eu-central-1", token), "bedrock", "POST", url, headers, "{}");
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
