import ACME
import Domain
import FoundationEssentials
import House
import SMTPClient
import X509

#if canImport(Glibc)
    import Glibc
#endif

/// Whom the server tells of certificates that near their end: programs by webhook, people by mail.
struct NoticeSettings: Decodable, Sendable {
    struct Mail: Decodable, Sendable {
        let server: String
        let port: Int
        let security: String?
        let user: String?
        /// Where it is read: as a passphrase.
        let password: String?
        let from: String
        let caFile: String?
    }

    let webhook: String?
    /// Where the key of the signatures is read: as a passphrase.
    let secret: String?
    let caFile: String?
    let mail: Mail?

    func validate() throws {
        guard webhook != nil || mail != nil else {
            throw Settings.wrong("notices", "it must name a webhook or a mail server")
        }
        guard (webhook == nil) == (secret == nil) else {
            throw Settings.wrong("notices", "webhook and secret belong together")
        }
        if let webhook, !AttestationSetting.isAddress(webhook) {
            throw Settings.wrong("notices.webhook", "it must be an https address")
        }
        try Settings.requireReadable(caFile, "notices.caFile")
        try mail?.validate()
    }

    /// The key of the signatures is read now.
    func receiver() throws -> HouseConfiguration.Webhook? {
        guard let webhook, let secret else { return nil }
        return HouseConfiguration.Webhook(
            address: webhook, secret: try Passphrase.read(secret, named: "notices.secret"), caFile: caFile)
    }

    /// The password is read now.
    func mailServer(greeting: String) throws -> SMTPClient.Configuration? {
        guard let mail else { return nil }
        let login = try mail.user.map { user in
            SMTPClient.Login(
                user: user, password: try Passphrase.read(mail.password ?? "", named: "notices.mail.password"))
        }
        return SMTPClient.Configuration(
            server: mail.server, port: mail.port, security: try mail.kind, login: login, from: mail.from,
            greeting: greeting, caFile: mail.caFile)
    }
}

extension NoticeSettings.Mail {
    fileprivate var kind: SMTPClient.Security {
        get throws {
            guard let kind = SMTPClient.Security(rawValue: security ?? "starttls") else {
                throw Settings.wrong("notices.mail.security", "it must be 'starttls', 'tls' or 'none'")
            }
            return kind
        }
    }

    fileprivate func validate() throws {
        var address = in6_addr()
        guard Settings.isHostSuffix(server.lowercased()) || inet_pton(AF_INET6, server, &address) == 1 else {
            throw Settings.wrong("notices.mail.server", "it must be the name or the address of a host")
        }
        guard (1...65_535).contains(port) else {
            throw Settings.wrong("notices.mail.port", "it must be from 1 to 65535")
        }
        if try kind == .none, !["localhost", "127.0.0.1", "::1"].contains(server.lowercased()) {
            throw Settings.wrong("notices.mail.security", "only a server on this host may do without TLS")
        }
        guard (user == nil) == (password == nil) else {
            throw Settings.wrong("notices.mail", "user and password belong together")
        }
        if let user, !(1...256).contains(user.utf8.count) || user.utf8.contains(where: { $0 < 0x20 }) {
            throw Settings.wrong("notices.mail.user", "it must be 1 to 256 bytes without control characters")
        }
        guard MailMessage.isAddress(from) else {
            throw Settings.wrong("notices.mail.from", "it must be an address such as strongroom@example.com")
        }
        try Settings.requireReadable(caFile, "notices.mail.caFile")
    }
}

/// Which ACME authorities may be asked, and who publishes records for their challenges.
struct ACMEConfiguration: Decodable, Sendable {
    struct Directory: Decodable, Sendable {
        let url: String
        let caFile: String?

        /// - Parameter text: `https://directory` or `https://directory,/path/of/ca.pem`.
        static func parse(_ text: String) throws -> ACMESettings.Directory {
            let parts = text.split(separator: ",", maxSplits: 1).map(String.init)
            guard let address = parts.first, AttestationSetting.isAddress(address) else {
                throw CommandFailure.usage("--acme-directory must be an https address, not '\(text)'")
            }
            let file = parts.count > 1 ? parts[1] : nil
            if let file, access(file, R_OK) != 0 { throw CommandFailure.usage("the file '\(file)' cannot be read") }
            return ACMESettings.Directory(address: address, caFile: file)
        }
    }

    struct DNS: Decodable, Sendable {
        let command: String?
        let webhook: String?
        /// Where the key of the signatures is read: as a passphrase.
        let secret: String?
        let caFile: String?
    }

    let directories: [Directory]
    let dns: DNS?

    var allowed: [ACMESettings.Directory] {
        directories.map { ACMESettings.Directory(address: $0.url, caFile: $0.caFile) }
    }

    func validate() throws {
        guard !directories.isEmpty else { throw Settings.wrong("acme.directories", "it must name a directory") }
        for directory in directories {
            guard AttestationSetting.isAddress(directory.url) else {
                throw Settings.wrong("acme.directories.url", "it must be an https address, not '\(directory.url)'")
            }
            try Settings.requireReadable(directory.caFile, "acme.directories.caFile")
        }
        guard Set(directories.map(\.url)).count == directories.count else {
            throw Settings.wrong("acme.directories.url", "an address stands twice")
        }
        guard let dns else { return }
        guard (dns.command == nil) != (dns.webhook == nil) else {
            throw Settings.wrong("acme.dns", "it must have either a command or a webhook")
        }
        if let command = dns.command {
            guard dns.secret == nil, dns.caFile == nil else {
                throw Settings.wrong("acme.dns", "secret and caFile belong to a webhook")
            }
            try Self.requireProgram(command) { Settings.wrong("acme.dns.command", $0) }
        }
        if let webhook = dns.webhook {
            guard AttestationSetting.isAddress(webhook) else {
                throw Settings.wrong("acme.dns.webhook", "it must be an https address")
            }
            guard dns.secret != nil else { throw Settings.wrong("acme.dns", "webhook and secret belong together") }
            try Settings.requireReadable(dns.caFile, "acme.dns.caFile")
        }
    }

    static func requireProgram(_ path: String, _ failure: (String) -> CommandFailure) throws {
        guard path.hasPrefix("/") else { throw failure("it must be an absolute path") }
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG, access(path, X_OK) == 0 else {
            throw failure("'\(path)' is not a program that can be run")
        }
    }

    /// The key of the signatures is read now.
    func publisher() throws -> HouseConfiguration.Publisher? {
        if let command = dns?.command { return .command(command) }
        guard let dns, let webhook = dns.webhook, let secret = dns.secret else { return nil }
        return .webhook(
            HouseConfiguration.Webhook(
                address: webhook, secret: try Passphrase.read(secret, named: "acme.dns.secret"), caFile: dns.caFile))
    }
}

extension Settings {
    static func requireReadable(_ file: String?, _ member: String) throws {
        guard let file else { return }
        guard let bytes = DataFolder.read(file: file) else { throw wrong(member, "the file '\(file)' cannot be read") }
        guard PEM.decode(String(decoding: bytes, as: UTF8.self))?.contains(where: { $0.label == "CERTIFICATE" }) == true
        else { throw wrong(member, "the file '\(file)' holds no certificate in PEM") }
    }
}
