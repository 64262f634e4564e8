/// The one error that crosses rooms: a closed code, a message safe to show, and a cause that never leaves the process.
package struct VaultError: Error, Sendable {
    package let code: Code
    /// Says what was wrong and what to do. Holds no secret, token, SQL or file path.
    package let message: String
    /// For the operator's log only.
    package let cause: Cause?
    /// Seconds after which another try makes sense, where that is known.
    package let retryAfter: Int?
    /// What another token must say to be taken, as JSON; for clients that get themselves one.
    package let claims: String?

    package init(
        _ code: Code, _ message: String, cause: Cause? = nil, retryAfter: Int? = nil, claims: String? = nil
    ) {
        self.claims = claims
        self.code = code
        self.message = message
        self.cause = cause
        self.retryAfter = retryAfter
    }

    package enum Code: Sendable, CaseIterable {
        /// Something in the request breaks a rule of the API: name, value, query, body. For framing see `malformedRequest`.
        case badParameter
        /// HTTP itself is broken or ambiguous; the connection is closed after the answer.
        case malformedRequest
        /// No token was sent.
        case missingToken
        /// A token was sent and does not hold.
        case invalidToken
        /// The caller is known, and no role assignment grants the action. Given before existence is revealed.
        case forbiddenByRBAC
        /// The same on the management plane, which words it otherwise.
        case authorizationFailed
        /// The caller may, but the state of the vault forbids it (purge protection).
        case forbiddenByVault
        /// No access policy of the vault gives the permission.
        case accessDenied
        /// The caller's address, or the way it came, is not allowed for the vault.
        case forbiddenByFirewall, forbiddenByConnection
        /// A value was asked of a disabled secret.
        case secretDisabled
        case secretNotFound
        /// A key was to be used while disabled, outside its time, or for what `key_ops` does not list.
        case keyDisabled, keyExpired, keyNotYetValid, keyOperationForbidden
        case keyNotFound
        case certificateNotFound, pendingCertificateNotFound, contactsNotFound, issuerNotFound, authorityNotFound,
            certificateTemplateNotFound
        /// A certificate is being made: nothing else may be made under its name meanwhile.
        case pendingInProgress
        case vaultNotFound
        /// On the management plane: a name that cannot be a vault's, one that is taken, or one that a deleted vault holds.
        case vaultNameNotValid, vaultAlreadyExists, vaultIsDeleted
        case resourceGroupNotFound
        case apiVersionNotValid
        /// On the directory's host.
        case directoryObjectNotFound
        /// The host name belongs to nothing served here.
        case hostNotFound
        /// No such path on this host.
        case routeNotFound
        /// Anything else that is absent: applications, role assignments.
        case resourceNotFound
        case methodNotAllowed
        /// The name is held by a soft-deleted object.
        case deletedButRecoverable
        /// The name or the identity is taken. For objects that moved meanwhile too.
        case conflict
        case roleAssignmentExists
        /// Of role definitions: absent, its name taken, or assigned to somebody.
        case roleDefinitionNotFound, roleDefinitionNameTaken, roleDefinitionAssigned
        /// Too many requests or failed attempts; the answer carries Retry-After.
        case throttled
        case bodyTooLarge
        case uriTooLong
        case headTooLarge
        case requestTimeout
        /// The disk is full: reads go on, writes come back when space does.
        case storageFull
        /// Storage or audit cannot be written, or the server is stopping.
        case unavailable
        /// A record does not open. The client learns nothing more than from `internal`; the audit log holds an alarm.
        case integrity
        /// Anything unforeseen.
        case `internal`
    }

    package indirect enum Cause: Sendable, CustomStringConvertible {
        case text(String)
        /// The audit record could not be written; trying to record that as well would only take as long again.
        case unrecorded(String)
        /// The store key of a record that was edited, moved, truncated or grafted.
        case integrity(record: String)

        package var description: String {
            switch self {
            case .text(let text), .unrecorded(let text): text
            case .integrity(let record): "record '\(record)' failed its integrity check"
            }
        }
    }

    package static func badParameter(_ message: String) -> VaultError { VaultError(.badParameter, message) }

    package static func `internal`(_ cause: String) -> VaultError {
        VaultError(.internal, "An internal error occurred. Nothing was changed.", cause: .text(cause))
    }

    package static func integrity(record: String) -> VaultError {
        VaultError(.integrity, "An internal error occurred. Nothing was changed.", cause: .integrity(record: record))
    }

    package static func unavailable(_ message: String, cause: String? = nil) -> VaultError {
        VaultError(.unavailable, message, cause: cause.map { .text($0) })
    }
}
