//! Which URLs are fetched, where redirects lead, and how a URL is shown in a message.

use url::Url;

use super::reason::Reason;

/// As much of a URL as a message shows, in characters.
const SHOWN: usize = 200;

/// A URL as a client wrote it, if it is one that is fetched.
pub(super) fn parse(text: &str) -> Result<Url, Reason> {
    checked(Url::parse(text))
}

/// Where a redirect leads, if it may be followed.
pub(super) fn redirected(from: &Url, location: &str) -> Result<Url, Reason> {
    let to = checked(from.join(location))?;
    // Whoever asked for a connection that nobody can read or change is not sent to one that anybody can.
    if from.scheme() == "https" && to.scheme() == "http" { Err(Reason::Downgrade) } else { Ok(to) }
}

fn checked(url: Result<Url, url::ParseError>) -> Result<Url, Reason> {
    let mut url = url.map_err(|_| Reason::Malformed)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Reason::Scheme);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Reason::Credentials);
    }
    url.set_fragment(None);
    Ok(url)
}

/// A URL for a message: without what may be secret in it, and not longer than fits.
pub(super) fn shown(text: &str) -> String {
    let shown = match Url::parse(text) {
        Ok(url) if url.has_host() => {
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
        }
        _ => {
            let public = text.split(['?', '#']).next().unwrap_or_default();
            public.rsplit('@').next().unwrap_or_default().to_owned()
        }
    };
    match shown.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &shown[..end]),
        None => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_web_urls_without_credentials_are_fetched() {
        for (text, expected) in [
            ("https://host.example/a%20b.png?c=d#e", "https://host.example/a%20b.png?c=d"),
            (" HTTP://HOST.example:8080 ", "http://host.example:8080/"),
            ("https://b\u{fc}cher.example/\u{fc}", "https://xn--bcher-kva.example/%C3%BC"),
            // However an address is spelled, it is seen as what it is.
            ("http://2130706433/", "http://127.0.0.1/"),
            ("http://0x7f.1/", "http://127.0.0.1/"),
            ("http://0177.0.0.1/", "http://127.0.0.1/"),
            ("http://[::FFFF:127.0.0.1]/", "http://[::ffff:7f00:1]/"),
        ] {
            assert_eq!(parse(text).ok().map(String::from).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "file:///etc/passwd",
            "ftp://host.example/a",
            "gopher://host.example/",
            "data:text/plain,a",
            "//host.example/a",
            "/a",
            "",
            "http://",
            "http://host.example:99999/",
            "http://user@host.example/",
            "http://:secret@host.example/",
            "https://host.example@127.0.0.1/",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn redirects_lead_to_what_would_be_fetched_itself_and_never_out_of_https() {
        for (from, location, expected) in [
            ("https://a.example/b/c?d", "e.png", Some("https://a.example/b/e.png")),
            ("https://a.example/b/c?d", "/e.png?f#g", Some("https://a.example/e.png?f")),
            ("https://a.example/b/c", "//b.example/", Some("https://b.example/")),
            ("http://a.example/", "https://a.example/", Some("https://a.example/")),
            ("http://a.example/", "http://b.example:81/", Some("http://b.example:81/")),
            ("https://a.example/", "http://a.example/", None),
            ("https://a.example/", "file:///etc/passwd", None),
            ("https://a.example/", "https://user:secret@a.example/", None),
            ("https://a.example/", "https://", None),
        ] {
            let to = redirected(&parse(from).unwrap(), location);
            assert_eq!(to.ok().map(String::from).as_deref(), expected, "{from} {location}");
        }
    }

    #[test]
    fn urls_are_shown_without_what_may_be_secret_and_cut() {
        for (text, expected) in [
            ("https://host.example:8443/a/b.png?signature=secret#secret", "https://host.example:8443/a/b.png"),
            ("https://user:secret@host.example/a", "https://host.example/a"),
            ("http://user:secret@:80/a?secret", ":80/a"),
            ("not a url?secret", "not a url"),
        ] {
            assert_eq!(shown(text), expected);
        }
        assert_eq!(shown(&format!("https://host.example/{}", "a".repeat(500))).len(), SHOWN + "...".len());
    }
}
