import Domain

/// Where pools may be backed up to: what the configuration names, and nothing else, so that who may start a backup does not choose whom
/// the server talks to, nor where it writes.
///
/// `file:///<name>` is a folder that the configuration gives that name; `https://<host>/<container>` is a container of an
/// Azure-Blob-compatible storage at a host that the configuration allows.
package struct BackupPlaces: Sendable {
    package struct Storage: Sendable {
        /// Host names, with the port where it is not 443; `*.` at the beginning stands for one label.
        package let hosts: [String]
        /// PEM bundle of the trusted authorities; nil for those of the system.
        package let caFile: String?

        package init(hosts: [String], caFile: String?) { (self.hosts, self.caFile) = (hosts, caFile) }
    }

    /// Absolute paths by name.
    let folders: [String: String]
    let storage: Storage?

    package init(folders: [String: String] = [:], storage: Storage? = nil) {
        (self.folders, self.storage) = (folders, storage)
    }

    /// Of the storage.
    package var caFile: String? { storage?.caFile }

    enum Place: Sendable {
        /// An absolute path.
        case folder(String)
        /// The container's address.
        case container(String)
    }

    private static let mostCharacters = 1_024

    /// Letters, digits, hyphen, underscore, full stop and dollar, not beginning with a full stop.
    package static func isSegment(_ text: some StringProtocol) -> Bool {
        (1...128).contains(text.utf8.count) && text.utf8.first != UInt8(ascii: ".")
            && text.utf8.allSatisfy { $0.isASCIILetter || $0.isASCIIDigit || "-_.$".utf8.contains($0) }
    }

    /// - Throws: `.badParameter` for an address that is none, or that the configuration does not allow.
    func place(_ address: String) throws(VaultError) -> Place {
        let property = "storageResourceUri"
        guard address.utf8.count <= Self.mostCharacters, let scheme = address.firstRange(of: "://") else {
            throw Pools.wrong(property, "it must be https://<host>/<container> or file:///<name>")
        }
        let rest = address[scheme.upperBound...]
        let segments = rest.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        let path = segments.dropFirst().last == "" ? segments.dropFirst().dropLast() : segments.dropFirst()
        guard path.count == 1, let name = path.first, Self.isSegment(name) else {
            throw Pools.wrong(
                property,
                "behind the host there must be one name, of letters, digits, hyphens, underscores and full stops")
        }
        switch address[..<scheme.lowerBound].lowercased() {
        case "file":
            guard segments[0].isEmpty else { throw Pools.wrong(property, "a folder is file:///<name>, without a host") }
            guard let folder = folders[name] else {
                throw Pools.wrong(
                    property, "the configuration names no folder '\(name)' for backups of pools (poolBackups.folders)")
            }
            return .folder(folder)
        case "https":
            let host = segments[0].lowercased()
            guard storage?.hosts.contains(where: { Self.matches(host, $0.lowercased()) }) == true else {
                throw Pools.wrong(
                    property,
                    "the configuration does not allow the host '\(host.prefix(128))' for backups of pools (poolBackups.hosts)"
                )
            }
            return .container("https://\(host)/\(name)")
        default: throw Pools.wrong(property, "it must be https://<host>/<container> or file:///<name>")
        }
    }

    private static func matches(_ host: String, _ pattern: String) -> Bool {
        guard pattern.hasPrefix("*.") else { return host == pattern }
        guard let dot = host.firstIndex(of: ".") else { return false }
        return dot != host.startIndex && host[dot...] == pattern.dropFirst()
    }
}

/// Holds the parts of backups.
protocol BackupStorage: Sendable {
    /// - Parameter name: `<folder>/<part>`.
    func write(_ bytes: [UInt8], to name: String) async throws(VaultError)
    /// - Throws: `.resourceNotFound` when there is none.
    func read(_ name: String, mostBytes: Int) async throws(VaultError) -> [UInt8]
    func remove(_ name: String) async
}
