//! Which paths a request may have: those that cannot leave the configured base URL, whatever an upstream or a proxy
//! before it makes of odd spellings. The paths come from plugins, and model names from clients stand in them.

/// The longest path, in bytes, with its query.
const LONGEST: usize = 8 * 1024;

/// Checks a path and query that are to be appended to a base URL.
///
/// # Errors
/// Says what is wrong with it, without quoting it.
pub(super) fn check(path: &str) -> Result<(), &'static str> {
    if path.len() > LONGEST {
        return Err("the path is longer than 8 KiB");
    }
    if !path.starts_with('/') {
        return Err("the path does not start with `/`");
    }
    // A client or proxy that resolves `//host` against a base takes it for another host.
    if path.starts_with("//") {
        return Err("the path starts with `//`");
    }
    if !path.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'#')) {
        return Err("the path holds a space, a control character, a backslash, a `#` or something besides ASCII");
    }
    let without_query = path.split('?').next().unwrap_or(path);
    if has_dot_segment(without_query) {
        return Err("the path holds a `.` or `..` segment");
    }
    Ok(())
}

/// Whether a segment is `.` or `..`, also when its dots or the separators around it are percent-encoded: there are
/// upstreams that decode before they split.
fn has_dot_segment(path: &str) -> bool {
    let mut dots = 0;
    let mut others = 0;
    let mut rest = path.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let (byte, after) = match rest {
            [b'%', b'2', b'e' | b'E', after @ ..] => (b'.', after),
            [b'%', b'2', b'f' | b'F', after @ ..] | [b'%', b'5', b'c' | b'C', after @ ..] => (b'/', after),
            _ => (first, after),
        };
        match byte {
            b'/' if others == 0 && matches!(dots, 1 | 2) => return true,
            b'/' => (dots, others) = (0, 0),
            b'.' => dots += 1,
            _ => others += 1,
        }
        rest = after;
    }
    others == 0 && matches!(dots, 1 | 2)
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn paths_that_stay_below_the_base_are_good() {
        for path in [
            "/",
            "/chat/completions",
            "/models/acme-2.5-large:streamAnswer?alt=sse",
            "/models/org%2Fname/invoke",
            "/a//b",
            "/v1.5/...",
            "/.well-known/x",
            "/a..b/c.",
            "/search?path=../up",
        ] {
            assert_eq!(check(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn paths_that_could_leave_the_base_are_refused() {
        let long = format!("/{}", "a".repeat(8 * 1024));
        for path in [
            "",
            "v1/models",
            "http://other.example/v1",
            "@other.example/",
            "//other.example/v1",
            "/\\other.example",
            "/a b",
            "/a\r\nHost: other.example",
            "/a\0",
            "/a#b",
            "/ä",
            "/..",
            "/.",
            "/a/../b",
            "/a/./b",
            "/a/%2e%2E/b",
            "/a/.%2e",
            "/a%2f..%2fb",
            "/a%5C..%5cb",
            "/..?x",
            &long,
        ] {
            assert!(check(path).is_err(), "{path}");
        }
    }
}
