import Synchronization

/// The catalog for those of its operations that tell of others: filled in once it stands.
package final class CatalogBox: Sendable {
    private let catalog = Mutex<Catalog?>(nil)

    package init() {}

    package func fill(_ made: Catalog) { catalog.withLock { $0 = made } }

    /// What is in the catalog holds this box: without this, neither would ever go.
    package func empty() { catalog.withLock { $0 = nil } }

    package func operation(named name: String) -> (any AnyOperation)? {
        catalog.withLock { catalog in
            catalog?.operations.first { $0.name.lowercased() == name.lowercased() && $0.method != nil }
        }
    }
}
