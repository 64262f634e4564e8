import HTTPServer
import House

#if canImport(Glibc)
    import Glibc
#endif

/// How many descriptors this process may have open: one for each connection, and those of the storage and the module.
enum OpenFiles {
    /// For what is no connection from a client.
    private static let others = 1_024

    /// Raises the usual limit of 1,024 to what the most connections need, as far as the system lets it.
    ///
    /// - Returns: how many connections there may be, so that never one takes the last descriptor.
    static func connections() -> Int {
        let most = HTTPLimits().connections
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        let wanted = rlim_t(most + others)
        if limit.rlim_cur < wanted {
            limit.rlim_cur = min(wanted, limit.rlim_max)
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        }
        guard limit.rlim_cur < wanted else { return most }
        let files = Int(limit.rlim_cur)
        let connections = files - min(others, files / 2)
        StandardError.line(
            "this process may open \(files) files, which is enough for \(connections) connections; \(wanted) would be for \(most) (LimitNOFILE)"
        )
        return connections
    }
}
