import Synchronization

/// Sealed records that were read lately, shared by all lanes; never plaintext.
///
/// A record stays until the writer changes it: after a commit and before anybody is told of it, the writer drops what the commit
/// changed. A reader that read the store before that commit and comes to put its record in after it is turned away by the count
/// of drops, so that nothing old can stay behind.
package final class SealedCache: Sendable {
    private struct Shard: Sendable {
        var records: [String: [UInt8]] = [:]
        var bytes = 0
        var drops: UInt64 = 0
    }

    /// A promise to put a record in only if nothing was dropped since.
    struct Ticket {
        fileprivate let shard: Int
        fileprivate let drops: UInt64
    }

    private static let shardCount = 64
    /// What an entry costs beside its bytes: the dictionary's slot, the key, two heap headers.
    private static let overhead = 160
    /// A larger record would push out too many others.
    private static let largestRecord = 8_192

    private let shards: [Locked]
    private let bytesPerShard: Int

    private final class Locked: Sendable {
        let value = Mutex(Shard())
    }

    /// - Parameter bytes: bound on the whole cache; 0 turns it off.
    package init(bytes: Int) {
        shards = (0..<Self.shardCount).map { _ in Locked() }
        bytesPerShard = bytes / Self.shardCount
    }

    func record(at key: String) -> (record: [UInt8]?, ticket: Ticket) {
        let index = Self.shard(of: key)
        return shards[index].value.withLock { shard in
            (shard.records[key], Ticket(shard: index, drops: shard.drops))
        }
    }

    func put(_ record: [UInt8], at key: String, _ ticket: Ticket) {
        guard record.count <= Self.largestRecord, bytesPerShard > 0 else { return }
        shards[ticket.shard].value.withLock { shard in
            guard shard.drops == ticket.drops, shard.records[key] == nil else { return }
            let cost = record.count + key.utf8.count + Self.overhead
            // Whatever comes first goes: the order of a hash table is as good as random here.
            while shard.bytes + cost > bytesPerShard, let victim = shard.records.first {
                shard.records[victim.key] = nil
                shard.bytes -= victim.value.count + victim.key.utf8.count + Self.overhead
            }
            shard.records[key] = record
            shard.bytes += cost
        }
    }

    /// After a commit that changed these keys, before anybody is told.
    package func drop(_ keys: some Sequence<String>) {
        for key in keys {
            shards[Self.shard(of: key)].value.withLock { shard in
                shard.drops &+= 1
                if let old = shard.records.removeValue(forKey: key) {
                    shard.bytes -= old.count + key.utf8.count + Self.overhead
                }
            }
        }
    }

    /// FNV-1a over the last bytes, where keys differ.
    private static func shard(of key: String) -> Int {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in key.utf8.suffix(16) { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return Int(hash >> 32 & UInt64(shardCount - 1))
    }
}
