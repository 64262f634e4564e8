import Domain
import Identity
import Operations

/// What a client wants of a person: an authorization code, by the browser.
///
/// - Source: RFC 6749 §4.1.1, RFC 7636 §4.3, OAuth 2.0 Form Post Response Mode.
struct AuthorizationRequest: Sendable {
    let client: SignInClient
    let redirectAddress: String
    let state: String?
    let scope: String
    let nonce: String?
    let challenge: String?
    let usesFormPost: Bool
    let loginHint: String
    let isSilent: Bool
    let claims: ClaimsRequest
    /// All of it, for a form to bring it back.
    let fields: [(name: String, value: String)]

    enum Flaw: Error {
        /// The browser must not be sent anywhere: who asks is not known.
        case untrusted(String)
        /// To be told to the client.
        case told(error: String, description: String, Answer)
    }

    /// Where an answer goes, and how.
    struct Answer: Sendable {
        let redirectAddress: String
        let state: String?
        let usesFormPost: Bool

        func parameters(_ more: [(name: String, value: String)]) -> [(name: String, value: String)] {
            more + (state.map { [("state", $0)] } ?? [])
        }
    }

    private static let names = [
        "client_id", "response_type", "redirect_uri", "scope", "resource", "state", "nonce", "code_challenge",
        "code_challenge_method", "response_mode", "login_hint", "prompt", "claims", "version",
    ]

    var answer: Answer { Answer(redirectAddress: redirectAddress, state: state, usesFormPost: usesFormPost) }

    /// - Parameter value: of a parameter; throws for one that is given twice.
    init(in directory: Directory, _ value: (String) throws(VaultError) -> String?) throws(Flaw) {
        var values: [String: String] = [:]
        for name in Self.names {
            do throws(VaultError) { values[name] = try value(name) } catch { throw .untrusted(error.message) }
        }
        fields = Self.names.compactMap { name in values[name].map { (name, $0) } }
        guard let client = GUID(values["client_id"] ?? "").flatMap({ SignInClient($0, in: directory) }) else {
            throw .untrusted(
                "The application that asks for this sign-in is not known here, or people cannot sign in to it.")
        }
        self.client = client
        guard let address = values["redirect_uri"], client.allows(redirect: address) else {
            throw .untrusted(
                "The application asks to be answered at an address that is not registered for it (redirect_uri).")
        }
        redirectAddress = address
        state = values["state"]
        usesFormPost = values["response_mode"] == "form_post"
        let answer = Answer(redirectAddress: address, state: state, usesFormPost: usesFormPost)
        func flaw(_ error: String, _ description: String) -> Flaw {
            .told(error: error, description: description, answer)
        }
        // No form brings these back as they were.
        guard values.values.allSatisfy({ $0.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F } }) else {
            throw flaw("invalid_request", "A parameter holds control characters.")
        }
        guard (state?.utf8.count ?? 0) <= 2_048 else {
            throw flaw("invalid_request", "The parameter 'state' is too long.")
        }
        guard values["response_type"] == "code" else {
            throw flaw("unsupported_response_type", "AADSTS700054: Only response_type 'code' is supported.")
        }
        guard ["query", "form_post"].contains(values["response_mode"] ?? "query") else {
            throw flaw("invalid_request", "AADSTS900144: The response_mode must be 'query' or 'form_post'.")
        }
        challenge = values["code_challenge"]
        if let challenge {
            guard values["code_challenge_method"] == "S256", challenge.utf8.count == 43,
                Base64.decodeURL(challenge) != nil
            else { throw flaw("invalid_request", "AADSTS501491: A code_challenge must be made by S256 (RFC 7636).") }
        } else if client.isPublic {
            throw flaw(
                "invalid_request", "AADSTS9002325: Proof Key for Code Exchange is required: code_challenge is missing.")
        }
        if let resource = values["resource"] {
            scope = resource + "/.default openid offline_access"
        } else {
            scope = values["scope"] ?? "openid"
        }
        guard scope.utf8.count <= 1_024, !Scopes(scope).isAmbiguous else {
            throw flaw("invalid_scope", "AADSTS28000: The scope names more than one resource, or is too long.")
        }
        nonce = values["nonce"]
        guard (nonce?.utf8.count ?? 0) <= 256 else {
            throw flaw("invalid_request", "The parameter 'nonce' is too long.")
        }
        loginHint = values["login_hint"] ?? ""
        isSilent = values["prompt"] == "none"
        do throws(VaultError) { claims = try ClaimsRequest(values["claims"]) } catch {
            throw flaw("invalid_request", error.message)
        }
    }
}

extension AuthorizationRequest.Answer {
    /// Sends an answer to the client through the browser.
    func send(_ more: [(name: String, value: String)], title: String, note: String) -> PageOrRedirect {
        let parameters = parameters(more)
        guard usesFormPost else {
            let query = parameters.map { "\($0.name)=\($0.value.formEncoded)" }.joined(separator: "&")
            let joint = redirectAddress.contains("?") ? "&" : "?"
            return .redirect(Redirect(address: redirectAddress + joint + query))
        }
        // Without a script a person has to press the button.
        return .page(
            Page(
                title: title, formTarget: redirectAddress,
                """
                <p>\(Page.escaped(note))</p>
                <form method="post" action="\(Page.escaped(redirectAddress))">
                \(Page.hidden(parameters))
                <button autofocus>Continue</button>
                </form>
                """))
    }
}
