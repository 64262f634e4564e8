import Access
package import Domain
package import Operations

/// Something that people are to be told about a certificate.
package struct Notice: Sendable {
    package enum Kind: String, Sendable, Codable { case nearExpiry, expired, renewalFailed }

    package let kind: Kind
    package let vault: Vault
    package let name: ObjectName
    package let version: ObjectVersion
    /// Seconds since 1970.
    package let notBefore: Int64
    package let expires: Int64
    /// Why a renewal failed; empty otherwise.
    package let reason: String
    /// Mail addresses of the vault's contacts.
    package let recipients: [String]
    package let time: Timestamp

    package init(
        kind: Kind, vault: Vault, name: ObjectName, version: ObjectVersion, notBefore: Int64, expires: Int64,
        reason: String, recipients: [String], time: Timestamp
    ) {
        (self.kind, self.vault, self.name, self.version) = (kind, vault, name, version)
        (self.notBefore, self.expires, self.reason) = (notBefore, expires, reason)
        (self.recipients, self.time) = (recipients, time)
    }

    /// The certificate's version.
    private var identifier: String { vault.url(of: "certificates") + name.spelling + "/" + version.description }

    /// What a person is told.
    var subject: String {
        let certificate = "ertificate \(name) in vault \(vault.name)"
        return switch kind {
        case .nearExpiry: "C\(certificate) expires on \(Self.day(expires))"
        case .expired: "C\(certificate) has expired"
        case .renewalFailed: "Renewal of c\(certificate) failed"
        }
    }

    var text: String {
        let happened: String =
            switch kind {
            case .nearExpiry: "The certificate nears its end, and its policy says that you are to be told."
            case .expired: "The certificate has expired."
            case .renewalFailed:
                "The certificate could not be renewed; the version below stays in use, and the renewal is tried again.\n\n"
                    + "Reason:      \(reason)"
            }
        return """
            \(happened)

            Certificate: \(identifier)
            Not before:  \(Timestamp(epochSeconds: notBefore).date(zone: "GMT"))
            Not after:   \(Timestamp(epochSeconds: expires).date(zone: "GMT"))

            You get this mail because you are a certificate contact of the vault '\(vault.name)'.

            """
    }

    private static func day(_ seconds: Int64) -> String { String(Timestamp(epochSeconds: seconds).iso8601.prefix(10)) }

    /// An event in the Event Grid schema of the service; a failed renewal is an event of this server.
    ///
    /// - Source: Azure Event Grid, "Azure Key Vault as Event Grid source".
    func event(id: String) -> [UInt8] {
        let type: String =
            switch kind {
            case .nearExpiry: "Microsoft.KeyVault.CertificateNearExpiry"
            case .expired: "Microsoft.KeyVault.CertificateExpired"
            case .renewalFailed: "Strongroom.CertificateRenewalFailed"
            }
        var json = JSONWriter()
        json.array { list in
            list.object { event in
                event.member("id", id)
                event.member("topic", vault.scopes.vault.description)
                event.member("subject", name.spelling)
                event.member("eventType", type)
                event.member("eventTime", time.iso8601)
                event.object("data") { data in
                    data.member("Id", identifier)
                    data.member("VaultName", vault.name.description)
                    data.member("ObjectType", "Certificate")
                    data.member("ObjectName", name.spelling)
                    data.member("Version", version.description)
                    data.member("NBF", notBefore)
                    data.member("EXP", expires)
                    if !recipients.isEmpty {
                        data.array("Contacts") { list in for recipient in recipients { list.string(recipient) } }
                    }
                    if !reason.isEmpty { data.member("Reason", reason) }
                }
                event.member("dataVersion", "1")
                event.member("metadataVersion", "1")
            }
        }
        return json.bytes
    }
}
