import Barrier
import Cryptography
import Domain
import Identity
import Operations

/// People sign in: the authorization endpoint and its pages.
///
/// Name, password and code are asked for on one page and refused by one answer, so that nothing is learnt from it.
extension Login {
    var signInOperations: [any AnyOperation] {
        [
            Operation(
                "SignInPageGet", .get, on: .login, "/{tenant}/oauth2/v2.0/authorize", "/{tenant}/oauth2/authorize",
                requires: .nothing, run: authorizePage),
            Operation(
                "SignInPagePost", .post, on: .login, "/{tenant}/oauth2/v2.0/authorize", "/{tenant}/oauth2/authorize",
                requires: .nothing, bodyLimit: 16 << 10, run: authorizePageByForm),
            Operation(
                "SignIn", .post, on: .login, "/{tenant}/login", requires: .nothing, bodyLimit: 16 << 10, run: signIn),
            Operation(
                "PasswordPageGet", .get, on: .login, "/{tenant}/password", requires: .nothing, run: passwordPage),
            Operation(
                "PasswordChange", .post, on: .login, "/{tenant}/password", requires: .nothing, bodyLimit: 16 << 10,
                run: changePassword),
        ]
    }

    struct AuthorizeInput: OperationInput {
        let tenant: String
        let query: Query

        init(_ request: Request) {
            tenant = request.parameter("tenant") ?? ""
            query = request.query
        }
    }

    /// A form of ours that came back; judged by the handler, which answers in a page.
    struct PageInput: OperationInput {
        let tenant: String
        let body: [UInt8]

        init(_ request: Request) {
            tenant = request.parameter("tenant") ?? ""
            body = request.body
        }
    }

    func authorizePage(_ input: AuthorizeInput, _ call: Call) async throws(VaultError) -> PageOrRedirect {
        authorizePage(input.tenant) { (name) throws(VaultError) in try input.query.value(name) }
    }

    /// The same by a form (OpenID Connect Core 1.0 §3.1.2.1).
    func authorizePageByForm(_ input: PageInput, _ call: Call) async throws(VaultError) -> PageOrRedirect {
        guard let form = try? Form(input.body) else { return .page(Self.brokenForm) }
        return authorizePage(input.tenant) { (name) throws(VaultError) in try form.value(name) }
    }

    private func authorizePage(_ tenant: String, _ value: (String) throws(VaultError) -> String?) -> PageOrRedirect {
        guard knows(tenant: tenant) else { return .page(Self.unknownTenantPage) }
        let request: AuthorizationRequest
        do throws(AuthorizationRequest.Flaw) { request = try AuthorizationRequest(in: directory, value) } catch {
            return Self.page(of: error)
        }
        if request.isSilent {
            return request.answer.refuse(
                "login_required", "AADSTS50058: A silent sign-in was asked for, and nobody is signed in here.")
        }
        return .page(signInPage(request))
    }

    func signIn(_ input: PageInput, _ call: Call) async throws(VaultError) -> PageOrRedirect {
        call.didSlowWork()
        guard knows(tenant: input.tenant) else { return .page(Self.unknownTenantPage) }
        guard let form = try? Form(input.body), let credentials = try? Credentials(form) else {
            return .page(Self.brokenForm)
        }
        let request: AuthorizationRequest
        do throws(AuthorizationRequest.Flaw) {
            request = try AuthorizationRequest(in: directory) { (name) throws(VaultError) in try form.value(name) }
        } catch { return Self.page(of: error) }
        if credentials.cancels {
            return request.answer.refuse("access_denied", "AADSTS65004: The person declined to sign in.")
        }
        let authenticated: Authenticated
        switch await authenticate(credentials, demandsMFA: request.claims.demandsMFA, call) {
        case .success(let done): authenticated = done
        case .failure(let refusal):
            return .page(signInPage(request, refusal, name: credentials.name))
        }
        guard let handle = try? Handle(expires: call.now + AuthorizationCode.lifetime, engine: engine) else {
            throw .internal("an authorization code could not be made")
        }
        let (now, client) = (call.now, request.client.id)
        let isKept = try await complete(authenticated, credentials, at: client, call) {
            user, transaction throws(VaultError) in
            let signIn = SignIn(
                user: user, client: client, isMultiFactor: authenticated.step != nil, time: now)
            try SignInTable.put(
                AuthorizationCode(
                    signIn: signIn, redirectAddress: request.redirectAddress, challenge: request.challenge,
                    scope: request.scope, nonce: request.nonce), at: handle, now: now, in: transaction)
        }
        guard isKept else { return .page(signInPage(request, .wrong, name: credentials.name)) }
        let code = handle.text.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        return request.answer.send(
            [("code", code)], title: "One more step",
            note: "Press Continue to go back to \(request.client.displayName).")
    }

    // MARK: Pages

    static let brokenForm = Page(
        400, title: "This form cannot be read", "<p>Go back to the application and sign in again.</p>")
    static let unknownTenantPage = Page(
        404, title: "No such directory", "<p>The address names a tenant that is not served here.</p>")

    private static func page(of flaw: AuthorizationRequest.Flaw) -> PageOrRedirect {
        switch flaw {
        case .untrusted(let text):
            .page(Page(400, title: "This sign-in cannot go on", "<p>\(Page.escaped(text))</p>"))
        case .told(let error, let description, let answer): answer.refuse(error, description)
        }
    }

    private func signInPage(_ request: AuthorizationRequest, _ refusal: Refusal? = nil, name: String = "") -> Page {
        let asksNew = refusal?.asksNewPassword == true
        return Page(
            refusal?.status ?? 200, title: asksNew ? "Choose a new password" : "Sign in",
            formTarget: request.redirectAddress,
            """
            <p>to continue to <strong>\(Page.escaped(request.client.displayName))</strong></p>
            \(refusal?.notice ?? "")
            <form method="post" action="/\(authority.tenant)/login">
            \(Page.hidden(request.fields))
            \(Self.credentialFields(name: name.isEmpty ? request.loginHint : name, asksNew: asksNew))
            <button name="action" value="signin">Sign in</button>
            <button name="action" value="cancel" class="plain" formnovalidate>Cancel</button>
            </form>
            \(asksNew ? "" : #"<p class="apart"><a href="/\#(authority.tenant)/password">Change your password</a></p>"#)
            """)
    }

    static func credentialFields(name: String, asksNew: Bool) -> String {
        let given = """
            \(Page.field(
                "username", "User name", value: name,
                #"autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="128" required"#,
                hint: "Such as alice@example.com"))
            \(Page.field(
                "password", asksNew ? "Present password" : "Password", type: "password",
                #"autocomplete="current-password" maxlength="1024" required"#))
            \(Page.field(
                "otc", "Code of your authenticator",
                #"inputmode="numeric" autocomplete="one-time-code" maxlength="16" pattern="[0-9 ]*""#,
                hint: "Six digits; leave it empty if you have none."))
            """
        guard asksNew else { return given }
        return """
            \(given)
            \(Page.field(
                "new_password", "New password", type: "password",
                #"autocomplete="new-password" minlength="12" maxlength="1024" required"#,
                hint: "At least 12 characters. A few words that only you would put together are good."))
            \(Page.field(
                "repeated_password", "New password, once more", type: "password",
                #"autocomplete="new-password" maxlength="1024" required"#))
            """
    }

    // MARK: A new password

    func passwordPage(_ input: AuthorizeInput, _ call: Call) async throws(VaultError) -> Page {
        knows(tenant: input.tenant) ? newPasswordPage(nil) : Self.unknownTenantPage
    }

    private func newPasswordPage(_ refusal: Refusal?, name: String = "") -> Page {
        Page(
            refusal?.status ?? 200, title: "Change your password",
            """
            \(refusal?.notice ?? "")
            <form method="post" action="/\(authority.tenant)/password">
            \(Self.credentialFields(name: name, asksNew: true))
            <button>Change password</button>
            </form>
            """)
    }

    func changePassword(_ input: PageInput, _ call: Call) async throws(VaultError) -> Page {
        call.didSlowWork()
        guard knows(tenant: input.tenant) else { return Self.unknownTenantPage }
        guard let form = try? Form(input.body), let credentials = try? Credentials(form) else { return Self.brokenForm }
        let authenticated: Authenticated
        switch await authenticate(credentials, demandsNewPassword: true, call) {
        case .success(let done): authenticated = done
        case .failure(let refusal): return newPasswordPage(refusal, name: credentials.name)
        }
        guard try await complete(authenticated, credentials, at: nil, call, { _, _ in }) else {
            return newPasswordPage(.wrong, name: credentials.name)
        }
        return Page(
            title: "Your password is changed",
            "<p>Everything that was signed in by the old one is signed out. You may close this window.</p>")
    }
}

extension AuthorizationRequest.Answer {
    func refuse(_ error: String, _ description: String) -> PageOrRedirect {
        send(
            [("error", error), ("error_description", description)], title: "You are not signed in",
            note: "The application will be told.")
    }
}
