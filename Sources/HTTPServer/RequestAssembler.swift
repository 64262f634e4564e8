import Domain
import NIOCore
import NIOHTTP1
import Operations

/// Turns a request head into a `Request`, or says what is wrong with it. What is ambiguous is refused, never guessed.
struct RequestAssembler {
    let limits: HTTPLimits
    /// The authority of the last request and the name in it: on one connection nearly always the same.
    private var lastAuthority: (text: String, host: String)?

    init(limits: HTTPLimits) { self.limits = limits }

    struct Head {
        let request: Request
        /// Bytes announced; nil when chunked or absent.
        var contentLength: Int?
        var expectsContinue = false
        /// Whether the head announces a body.
        var hasBody: Bool
        var isKeptAlive: Bool
    }

    /// - Throws: `.malformedRequest`, `.headTooLarge`, `.uriTooLong`.
    mutating func assemble(_ head: HTTPRequestHead, peer: Peer, tlsVersion: String) throws(VaultError) -> Head {
        guard head.uri.utf8.count <= limits.targetBytes else {
            throw VaultError(.uriTooLong, "The request target is longer than \(limits.targetBytes) bytes.")
        }
        var size = head.uri.utf8.count
        var fields = Fields()
        for (name, value) in head.headers {
            size += name.utf8.count + value.utf8.count + 4
            try fields.take(name, value)
        }
        guard size <= limits.headBytes, head.headers.count <= limits.headerCount else {
            throw Self.headTooLarge(limits)
        }
        if fields.hasTransferEncoding, fields.contentLength != nil {
            throw Self.malformed("The request has both Content-Length and Transfer-Encoding.")
        }
        guard let client = limits.proxies.client(behind: peer, fields.forwarded) else {
            throw Self.malformed("The proxy's X-Forwarded-For is no list of addresses.")
        }
        var (authority, target) = try Self.split(head.uri)
        if let host = fields.host {
            guard authority == nil || authority == host else { throw Self.malformed("The request names two hosts.") }
            authority = host
        }
        guard let authority else { throw Self.malformed("The request names no host.") }
        if target.isEmpty { target = "/" }
        let decoded: Result<([String], Query), VaultError> = target.withUTF8 { bytes in
            Result { () throws(VaultError) in
                let question = bytes.firstIndex(of: UInt8(ascii: "?")) ?? bytes.endIndex
                return (
                    try RequestTarget.path(UnsafeBufferPointer(rebasing: bytes[..<question])),
                    try RequestTarget.query(UnsafeBufferPointer(rebasing: bytes[min(question + 1, bytes.endIndex)...]))
                )
            }
        }
        let (path, query) = try decoded.get()
        var method = Request.Method(rawValue: head.method.rawValue)
        if let override = fields.methodOverride, method == .post {
            method = Request.Method(rawValue: override.uppercased())
        }
        return Head(
            request: Request(
                method: method, host: try host(of: authority), authority: authority, target: target, path: path,
                query: query,
                authorization: fields.authorization, ifNoneMatch: fields.ifNoneMatch, userAgent: fields.userAgent,
                clientRequestID: fields.clientRequestID, peer: client, tlsVersion: tlsVersion),
            contentLength: fields.contentLength, expectsContinue: fields.expectsContinue,
            hasBody: fields.hasTransferEncoding || fields.contentLength ?? 0 > 0, isKeptAlive: head.isKeepAlive)
    }

    private struct Fields {
        var host: String?
        var authorization: String?
        var ifNoneMatch: String?
        var userAgent = ""
        var clientRequestID: String?
        var methodOverride: String?
        var contentLength: Int?
        var hasTransferEncoding = false
        var expectsContinue = false
        var forwarded: [String] = []

        /// Looks at the length of a name first: most headers are none of these.
        mutating func take(_ name: String, _ value: String) throws(VaultError) {
            switch name.utf8.count {
            case 4 where name.isSame("host"): try Self.once(&host, value, "Host")
            case 6 where name.isSame("expect"): expectsContinue = value.lowercased() == "100-continue"
            case 10 where name.isSame("user-agent"): userAgent = value
            case 13 where name.isSame("authorization"):
                try Self.once(&authorization, value.withoutSpaceBehind, "Authorization")
            case 13 where name.isSame("if-none-match"): try Self.once(&ifNoneMatch, value, "If-None-Match")
            case 13 where name.isSame("x-http-method"), 14 where name.isSame("x-http-request"):
                try Self.once(&methodOverride, value, "X-HTTP-METHOD")
            case 14 where name.isSame("content-length"):
                guard contentLength == nil, !value.isEmpty, value.utf8.allSatisfy(\.isASCIIDigit),
                    let count = Int(value)
                else {
                    throw RequestAssembler.malformed("The Content-Length is given twice or is no number.")
                }
                contentLength = count
            case 15 where name.isSame("x-forwarded-for"): forwarded.append(value)
            case 17 where name.isSame("transfer-encoding"):
                guard !hasTransferEncoding, value.lowercased() == "chunked" else {
                    throw RequestAssembler.malformed("The only Transfer-Encoding understood is a single 'chunked'.")
                }
                hasTransferEncoding = true
            case 22 where name.isSame("x-ms-client-request-id"):
                // Goes back in a header: only what cannot break one.
                let isSafe = (1...128).contains(value.utf8.count) && value.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
                clientRequestID = isSafe ? value : nil
            default: break
            }
        }

        private static func once(_ field: inout String?, _ value: String, _ name: String) throws(VaultError) {
            guard field == nil else { throw RequestAssembler.malformed("The header \(name) is given more than once.") }
            field = value
        }
    }

    /// Absolute and origin form (RFC 9112 §3.2).
    private static func split(_ uri: String) throws(VaultError) -> (authority: String?, target: String) {
        if uri.utf8.first == UInt8(ascii: "/") { return (nil, uri) }
        guard uri.lowercased().hasPrefix("https://") else { throw malformed("The request target is not a path.") }
        let rest = uri.dropFirst(8)
        let slash = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
        return (String(rest[..<slash]), String(rest[slash...]))
    }

    private mutating func host(of authority: String) throws(VaultError) -> String {
        if let lastAuthority, lastAuthority.text == authority { return lastAuthority.host }
        let host = try Self.hostName(authority)
        lastAuthority = (authority, host)
        return host
    }

    /// The name without its port, in lower case.
    private static func hostName(_ authority: String) throws(VaultError) -> String {
        var name = authority[...]
        if let colon = authority.utf8.lastIndex(of: UInt8(ascii: ":")), authority.utf8.last != UInt8(ascii: "]") {
            let port = authority[authority.utf8.index(after: colon)...]
            guard !port.isEmpty, port.utf8.allSatisfy(\.isASCIIDigit) else {
                throw malformed("The host of the request has no valid port.")
            }
            name = authority[..<colon]
        }
        let allowed = name.utf8.allSatisfy { $0.isASCIILetter || $0.isASCIIDigit || "-._[]:".utf8.contains($0) }
        guard allowed, (1...255).contains(name.utf8.count) else {
            throw malformed("The host of the request is not a host name.")
        }
        return name.lowercased()
    }

    static func malformed(_ message: String) -> VaultError { VaultError(.malformedRequest, message) }

    static func headTooLarge(_ limits: HTTPLimits) -> VaultError {
        VaultError(
            .headTooLarge,
            "The request head is larger than \(limits.headBytes) bytes or has more than \(limits.headerCount) headers.")
    }

}

/// Decoding of the request target. Runs before anything is routed or authorised.
enum RequestTarget {
    typealias Bytes = UnsafeBufferPointer<UInt8>

    static func path(_ text: Bytes) throws(VaultError) -> [String] {
        var segments: [String] = []
        segments.reserveCapacity(4)
        var start = 0
        while start < text.count {
            guard text[start] != UInt8(ascii: "/") else {
                start += 1
                continue
            }
            var end = start
            var isPlain = true
            while end < text.count, text[end] != UInt8(ascii: "/") {
                let byte = text[end]
                guard byte > 0x20, byte < 0x7F, byte != UInt8(ascii: "\\"), byte != UInt8(ascii: "#") else {
                    throw refused
                }
                if byte == UInt8(ascii: "%") { isPlain = false }
                end += 1
            }
            let raw = Bytes(rebasing: text[start..<end])
            let segment = isPlain ? String(decoding: raw, as: UTF8.self) : try decoded(raw, plusIsSpace: false)
            guard segment != ".", segment != "..",
                isPlain || !segment.utf8.contains(where: { $0 == 0x2F || $0 == 0x5C || $0 < 0x20 || $0 == 0x7F })
            else { throw refused }
            segments.append(segment)
            start = end
        }
        return segments
    }

    static func query(_ text: Bytes) throws(VaultError) -> Query {
        guard !text.isEmpty else { return Query() }
        var items: [(name: String, value: String)] = []
        for pair in text.split(separator: UInt8(ascii: "&"), omittingEmptySubsequences: true) {
            let equals = pair.firstIndex(of: UInt8(ascii: "=")) ?? pair.endIndex
            let name = try decoded(Bytes(rebasing: pair[..<equals]), plusIsSpace: true).lowercased()
            let value =
                equals == pair.endIndex ? "" : try decoded(Bytes(rebasing: pair[(equals + 1)...]), plusIsSpace: true)
            items.append((name, value))
            guard items.count <= 64 else { throw RequestAssembler.malformed("The query has more than 64 parameters.") }
        }
        return Query(items)
    }

    private static func decoded(_ bytes: Bytes, plusIsSpace: Bool) throws(VaultError) -> String {
        if bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "%") && $0 != UInt8(ascii: "+") }) {
            return String(decoding: bytes, as: UTF8.self)
        }
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            if byte == UInt8(ascii: "%") {
                guard index + 2 < bytes.count, let high = Hex.value(of: bytes[index + 1]),
                    let low = Hex.value(of: bytes[index + 2])
                else { throw refused }
                result.append(high << 4 | low)
                index += 3
                continue
            }
            guard byte > 0x20, byte != 0x7F else { throw refused }
            result.append(plusIsSpace && byte == UInt8(ascii: "+") ? 0x20 : byte)
            index += 1
        }
        guard let text = String(validating: result, as: UTF8.self) else { throw refused }
        return text
    }

    private static let refused = RequestAssembler.malformed(
        "The request target holds an encoded slash, a dot segment, a control character or broken percent-encoding.")
}

extension String {
    /// Whether this is `other`, which is lower case, without regard to case.
    fileprivate func isSame(_ other: StaticString) -> Bool {
        other.withUTF8Buffer { other in
            guard utf8.count == other.count else { return false }
            var index = 0
            for byte in utf8 {
                guard (byte.isASCIILetter ? byte | 0x20 : byte) == other[index] else { return false }
                index += 1
            }
            return true
        }
    }
}

extension String {
    /// White space around a value is no part of it (RFC 9110 §5.5); what is before it is taken off already. Where a header says who is
    /// asked or how long a message is, it is refused instead: others may read it otherwise.
    fileprivate var withoutSpaceBehind: String {
        guard let last = utf8.last, last == 0x20 || last == 0x09 else { return self }
        var count = utf8.count
        for byte in utf8.reversed() {
            guard byte == 0x20 || byte == 0x09 else { break }
            count -= 1
        }
        return String(utf8.prefix(count)) ?? self
    }
}
