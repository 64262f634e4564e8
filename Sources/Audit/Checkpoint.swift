package import Cryptography
package import Domain

/// A signed statement of how long the log was at a moment and what its chain hash was.
///
/// Stands in the chain as a record of its own and, beside the database, as a line of `audit-checkpoints.jsonl`: a log whose tail
/// was cut together with its checkpoints is shorter than that file says. Copy the file elsewhere to make it evidence.
package struct Checkpoint: Sendable, Equatable {
    static let kind: UInt8 = 2
    private static let format: UInt8 = 1

    package let time: Timestamp
    /// The chain up to the record before this one.
    package let chain: AuditChain
    package let publicKey: [UInt8]
    package let signature: [UInt8]

    static func sign(_ chain: AuditChain, at time: Timestamp, key: Ed25519PrivateKey) throws(CryptoError) -> Checkpoint
    {
        let publicKey = try key.publicKey()
        let signature = try key.sign(statement(chain, time))
        return Checkpoint(time: time, chain: chain, publicKey: publicKey, signature: signature)
    }

    private init(time: Timestamp, chain: AuditChain, publicKey: [UInt8], signature: [UInt8]) {
        (self.time, self.chain, self.publicKey, self.signature) = (time, chain, publicKey, signature)
    }

    package func isAuthentic(publicKey expected: [UInt8], engine: CryptoEngine) -> Bool {
        publicKey == expected
            && Ed25519PrivateKey.verify(
                Self.statement(chain, time), signature: signature, publicKey: publicKey, engine: engine)
    }

    private static func statement(_ chain: AuditChain, _ time: Timestamp) -> [UInt8] {
        var statement = ByteWriter()
        statement.raw(Array("strongroom audit checkpoint v1\n".utf8))
        statement.integer(chain.sequence)
        statement.raw(chain.hash.bytes)
        statement.integer(time.nanoseconds)
        return statement.bytes
    }

    func encoded() -> [UInt8] {
        var record = ByteWriter()
        record.byte(Self.kind)
        record.byte(Self.format)
        record.integer(time.nanoseconds)
        record.integer(chain.sequence)
        record.raw(chain.hash.bytes)
        record.blob(publicKey)
        record.blob(signature)
        return record.bytes
    }

    init?(_ bytes: [UInt8]) {
        var record = ByteReader(bytes)
        guard record.byte() == Self.kind, record.byte() == Self.format, let time = record.integer(Int64.self),
            let sequence = record.integer(UInt64.self), let hash = record.raw(32), let publicKey = record.blob(),
            let signature = record.blob(), record.isAtEnd
        else { return nil }
        self.init(
            time: Timestamp(nanoseconds: time), chain: AuditChain(sequence: sequence, hash: SHA256Digest(Array(hash))),
            publicKey: Array(publicKey), signature: Array(signature))
    }

    /// One line of the file beside the database.
    package var line: String {
        var writer = JSONWriter()
        writer.object { line in
            line.member("time", time.iso8601)
            line.member("nanoseconds", time.nanoseconds)
            line.member("sequence", String(chain.sequence))
            line.member("hash", Hex.encode(chain.hash.bytes))
            line.member("publicKey", Base64.encodeURL(publicKey))
            line.member("signature", Base64.encodeURL(signature))
        }
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    package init?(line: String) {
        struct Line: Decodable {
            let nanoseconds: Int64
            let sequence: String
            let hash: String
            let publicKey: String
            let signature: String
        }
        guard let line = try? Line.fromJSON(Array(line.utf8)), let sequence = UInt64(line.sequence),
            let hash = Hex.decode(line.hash), hash.count == 32, let publicKey = Base64.decodeURL(line.publicKey),
            let signature = Base64.decodeURL(line.signature)
        else { return nil }
        self.init(
            time: Timestamp(nanoseconds: line.nanoseconds),
            chain: AuditChain(sequence: sequence, hash: SHA256Digest(hash)), publicKey: publicKey, signature: signature)
    }
}
