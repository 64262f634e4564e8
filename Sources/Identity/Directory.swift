package import Barrier
package import Domain
import Synchronization

/// The applications as one immutable picture that every change replaces; what the path of a request asks whether a client still
/// stands.
package final class Directory: Sendable {
    private let current: Mutex<[GUID: Application]>
    private let generation = Atomic<UInt64>(1)

    package init(_ applications: [Application]) {
        current = Mutex(Dictionary(uniqueKeysWithValues: applications.map { ($0.id, $0) }))
    }

    package convenience init(loadingFrom reader: any RecordReader) throws(VaultError) {
        self.init(try ApplicationTable.all(in: reader))
    }

    package func application(_ id: GUID) -> Application? { current.withLock { $0[id] } }

    package func application(objectID: GUID) -> Application? {
        current.withLock { $0.values.first { $0.objectID == objectID } }
    }

    package var all: [Application] { current.withLock { Array($0.values) } }

    /// Takes one application anew from the store after a commit; see `AccessControl.reload` for why so.
    package func reload(_ id: GUID, from reader: any RecordReader, committed: Application?) {
        current.withLock { applications in
            var stored = committed
            do { stored = try ApplicationTable.application(id, in: reader) } catch {}
            applications[id] = stored
        }
        generation.add(1, ordering: .releasing)
    }

    /// Moves with every change; verified tokens are looked at anew when it has moved.
    var version: UInt64 { generation.load(ordering: .acquiring) }
}
