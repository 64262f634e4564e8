import Barrier
import Domain
import Store

/// A store that cannot be read just now.
final class NoRecords: RecordReader {
    func record(at key: String) throws(VaultError) -> [UInt8]? { throw .unavailable("not now") }
    func records(in range: KeyRange, limit: Int) throws(VaultError) -> [StoreEntry] { throw .unavailable("not now") }
}
