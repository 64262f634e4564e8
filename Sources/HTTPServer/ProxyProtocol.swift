import Domain
import NIOCore
import Operations

/// What a proxy says of the client at the beginning of a connection.
///
/// - Source: "The PROXY protocol", versions 1 and 2 (HAProxy, 2020/03/05).
enum ProxyHeader: Equatable {
    /// More bytes are needed.
    case incomplete
    case invalid
    /// The proxy's own connection, or a client that it does not name.
    case unnamed(count: Int)
    /// An IP literal.
    case client(String, isIPv6: Bool, count: Int)

    private static let mostTextBytes = 107
    private static let mostBinaryBytes = 2_048
    private static let signature: [UInt8] = [
        0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A,
    ]

    init(_ bytes: some Collection<UInt8>) {
        let bytes = Array(bytes.prefix(16 + Self.mostBinaryBytes))
        if bytes.starts(with: Self.signature) {
            self = Self.binary(bytes)
        } else if bytes.starts(with: Array("PROXY ".utf8)) {
            self = Self.text(bytes)
        } else {
            let begins = [Self.signature, Array("PROXY ".utf8)].contains { $0.starts(with: bytes) }
            self = begins ? .incomplete : .invalid
        }
    }

    private static func text(_ bytes: [UInt8]) -> ProxyHeader {
        guard let end = bytes.firstIndex(of: 0x0A) else { return bytes.count >= mostTextBytes ? .invalid : .incomplete }
        guard end < mostTextBytes, bytes[end - 1] == 0x0D,
            let line = String(validating: bytes[..<(end - 1)], as: UTF8.self)
        else { return .invalid }
        let words = line.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count > 1 else { return .invalid }
        if words[1] == "UNKNOWN" { return .unnamed(count: end + 1) }
        guard words.count == 6, words[1] == "TCP4" || words[1] == "TCP6",
            words[2...3].allSatisfy({ !$0.contains("/") && AddressRange(String($0)) != nil }),
            words[2...3].allSatisfy({ $0.contains(":") == (words[1] == "TCP6") }),
            words[4...5].allSatisfy({
                $0.utf8.count <= 5 && $0.utf8.allSatisfy(\.isASCIIDigit) && UInt16($0) != nil
            })
        else { return .invalid }
        return .client(String(words[2]), isIPv6: words[1] == "TCP6", count: end + 1)
    }

    private static func binary(_ bytes: [UInt8]) -> ProxyHeader {
        guard bytes.count >= 16 else { return .incomplete }
        let length = Int(bytes[14]) << 8 | Int(bytes[15])
        guard bytes[12] >> 4 == 2, bytes[12] & 0xF <= 1, length <= mostBinaryBytes else { return .invalid }
        guard bytes.count >= 16 + length else { return .incomplete }
        let count = 16 + length
        guard bytes[12] & 0xF == 1 else { return .unnamed(count: count) }
        switch bytes[13] {
        case 0x11: return address(bytes[16..<count], 4, 12, count)
        case 0x21: return address(bytes[16..<count], 16, 36, count)
        case 0x00: return .unnamed(count: count)
        // Datagrams and local sockets do not come here.
        default: return .invalid
        }
    }

    private static func address(_ block: ArraySlice<UInt8>, _ width: Int, _ least: Int, _ count: Int) -> ProxyHeader {
        guard block.count >= least,
            let address = try? SocketAddress(packedIPAddress: ByteBuffer(bytes: block.prefix(width)), port: 0),
            let text = address.ipAddress
        else { return .invalid }
        return .client(text, isIPv6: width == 16, count: count)
    }
}

/// Reads the PROXY protocol from the beginning of a connection, then gives it over.
final class ProxyHeaderHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let origin: ConnectionOrigin
    private let next: @Sendable (any Channel) throws -> Void
    private var buffer = ByteBuffer()

    init(_ origin: ConnectionOrigin, next: @escaping @Sendable (any Channel) throws -> Void) {
        (self.origin, self.next) = (origin, next)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        buffer.writeBuffer(&bytes)
        let count: Int
        switch ProxyHeader(buffer.readableBytesView) {
        case .incomplete: return
        case .invalid:
            // No proxy of ours: nothing is said to it.
            context.close(promise: nil)
            return
        case .unnamed(let length): count = length
        case .client(let address, let isIPv6, let length):
            origin.peer = Peer(address: address, isIPv6: isIPv6, endpoint: origin.peer.endpoint)
            count = length
        }
        buffer.moveReaderIndex(forwardBy: count)
        do {
            try next(context.channel)
            if buffer.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(buffer)) }
            context.pipeline.syncOperations.removeHandler(self, promise: nil)
        } catch {
            context.close(promise: nil)
        }
    }
}

/// Where a connection comes from, as far as it is known.
final class ConnectionOrigin: @unchecked Sendable {
    // Unchecked: everything happens on the thread of the channel's event loop.
    var peer: Peer

    init(_ channel: any Channel, endpoint: String?) {
        let address = channel.remoteAddress
        peer = Peer(address: address?.ipAddress ?? "", isIPv6: address?.protocol == .inet6, endpoint: endpoint)
    }
}
