import Barrier
import Cryptography
import Domain
import Identity
import Operations
import Threads

extension Login {
    /// What a person typed.
    struct Credentials: Sendable {
        let name: String
        let password: SensitiveBytes
        let code: String
        /// Nil when none was typed.
        let newPassword: SensitiveBytes?
        let isRepeated: Bool
        let cancels: Bool

        init(_ form: Form) throws(VaultError) {
            func text(_ name: String) throws(VaultError) -> String {
                let text = try form.value(name) ?? ""
                guard text.utf8.count <= 1_024 else { throw .badParameter("The form field '\(name)' is too long.") }
                return text
            }
            name = try text("username")
            password = SensitiveBytes(try text("password").utf8)
            code = try text("otc")
            let new = try text("new_password")
            newPassword = new.isEmpty ? nil : SensitiveBytes(new.utf8)
            isRepeated = try text("repeated_password").isSame(as: new)
            cancels = try text("action") == "cancel"
        }
    }

    /// Who a person is, proven; nothing is written yet.
    struct Authenticated: Sendable {
        let user: User
        /// Of the code that was given; nil when none was asked.
        let step: Int64?
        let newPassword: PasswordHash?
    }

    /// Why a person is not let in.
    struct Refusal: Error {
        let status: UInt16
        let text: String
        var asksNewPassword = false
        /// Nothing went wrong: something more is asked for.
        var isNote = false

        var notice: String { isNote ? Page.note(text) : Page.alert(text) }

        static let wrong = Refusal(
            status: 403,
            text: "The user name, the password or the code is not right. A code serves once: wait for the next one.")
    }

    func authenticate(
        _ credentials: Credentials, demandsMFA: Bool = false, demandsNewPassword: Bool = false, _ call: Call
    ) async -> Result<Authenticated, Refusal> {
        if let user = UserName(credentials.name).flatMap({ directory.user(named: $0) }) {
            call.concerns(objectID: "/strongroom/users/\(user.id)")
        }
        switch await people.authenticate(
            name: credentials.name, password: credentials.password, code: credentials.code, waker: call.lane.waker,
            now: call.now)
        {
        case .refused: return .failure(.wrong)
        case .locked(let seconds):
            return .failure(
                Refusal(status: 429, text: "There were too many failed tries. Try again in \(seconds) seconds."))
        case .busy: return .failure(Refusal(status: 503, text: "The server is busy. Try again in a moment."))
        case .user(let user, let step):
            if demandsMFA, step == nil {
                return .failure(
                    Refusal(
                        status: 403,
                        text: "This needs an authenticator, and none is registered for you. Ask your administrator."))
            }
            guard user.mustChangePassword || demandsNewPassword else {
                return .success(Authenticated(user: user, step: step, newPassword: nil))
            }
            switch await newPassword(credentials, user, isAsked: demandsNewPassword, call) {
            case .success(let hash): return .success(Authenticated(user: user, step: step, newPassword: hash))
            case .failure(let refusal): return .failure(refusal)
            }
        }
    }

    private func newPassword(_ credentials: Credentials, _ user: User, isAsked: Bool, _ call: Call) async -> Result<
        PasswordHash, Refusal
    > {
        func refused(_ status: UInt16, _ text: String) -> Result<PasswordHash, Refusal> {
            .failure(Refusal(status: status, text: text, asksNewPassword: true))
        }
        guard let new = credentials.newPassword else {
            if isAsked { return refused(400, "Type the new password too.") }
            return .failure(
                Refusal(
                    status: 403, text: "Your password was chosen by somebody else. Choose one of your own.",
                    asksNewPassword: true, isNote: true))
        }
        guard credentials.isRepeated else { return refused(400, "The new password was not typed twice alike.") }
        let flaw = new.withUnsafeBytes { PasswordHash.flaw(of: String(decoding: $0, as: UTF8.self), for: user.name) }
        if let flaw { return refused(400, "The new password does not do: \(flaw).") }
        guard !SensitiveBytes.equal(new, credentials.password) else {
            return refused(400, "The new password is the present one.")
        }
        let engine = engine
        guard let hash = await pool.run(on: call.lane.waker, { try? PasswordHash(of: new, engine: engine) }), let hash
        else { return refused(503, "The server is busy. Try again in a moment.") }
        return .success(hash)
    }

    /// Writes down that a person signed in: the code as used, a new password where one was chosen, and what `body` adds.
    ///
    /// - Returns: false when the code had been used meanwhile, or the person is not as before.
    func complete(
        _ authenticated: Authenticated, _ credentials: Credentials, at client: GUID?, _ call: Call,
        _ body: @escaping @Sendable (User, Transaction) throws(VaultError) -> Void
    ) async throws(VaultError) -> Bool {
        let (before, step, newPassword) = (authenticated.user, authenticated.step, authenticated.newPassword)
        call.authenticated(as: principal(of: before, client: client ?? before.id, isMultiFactor: step != nil))
        let after: User
        do throws(VaultError) {
            after = try await call.commit { transaction throws(VaultError) -> User in
                guard var user = try UserTable.user(before.id, in: transaction), user.isEnabled,
                    user.tokenGeneration == before.tokenGeneration
                else { throw VaultError(.conflict, "The person changed meanwhile.") }
                if let step {
                    guard let authenticator = user.authenticator, authenticator.lastStep < step else {
                        throw VaultError(.conflict, "The code was used before.")
                    }
                    user.authenticator?.lastStep = step
                }
                if let newPassword {
                    user.password = newPassword
                    user.mustChangePassword = false
                    user.tokenGeneration += 1
                }
                if step != nil || newPassword != nil { try UserTable.put(user, in: transaction) }
                try body(user, transaction)
                return user
            }
        } catch {
            guard case .conflict = error.code else { throw error }
            people.failed(credentials.name, now: call.now)
            return false
        }
        if step != nil || newPassword != nil {
            directory.reloadUser(before.id, from: call.lane.reader, committed: after)
        }
        return true
    }

    func principal(of user: User, client: GUID, isMultiFactor: Bool) -> Principal {
        Principal(
            kind: .user, objectID: user.id, applicationID: client, tenant: authority.tenant, issuer: authority.issuer,
            lacksMFA: !isMultiFactor)
    }
}
