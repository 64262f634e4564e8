package import Barrier
package import Domain
import FoundationEssentials
package import Operations

/// Tells programs and people what happened, by webhook and by mail: at least once, tried again until it is taken or a week old.
///
/// A notice is written in the transaction that gives cause for it, once for each channel and each recipient, so that one that fails holds
/// up no other and repeats nothing of it.
package struct Notices: Sendable {
    package enum Channel: String, Sendable, Codable { case webhook, mail }

    /// What goes out on a channel.
    package struct Message: Codable, Sendable {
        package let id: String
        /// JSON for programs, plain text for people.
        package let body: String
        /// Seconds since 1970.
        package let created: Int64
        /// Of a mail.
        package var recipient: String?
        package var subject: String?
    }

    package enum Outcome: Sendable {
        case delivered
        /// It will never be taken.
        case refused(String)
        /// It is tried again.
        case failed(String)
    }

    package typealias Send = @Sendable (Message) async -> Outcome

    private let channels: [Channel: Send]

    /// - Parameter channels: those that are configured.
    package init(_ channels: [Channel: Send]) { self.channels = channels }

    private static let keptFor: Int64 = 7 * 86_400

    private static func key(_ channel: Channel, _ id: String) -> String { "notice/\(channel.rawValue)/\(id)" }

    /// Writes a notice down for every channel and recipient.
    package func announce(_ notice: Notice, in transaction: Transaction) throws(VaultError) {
        let id =
            "\(notice.kind.rawValue).\(notice.vault.name).\(notice.name.key).\(notice.version).\(notice.time.epochSeconds)"
        let created = notice.time.epochSeconds
        if channels[.webhook] != nil {
            let body = String(decoding: notice.event(id: id), as: UTF8.self)
            try put(Message(id: id, body: body, created: created), .webhook, notice, in: transaction)
        }
        if channels[.mail] != nil {
            for (index, recipient) in notice.recipients.enumerated() {
                try put(
                    Message(
                        id: "\(id).\(index)", body: notice.text, created: created, recipient: recipient,
                        subject: notice.subject), .mail, notice, in: transaction)
            }
        }
    }

    private func put(_ message: Message, _ channel: Channel, _ notice: Notice, in transaction: Transaction)
        throws(VaultError)
    {
        guard let bytes = try? JSONEncoder().encode(message) else { throw .internal("a notice was not encoded") }
        try transaction.put([1] + Array(bytes), at: Self.key(channel, message.id), in: .system)
        try Duty(
            due: notice.time, id: "notice.\(channel.rawValue).\(message.id)", operation: "NoticeSend",
            vault: notice.vault.name, parameters: ["channel": channel.rawValue, "notice": message.id],
            party: channel.rawValue
        ).schedule(in: transaction)
    }

    package var operations: [any AnyOperation] {
        [Operation(scheduled: "NoticeSend", requires: .certificatesRead, isElsewhere: true, run: send)]
    }

    private struct SendNotice: OperationInput {
        let channel: Channel
        let id: String

        init(_ request: Request) throws(VaultError) {
            guard let channel = request.parameter("channel").flatMap({ Channel(rawValue: $0) }),
                let id = request.parameter("notice")
            else { throw .internal("a notice without a channel") }
            (self.channel, self.id) = (channel, id)
        }
    }

    /// The duty: sends one notice on one channel.
    private func send(_ input: SendNotice, _ call: Call) async throws(VaultError) -> NoContent {
        let key = Self.key(input.channel, input.id)
        guard let bytes = try call.lane.reader.record(at: key) else { return NoContent() }
        guard bytes.first == 1,
            let message = try? JSONDecoder().decode(Message.self, from: Data(bytes.dropFirst()))
        else { throw .integrity(record: key) }
        call.concerns(objectID: key)
        if call.now.epochSeconds - message.created > Self.keptFor {
            call.note(
                itemNamed: "NoticeSend", objectID: key, status: 504,
                description: "The notice could not be delivered for a week and is given up.", grant: nil)
        } else if let channel = channels[input.channel] {
            switch await channel(message) {
            case .delivered: break
            case .refused(let reason):
                call.note(
                    itemNamed: "NoticeSend", objectID: key, status: 422,
                    description: "The notice is refused for good and is given up: \(reason)", grant: nil)
            case .failed(let reason):
                throw .unavailable("The receiver of notices did not take one.", cause: reason)
            }
        }
        // A channel that was taken out of the configuration takes its notices with it.
        try await call.commit { transaction throws(VaultError) in try transaction.remove(key) }
        return NoContent()
    }
}
