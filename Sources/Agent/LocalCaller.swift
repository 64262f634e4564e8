import Domain
import NIOCore

#if canImport(Glibc)
    import Glibc
#endif

/// Whose process is at the other end of a connection over loopback, as the kernel's table of sockets tells.
///
/// - Source: proc_pid_net(5), `/proc/net/tcp` and `/proc/net/tcp6`.
enum LocalCaller {
    /// - Returns: the user id; nil when the kernel does not know the socket, such as one of another host.
    static func user(of remote: SocketAddress, connectedTo local: SocketAddress) -> UInt32? {
        guard let wanted = entry(remote), let peer = entry(local) else { return nil }
        for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
            for line in content(of: table).split(separator: "\n").dropFirst() {
                let fields = line.split(separator: " ")
                guard fields.count > 7, plain(fields[1]) == wanted, plain(fields[2]) == peer else { continue }
                return UInt32(fields[7])
            }
        }
        return nil
    }

    /// A file of the kernel's, which says that it is empty.
    private static func content(of path: String) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while case let count = read(descriptor, &buffer, buffer.count), count > 0, bytes.count < 16 << 20 {
            bytes += buffer[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// An address as the table writes it: the bytes of each word in the host's order, then the port.
    private static func entry(_ address: SocketAddress) -> String? {
        guard let port = address.port, let text = address.ipAddress else { return nil }
        var bytes = [UInt8](repeating: 0, count: 16)
        let isIPv4 = inet_pton(AF_INET, text, &bytes) == 1
        guard isIPv4 || inet_pton(AF_INET6, text, &bytes) == 1 else { return nil }
        let words = bytes.withUnsafeBytes { bytes in
            (0..<(isIPv4 ? 1 : 4)).map { bytes.loadUnaligned(fromByteOffset: $0 * 4, as: UInt32.self) }
        }
        return words.map { hexadecimal($0, digits: 8) }.joined() + ":" + hexadecimal(UInt32(port), digits: 4)
    }

    private static func hexadecimal(_ number: UInt32, digits: Int) -> String {
        let text = String(number, radix: 16, uppercase: true)
        return String(repeating: "0", count: max(0, digits - text.count)) + text
    }

    /// An IPv4 address in the clothes of IPv6 as the IPv4 address.
    private static func plain(_ field: Substring) -> String {
        let mapped = "0000000000000000FFFF0000"
        return field.hasPrefix(mapped) ? String(field.dropFirst(mapped.count)) : String(field)
    }
}

/// How often a user may ask: a few at once, and then so many a second.
struct RateLimit {
    private struct Bucket {
        var tokens: Double
        var last: NIODeadline
    }

    static let burst = 50.0
    static let perSecond = 10.0
    private var buckets: [UInt32: Bucket] = [:]

    mutating func allows(_ user: UInt32, now: NIODeadline) -> Bool {
        if buckets.count >= 1_024 { buckets.removeAll() }
        var bucket = buckets[user] ?? Bucket(tokens: Self.burst, last: now)
        let passed = Double((now - bucket.last).nanoseconds) / 1e9
        bucket.tokens = min(Self.burst, bucket.tokens + passed * Self.perSecond)
        bucket.last = now
        defer { buckets[user] = bucket }
        guard bucket.tokens >= 1 else { return false }
        bucket.tokens -= 1
        return true
    }
}
