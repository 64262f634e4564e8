import Barrier
import Domain
import Identity
import Operations

/// People: made and looked after by administrators; they choose their passwords themselves at the first sign-in.
extension Management {
    var userOperations: [any AnyOperation] {
        let item = "/strongroom/users/{user}"
        func anywhere(_ permission: Permission) -> Requirement { .atScope(permission) { _ in nil } }
        func action(
            _ name: String, _ word: String,
            _ run: @escaping @Sendable (UserInput, Call) async throws(VaultError) -> UserOutput
        )
            -> any AnyOperation
        {
            Operation(name, .post, on: .management, item + "/" + word, requires: anywhere(.usersWrite), run: run)
        }
        return [
            Operation(
                "PersonCreate", .post, on: .management, "/strongroom/users", requires: anywhere(.usersWrite),
                status: 201, run: createUser),
            Operation(
                "PersonList", .get, on: .management, "/strongroom/users", requires: anywhere(.usersRead), run: listUsers
            ),
            Operation("PersonGet", .get, on: .management, item, requires: anywhere(.usersRead), run: getUser),
            action("PersonDisable", "disable", disableUser),
            action("PersonEnable", "enable", enableUser),
            action("PersonResetPassword", "resetPassword", resetUserPassword),
            action("PersonResetAuthenticator", "resetAuthenticator", resetAuthenticator),
            action("PersonRemoveAuthenticator", "removeAuthenticator", removeAuthenticator),
            action("PersonRevokeSessions", "revokeSessions", revokeSessions),
            Operation(
                "PersonDelete", .delete, on: .management, item, requires: anywhere(.usersDelete), status: 204,
                run: deleteUser),
        ]
    }

    struct CreateUserInput: OperationInput {
        let name: UserName
        let displayName: String
        let password: SensitiveBytes?
        let mustChangePassword: Bool
        let hasAuthenticator: Bool

        init(_ request: Request) throws(VaultError) {
            struct Body: Decodable {
                let userPrincipalName: String
                let displayName: String?
                let password: String?
                let mustChangePassword: Bool?
                let authenticator: Bool?
            }
            let body = try Body.fromJSON(request.body)
            guard let name = UserName(body.userPrincipalName) else {
                throw .badParameter(
                    "Property 'userPrincipalName' has invalid value: it must be like alice@example.com, of letters, digits "
                        + "and '.-_!#^~.\r\n")
            }
            self.name = name
            displayName = try Self.displayName(body.displayName ?? name.description)
            password = body.password.map { SensitiveBytes($0.utf8) }
            mustChangePassword = body.mustChangePassword ?? true
            hasAuthenticator = body.authenticator ?? false
        }

        static func displayName(_ text: String) throws(VaultError) -> String {
            guard User.isDisplayName(text) else {
                throw .badParameter(
                    "Property 'displayName' has invalid value: it must be 1 to 256 printable characters.\r\n")
            }
            return text
        }
    }

    struct UserInput: OperationInput {
        let text: String

        init(_ request: Request) { text = request.parameter("user") ?? "" }
    }

    struct UserOutput: OperationOutput {
        let user: User
        /// Shown once.
        var password: SensitiveBytes?
        var showsAuthenticator = false
        var status: UInt16 = 200

        func response(_ call: Call) -> Response { .json(status) { write(to: &$0) } }

        func write(to writer: inout JSONWriter) {
            writer.member("id", user.id)
            writer.member("userPrincipalName", user.name.description)
            writer.member("displayName", user.displayName)
            writer.member("enabled", user.isEnabled)
            writer.member("created", user.created.iso8601)
            writer.member("mustChangePassword", user.mustChangePassword)
            writer.member("hasAuthenticator", user.authenticator != nil)
            if let password { writer.member("password", password) }
            if showsAuthenticator, let secret = user.authenticator?.secret {
                writer.object("authenticator") { writer in
                    writer.member("secret", TimedCode.base32(secret))
                    writer.member("uri", TimedCode.address(of: secret, for: user.name))
                }
            }
        }
    }

    struct UserList: OperationOutput {
        let items: [UserOutput]

        func response(_ call: Call) -> Response {
            .json { list in list.array("value") { list in for item in items { list.object { item.write(to: &$0) } } } }
        }
    }

    func createUser(_ input: CreateUserInput, _ call: Call) async throws(VaultError) -> UserOutput {
        call.didSlowWork()
        let password: SensitiveBytes
        if let given = input.password { password = given } else { password = try passwords.newPassword() }
        var made = User(
            id: call.lane.newGUID(), name: input.name, displayName: input.displayName, created: call.now,
            password: try await passwords.hash(password, for: input.name, waker: call.lane.waker),
            mustChangePassword: input.mustChangePassword)
        if input.hasAuthenticator { made.authenticator = try passwords.newAuthenticator() }
        let user = made
        call.concerns(objectID: "/strongroom/users/\(user.id)")
        try await call.commit { transaction throws(VaultError) in try user.insert(in: transaction) }
        directory.reloadUser(user.id, from: call.lane.reader, committed: user)
        return UserOutput(
            user: user, password: input.password == nil ? password : nil, showsAuthenticator: true, status: 201)
    }

    func listUsers(_ input: NoInput, _ call: Call) async throws(VaultError) -> UserList {
        UserList(
            items: directory.users.sorted { ($0.name.key, $0.id) < ($1.name.key, $1.id) }.map { UserOutput(user: $0) })
    }

    func getUser(_ input: UserInput, _ call: Call) async throws(VaultError) -> UserOutput {
        UserOutput(user: try user(input.text))
    }

    /// Refuses the person's sign-ins, sessions and tokens from the next request on, until enabled again.
    func disableUser(_ input: UserInput, _ call: Call) async throws(VaultError) -> UserOutput {
        try await changeUser(input.text, call) { $0.isEnabled = false }
    }

    func enableUser(_ input: UserInput, _ call: Call) async throws(VaultError) -> UserOutput {
        try await changeUser(input.text, call) { $0.isEnabled = true }
    }

    /// A new password, shown once, to be changed at the first sign-in; everything that is signed in is signed out.
    func resetUserPassword(_ input: UserInput, _ call: Call) async throws(VaultError) -> UserOutput {
        call.didSlowWork()
        let password = try passwords.newPassword()
        let hash = try await passwords.hash(password, for: try user(input.text).name, waker: call.lane.waker)
        var output = try await changeUser(input.text, call) { user in
            user.password = hash
            user.mustChangePassword = true
            user.tokenGeneration += 1
        }
        output.password = password
        return output
    }

    /// A new secret for an authenticator, shown once; the old one's codes are refused.
    func resetAuthenticator(_ input: UserInput, _ call: Call) async throws(VaultError) -> UserOutput {
        let authenticator = try passwords.newAuthenticator()
        var output = try await changeUser(input.text, call) { user in
            user.authenticator = authenticator
            user.tokenGeneration += 1
        }
        output.showsAuthenticator = true
        return output
    }

    func removeAuthenticator(_ input: UserInput, _ call: Call) async throws(VaultError) -> UserOutput {
        try await changeUser(input.text, call) { user in
            user.authenticator = nil
            user.tokenGeneration += 1
        }
    }

    /// Signs the person out everywhere.
    func revokeSessions(_ input: UserInput, _ call: Call) async throws(VaultError) -> UserOutput {
        try await changeUser(input.text, call) { $0.tokenGeneration += 1 }
    }

    /// Role assignments and group memberships stay, naming nobody.
    func deleteUser(_ input: UserInput, _ call: Call) async throws(VaultError) -> NoContent {
        let id = try user(input.text).id
        call.concerns(objectID: "/strongroom/users/\(id)")
        try await call.commit { transaction throws(VaultError) in
            guard let user = try UserTable.user(id, in: transaction) else { throw Self.unknownUser(input.text) }
            try UserTable.remove(user, in: transaction)
        }
        directory.reloadUser(id, from: call.lane.reader, committed: nil)
        return NoContent()
    }

    private func user(_ text: String) throws(VaultError) -> User {
        guard let user = directory.user(idOrName: text) else { throw Self.unknownUser(text) }
        return user
    }

    private func changeUser(_ text: String, _ call: Call, _ change: @escaping @Sendable (inout User) -> Void)
        async throws(VaultError) -> UserOutput
    {
        let id = try user(text).id
        call.concerns(objectID: "/strongroom/users/\(id)")
        let changed = try await call.commit { transaction throws(VaultError) -> User in
            guard var user = try UserTable.user(id, in: transaction) else { throw Self.unknownUser(text) }
            change(&user)
            try UserTable.put(user, in: transaction)
            return user
        }
        directory.reloadUser(id, from: call.lane.reader, committed: changed)
        return UserOutput(user: changed)
    }

    private static func unknownUser(_ text: String) -> VaultError {
        VaultError(.resourceNotFound, "The user '\(text.prefix(128))' does not exist.")
    }
}
