import Audit
import Automation
import Cryptography
import Domain
import House
import Operations
import ProviderOpenSSL
import StrongroomTesting

extension Caller {
    func key(
        _ method: Request.Method, _ target: String, _ body: String = "", on host: String = TestHouse.vaultHost("demo"),
        version: String = "7.4"
    ) async throws -> Response {
        try await send(method, target, body, on: host, version: version)
    }

    /// Makes a version of a key; on P-256 when nothing else is said, which takes no time.
    @discardableResult
    func create(
        _ name: String, _ body: String = #"{"kty":"EC"}"#, on host: String = TestHouse.vaultHost("demo"),
        version: String = "7.4"
    ) async throws -> Response {
        try await key(.post, "/keys/\(name)/create", body, on: host, version: version)
    }

    func setPolicy(_ name: String, _ body: String, on host: String = TestHouse.vaultHost("demo")) async throws
        -> Response
    {
        try await key(.put, "/keys/\(name)/rotationpolicy", body, on: host)
    }

    /// The identifiers of a key's versions, those made first in front.
    func versions(of name: String, on host: String = TestHouse.vaultHost("demo")) async throws -> [String] {
        let list = try await key(.get, "/keys/\(name)/versions", on: host).json["value"].array
        return list.sorted { ($0["attributes"]["created"].integer ?? 0) < ($1["attributes"]["created"].integer ?? 0) }
            .compactMap { $0["kid"].string.map { String($0.split(separator: "/").last ?? "") } }
    }
}

extension Response {
    /// The version that a bundle is of.
    var keyVersion: String { json["key"]["kid"].string?.split(separator: "/").last.map(String.init) ?? "" }

    var message: String { json["error"]["message"].string ?? "" }

    func bytes(_ member: String) -> [UInt8]? { json[member].string.flatMap { Base64.decodeURL($0) } }
}

extension JSON {
    /// A public key as a bundle shows it.
    var publicKey: PublicKey? {
        func number(_ name: String) -> [UInt8]? { self[name].string.flatMap { Base64.decodeURL($0) } }
        switch self["kty"].string {
        case "RSA", "RSA-HSM":
            guard let n = number("n"), let e = number("e") else { return nil }
            return .rsa(n: n, e: e)
        case "EC", "EC-HSM":
            guard let curve = self["crv"].string.flatMap({ EllipticCurve($0) }), let x = number("x"),
                let y = number("y")
            else { return nil }
            return .ec(curve, x: x, y: y)
        case "OKP", "OKP-HSM": return number("x").map { .ed25519(x: $0) }
        default: return nil
        }
    }
}

extension TestHouse {
    func tick() async { await house.automation.tick() }

    /// Time passes, and automation looks at the end of it.
    func pass(_ duration: Duration) async {
        clock.advance(by: duration)
        await tick()
    }

    /// The duties of keys in the due index: operation, object and the second it is due.
    func keyDuties() throws -> [KeyDuty] {
        try rawKeys("due/").compactMap { key in
            let parts = key.split(separator: "/")
            guard parts.count == 3, parts[2].hasPrefix("Key"), let time = Int64(parts[1], radix: 16) else {
                return nil
            }
            let names = parts[2].split(separator: ".")
            return KeyDuty(operation: String(names[0]), name: String(names[2]), due: time)
        }
    }

    func events(_ operation: String) throws -> [AuditEvent] {
        try audit().events.filter { $0.operationName == operation }
    }
}

struct KeyDuty: Hashable, Sendable, CustomStringConvertible {
    let operation: String
    let name: String
    let due: Int64

    var description: String { "\(operation) \(name) \(due - start)" }

    static func rotate(_ name: String, _ due: Int64) -> KeyDuty {
        KeyDuty(operation: "KeyRotateIfDue", name: name, due: due)
    }
    static func near(_ name: String, _ due: Int64) -> KeyDuty {
        KeyDuty(operation: "KeyNearExpiryEventGridNotification", name: name, due: due)
    }
    static func expired(_ name: String, _ due: Int64) -> KeyDuty {
        KeyDuty(operation: "KeyExpiredEventGridNotification", name: name, due: due)
    }
}

/// When every house opens.
let start = TestClock.start.epochSeconds
let day: Int64 = 86_400
