import NIOCore
import NIOHPACK
import NIOHTTP2

/// Refuses an HTTP/2 request whose `host` header names another host than its `:authority` (RFC 9113 §8.3.1): the two would be
/// routed differently by different readers.
final class AuthorityCheck: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias InboundOut = HTTP2Frame.FramePayload
    typealias OutboundOut = HTTP2Frame.FramePayload

    private var isRefused = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isRefused else { return }
        if case .headers(let headers) = unwrapInboundIn(data) {
            let hosts = headers.headers[":authority"] + headers.headers["host"]
            if let first = hosts.first, hosts.contains(where: { $0.lowercased() != first.lowercased() }) {
                isRefused = true
                context.writeAndFlush(wrapOutboundOut(.rstStream(.protocolError)), promise: nil)
                return
            }
        }
        context.fireChannelRead(data)
    }
}
