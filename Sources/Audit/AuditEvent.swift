package import Domain

/// What happened in one call: everything the service's AuditEvent record needs, and nothing that is secret.
///
/// Never holds a value, a token, key bytes or a digest of something that could be guessed.
/// - Source: Azure Key Vault logging, AuditEvent schema.
package struct AuditEvent: Sendable {
    package var time: Timestamp
    package var durationNanoseconds: Int64 = 0
    package var operationName: String
    /// HTTP status of the answer.
    package var status: UInt16
    /// The error message on failure, else empty.
    package var resultDescription = ""
    package var correlationID: GUID
    package var callerAddress = ""
    package var principal: Principal?
    package var clientInfo = ""
    /// With its query; without anything secret, since the service takes no secrets in a URL.
    package var requestURI = ""
    /// The object's identifier; empty for lists.
    package var objectID = ""
    /// The vault's or subscription's resource id.
    package var resourceID = ""
    package var apiVersion = ""
    package var tlsVersion = ""
    /// Nil when authorisation was never asked.
    package var isAuthorized: Bool?
    package var assignmentID: GUID?
    /// An access policy was asked in place of roles.
    package var isAboutPolicy = false
    /// Whether network rules let the caller in; nil where there are none.
    package var isAddressAuthorized: Bool?

    package init(time: Timestamp, operationName: String, status: UInt16, correlationID: GUID) {
        self.time = time
        self.operationName = operationName
        self.status = status
        self.correlationID = correlationID
    }
}

/// A record in its stored form.
package typealias AuditRecord = [UInt8]

extension AuditEvent {
    static let kind: UInt8 = 1
    private static let format: UInt8 = 1

    /// The stored form; see `docs/audit-format.md`.
    package func encoded() -> AuditRecord {
        var record = ByteWriter(reserving: 384)
        record.byte(Self.kind)
        record.byte(Self.format)
        record.integer(time.nanoseconds)
        record.integer(durationNanoseconds)
        record.string(operationName)
        record.integer(status)
        record.string(resultDescription)
        record.guid(correlationID)
        record.string(callerAddress)
        record.byte(principal == nil ? 0 : 1)
        if let principal {
            record.byte(principal.kind.rawValue)
            record.guid(principal.objectID)
            record.guid(principal.applicationID)
            record.guid(principal.tenant)
            record.string(principal.issuer)
        }
        record.string(clientInfo)
        record.string(requestURI)
        record.string(objectID)
        record.string(resourceID)
        record.string(apiVersion)
        record.string(tlsVersion)
        record.optional(isAuthorized)
        record.optional(assignmentID)
        // Records of earlier versions end here, and so do those that have nothing of this to say.
        if marks != 0 { record.byte(marks) }
        return record.bytes
    }

    private var marks: UInt8 {
        (isAboutPolicy ? 1 : 0) | (isAddressAuthorized == nil ? 0 : isAddressAuthorized == true ? 2 : 4)
    }

    package init?(_ bytes: [UInt8]) {
        var record = ByteReader(bytes)
        guard record.byte() == Self.kind, record.byte() == Self.format, let time = record.integer(Int64.self),
            let duration = record.integer(Int64.self), let operationName = record.string(),
            let status = record.integer(UInt16.self),
            let resultDescription = record.string(), let correlationID = record.guid(),
            let callerAddress = record.string(),
            let principal = Self.optionalPrincipal(&record), let clientInfo = record.string(),
            let requestURI = record.string(),
            let objectID = record.string(), let resourceID = record.string(), let apiVersion = record.string(),
            let tlsVersion = record.string(), let isAuthorized = record.optionalFlag(),
            let assignmentID = record.optionalGUID()
        else { return nil }
        if !record.isAtEnd {
            guard let marks = record.byte(), (1...5).contains(marks), record.isAtEnd else { return nil }
            isAboutPolicy = marks & 1 != 0
            isAddressAuthorized = marks < 2 ? nil : marks & 2 != 0
        }
        self.time = Timestamp(nanoseconds: time)
        durationNanoseconds = duration
        self.operationName = operationName
        self.status = status
        self.resultDescription = resultDescription
        self.correlationID = correlationID
        self.callerAddress = callerAddress
        self.principal = principal
        self.clientInfo = clientInfo
        self.requestURI = requestURI
        self.objectID = objectID
        self.resourceID = resourceID
        self.apiVersion = apiVersion
        self.tlsVersion = tlsVersion
        self.isAuthorized = isAuthorized
        self.assignmentID = assignmentID
    }

    private static func optionalPrincipal(_ record: inout ByteReader) -> Principal?? {
        switch record.flag() {
        case nil: nil
        case false?: .some(nil)
        case true?: principal(&record).map { .some($0) }
        }
    }

    private static func principal(_ record: inout ByteReader) -> Principal? {
        guard let kind = record.byte().flatMap(Principal.Kind.init), let objectID = record.guid(),
            let applicationID = record.guid(), let tenant = record.guid(), let issuer = record.string()
        else { return nil }
        return Principal(kind: kind, objectID: objectID, applicationID: applicationID, tenant: tenant, issuer: issuer)
    }
}

extension AuditEvent {
    /// The record as the service exports it: one line of JSON, control characters escaped.
    package func json(reason: (UInt16) -> String) -> [UInt8] {
        var writer = JSONWriter(reserving: 1_024)
        writer.object { event in
            event.member("time", time.iso8601)
            event.member("category", "AuditEvent")
            event.member("operationName", operationName)
            event.member("operationVersion", apiVersion)
            event.member("resultType", status < 400 ? "Success" : "Failed")
            event.member("resultSignature", reason(status))
            event.member("resultDescription", resultDescription)
            event.member("durationMs", String(durationNanoseconds / 1_000_000))
            event.member("correlationId", correlationID)
            event.member("callerIpAddress", callerAddress)
            event.object("identity") { identity in
                guard let principal else { return }
                identity.object("claim") { claim in
                    claim.member("oid", principal.objectID)
                    claim.member("appid", principal.applicationID)
                    claim.member(
                        "idtyp", principal.kind == .user ? "user" : principal.kind == .application ? "app" : "system")
                    // Of other issuers: our own ends in the tenant.
                    if principal.kind != .system, !principal.issuer.hasSuffix("/\(principal.tenant)/") {
                        claim.member("iss", principal.issuer)
                    }
                }
            }
            event.member("resourceId", resourceID.uppercased())
            event.object("properties") { properties in
                if !objectID.isEmpty { properties.member("id", objectID) }
                properties.member("clientInfo", clientInfo)
                properties.member("httpStatusCode", Int(status))
                properties.member("requestUri", requestURI)
                if let isAuthorized {
                    properties.member(named: isAboutPolicy ? "isAccessPolicyMatch" : "isRbacAuthorized", isAuthorized)
                }
                if let isAddressAuthorized { properties.member("isAddressAuthorized", isAddressAuthorized) }
                if let assignmentID { properties.member("appliedAssignmentId", assignmentID) }
                properties.member("tlsVersion", tlsVersion)
            }
        }
        return writer.bytes
    }
}
