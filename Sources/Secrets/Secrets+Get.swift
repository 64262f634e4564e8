import Domain
import Objects
import Operations

struct GetSecret: OperationInput {
    let name: ObjectName
    let version: ObjectVersion?
    let ifNoneMatch: String?
    /// As what the secret of a certificate is wanted; nil for as it is.
    let contentType: String?

    init(_ request: Request) throws(VaultError) {
        name = try request.objectName("secret-name")
        version = try request.objectVersion("secret-version")
        ifNoneMatch = request.ifNoneMatch
        contentType = try request.query.value("outcontenttype")?.lowercased()
        if let contentType, ![Self.container, Self.pem].contains(contentType) {
            throw .badParameter(
                "The outContentType query parameter must be application/x-pkcs12 or application/x-pem-file.")
        }
    }

    static let container = "application/x-pkcs12"
    static let pem = "application/x-pem-file"
}

/// A secret with its entity tag; 304 and nothing else when the client has it already.
struct ConditionalSecret: OperationOutput {
    let bundle: SecretBundle
    let isUnchanged: Bool

    func response(_ call: Call) -> Response {
        var response = isUnchanged ? Response(status: 304) : bundle.response(call)
        response.headers.append(("ETag", bundle.entityTag))
        return response
    }
}

extension Secrets {
    /// The value of a secret: of the version named, or of the newest. Outside its nbf and exp too.
    ///
    /// - Throws: `.secretNotFound`; `.secretDisabled`, also when only the newest version is disabled.
    /// - Source: Azure REST "Get Secret"; RFC 9110 §13.1.2 for `If-None-Match`.
    func get(_ input: GetSecret, _ call: Call) async throws(VaultError) -> ConditionalSecret {
        var bundle = try bundle(input.name, input.version, call)
        if let wanted = input.contentType, call.apiVersion >= .v2025_07_01, bundle.secret.isManaged,
            let type = bundle.secret.contentType, type != wanted
        {
            guard type == GetSecret.container, wanted == GetSecret.pem else {
                throw .badParameter("Only certificates of the content type \(GetSecret.container) can be converted.")
            }
            bundle.isConverted = true
            bundle.secret = SecretValue(
                value: try await convert(bundle.secret.value, call), contentType: GetSecret.pem, isManaged: true
            ).following(bundle.secret.previous)
        }
        return ConditionalSecret(bundle: bundle, isUnchanged: Self.matches(input.ifNoneMatch, bundle.entityTag))
    }

    func bundle(_ name: ObjectName, _ version: ObjectVersion?, _ call: Call) throws(VaultError) -> SecretBundle {
        let table = try table(call)
        let (head, record) = try table.record(name, version: version, in: call.lane.reader)
        guard record.attributes.isEnabled else {
            throw VaultError(.secretDisabled, "Operation get is not allowed on a disabled secret.")
        }
        return try SecretBundle(table.vault, head.name, record, showsValue: true)
    }

    private static func matches(_ condition: String?, _ tag: String) -> Bool {
        guard let condition else { return false }
        return condition.split(separator: ",").contains { candidate in
            var text = candidate.trimmingASCIISpace
            if text == "*" { return true }
            if text.hasPrefix("W/") { text.removeFirst(2) }
            return text == tag
        }
    }
}

extension Substring {
    fileprivate var trimmingASCIISpace: Substring {
        var text = self
        while text.first == " " || text.first == "\t" { text.removeFirst() }
        while text.last == " " || text.last == "\t" { text.removeLast() }
        return text
    }
}
