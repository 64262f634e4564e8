import ACME
import Cryptography
import Domain
import HTTPSClient
import Keys
import Notices
import Operations
import Pools
import SMTPClient

/// How the house reaches the world: receivers of notices, and authorities that are asked by ACME.
extension House {
    static func channels(_ configuration: HouseConfiguration, _ engine: CryptoEngine) -> [Notices.Channel: Notices.Send]
    {
        var channels: [Notices.Channel: Notices.Send] = [:]
        if let receiver = configuration.webhook {
            let webhook = SignedWebhook(receiver: receiver, engine: engine, now: configuration.world.wall)
            channels[.webhook] = { message in
                do throws(HTTPSClient.Failure) {
                    try await webhook.send(Array(message.body.utf8), id: message.id)
                    return .delivered
                } catch { return .failed("\(receiver.address): \(error.text)") }
            }
        }
        if let mail = configuration.mail {
            let client = SMTPClient(mail)
            let suffix = configuration.suffix
            channels[.mail] = { message in
                do throws(SMTPClient.Failure) {
                    try await client.send(
                        MailMessage(
                            recipient: message.recipient ?? "", subject: message.subject ?? "", text: message.body,
                            date: Timestamp(epochSeconds: message.created), identifier: "\(message.id)@\(suffix)"))
                    return .delivered
                } catch {
                    switch error {
                    case .refused(let text): return .refused(text)
                    case .later(let text): return .failed(text)
                    }
                }
            }
        }
        return channels
    }

    static func acme(_ configuration: HouseConfiguration, _ engine: CryptoEngine, _ work: KeyWork) -> ACME {
        ACME(
            ACMESettings(
                directories: configuration.acmeDirectories, answersHTTP: configuration.publicAddress != nil),
            exchange: ACMEExchange { await exchange($0, $1, $2, caFile: $3) },
            publisher: configuration.challengePublisher.map { publisher($0, configuration, engine) },
            engine: engine, work: work)
    }

    /// At most 256 KiB within twenty seconds, no redirects.
    private static func exchange(_ method: String, _ address: String, _ body: [UInt8], caFile: String?) async
        -> Result<ACMEExchange.Answer, ACMEFailure>
    {
        let client = HTTPSClient(caFile: caFile, mostBytes: 256 << 10, timeout: .seconds(20))
        do throws(HTTPSClient.Failure) {
            let answer = try await client.exchange(
                method, address, headers: method == "POST" ? [("Content-Type", "application/jose+json")] : [],
                body: body)
            return .success(
                ACMEExchange.Answer(
                    status: answer.status, nonce: answer.header("Replay-Nonce"), location: answer.header("Location"),
                    retryAfter: answer.header("Retry-After"), body: answer.body))
        } catch {
            return .failure(.later("The authority cannot be asked: \(error.text)."))
        }
    }

    private static func publisher(
        _ publisher: HouseConfiguration.Publisher, _ configuration: HouseConfiguration, _ engine: CryptoEngine
    ) -> ChallengePublisher {
        switch publisher {
        case .command(let path):
            let command = HookCommand(path: path)
            return { action, record in
                switch await command.run([action.rawValue, record.name, record.value]) {
                case nil: return .success(())
                case let text?: return .failure(.later("The command that publishes records failed: \(text)."))
                }
            }
        case .webhook(let receiver):
            let webhook = SignedWebhook(receiver: receiver, engine: engine, now: configuration.world.wall)
            return { action, record in
                var json = JSONWriter()
                json.object { json in
                    json.member("action", action.rawValue)
                    json.member("name", record.name)
                    json.member("type", "TXT")
                    json.member("value", record.value)
                    json.member("ttl", 60)
                }
                do throws(HTTPSClient.Failure) {
                    try await webhook.send(json.bytes, id: "acme.\(action.rawValue).\(record.name).\(record.value)")
                    return .success(())
                } catch {
                    return .failure(.later("The webhook that publishes records failed: \(error.text)."))
                }
            }
        }
    }

    /// The storage of backups: bounded in size and time, no redirects. Addresses hold signatures and stay out of every text.
    static func blobExchange(_ configuration: HouseConfiguration) -> Pools.Exchange {
        let caFile = configuration.poolBackups.caFile
        return { request in
            let client = HTTPSClient(caFile: caFile, mostBytes: request.mostBytes, timeout: .seconds(120))
            do throws(HTTPSClient.Failure) {
                let answer = try await client.exchange(
                    request.method, request.address, headers: request.headers, body: request.body)
                return .success(BlobAnswer(status: answer.status, body: answer.body))
            } catch {
                return .failure(.unavailable("The storage cannot be used: \(error.text)."))
            }
        }
    }
}
