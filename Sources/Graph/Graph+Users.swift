import Barrier
import Domain
import Identity
import Operations
import Threads

/// People, as `az ad user` and Terraform ask for them.
extension Graph {
    var userOperations: [any AnyOperation] {
        let (read, write) = (Self.anywhere(.usersRead), Self.anywhere(.usersWrite))
        let item = "/v1.0/users/{id}"
        return [
            Operation("UserList", .get, on: .graph, "/v1.0/users", requires: read, run: listUsers),
            Operation("UserCreate", .post, on: .graph, "/v1.0/users", requires: write, status: 201, run: createUser),
            Operation("UserGet", .get, on: .graph, item, requires: read, run: getUser),
            Operation("UserUpdate", .patch, on: .graph, item, requires: write, status: 204, run: updateUser),
            Operation(
                "UserDelete", .delete, on: .graph, item, requires: Self.anywhere(.usersDelete), status: 204,
                run: deleteUser),
            Operation(
                "UserRevokeSessions", .post, on: .graph, item + "/revokeSignInSessions", requires: write,
                run: revokeUserSessions),
        ]
    }

    func write(_ user: User, to writer: inout JSONWriter) {
        writer.member(named: "@odata.type", "#microsoft.graph.user")
        writer.member("id", user.id)
        writer.member("userPrincipalName", user.name.description)
        writer.member("displayName", user.displayName)
        if let nickname = user.mailNickname { writer.member("mailNickname", nickname) }
        writer.null("mail")
        writer.array("identities") { list in
            for identity in user.identities {
                list.object { entry in
                    entry.member("signInType", "federated")
                    entry.member("issuer", identity.issuer)
                    entry.member("issuerAssignedId", identity.subject)
                }
            }
        }
        writer.member("accountEnabled", user.isEnabled)
        writer.member("createdDateTime", user.created.iso8601)
    }

    struct UserFilter: OperationInput {
        let filter: GraphFilter

        init(_ request: Request) throws(VaultError) {
            filter = try GraphFilter(
                request.query.value("$filter") ?? "",
                on: ["id", "displayname", "userprincipalname", "mail", "mailnickname", "othermails"])
        }
    }

    func listUsers(_ input: UserFilter, _ call: Call) async throws(VaultError) -> JSONOutput {
        let found = directory.users.filter { user in
            input.filter.holds { name in
                switch name {
                case "id": [user.id.description]
                case "displayname": [user.displayName]
                case "userprincipalname": [user.name.description]
                case "mailnickname": user.mailNickname.map { [$0] } ?? []
                default: []
                }
            }
        }
        return list("users", found.sorted { ($0.name.key, $0.id) < ($1.name.key, $1.id) }) { write($0, to: &$1) }
    }

    private func user(_ text: String) throws(VaultError) -> User {
        guard let user = directory.user(idOrName: text) else { throw Self.absent("user", text) }
        return user
    }

    func getUser(_ input: ObjectInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        let user = try user(input.id)
        return JSONOutput { write(user, to: &$0) }
    }

    struct UserBody: OperationInput {
        let id: String
        let name: UserName?
        let displayName: String?
        let mailNickname: String?
        let isEnabled: Bool?
        let password: SensitiveBytes?
        let mustChangePassword: Bool?
        /// All of them; nil to leave them.
        let identities: [ExternalIdentity]?

        init(_ request: Request) throws(VaultError) {
            struct Body: Decodable {
                struct Identity: Decodable {
                    let signInType: String?
                    let issuer: String
                    let issuerAssignedId: String
                }

                struct Profile: Decodable {
                    let password: String?
                    let forceChangePasswordNextSignIn: Bool?
                }

                let userPrincipalName: String?
                let displayName: String?
                let mailNickname: String?
                let accountEnabled: Bool?
                let passwordProfile: Profile?
                let identities: [Identity]?
            }
            id = request.parameter("id") ?? ""
            let body = try Body.fromJSON(request.body)
            if let text = body.userPrincipalName {
                guard let name = UserName(text) else {
                    throw .badParameter(
                        "Property 'userPrincipalName' has invalid value: it must be like alice@example.com.\r\n")
                }
                self.name = name
            } else {
                name = nil
            }
            for (name, value) in [("displayName", body.displayName), ("mailNickname", body.mailNickname)] {
                guard let value, !User.isDisplayName(value) else { continue }
                throw .badParameter(
                    "Property '\(name)' has invalid value: it must be 1 to 256 printable characters.\r\n")
            }
            displayName = body.displayName
            mailNickname = body.mailNickname
            isEnabled = body.accountEnabled
            password = body.passwordProfile?.password.map { SensitiveBytes($0.utf8) }
            mustChangePassword = body.passwordProfile?.forceChangePasswordNextSignIn
            identities = body.identities?.filter { $0.signInType != "userPrincipalName" }.map {
                ExternalIdentity(issuer: $0.issuer, subject: $0.issuerAssignedId)
            }
            guard (identities?.count ?? 0) <= ExternalIdentity.most else {
                throw .badParameter("A user has at most \(ExternalIdentity.most) identities.")
            }
            for identity in identities ?? [] {
                guard identity.issuer.hasPrefix("https://"), (9...600).contains(identity.issuer.utf8.count),
                    (1...600).contains(identity.subject.utf8.count)
                else {
                    throw .badParameter(
                        "Property 'identities' has invalid value: each needs an https issuer and an issuerAssignedId.\r\n"
                    )
                }
            }
        }
    }

    func createUser(_ input: UserBody, _ call: Call) async throws(VaultError) -> JSONOutput {
        call.didSlowWork()
        guard let name = input.name, let displayName = input.displayName, let password = input.password else {
            throw .badParameter(
                "The request body must hold the members 'userPrincipalName', 'displayName' and 'passwordProfile.password'."
            )
        }
        var made = User(
            id: call.lane.newGUID(), name: name, displayName: displayName, mailNickname: input.mailNickname,
            created: call.now, password: try await passwords.hash(password, for: name, waker: call.lane.waker),
            mustChangePassword: input.mustChangePassword ?? true)
        made.isEnabled = input.isEnabled ?? true
        made.identities = input.identities ?? []
        let user = made
        call.concerns(objectID: "/strongroom/users/\(user.id)")
        try await call.commit { transaction throws(VaultError) in
            try Self.requireFree(user, in: transaction)
            try user.insert(in: transaction)
        }
        directory.reloadUser(user.id, from: call.lane.reader, committed: user)
        return JSONOutput(status: 201) { write(user, to: &$0) }
    }

    /// A new password signs the person out everywhere.
    func updateUser(_ input: UserBody, _ call: Call) async throws(VaultError) -> NoContent {
        let before = try user(input.id)
        guard input.name == nil || input.name == before.name else {
            throw .badParameter("The userPrincipalName of a user cannot be changed.")
        }
        var hash: PasswordHash?
        if let password = input.password {
            call.didSlowWork()
            hash = try await passwords.hash(password, for: before.name, waker: call.lane.waker)
        }
        let newHash = hash
        try await change(before.id, call) { user, transaction throws(VaultError) in
            if let identities = input.identities {
                user.identities = identities
                try Self.requireFree(user, in: transaction)
            }
            user.displayName = input.displayName ?? user.displayName
            user.mailNickname = input.mailNickname ?? user.mailNickname
            user.isEnabled = input.isEnabled ?? user.isEnabled
            if let newHash {
                user.password = newHash
                user.tokenGeneration += 1
            }
            user.mustChangePassword = input.mustChangePassword ?? (newHash != nil || user.mustChangePassword)
        }
        return NoContent()
    }

    func revokeUserSessions(_ input: ObjectInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        try await change(try user(input.id).id, call) { user, _ in user.tokenGeneration += 1 }
        return JSONOutput { $0.member("value", true) }
    }

    /// An identity at another issuer stands for one person.
    private static func requireFree(_ user: User, in transaction: Transaction) throws(VaultError) {
        guard !user.identities.isEmpty else { return }
        for other in try UserTable.all(in: transaction) where other.id != user.id {
            for identity in user.identities where other.identities.contains(where: { $0.isSame(as: identity) }) {
                throw VaultError(.conflict, "The identity '\(identity.subject.prefix(128))' is another user's.")
            }
        }
    }

    private func change(
        _ id: GUID, _ call: Call,
        _ change: @escaping @Sendable (inout User, Transaction) throws(VaultError) -> Void
    ) async throws(VaultError) {
        call.concerns(objectID: "/strongroom/users/\(id)")
        let changed = try await call.commit { transaction throws(VaultError) -> User in
            guard var user = try UserTable.user(id, in: transaction) else { throw Self.absent("user", id.description) }
            try change(&user, transaction)
            try UserTable.put(user, in: transaction)
            return user
        }
        directory.reloadUser(id, from: call.lane.reader, committed: changed)
    }

    func deleteUser(_ input: ObjectInput, _ call: Call) async throws(VaultError) -> NoContent {
        let id = try user(input.id).id
        call.concerns(objectID: "/strongroom/users/\(id)")
        try await call.commit { transaction throws(VaultError) in
            guard let user = try UserTable.user(id, in: transaction) else { throw Self.absent("user", input.id) }
            try UserTable.remove(user, in: transaction)
        }
        directory.reloadUser(id, from: call.lane.reader, committed: nil)
        return NoContent()
    }
}
