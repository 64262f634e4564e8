package import Access
import Audit
package import Barrier
package import Domain
import Identity
package import Threads

/// One call after it was let in. A handler asks for a `Call`, and a `Call` needs a grant: forgetting to authorise does not compile.
package struct Call: Sendable {
    package let id: GUID
    /// Read once; everything in a call agrees on the time.
    package let now: Timestamp
    /// Nil on operations that ask for nothing.
    package let principal: Principal?
    package let grant: Admission
    package let apiVersion: APIVersion
    package let lane: Lane
    private let hostedVault: Vault?
    private let vaults: @Sendable (VaultName, Vault.Service) -> Vault?
    let trail: Trail
    /// The duty that this call fulfils; crossed off in the transaction that fulfils it.
    private let duty: Duty?
    private let committer: Committer

    init(
        id: GUID, now: Timestamp, principal: Principal?, grant: Admission, apiVersion: APIVersion, lane: Lane,
        vault: Vault?, vaults: @escaping @Sendable (VaultName, Vault.Service) -> Vault?,
        trail: Trail, committer: Committer, duty: Duty? = nil
    ) {
        self.id = id
        self.now = now
        self.principal = principal
        self.grant = grant
        self.apiVersion = apiVersion
        self.lane = lane
        hostedVault = vault
        self.vaults = vaults
        self.trail = trail
        self.committer = committer
        self.duty = duty
    }

    /// The vault that the host names.
    package func vault() throws(VaultError) -> Vault {
        guard let hostedVault else { throw .internal("an operation of a vault was called without one") }
        return hostedVault
    }

    /// The same call about a vault that its path names: for the management plane, whose host names none. What the caller may do there
    /// was decided before, or is the handler's to decide.
    package func entering(_ vault: Vault) -> Call {
        Call(
            id: id, now: now, principal: principal, grant: grant, apiVersion: apiVersion, lane: lane, vault: vault,
            vaults: vaults, trail: trail, committer: committer, duty: duty)
    }

    /// Who calls.
    package func caller() throws(VaultError) -> Principal {
        guard let principal else { throw .internal("an operation was called without a principal") }
        return principal
    }

    /// Runs `body` in a transaction; when this returns, what it wrote and the record of this call are durable. At most once a call.
    ///
    /// The body runs on the writer's thread: short, no waiting, nothing of the lane.
    ///
    /// - Parameter refusal: of what the body found: the status and the words of a record for what is refused although something is written.
    package func commit<Value: Sendable>(
        refusal: @escaping @Sendable (Value) -> (status: UInt16, description: String)? = { _ in nil },
        _ body: @escaping @Sendable (Transaction) throws(VaultError) -> Value
    ) async throws(VaultError) -> Value {
        let result = Result1<Value>()
        let (trail, duty, vaults, hostedVault) = (trail, duty, vaults, hostedVault)
        try await committer.commit(waker: lane.waker) { transaction throws(VaultError) in
            if let hostedVault {
                // A call that took long may find its vault deleted, or another one under its name.
                guard let now = vaults(hostedVault.name, hostedVault.service),
                    now.incarnation == hostedVault.incarnation
                else { throw VaultError(.vaultNotFound, "The vault '\(hostedVault.name)' was deleted meanwhile.") }
            }
            try duty?.cancel(in: transaction)
            let value = try body(transaction)
            result.value = value
            guard let refused = refusal(value) else { return trail.succeeded() }
            return trail.finished(status: refused.status, description: refused.description)
        }
        trail.isRecorded = true
        guard let value = result.value else { throw .internal("a commit ended without a value") }
        return value
    }

    /// Asks for a permission on one object, for operations that decide item by item.
    package func authorize(_ permission: Permission, on name: ObjectName, in collection: String) throws(VaultError)
        -> Grant
    {
        let vault = try vault()
        guard let principal else { throw .internal("an item was authorised without a principal") }
        guard let grant = lane.access.grant(permission, to: principal, on: vault.scopes, object: (name, collection))
        else {
            if principal.lacksMFA,
                lane.access.grant(permission, to: principal.withMFA, on: vault.scopes, object: (name, collection))
                    != nil
            {
                throw .needsMFA
            }
            throw .notGranted(permission, to: principal, on: vault, object: (name, collection))
        }
        return grant
    }

    /// Notes in the record of this call that its caller may not do it after all: what the handler found out by itself.
    package func wasNotAuthorized() {
        trail.event.isAuthorized = false
        trail.event.assignmentID = nil
    }

    /// Leaves a record of its own for one item of this call.
    package func note(itemNamed operation: String, objectID: String, status: UInt16, description: String, grant: Grant?)
    {
        trail.add(operation: operation, objectID: objectID, status: status, description: description, grant: grant)
    }

    /// Leaves an alarm beside the records of this call: a stored record does not open.
    package func noteAlarm(record: String) {
        trail.add(
            operation: "RecordIntegrityAlarm", objectID: "", status: 500,
            description: "The stored record '\(record)' was edited, moved, truncated or grafted.", grant: nil)
    }

    /// Says which of several good answers the record of this call tells; before the commit.
    package func succeeds(with status: UInt16) { trail.successStatus = status }

    /// Marks that this call did slow work, so that its record may wait for company.
    package func didSlowWork() { trail.isSlow = true }

    /// Runs work that takes long on threads that may be held.
    ///
    /// - Throws: `.throttled` when too much is waiting, or what the work threw.
    package func slowly<Value: Sendable>(
        on pool: WorkPool, _ work: @escaping @Sendable () throws(VaultError) -> Value
    ) async throws(VaultError) -> Value {
        didSlowWork()
        let result = await pool.run(on: lane.waker) { Result { () throws(VaultError) in try work() } }
        guard let result else { throw VaultError(.throttled, "Too many slow requests are waiting. Try again later.") }
        return try result.get()
    }

    /// Names the object in the audit record, where the path does not.
    package func concerns(objectID: String) { trail.event.objectID = objectID }

    /// Names the resource in the audit record, where neither host nor path does.
    package func concerns(resourceID: String) { trail.event.resourceID = resourceID }

    /// Names the client in the audit record of a call that authenticates by itself.
    package func authenticated(as principal: Principal) { trail.event.principal = principal }

    private final class Result1<Value: Sendable>: @unchecked Sendable {
        // Unchecked: written on the writer's thread before the commit resumes the call, read after.
        var value: Value?
    }
}

/// How a call was let in.
package enum Admission: Sendable {
    /// The operation asks for nothing.
    case open
    case granted(Grant)
    /// The handler authorises each item.
    case perItem
}

/// The audit record of a call while it is being answered.
final class Trail: @unchecked Sendable {
    // Unchecked: used by the call's task, and by the writer's thread while the task is suspended in a commit.
    var event: AuditEvent
    var items: [AuditEvent] = []
    var isRecorded = false
    var isSlow = false
    private let started: ContinuousClock.Instant
    fileprivate var successStatus: UInt16

    init(event: AuditEvent, successStatus: UInt16) {
        self.event = event
        self.successStatus = successStatus
        started = .now
    }

    func succeeded() -> [AuditRecord] { finished(status: successStatus, description: "") }

    /// The records of the call: its own, or one for each item where items were noted.
    func finished(status: UInt16, description: String) -> [AuditRecord] {
        event.status = status
        event.resultDescription = description
        event.durationNanoseconds = (ContinuousClock.now - started).wholeNanoseconds
        return items.isEmpty ? [Self.encoded(&event)] : items.map { $0.encoded() }
    }

    /// Reads the event where it is: as the value of a property it would be copied first, with its dozen texts.
    private static func encoded(_ event: inout AuditEvent) -> AuditRecord { event.encoded() }

    func add(operation: String, objectID: String, status: UInt16, description: String, grant: Grant?) {
        var item = event
        item.operationName = operation
        item.objectID = objectID
        item.status = status
        item.resultDescription = description
        item.isAuthorized = grant != nil
        item.assignmentID = grant?.assignmentID
        item.durationNanoseconds = (ContinuousClock.now - started).wholeNanoseconds
        items.append(item)
    }
}

extension VaultError {
    /// The caller would be let in with a second factor; its client is told to ask for one.
    package static let needsMFA = VaultError(
        .invalidToken, "This asks for multi-factor authentication: sign in again with a code of your authenticator.",
        claims: #"{"access_token":{"amr":{"essential":true,"values":["mfa"]}}}"#)

    /// The service's texts for a vault where no access policy, or no role, gives the permission.
    package static func notGranted(
        _ permission: Permission, to principal: Principal, on vault: Vault,
        object: (name: ObjectName, collection: String)?
    ) -> VaultError {
        if vault.scopes.policies != nil, let missing = permission.policyPermissions.first {
            return VaultError(
                .accessDenied,
                "The user, group or application '\(principal.callerText)' does not have \(missing.group.rawValue) \(missing.name) "
                    + "permission on key vault '\(vault.name);location=\(vault.location)'. For help resolving this issue, please see "
                    + "https://go.microsoft.com/fwlink/?linkid=2125287")
        }
        var resource = vault.scopes.vault.key
        if let object { resource += "/\(object.collection)/\(object.name.key)" }
        let action = vault.service == .managedHSM ? permission.poolAction ?? permission.action : permission.action
        return VaultError(
            .forbiddenByRBAC,
            "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role definitions "
                + "were changed recently, please observe propagation time.\r\nCaller: \(principal.callerText)\r\nAction: "
                + "'\(action)'\r\nResource: '\(resource)'\r\nAssignment: (not found)\r\nDenyAssignmentId: null\r\n"
                + "DecisionReason: null \r\nVault: \(vault.name);location=\(vault.location)\r\n")
    }
}
