import Domain

/// A dictionary by GUID in 256 parts. Whoever holds a copy makes a change copy one part, not all of it: a hundred thousand assignments
/// can change one by one while every event loop holds its picture.
struct ShardedDictionary<Value: Sendable>: Sendable {
    private var shards = [[GUID: Value]](repeating: [:], count: 256)

    private static func index(_ id: GUID) -> Int { Int(truncatingIfNeeded: id.low ^ id.high) & 255 }

    subscript(id: GUID) -> Value? {
        get { shards[Self.index(id)][id] }
        set { shards[Self.index(id)][id] = newValue }
    }

    subscript(id: GUID, default made: @autoclosure () -> Value) -> Value {
        get { shards[Self.index(id)][id] ?? made() }
        _modify { yield &shards[Self.index(id)][id, default: made()] }
    }

    var values: [Value] { shards.flatMap(\.values) }

    mutating func removeValue(forKey id: GUID) -> Value? { shards[Self.index(id)].removeValue(forKey: id) }
}
