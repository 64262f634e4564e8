import Store

/// A connection between whose read and its answer something else happens, once.
final class OvertakenConnection: StoreConnection {
    private let connection: any StoreConnection
    var afterRead: () -> Void = {}

    init(_ connection: any StoreConnection) { self.connection = connection }

    func value(at key: String) throws(StoreError) -> [UInt8]? {
        let value = try connection.value(at: key)
        afterRead()
        afterRead = {}
        return value
    }

    func entries(in range: KeyRange, limit: Int) throws(StoreError) -> [StoreEntry] {
        try connection.entries(in: range, limit: limit)
    }

    func lastEntry(in range: KeyRange) throws(StoreError) -> StoreEntry? { try connection.lastEntry(in: range) }

    func snapshot<Value, Failure: Error>(_ body: () throws(Failure) -> Value) throws(Failure) -> Value {
        try connection.snapshot(body)
    }
}
