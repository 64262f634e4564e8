package import Barrier
package import Domain
import Synchronization

/// Applications, people and groups as one immutable picture that every change replaces; what the path of a request asks whether a client still
/// stands, and which groups it is in.
package final class Directory: Sendable {
    private struct State: Sendable {
        var applications: [GUID: Application]
        var users: [GUID: User]
        var usersByName: [UserName: GUID]
        var groups: [GUID: DirectoryGroup]
        /// Groups by the object ids of their own members.
        var groupsOfMember: [GUID: [GUID]] = [:]

        init(_ applications: [Application], _ users: [User], _ groups: [DirectoryGroup]) {
            self.users = Dictionary(uniqueKeysWithValues: users.map { ($0.id, $0) })
            usersByName = Dictionary(users.map { ($0.name, $0.id) }) { first, _ in first }
            self.applications = Dictionary(uniqueKeysWithValues: applications.map { ($0.id, $0) })
            self.groups = Dictionary(uniqueKeysWithValues: groups.map { ($0.id, $0) })
            index()
        }

        mutating func index() {
            groupsOfMember = [:]
            for group in groups.values {
                for member in group.members { groupsOfMember[member, default: []].append(group.id) }
            }
        }
    }

    private let current: Mutex<State>
    private let generation = Atomic<UInt64>(1)

    package init(_ applications: [Application], users: [User] = [], groups: [DirectoryGroup] = []) {
        current = Mutex(State(applications, users, groups))
    }

    package convenience init(loadingFrom reader: any RecordReader) throws(VaultError) {
        self.init(
            try ApplicationTable.all(in: reader), users: try UserTable.all(in: reader),
            groups: try GroupTable.all(in: reader))
    }

    // MARK: Applications

    package func application(_ id: GUID) -> Application? { current.withLock { $0.applications[id] } }

    package func application(objectID: GUID) -> Application? {
        current.withLock { $0.applications.values.first { $0.objectID == objectID } }
    }

    package var all: [Application] { current.withLock { Array($0.applications.values) } }

    /// Takes one application anew from the store after a commit; see `AccessControl.reload` for why so.
    package func reload(_ id: GUID, from reader: any RecordReader, committed: Application?) {
        current.withLock { state in
            var stored = committed
            do { stored = try ApplicationTable.application(id, in: reader) } catch {}
            state.applications[id] = stored
        }
        generation.add(1, ordering: .releasing)
    }

    // MARK: People

    package func user(_ id: GUID) -> User? { current.withLock { $0.users[id] } }

    package func user(named name: UserName) -> User? {
        current.withLock { state in state.usersByName[name].flatMap { state.users[$0] } }
    }

    /// By the object id or by the name, as callers write either.
    package func user(idOrName text: String) -> User? {
        GUID(text).flatMap { user($0) } ?? UserName(text).flatMap { user(named: $0) }
    }

    package var users: [User] { current.withLock { Array($0.users.values) } }

    /// Whom a token of another issuer stands for on a resource: the application that has a federated credential for just that, or the person
    /// who is known by it there. Nil when it is nobody, or more than one.
    ///
    /// - Parameter isAudience: whether an audience means the resource.
    func holder(of token: ExternalToken, where isAudience: (String) -> Bool) -> Holder? {
        let shown = token.audiences.filter(isAudience)
        guard !shown.isEmpty else { return nil }
        let identity = ExternalIdentity(issuer: token.issuer, subject: token.subject)
        let found = current.withLock { state in
            state.applications.values.filter { application in
                application.federated.contains { credential in
                    ExternalIdentity(issuer: credential.issuer, subject: credential.subject).isSame(as: identity)
                        && credential.audiences.contains { audience in shown.contains { $0.isSame(as: audience) } }
                }
            }.map { Holder.application($0) }
                + state.users.values.filter { $0.identities.contains { $0.isSame(as: identity) } }.map { .user($0) }
        }
        return found.count == 1 ? found[0] : nil
    }

    enum Holder: Sendable {
        case application(Application)
        case user(User)
    }

    /// Takes one person anew from the store after a commit.
    package func reloadUser(_ id: GUID, from reader: any RecordReader, committed: User?) {
        current.withLock { state in
            var stored = committed
            do { stored = try UserTable.user(id, in: reader) } catch {}
            if let old = state.users[id], state.usersByName[old.name] == id { state.usersByName[old.name] = nil }
            state.users[id] = stored
            if let stored { state.usersByName[stored.name] = id }
        }
        generation.add(1, ordering: .releasing)
    }

    // MARK: Groups

    package func group(_ id: GUID) -> DirectoryGroup? { current.withLock { $0.groups[id] } }

    package var groups: [DirectoryGroup] { current.withLock { Array($0.groups.values) } }

    /// The groups that a principal is in, by itself or through other groups, in order.
    package func groups(of objectID: GUID) -> [GUID] {
        current.withLock { state in
            guard var open = state.groupsOfMember[objectID] else { return [] }
            var found: Set<GUID> = []
            while let next = open.popLast() {
                guard found.insert(next).inserted else { continue }
                open += state.groupsOfMember[next] ?? []
            }
            return found.sorted()
        }
    }

    /// Takes one group anew from the store after a commit.
    package func reloadGroup(_ id: GUID, from reader: any RecordReader, committed: DirectoryGroup?) {
        current.withLock { state in
            var stored = committed
            do { stored = try GroupTable.group(id, in: reader) } catch {}
            state.groups[id] = stored
            state.index()
        }
        generation.add(1, ordering: .releasing)
    }

    /// Moves with every change; verified tokens are looked at anew when it has moved.
    var version: UInt64 { generation.load(ordering: .acquiring) }
}
