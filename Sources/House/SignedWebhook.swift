import Cryptography
import Domain
import HTTPSClient

/// Sends signed POSTs; any answer of 200 to 299 takes one.
///
/// - Source: the Standard Webhooks specification: `webhook-id`, `webhook-timestamp`, and `webhook-signature`, which is `v1,` and
///   the base64 of HMAC-SHA-256 over id, time and body with dots between them.
struct SignedWebhook: Sendable {
    let receiver: HouseConfiguration.Webhook
    let engine: CryptoEngine
    let now: @Sendable () -> Timestamp

    /// - Parameter id: the same when a call is repeated.
    /// - Throws: says in words what went wrong.
    func send(_ body: [UInt8], id: String) async throws(HTTPSClient.Failure) {
        let time = String(now().epochSeconds)
        guard let tag = try? engine.hmacSHA256(key: receiver.secret, Array("\(id).\(time).".utf8) + body) else {
            throw HTTPSClient.Failure("it could not be signed")
        }
        let client = HTTPSClient(caFile: receiver.caFile, mostBytes: 64 << 10, timeout: .seconds(10))
        let answer = try await client.exchange(
            "POST", receiver.address,
            headers: [
                ("Content-Type", "application/json"), ("webhook-id", id), ("webhook-timestamp", time),
                ("webhook-signature", "v1," + Base64.encode(tag)),
            ], body: body)
        guard (200..<300).contains(answer.status) else {
            throw HTTPSClient.Failure("it answered with status \(answer.status)")
        }
    }
}
