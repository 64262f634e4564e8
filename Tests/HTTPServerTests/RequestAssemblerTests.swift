import Domain
import NIOHTTP1
import Operations
import Testing

@testable import HTTPServer

struct RequestAssemblerTests {
    private static let peer = Peer(address: "192.0.2.1", isIPv6: false)

    private static func assemble(
        _ headers: [(String, String)] = [("Host", "demo.vault.localhost")], method: HTTPMethod = .GET,
        uri: String = "/secrets", limits: HTTPLimits = HTTPLimits()
    ) throws(VaultError) -> RequestAssembler.Head {
        var assembler = RequestAssembler(limits: limits)
        return try assembler.assemble(
            HTTPRequestHead(version: .http1_1, method: method, uri: uri, headers: HTTPHeaders(headers)),
            peer: peer, tlsVersion: "TLS1_3")
    }

    private static func withHost(_ headers: [(String, String)]) -> [(String, String)] {
        [("Host", "demo.vault.localhost")] + headers
    }

    /// What is wrong with a head; nil when nothing is.
    private static func fault(
        _ headers: [(String, String)] = [("Host", "demo.vault.localhost")], uri: String = "/secrets",
        limits: HTTPLimits = HTTPLimits()
    ) -> VaultError.Code? {
        do throws(VaultError) {
            _ = try assemble(headers, uri: uri, limits: limits)
            return nil
        } catch {
            return error.code
        }
    }

    // MARK: Framing

    struct Framing: Sendable, CustomTestStringConvertible {
        let headers: [(String, String)]
        var length: Int?
        var hasBody = false
        var testDescription: String { headers.map { "\($0.0): \($0.1)" }.joined(separator: ", ") }
    }

    @Test(
        "A body is announced in one way only, or not at all",
        arguments: [
            Framing(headers: []),
            Framing(headers: [("Content-Length", "0")], length: 0),
            Framing(headers: [("Content-Length", "17")], length: 17, hasBody: true),
            Framing(headers: [("content-length", "00017")], length: 17, hasBody: true),
            Framing(headers: [("Transfer-Encoding", "chunked")], hasBody: true),
            Framing(headers: [("TRANSFER-ENCODING", "Chunked")], hasBody: true),
        ])
    func framing(_ framing: Framing) throws {
        let head = try Self.assemble(Self.withHost(framing.headers), method: .PUT)
        #expect(head.contentLength == framing.length)
        #expect(head.hasBody == framing.hasBody)
    }

    @Test(
        "Framing that two readers could understand in two ways is refused",
        arguments: [
            Framing(headers: [("Content-Length", "5"), ("Transfer-Encoding", "chunked")]),
            Framing(headers: [("Transfer-Encoding", "chunked"), ("Content-Length", "5")]),
            Framing(headers: [("Content-Length", "0"), ("Transfer-Encoding", "chunked")]),
            Framing(headers: [("Content-Length", "5"), ("Content-Length", "5")]),
            Framing(headers: [("Content-Length", "5"), ("content-length", "6")]),
            Framing(headers: [("Content-Length", "5, 5")]),
            Framing(headers: [("Content-Length", "")]),
            Framing(headers: [("Content-Length", "+5")]),
            Framing(headers: [("Content-Length", "-1")]),
            Framing(headers: [("Content-Length", " 5")]),
            Framing(headers: [("Content-Length", "0x5")]),
            Framing(headers: [("Content-Length", "5e0")]),
            Framing(headers: [("Content-Length", "٥")]),
            Framing(headers: [("Content-Length", "9223372036854775808")]),
            Framing(headers: [("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "chunked")]),
            Framing(headers: [("Transfer-Encoding", "gzip, chunked")]),
            Framing(headers: [("Transfer-Encoding", "chunked, identity")]),
            Framing(headers: [("Transfer-Encoding", "identity")]),
            Framing(headers: [("Transfer-Encoding", "")]),
            Framing(headers: [("Transfer-Encoding", "chunked ")]),
            Framing(headers: [("Transfer-Encoding", "\u{B}chunked")]),
            Framing(headers: [("Transfer-Encoding", "xchunked")]),
        ])
    func ambiguousFraming(_ framing: Framing) {
        #expect(Self.fault(Self.withHost(framing.headers)) == .malformedRequest)
    }

    @Test("A client that waits for leave to send its body is noticed", arguments: ["100-continue", "100-Continue"])
    func expectation(_ value: String) throws {
        #expect(try Self.assemble(Self.withHost([("Expect", value), ("Content-Length", "1")])).expectsContinue)
    }

    @Test("No other expectation means anything", arguments: ["", "200-ok", "100-continue, x"])
    func noExpectation(_ value: String) throws {
        #expect(try !Self.assemble(Self.withHost([("Expect", value), ("Content-Length", "1")])).expectsContinue)
    }

    // MARK: Hosts

    @Test(
        "The host is the name without its port in lower case, and the authority is kept as sent",
        arguments: [
            ("demo.vault.localhost", "demo.vault.localhost"),
            ("Demo.Vault.LocalHost", "demo.vault.localhost"),
            ("demo.vault.localhost:8443", "demo.vault.localhost"),
            ("DEMO:443", "demo"),
            ("192.0.2.9:8443", "192.0.2.9"),
            ("[::1]", "[::1]"),
            ("[2001:DB8::7]:8443", "[2001:db8::7]"),
            ("under_score", "under_score"),
            (String(repeating: "a", count: 255), String(repeating: "a", count: 255)),
        ])
    func host(_ authority: String, _ host: String) throws {
        let request = try Self.assemble([("Host", authority)]).request
        #expect(request.host == host)
        #expect(request.authority == authority)
    }

    @Test(
        "What is no host name is refused",
        arguments: [
            "", ":443", "demo:", "demo:x", "demo:+1", "demo:44 3", "demo:443:", "user@demo", "user:word@demo",
            "demo/path", "demo?x", "demo#x", "de mo", "demo\u{0}", "demo\t", "demo\u{7F}", "demo%2e", "demo,demo",
            "dämo", "demo\\", "demo\"", "<demo>", String(repeating: "a", count: 256),
        ])
    func noHost(_ authority: String) {
        #expect(Self.fault([("Host", authority)]) == .malformedRequest)
    }

    @Test("A request without a host is refused")
    func absentHost() {
        #expect(Self.fault([]) == .malformedRequest)
        #expect(Self.fault([("X-Forwarded-Host", "demo.vault.localhost")]) == .malformedRequest)
    }

    @Test("An assembler that saw a good host still refuses a bad one, and tells two good ones apart")
    func oneConnection() throws {
        var assembler = RequestAssembler(limits: HTTPLimits())
        func host(_ authority: String) throws(VaultError) -> String {
            let head = HTTPRequestHead(
                version: .http1_1, method: .GET, uri: "/", headers: ["Host": authority])
            return try assembler.assemble(head, peer: Self.peer, tlsVersion: "TLS1_3").request.host
        }
        #expect(try host("one.vault.localhost:1") == "one.vault.localhost")
        #expect(try host("two.vault.localhost:1") == "two.vault.localhost")
        #expect(throws: VaultError.self) { _ = try host("two.vault.localhost:") }
        #expect(try host("one.vault.localhost:1") == "one.vault.localhost")
    }

    // MARK: Forms of the target

    @Test(
        "The absolute form names the host itself",
        arguments: [
            ("https://demo/secrets/a?x=1", "demo", ["secrets", "a"]),
            ("HTTPS://Demo:8443/secrets", "demo", ["secrets"]),
            ("https://demo", "demo", []),
            ("https://demo?x=1", "demo", []),
        ] as [(String, String, [String])])
    func absoluteForm(_ uri: String, _ host: String, _ path: [String]) throws {
        let request = try Self.assemble([], uri: uri).request
        #expect(request.host == host)
        #expect(request.path == path)
        #expect(try request.query.value("x") == (uri.contains("?") ? "1" : nil))
    }

    @Test("Two names for the host are one too many, even when they differ only in case or port")
    func twoHosts() throws {
        #expect(Self.fault([("Host", "demo")], uri: "https://demo/") == nil)
        for host in ["other", "DEMO", "demo:443", ""] {
            #expect(Self.fault([("Host", host)], uri: "https://demo/") == .malformedRequest, "\(host)")
        }
    }

    @Test(
        "A target that is neither a path nor an https address is refused",
        arguments: [
            "", "*", "secrets", "http://demo/", "ftp://demo/", "demo:443", "https:/demo", "?x=1", " /secrets",
            "https://", "https:///secrets", "https://user@demo/", "https://demo#x/", "https://demo\\secrets",
        ])
    func otherForms(_ uri: String) {
        #expect(Self.fault(uri.hasPrefix("https://") ? [] : [("Host", "demo")], uri: uri) == .malformedRequest)
    }

    // MARK: Headers

    @Test(
        "A header that decides something is given once",
        arguments: ["Host", "Authorization", "If-None-Match", "X-HTTP-Method", "X-HTTP-Request"])
    func duplicates(_ name: String) {
        let host = name == "Host" ? [] : [("Host", "demo")]
        #expect(Self.fault(host + [(name, "demo")]) == nil)
        #expect(Self.fault(host + [(name, "demo"), (name.uppercased(), "demo")]) == .malformedRequest)
        #expect(Self.fault(host + [(name, "demo"), (name.lowercased(), "")]) == .malformedRequest)
    }

    @Test("The two names of the method override are one header")
    func overrideTwice() {
        #expect(Self.fault(Self.withHost([("X-HTTP-Method", "GET"), ("X-HTTP-Request", "GET")])) == .malformedRequest)
    }

    @Test("A header that decides nothing may be given twice")
    func harmlessDuplicates() {
        #expect(Self.fault(Self.withHost([("Accept", "a"), ("Accept", "b"), ("X-Any", "1"), ("X-Any", "2")])) == nil)
    }

    @Test("Headers are known by name without regard to case, and by nothing like it")
    func names() throws {
        let request = try Self.assemble([
            ("hOST", "demo"), ("AUTHORIZATION", "Bearer x"), ("if-None-match", "\"1\""), ("USER-agent", "client"),
            ("Authorizatiom", "Bearer y"), ("If_None_Match", "\"2\""), ("Authorization2", "Bearer z"),
        ]).request
        #expect(request.host == "demo")
        #expect(request.authorization == "Bearer x")
        #expect(request.ifNoneMatch == "\"1\"")
        #expect(request.userAgent == "client")
    }

    @Test(
        "A client's own id is echoed only when it cannot break a header",
        arguments: [
            ("9b1c", true), ("a-B_c.~/+=", true), (String(repeating: "x", count: 128), true),
            (String(repeating: "x", count: 129), false), ("", false), ("a b", false), ("a\tb", false),
            ("a\r\nX-Evil: 1", false), ("a\u{0}", false), ("a\u{7F}", false), ("ä", false),
        ])
    func clientRequestID(_ id: String, _ isEchoed: Bool) throws {
        let request = try Self.assemble(Self.withHost([("x-ms-client-request-id", id)])).request
        #expect(request.clientRequestID == (isEchoed ? id : nil))
    }

    @Test(
        "POST can stand for another method, and no other method can",
        arguments: [
            (HTTPMethod.POST, "GET", Request.Method.get), (.POST, "delete", .delete), (.POST, "Patch", .patch),
            (.POST, "TRACE", nil), (.POST, "", nil), (.GET, "DELETE", .get), (.DELETE, "GET", .delete),
            (.PUT, "POST", .put),
        ] as [(HTTPMethod, String, Request.Method?)])
    func methodOverride(_ sent: HTTPMethod, _ override: String, _ expected: Request.Method?) throws {
        let head = try Self.assemble(Self.withHost([("X-HTTP-Method", override)]), method: sent)
        #expect(head.request.method == expected)
    }

    @Test("A method that no operation has is no method", arguments: [HTTPMethod.HEAD, .OPTIONS, .RAW(value: "get")])
    func unknownMethod(_ method: HTTPMethod) throws {
        #expect(try Self.assemble(method: method).request.method == nil)
    }

    // MARK: Limits

    @Test("A target of 8 KiB is taken and one byte more is not")
    func targetLimit() {
        let limit = HTTPLimits().targetBytes
        #expect(Self.fault(uri: "/" + String(repeating: "a", count: limit - 1)) == nil)
        #expect(Self.fault(uri: "/" + String(repeating: "a", count: limit)) == .uriTooLong)
    }

    @Test("A target is measured in bytes and before anything in it is looked at")
    func targetMeasure() {
        var limits = HTTPLimits()
        limits.targetBytes = 8
        #expect(Self.fault(uri: "/../%zz", limits: limits) == .malformedRequest)
        #expect(Self.fault(uri: "/../%zz/%", limits: limits) == .uriTooLong)
        #expect(Self.fault(uri: "/äääää", limits: limits) == .uriTooLong)
    }

    @Test("128 headers are taken and one more is not")
    func headerCount() {
        let most = HTTPLimits().headerCount
        let headers = (1..<most).map { ("x-\($0)", "") }
        #expect(Self.fault(Self.withHost(headers)) == nil)
        #expect(Self.fault(Self.withHost(headers + [("x-last", "")])) == .headTooLarge)
    }

    @Test("Target, names and values count together towards the size of a head, with four bytes for each header")
    func headSize() {
        var limits = HTTPLimits()
        limits.headBytes = 64
        let rest = limits.headBytes - "/secrets".utf8.count - "Hostdemo".utf8.count - "x".utf8.count - 2 * 4
        let fitting = [("Host", "demo"), ("x", String(repeating: "v", count: rest))]
        let larger = [("Host", "demo"), ("x", String(repeating: "v", count: rest + 1))]
        #expect(Self.fault(fitting, limits: limits) == nil)
        #expect(Self.fault(larger, limits: limits) == .headTooLarge)
        #expect(Self.fault(fitting, uri: "/secrets1", limits: limits) == .headTooLarge)
    }

    @Test("Every refusal of a head closes the connection")
    func closes() {
        for error in [
            RequestAssembler.malformed("x"), RequestAssembler.headTooLarge(HTTPLimits()),
            VaultError.bodyTooLarge(1), VaultError(.uriTooLong, "x"),
        ] {
            #expect(error.response().closes, "\(error.code)")
        }
    }
}
