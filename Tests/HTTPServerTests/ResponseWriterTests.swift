import Domain
import NIOCore
import NIOHTTP1
import Operations
import Testing

@testable import HTTPServer

struct ResponseWriterTests {
    private static let writer = ResponseWriter(region: "local")
    private static let info = ResponseWriter.networkInfo(Peer(address: "192.0.2.1", isIPv6: false))
    private static let date = ResponseWriter.dateHeader(Timestamp(epochSeconds: 784_111_777))
    private static let id = GUID("0f8fad5b-d9cb-469f-a165-70867728950e")!

    private static func response(_ status: UInt16, _ body: String, style: Response.Style = .vault) -> Response {
        var response = Response(status: status, body: Array(body.utf8))
        response.requestID = id
        response.style = style
        return response
    }

    private static func written(_ response: Response, closes: Bool = false) -> String {
        var buffer = ByteBuffer()
        var bytes: [UInt8] = Array("left over".utf8)
        writer.write(response, networkInfo: info, date: date, closes: closes, gathering: &bytes, to: &buffer)
        return String(buffer: buffer)
    }

    /// Lines of a head, the first one and the empty end left out.
    private static func headers(_ text: String) -> [String] {
        guard let end = text.firstRange(of: "\r\n\r\n") else { return [] }
        return text[..<end.lowerBound].split(separator: "\r\n").dropFirst().map(String.init)
    }

    // MARK: Date

    @Test(
        "A date is written as HTTP asks for it",
        arguments: [
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"), (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (-1, "Wed, 31 Dec 1969 23:59:59 GMT"), (951_827_696, "Tue, 29 Feb 2000 12:34:56 GMT"),
            (1_709_251_199, "Thu, 29 Feb 2024 23:59:59 GMT"), (1_709_251_200, "Fri, 01 Mar 2024 00:00:00 GMT"),
            (1_800_000_000, "Fri, 15 Jan 2027 08:00:00 GMT"), (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        ] as [(Int64, String)])
    func date(_ seconds: Int64, _ text: String) {
        let header = ResponseWriter.dateHeader(Timestamp(epochSeconds: seconds))
        #expect(String(decoding: header, as: UTF8.self) == "Date: \(text)\r\n")
    }

    @Test("A part of a second does not count, before 1970 either")
    func fraction() {
        #expect(
            ResponseWriter.dateHeader(Timestamp(nanoseconds: 999_999_999))
                == ResponseWriter.dateHeader(Timestamp(epochSeconds: 0)))
        #expect(
            ResponseWriter.dateHeader(Timestamp(nanoseconds: -1))
                == ResponseWriter.dateHeader(Timestamp(epochSeconds: -1)))
    }

    @Test("Seven days in a row have seven names, in order")
    func weekdays() {
        let names = (0..<7).map { day in
            String(
                decoding: ResponseWriter.dateHeader(Timestamp(epochSeconds: 1_799_625_600 + day * 86_400))[6..<9],
                as: UTF8.self)
        }
        #expect(names == ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"])
    }

    // MARK: Head and body

    @Test("An answer of a vault is these bytes")
    func wholeAnswer() {
        #expect(
            Self.written(Self.response(200, "{}"))
                == """
                HTTP/1.1 200 OK\r
                Cache-Control: no-cache\r
                Pragma: no-cache\r
                Expires: -1\r
                x-ms-keyvault-region: local\r
                x-ms-keyvault-service-version: \(ResponseWriter.serviceVersion)\r
                Strict-Transport-Security: max-age=31536000;includeSubDomains\r
                X-Content-Type-Options: nosniff\r
                Date: Sun, 06 Nov 1994 08:49:37 GMT\r
                x-ms-keyvault-network-info: conn_type=Ipv4;addr=192.0.2.1;act_addr_fam=InterNetwork;\r
                x-ms-request-id: 0f8fad5b-d9cb-469f-a165-70867728950e\r
                x-ms-client-request-id: 0f8fad5b-d9cb-469f-a165-70867728950e\r
                Content-Type: application/json; charset=utf-8\r
                Content-Length: 2\r
                \r
                {}
                """)
    }

    @Test("A client's own id comes back in place of ours")
    func echo() {
        var response = Self.response(200, "{}")
        response.clientRequestID = "mine"
        let headers = Self.headers(Self.written(response))
        #expect(headers.contains("x-ms-client-request-id: mine"))
        #expect(headers.contains("x-ms-request-id: \(Self.id)"))
        #expect(headers.filter { $0.hasPrefix("x-ms-client-request-id") }.count == 1)
    }

    @Test(
        "The status line carries the reason",
        arguments: [(201, "Created"), (404, "Not Found"), (503, "Service Unavailable")] as [(UInt16, String)])
    func statusLine(_ status: UInt16, _ reason: String) {
        #expect(Self.written(Self.response(status, "{}")).hasPrefix("HTTP/1.1 \(status) \(reason)\r\n"))
    }

    @Test("An answer that can have no body has no length either", arguments: [204, 304] as [UInt16])
    func noBody(_ status: UInt16) {
        let text = Self.written(Self.response(status, ""))
        #expect(text.hasSuffix("\r\n\r\n"))
        #expect(!Self.headers(text).contains { $0.hasPrefix("Content-Length") || $0.hasPrefix("Content-Type") })
    }

    @Test("An answer with an empty body says so")
    func emptyBody() {
        #expect(Self.headers(Self.written(Self.response(200, ""))).contains("Content-Length: 0"))
    }

    @Test("The length is that of the bytes and the body follows the head untouched")
    func length() {
        let body = "{\"value\":\"ä🔑\"}"
        let text = Self.written(Self.response(200, body))
        #expect(Self.headers(text).contains("Content-Length: \(body.utf8.count)"))
        #expect(text.hasSuffix("\r\n\r\n" + body))
    }

    @Test("Only the last answer of a connection says that it closes")
    func closing() {
        #expect(Self.headers(Self.written(Self.response(200, "{}"), closes: true)).last == "Connection: close")
        #expect(!Self.written(Self.response(200, "{}")).contains("Connection"))
    }

    @Test("A large answer does not keep its space, a small one does")
    func space() {
        var buffer = ByteBuffer()
        var bytes: [UInt8] = []
        Self.writer.write(
            Self.response(200, "{}"), networkInfo: Self.info, date: Self.date, closes: false, gathering: &bytes,
            to: &buffer)
        #expect(bytes.capacity > 0)
        Self.writer.write(
            Self.response(200, String(repeating: "x", count: 100_000)), networkInfo: Self.info, date: Self.date,
            closes: false, gathering: &bytes, to: &buffer)
        #expect(bytes.capacity == 0)
    }

    @Test(
        "HTTP/2 carries the same headers as HTTP/1.1", arguments: [Response.Style.vault, .managedHSM, .plain],
        [200, 204, 401] as [UInt16])
    func bothVersions(_ style: Response.Style, _ status: UInt16) {
        var response = Self.response(status, status == 204 ? "" : "{}", style: style)
        response.headers = [("WWW-Authenticate", "Bearer"), ("Retry-After", "10")]
        let head = Self.writer.head(response, networkInfo: Self.info, date: Self.date)
        #expect(head.status.code == UInt(status))
        #expect(
            head.headers.map { "\($0.name): \($0.value)" }.sorted() == Self.headers(Self.written(response)).sorted())
    }

    @Test("Addresses of clients are told by vaults and not by the other hosts")
    func networkInfo() {
        #expect(!Self.written(Self.response(200, "{}", style: .plain)).contains("x-ms-keyvault"))
        #expect(Self.written(Self.response(200, "{}", style: .managedHSM)).contains("addr=192.0.2.1;"))
        #expect(
            String(decoding: ResponseWriter.networkInfo(Peer(address: "2001:db8::1", isIPv6: true)), as: UTF8.self)
                == "conn_type=Ipv6;addr=2001:db8::1;act_addr_fam=InterNetworkV6;")
    }
}
