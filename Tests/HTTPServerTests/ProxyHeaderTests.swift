import Testing

@testable import HTTPServer

struct ProxyHeaderTests {
    private static let signature: [UInt8] = [
        0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A,
    ]

    private static func text(_ line: String) -> [UInt8] { Array(line.utf8) }

    @Test(
        "Version 1 names the client",
        arguments: [
            ("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n", "192.0.2.1", false),
            ("PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n", "2001:db8::1", true),
        ])
    func textual(_ line: String, _ address: String, _ isIPv6: Bool) {
        let header = Self.text(line)
        #expect(ProxyHeader(header) == .client(address, isIPv6: isIPv6, count: header.count))
        #expect(
            ProxyHeader(header + [0x16, 0x03, 0x01]) == .client(address, isIPv6: isIPv6, count: header.count))
    }

    @Test("Version 1 without a client is the proxy's own connection", arguments: ["UNKNOWN", "UNKNOWN ff ff 1 2"])
    func unknown(_ rest: String) {
        let header = Self.text("PROXY \(rest)\r\n")
        #expect(ProxyHeader(header) == .unnamed(count: header.count))
    }

    @Test(
        "What is no header of version 1 is refused",
        arguments: [
            "PROXY TCP4 192.0.2.1 198.51.100.7 56324\r\n", "PROXY TCP4 192.0.2.300 198.51.100.7 1 443\r\n",
            "PROXY TCP4 2001:db8::1 2001:db8::2 1 443\r\n", "PROXY TCP6 192.0.2.1 192.0.2.2 1 443\r\n",
            "PROXY TCP4 192.0.2.1/32 198.51.100.7 1 443\r\n", "PROXY TCP4  192.0.2.1 198.51.100.7 1 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.7 1 65536\r\n", "PROXY TCP4 192.0.2.1 198.51.100.7 +1 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.7 000001 443\r\n",
            "PROXY UDP4 192.0.2.1 198.51.100.7 1 443\r\n", "PROXY TCP4 192.0.2.1 198.51.100.7 1 443\n",
            "PROXY \r\n", "proxy TCP4 192.0.2.1 198.51.100.7 1 443\r\n", "GET / HTTP/1.1\r\n",
            "PROXY TCP4 " + String(repeating: "1", count: 120),
        ])
    func refusedText(_ line: String) {
        #expect(ProxyHeader(Self.text(line)) == .invalid)
    }

    private static func binary(_ command: UInt8, _ family: UInt8, _ block: [UInt8]) -> [UInt8] {
        signature + [0x20 | command, family, UInt8(block.count >> 8), UInt8(block.count & 0xFF)] + block
    }

    private static let ports: [UInt8] = [0xDC, 0x04, 0x01, 0xBB]

    @Test("Version 2 names the client, with whatever follows the addresses")
    func binary() {
        let four = Self.binary(1, 0x11, [192, 0, 2, 1, 198, 51, 100, 7] + Self.ports)
        #expect(ProxyHeader(four + [0x16]) == .client("192.0.2.1", isIPv6: false, count: 28))
        let six = [0x20, 0x01, 0x0D, 0xB8] + [UInt8](repeating: 0, count: 11) + [1]
        let header = Self.binary(1, 0x21, six + six + Self.ports + [0x03, 0, 4, 1, 2, 3, 4])
        #expect(ProxyHeader(header) == .client("2001:db8::1", isIPv6: true, count: header.count))
    }

    @Test("Version 2 without a client is the proxy's own connection")
    func local() {
        let local = Self.binary(0, 0x00, [])
        #expect(ProxyHeader(local) == .unnamed(count: 16))
        #expect(ProxyHeader(Self.binary(0, 0x11, [1, 2, 3])) == .unnamed(count: 19))
        #expect(ProxyHeader(Self.binary(1, 0x00, [1])) == .unnamed(count: 17))
    }

    @Test("What is no header of version 2 is refused")
    func refusedBinary() {
        #expect(ProxyHeader(Self.binary(1, 0x11, [192, 0, 2, 1])) == .invalid)
        #expect(ProxyHeader(Self.binary(1, 0x12, [UInt8](repeating: 1, count: 12))) == .invalid)
        #expect(ProxyHeader(Self.binary(1, 0x31, [UInt8](repeating: 1, count: 216))) == .invalid)
        #expect(ProxyHeader(Self.binary(2, 0x11, [UInt8](repeating: 1, count: 12))) == .invalid)
        #expect(ProxyHeader(Self.signature + [0x11, 0x11, 0, 12]) == .invalid)
        #expect(ProxyHeader(Self.signature + [0x21, 0x11, 0xFF, 0xFF]) == .invalid)
    }

    @Test("A header in pieces is waited for at every byte")
    func pieces() {
        for header in [
            Self.text("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n"),
            Self.binary(1, 0x11, [192, 0, 2, 1, 198, 51, 100, 7] + Self.ports),
        ] {
            for count in 0..<header.count { #expect(ProxyHeader(header.prefix(count)) == .incomplete) }
        }
    }

    @Test("A client that speaks TLS at once is no proxy")
    func tls() {
        #expect(ProxyHeader([0x16, 0x03, 0x01]) == .invalid)
    }
}
