import Access
import Audit
import Cryptography
package import Domain
package import Identity
import Management
import Operations
import Threads

extension House {
    /// A client as it is handed out once.
    package struct NewClient: Sendable {
        package let application: Application
        package let password: SensitiveBytes
    }

    /// Makes an application that holds roles at the subscription, outside of any call: the first client of a server.
    package func makeClient(named name: String, roles: [String]) async throws(HouseError) -> NewClient {
        do {
            let now = configuration.world.wall()
            let (password, secret) = try ClientAuthentication.makeSecret(engine: engine, now: now)
            let application = Application(
                id: ownLane.newGUID(), objectID: ownLane.newGUID(), displayName: name, created: now, secret: secret)
            let assignments = roles.compactMap { BuiltInRoles.role(named: $0) }.map { role in
                RoleAssignment(
                    id: ownLane.newGUID(), principalID: application.objectID, roleID: role.id,
                    scope: .subscription(instance.subscription), created: now, createdBy: application.objectID)
            }
            var event = AuditEvent(
                time: now, operationName: "ApplicationCreate", status: 201, correlationID: ownLane.nextRequestID())
            event.principal = .system(tenant: instance.tenant)
            event.clientInfo = "strongroom"
            event.resourceID = "/subscriptions/\(instance.subscription)"
            let recorded = event.encoded()
            try await committer.commit(waker: DirectWaker()) { transaction throws(VaultError) in
                try ApplicationTable.put(application, in: transaction)
                for assignment in assignments { try RoleAssignmentTable.put(assignment, in: transaction) }
                return [recorded]
            }
            directory.reload(application.id, from: ownLane.reader, committed: application)
            for assignment in assignments { access.reload(assignment.id, from: ownLane.reader, committed: assignment) }
            return NewClient(application: application, password: password)
        } catch {
            throw HouseError(error)
        }
    }

    /// Gives a principal local roles in every pool, outside of any call, where it has not got them yet.
    ///
    /// - Parameter pools: nil for all.
    package func grantInPools(_ roles: [String], to principal: GUID, pools: Set<VaultName>? = nil)
        async throws(HouseError)
    {
        do {
            let now = configuration.world.wall()
            let held = Set(access.all.filter { $0.principalID == principal }.map { "\($0.roleID) \($0.scope.key)" })
            let assignments = vaults.all.filter { $0.service == .managedHSM && (pools?.contains($0.name) ?? true) }
                .flatMap { pool in
                    roles.compactMap { BuiltInRoles.role(named: $0) }.map { role in
                        RoleAssignment(
                            id: ownLane.newGUID(), principalID: principal, roleID: role.id, scope: pool.scopes.vault,
                            created: now, createdBy: principal)
                    }
                }.filter { !held.contains("\($0.roleID) \($0.scope.key)") }
            guard !assignments.isEmpty else { return }
            var event = AuditEvent(
                time: now, operationName: "RoleAssignmentPut", status: 201, correlationID: ownLane.nextRequestID())
            event.principal = .system(tenant: instance.tenant)
            event.clientInfo = "strongroom"
            let records = assignments.map { assignment in
                event.resourceID = assignment.scope.description
                return event.encoded()
            }
            try await committer.commit(waker: DirectWaker()) { transaction throws(VaultError) in
                for assignment in assignments { try RoleAssignmentTable.put(assignment, in: transaction) }
                return records
            }
            for assignment in assignments { access.reload(assignment.id, from: ownLane.reader, committed: assignment) }
        } catch {
            throw HouseError(error)
        }
    }

    /// The local roles of a pool that together allow everything, for the first client of an evaluation server.
    package static let allPoolRoles = [
        "Managed HSM Administrator", "Managed HSM Crypto Officer", "Managed HSM Crypto User",
    ]

    /// Every role that this server knows of its own and of the vaults: for the first client of an evaluation server.
    package static let allRoles = [
        "Owner", "Key Vault Administrator", "Key Vault Data Access Administrator", "Key Vault Contributor",
        "Key Vault Purge Operator",
        "User Access Administrator",
    ]
}
