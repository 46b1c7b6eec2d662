//! Those of the client's headers that an operator lets through to a provider.

use crate::{Call, UpstreamRequest};

/// Headers that the plugin or the host writes: a client's own would contradict them.
const OWN: [&str; 9] = [
    "accept",
    "authorization",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "x-api-key",
    "x-goog-api-key",
];

impl UpstreamRequest {
    /// The same request with the headers of the client's that the operator lets through (`forward_headers`), besides
    /// those that it has already.
    #[must_use]
    pub fn with_client_headers(mut self, call: &Call) -> Self {
        for header in &call.headers {
            let known = self.headers.iter().any(|own| own.name == header.name);
            if !known && !OWN.contains(&header.name.as_str()) {
                self.headers.push(header.clone());
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use crate::{Call, Header, Operation, UpstreamRequest};

    #[test]
    fn headers_are_passed_on_unless_the_request_or_the_host_has_its_own() {
        let headers = ["x-one", "x-two", "content-type", "cookie", "x-api-key"].map(|name| Header::new(name, "client"));
        let call = Call {
            operation: Operation::Models,
            model: String::new(),
            stream: false,
            include_usage: false,
            request_id: "r".to_owned(),
            headers: headers.to_vec(),
        };
        let request = UpstreamRequest { headers: vec![Header::new("x-one", "own")], ..UpstreamRequest::get("/") };
        let headers = request.with_client_headers(&call).headers;
        let headers: Vec<_> = headers.iter().map(|header| (header.name.as_str(), header.value.as_str())).collect();
        assert_eq!(headers, [("x-one", "own"), ("x-two", "client")]);
    }
}
