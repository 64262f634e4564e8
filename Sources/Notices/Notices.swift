package import Barrier
package import Domain
import FoundationEssentials
package import Operations

/// Tells programs what happened: by webhook, at least once, tried again until it is taken or a week old.
///
/// A notice is written in the transaction that gives cause for it, once for each channel, so that a channel that fails holds up no
/// other and repeats nothing of it.
package struct Notices: Sendable {
    package enum Channel: String, Sendable, Codable { case webhook }

    /// What goes out on a channel.
    package struct Message: Codable, Sendable {
        package let id: String
        package let body: String
        /// Seconds since 1970.
        package let created: Int64
    }

    package typealias Send = @Sendable (Message) async -> Result<Void, VaultError>

    private let channels: [Channel: Send]

    /// - Parameter channels: those that are configured.
    package init(_ channels: [Channel: Send]) { self.channels = channels }

    private static let keptFor: Int64 = 7 * 86_400

    private static func key(_ channel: Channel, _ id: String) -> String { "notice/\(channel.rawValue)/\(id)" }

    /// Writes a notice down for every channel that can take it.
    package func announce(_ notice: Notice, in transaction: Transaction) throws(VaultError) {
        let id =
            "\(notice.kind.rawValue).\(notice.vault.name).\(notice.name.key).\(notice.version).\(notice.time.epochSeconds)"
        for channel in channels.keys {
            let message = Message(
                id: id, body: String(decoding: notice.event(id: id), as: UTF8.self),
                created: notice.time.epochSeconds)
            guard let bytes = try? JSONEncoder().encode(message) else { throw .internal("a notice was not encoded") }
            try transaction.put([1] + Array(bytes), at: Self.key(channel, id), in: .system)
            try Duty(
                due: notice.time, id: "notice.\(channel.rawValue).\(id)", operation: "NoticeSend",
                vault: notice.vault.name, parameters: ["channel": channel.rawValue, "notice": id]
            ).schedule(in: transaction)
        }
    }

    package var operations: [any AnyOperation] {
        [Operation(scheduled: "NoticeSend", requires: .certificatesRead, run: send)]
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
        call.concerns(objectID: "notice/\(input.channel.rawValue)/\(input.id)")
        if call.now.epochSeconds - message.created > Self.keptFor {
            call.note(
                itemNamed: "NoticeSend", objectID: "notice/\(input.channel.rawValue)/\(input.id)", status: 504,
                description: "The notice could not be delivered for a week and is given up.", grant: nil)
        } else if let channel = channels[input.channel] {
            try await channel(message).get()
        }
        // A channel that was taken out of the configuration takes its notices with it.
        try await call.commit { transaction throws(VaultError) in try transaction.remove(key) }
        return NoContent()
    }
}
