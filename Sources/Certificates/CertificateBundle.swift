import Domain
import Objects
import Operations

/// A version of a certificate as the API shows it.
struct CertificateBundle: OperationOutput {
    let vault: Vault
    let name: ObjectName
    let record: ObjectRecord
    let certificate: CertificateVersion
    /// Only with the newest version.
    var policy: CertificatePolicy?
    var hasPending = false
    var status: UInt16 = 200

    init(
        _ vault: Vault, _ name: ObjectName, _ record: ObjectRecord, policy: CertificatePolicy? = nil,
        hasPending: Bool = false
    )
        throws(VaultError)
    {
        self.vault = vault
        self.name = name
        self.record = record
        self.policy = policy
        self.hasPending = hasPending
        certificate = try CertificateVersion(record)
    }

    func response(_ call: Call) -> Response {
        var writer = JSONWriter(reserving: 4_096)
        writer.object { write(to: &$0, call.apiVersion) }
        return Response(status: status, body: writer.bytes)
    }

    func write(to bundle: inout JSONWriter, _ version: APIVersion) {
        let base = vault.url(of: "certificates")
        bundle.member("id", plain: base, name.spelling, record.version)
        bundle.member("kid", plain: vault.keysURL, name.spelling, record.version)
        bundle.member("sid", plain: vault.secretsURL, name.spelling, record.version)
        bundle.member("x5t", Base64.encodeURL(certificate.thumbprint))
        bundle.member("cer", Base64.encode(certificate.der))
        ObjectJSON.writeAttributes(record.attributes, vault, version, to: &bundle)
        ObjectJSON.writeTags(record.tags ?? [], to: &bundle)
        if version >= .v7_6preview2 { bundle.member("preserveCertOrder", certificate.keepsOrder) }
        if let policy { bundle.object("policy") { policy.write(id: "\(base)\(name)/policy", to: &$0) } }
        if hasPending { bundle.object("pending") { $0.member("id", "\(base)\(name)/pending") } }
    }
}

/// `{"x5c":[…]}`
struct ChainOutput: OperationOutput {
    /// DER.
    let certificates: [[UInt8]]

    func response(_ call: Call) -> Response {
        .json { json in
            json.array("x5c") { list in for certificate in certificates { list.string(Base64.encode(certificate)) } }
        }
    }
}

struct DeletedCertificateBundle: OperationOutput {
    let bundle: CertificateBundle
    let object: DeletedObject

    func response(_ call: Call) -> Response {
        .json { writer in
            ObjectJSON.writeDeletion(object, Certificates.kind, bundle.vault, to: &writer)
            bundle.write(to: &writer, call.apiVersion)
        }
    }
}

struct PendingOutput: OperationOutput {
    let pending: PendingCertificate
    let name: ObjectName
    let vault: Vault
    var status: UInt16 = 200

    func response(_ call: Call) -> Response {
        var response = Response.json(status) { pending.write(name: name, vault: vault, to: &$0, call.apiVersion) }
        guard status == 202 || pending.status == .inProgress else { return response }
        response.headers.append(("Retry-After", "10"))
        if status == 202 {
            response.headers.append(
                (
                    "Location",
                    "\(vault.url(of: "certificates"))\(pending.shownName(name))/pending?api-version=\(call.apiVersion.text)&request_id="
                        + ObjectVersion(pending.requestID).description
                ))
        }
        return response
    }
}

struct PolicyOutput: OperationOutput {
    let policy: CertificatePolicy
    let name: ObjectName
    let vault: Vault

    func response(_ call: Call) -> Response {
        .json { policy.write(id: "\(vault.url(of: "certificates"))\(name)/policy", to: &$0) }
    }
}

/// `{"value":[…],"nextLink":…}`
struct CertificateList: OperationOutput {
    struct Item: Sendable {
        let name: ObjectName
        var version: ObjectVersion?
        let record: ObjectRecord
        /// Nil while the first one is being made.
        let certificate: CertificateVersion?
        var deleted: DeletedObject?

        init(_ name: ObjectName, _ record: ObjectRecord, version: ObjectVersion? = nil, deleted: DeletedObject? = nil)
            throws(VaultError)
        {
            self.name = name
            self.record = record
            self.version = version
            self.deleted = deleted
            certificate = try CertificateVersion(record)
        }

        /// A certificate whose first version is being made.
        init(_ name: ObjectName, _ pending: PendingCertificate) {
            self.name = pending.shownName(name)
            record = ObjectRecord(
                version: ObjectVersion(pending.version),
                attributes: ObjectAttributes(
                    isEnabled: pending.isEnabled, notBefore: nil, expires: nil, created: pending.created ?? 0,
                    updated: pending.created ?? 0), tags: pending.tags, payload: [])
            certificate = nil
        }
    }

    let vault: Vault
    let items: [Item]
    let nextLink: String?

    func response(_ call: Call) -> Response {
        .json { list in
            list.array("value") { list in
                for item in items { list.object { write(item, call.apiVersion, to: &$0) } }
            }
            if let nextLink { list.member("nextLink", nextLink) } else { list.null("nextLink") }
        }
    }

    private func write(_ item: Item, _ version: APIVersion, to writer: inout JSONWriter) {
        writer.member("id", plain: vault.url(of: "certificates"), item.name.spelling, item.version)
        if let certificate = item.certificate { writer.member("x5t", Base64.encodeURL(certificate.thumbprint)) }
        writer.member("subject", "")
        if let deleted = item.deleted {
            ObjectJSON.writeAttributes(item.record.attributes, vault, version, to: &writer)
            ObjectJSON.writeTags(item.record.tags ?? [], to: &writer)
            ObjectJSON.writeDeletion(deleted, Certificates.kind, vault, to: &writer)
            return
        }
        writer.object("attributes") { attributes in
            attributes.member("enabled", item.record.attributes.isEnabled)
            if let time = item.record.attributes.notBefore { attributes.member("nbf", time) }
            if let time = item.record.attributes.expires { attributes.member("exp", time) }
            attributes.member("created", item.record.attributes.created)
            attributes.member("updated", item.record.attributes.updated)
        }
        ObjectJSON.writeTags(item.record.tags ?? [], to: &writer)
    }
}
