/// What a client may make the server hold. Every limit has an answer; see `docs/architecture.md`.
package struct HTTPLimits: Sendable {
    /// Request line and headers together, bytes.
    package var headBytes = 64 << 10
    package var headerCount = 128
    /// Request target, bytes.
    package var targetBytes = 8 << 10
    /// For a TLS handshake, and again from the first byte of a request until its head is complete.
    package var headTime: Duration = .seconds(10)
    /// From the head until the body is complete.
    package var bodyTime: Duration = .seconds(30)
    /// Between requests on one connection.
    package var idleTime: Duration = .seconds(75)
    /// How long a client may leave an answer unread.
    package var writeTime: Duration = .seconds(30)
    package var connections = 10_000
    package var requestsInFlight = 4_096
    /// Requests that one HTTP/1.1 connection may send ahead of their answers.
    package var pipelinedRequests = 16
    package var concurrentStreams = 100
    /// Whose word about the address of a client is taken.
    package var proxies = TrustedProxies()
    /// Whose connections begin with the PROXY protocol, and are refused without it.
    package var proxyProtocol = TrustedProxies()

    package init() {}
}
