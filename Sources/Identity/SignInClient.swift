package import Domain

/// A client that people sign in through.
package struct SignInClient: Sendable {
    package let id: GUID
    package let displayName: String
    /// Where codes may be sent; a loopback address stands for all ports of itself (RFC 8252 §7.3).
    package let redirectAddresses: [String]
    /// It cannot keep a secret, so none is asked of it.
    package let isPublic: Bool

    private static let loopback = ["http://localhost", "http://127.0.0.1", "http://[::1]"]

    /// Programs that are the same for every tenant.
    ///
    /// - Source: azure-cli, azure-identity and Az.Accounts, which carry these ids.
    private static let known: [(id: String, name: String)] = [
        ("04b07795-8ddb-461a-bbee-02f9e1bf7b46", "Microsoft Azure CLI"),
        ("1950a258-227b-4e31-a9cf-717495945fc2", "Microsoft Azure PowerShell"),
    ]

    static func isKnown(_ id: GUID) -> Bool { knownName(id) != nil }

    private static func knownName(_ id: GUID) -> String? {
        known.first { $0.id == id.description }?.name
    }

    /// Nil for a client that is absent, disabled, or that nobody signs in through.
    package init?(_ id: GUID, in directory: Directory) {
        self.id = id
        if let name = Self.knownName(id) {
            (displayName, redirectAddresses, isPublic) = (name, Self.loopback, true)
            return
        }
        guard let application = directory.application(id), application.isEnabled, application.kind == .application,
            let signIn = application.signIn
        else { return nil }
        displayName = application.displayName
        redirectAddresses = signIn.redirectAddresses
        isPublic = signIn.isPublic
    }

    /// Whether codes may be sent there: exactly what is registered, but for the port of a loopback address and its path when none is
    /// registered.
    ///
    /// - Source: RFC 9700 §2.1, RFC 8252 §7.3.
    package func allows(redirect address: String) -> Bool {
        guard Self.flaw(ofRedirect: address) == nil else { return false }
        if redirectAddresses.contains(address) { return true }
        return redirectAddresses.contains { registered in
            guard let (origin, path) = Self.loopbackParts(registered), let asked = Self.loopbackParts(address) else {
                return false
            }
            return origin == asked.origin && (path.isEmpty || path == asked.path)
        }
    }

    private static func loopbackParts(_ address: String) -> (origin: String, path: String)? {
        for origin in loopback where address.hasPrefix(origin) {
            var rest = address.dropFirst(origin.count)
            if rest.first == ":" {
                let digits = rest.dropFirst().prefix { $0.isASCII && $0.isNumber }
                guard (1...5).contains(digits.count), Int(digits).map({ $0 <= 65_535 }) == true else { return nil }
                rest = rest.dropFirst(1 + digits.count)
            }
            guard rest.isEmpty || rest.first == "/", !rest.contains("#"), !rest.contains("@") else { return nil }
            return (origin, String(rest))
        }
        return nil
    }

    /// Why an address cannot be registered; nil when it can.
    package static func flaw(ofRedirect address: String) -> String? {
        guard address.utf8.count <= 512, address.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            return "it must be at most 512 visible ASCII characters"
        }
        guard !address.contains("#"), !address.contains("*") else { return "it must hold no fragment and no wildcard" }
        if loopbackParts(address) != nil { return nil }
        guard !address.contains(where: { "\"<>\\^`{|}".contains($0) }) else {
            return "it must hold no quotes, brackets, bars or backslashes"
        }
        let authority = address.dropFirst("https://".count).prefix { !"/?".contains($0) }
        guard address.hasPrefix("https://"), isHost(authority) else {
            return "it must be an https address with a host name, or http on a loopback address"
        }
        return nil
    }

    /// A host name, and a port.
    private static func isHost(_ authority: Substring) -> Bool {
        let parts = authority.split(separator: ":", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), (1...253).contains(parts[0].utf8.count) else { return false }
        if parts.count == 2 {
            guard parts[1].utf8.allSatisfy(\.isASCIIDigit), let port = Int(parts[1]), (1...65_535).contains(port) else {
                return false
            }
        }
        return parts[0].split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
            (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
                && label.utf8.allSatisfy { $0.isASCIILetter || $0.isASCIIDigit || $0 == UInt8(ascii: "-") }
        }
    }
}
