import Domain
import NIOCore
import NIOHTTP1
import Operations

/// Writes answers: for HTTP/1.1 straight into bytes, head and body in one buffer; for HTTP/2 as a header list.
///
/// The headers that are the same on every answer are encoded once. Values that vary are made by the server or were checked when
/// they came in, so that none can hold a line break.
struct ResponseWriter: Sendable {
    /// `x-ms-keyvault-region`
    let region: String
    private let vaultBlock: [UInt8]
    private let hsmBlock: [UInt8]
    private let plainBlock: [UInt8]

    static let serviceVersion = "1.9.2611.1"

    init(region: String) {
        self.region = region
        vaultBlock = Self.block(Self.constant(.vault, region))
        hsmBlock = Self.block(Self.constant(.managedHSM, region))
        plainBlock = Self.block(Self.constant(.plain, region))
    }

    private static func constant(_ style: Response.Style, _ region: String) -> [(String, String)] {
        switch style {
        case .vault:
            [
                ("Cache-Control", "no-cache"), ("Pragma", "no-cache"), ("Expires", "-1"),
                ("x-ms-keyvault-region", region),
                ("x-ms-keyvault-service-version", serviceVersion),
                ("Strict-Transport-Security", "max-age=31536000;includeSubDomains"),
                ("X-Content-Type-Options", "nosniff"),
            ]
        case .managedHSM:
            [
                ("Cache-Control", "no-cache"), ("x-ms-keyvault-region", region),
                ("Content-Security-Policy", "default-src 'self'"),
                ("X-Frame-Options", "SAMEORIGIN"), ("x-ms-server-latency", "0"),
                ("Strict-Transport-Security", "max-age=31536000; includeSubDomains"),
                ("X-Content-Type-Options", "nosniff"),
            ]
        case .plain:
            [
                ("Cache-Control", "no-store, no-cache"), ("Pragma", "no-cache"), ("Expires", "-1"),
                ("Strict-Transport-Security", "max-age=31536000; includeSubDomains"),
                ("X-Content-Type-Options", "nosniff"),
            ]
        }
    }

    private static func block(_ headers: [(String, String)]) -> [UInt8] {
        headers.flatMap { Array("\($0): \($1)\r\n".utf8) }
    }

    /// - Parameters:
    ///   - networkInfo: value of `x-ms-keyvault-network-info`, made once for a connection.
    ///   - date: value of `Date` with its line break, made once a second.
    ///   - bytes: where the answer is gathered, kept from one to the next: appending to an array costs a fraction of what each
    ///     write to a buffer does.
    func write(
        _ response: Response, networkInfo: [UInt8], date: [UInt8], closes: Bool, gathering bytes: inout [UInt8],
        to buffer: inout ByteBuffer
    ) {
        bytes.removeAll(keepingCapacity: true)
        if response.status == 200 {
            bytes.append("HTTP/1.1 200 OK\r\n")
        } else {
            bytes.append(contentsOf: "HTTP/1.1 \(response.status) \(Response.reason(response.status))\r\n".utf8)
        }
        switch response.style {
        case .vault: bytes.append(contentsOf: vaultBlock)
        case .managedHSM: bytes.append(contentsOf: hsmBlock)
        case .plain: bytes.append(contentsOf: plainBlock)
        }
        bytes.append(contentsOf: date)
        if response.style != .plain {
            bytes.append("x-ms-keyvault-network-info: ")
            bytes.append(contentsOf: networkInfo)
            bytes.append("\r\n")
        }
        response.requestID.withText { id in
            bytes.append("x-ms-request-id: ")
            bytes.append(contentsOf: id)
            bytes.append("\r\nx-ms-client-request-id: ")
            if let echoed = response.clientRequestID {
                bytes.append(contentsOf: echoed.utf8)
            } else {
                bytes.append(contentsOf: id)
            }
        }
        for (name, value) in response.headers {
            bytes.append("\r\n")
            bytes.append(contentsOf: name.utf8)
            bytes.append(": ")
            bytes.append(contentsOf: value.utf8)
        }
        if response.hasBody {
            bytes.append("\r\nContent-Type: ")
            bytes.append(contentsOf: response.contentType.utf8)
            bytes.append("\r\nContent-Length: ")
            bytes.append(contentsOf: String(response.body.count).utf8)
        }
        bytes.append(closes ? "\r\nConnection: close\r\n\r\n" : "\r\n\r\n")
        bytes.append(contentsOf: response.body)
        buffer.writeBytes(bytes)
        // A large answer must not keep its space.
        if bytes.capacity > 65_536 { bytes = [] }
    }

    func head(_ response: Response, networkInfo: [UInt8], date: [UInt8]) -> HTTPResponseHead {
        var headers = HTTPHeaders(Self.constant(response.style, region))
        headers.add(name: "Date", value: String(decoding: date.dropFirst(6).dropLast(2), as: UTF8.self))
        if response.style != .plain {
            headers.add(name: "x-ms-keyvault-network-info", value: String(decoding: networkInfo, as: UTF8.self))
        }
        headers.add(name: "x-ms-request-id", value: response.requestID.description)
        headers.add(name: "x-ms-client-request-id", value: response.clientRequestID ?? response.requestID.description)
        for (name, value) in response.headers { headers.add(name: name, value: value) }
        if response.hasBody {
            headers.add(name: "Content-Type", value: response.contentType)
            headers.add(name: "Content-Length", value: String(response.body.count))
        }
        return HTTPResponseHead(version: .http2, status: .init(statusCode: Int(response.status)), headers: headers)
    }

    static func networkInfo(_ peer: Peer) -> [UInt8] {
        Array(
            (peer.isIPv6
                ? "conn_type=Ipv6;addr=\(peer.address);act_addr_fam=InterNetworkV6;"
                : "conn_type=Ipv4;addr=\(peer.address);act_addr_fam=InterNetwork;").utf8)
    }

    /// `Date: Sun, 06 Nov 1994 08:49:37 GMT` and a line break (RFC 9110 §5.6.7).
    static func dateHeader(_ now: Timestamp) -> [UInt8] { Array("Date: \(now.date(zone: "GMT"))\r\n".utf8) }
}

extension [UInt8] {
    fileprivate mutating func append(_ text: StaticString) { text.withUTF8Buffer { append(contentsOf: $0) } }
}

extension Response {
    /// 204 and 304 have none (RFC 9110 §6.4.1).
    var hasBody: Bool { status != 204 && status != 304 }
}
