import FoundationEssentials
import Pools

#if canImport(Glibc)
    import Glibc
#endif

/// Where pools may be backed up to, in the configuration.
struct PoolBackupSettings: Decodable, Sendable {
    /// Absolute paths by name.
    let folders: [Folder]?
    let hosts: [String]?
    let caFile: String?

    struct Folder: Decodable, Sendable {
        let name: String
        let path: String
    }

    func places() throws -> BackupPlaces {
        var paths: [String: String] = [:]
        for folder in folders ?? [] {
            guard BackupPlaces.isSegment(folder.name) else {
                throw Settings.wrong(
                    "poolBackups.folders.name",
                    "'\(folder.name)' must be letters, digits, hyphens, underscores and full stops")
            }
            guard paths[folder.name] == nil else {
                throw Settings.wrong("poolBackups.folders.name", "'\(folder.name)' stands twice")
            }
            var status = stat()
            guard folder.path.hasPrefix("/"), stat(folder.path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR,
                access(folder.path, W_OK | X_OK) == 0
            else {
                throw Settings.wrong(
                    "poolBackups.folders.path",
                    "'\(folder.path)' is not the absolute path of a folder that can be written")
            }
            paths[folder.name] = folder.path
        }
        for host in hosts ?? [] {
            guard Self.isHost(host) else {
                throw Settings.wrong(
                    "poolBackups.hosts",
                    "'\(host)' must be a host such as backup.example.com or *.blob.example.com:10000")
            }
        }
        try Settings.requireReadable(caFile, "poolBackups.caFile")
        guard let hosts, !hosts.isEmpty else {
            guard caFile == nil else { throw Settings.wrong("poolBackups.caFile", "it means nothing without hosts") }
            return BackupPlaces(folders: paths)
        }
        return BackupPlaces(folders: paths, storage: .init(hosts: hosts, caFile: caFile))
    }

    /// A host name with a port or without; `*.` may stand for its first label.
    static func isHost(_ text: String) -> Bool {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        if parts.count == 2 {
            guard parts[1].allSatisfy({ ("0"..."9").contains($0) }), let port = Int(parts[1]),
                (1...65_535).contains(port)
            else { return false }
        }
        let name = parts.first.map(String.init) ?? ""
        return Settings.isHostSuffix(name.hasPrefix("*.") ? String(name.dropFirst(2)) : name)
    }

    /// `HOST` or `HOST,CA_FILE`, from the command line.
    static func parse(_ text: String) throws -> (host: String, caFile: String?) {
        let parts = text.split(separator: ",", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard isHost(parts[0]) else {
            throw CommandFailure.usage("--backup-host: '\(parts[0])' is not a host such as *.blob.example.com")
        }
        guard parts.count == 2 else { return (parts[0], nil) }
        guard access(parts[1], R_OK) == 0 else {
            throw CommandFailure.usage("--backup-host: the file '\(parts[1])' cannot be read")
        }
        return (parts[0], parts[1])
    }
}
