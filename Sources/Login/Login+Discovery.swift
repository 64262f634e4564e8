import Domain
import Identity
import Operations

struct TenantInput: OperationInput {
    let tenant: String
    let isVersion2: Bool

    init(_ request: Request) throws(VaultError) {
        tenant = request.parameter("tenant") ?? ""
        isVersion2 = request.path.contains { $0.lowercased() == "v2.0" }
    }
}

/// JSON that is answered as it is.
struct JSONAnswer: OperationOutput {
    let status: UInt16
    let body: [UInt8]

    init(_ status: UInt16 = 200, _ write: (inout JSONWriter) -> Void) {
        self.status = status
        var writer = JSONWriter()
        writer.object(write)
        body = writer.bytes
    }

    /// Sent with a 401 (RFC 9110 §11.6.1): how a client may authenticate.
    var challenge: String?

    func response(_ call: Call) -> Response {
        Response(status: status, body: body, headers: challenge.map { [("WWW-Authenticate", $0)] } ?? [])
    }
}

extension Login {
    func configuration(_ input: TenantInput, _ call: Call) async throws(VaultError) -> JSONAnswer {
        guard knows(tenant: input.tenant) else { return Self.unknownTenant(input.tenant, call) }
        let base = "\(authority.loginURL)/\(authority.tenant)"
        let version = input.isVersion2 ? "/v2.0" : ""
        return JSONAnswer { document in
            document.member("issuer", input.isVersion2 ? base + "/v2.0" : authority.issuer)
            document.member("authorization_endpoint", "\(base)/oauth2\(version)/authorize")
            document.member("token_endpoint", "\(base)/oauth2\(version)/token")
            document.member("device_authorization_endpoint", "\(base)/oauth2\(version)/devicecode")
            document.member("jwks_uri", "\(base)/discovery\(version)/keys")
            document.array("token_endpoint_auth_methods_supported") { methods in
                methods.string("client_secret_post")
                methods.string("client_secret_basic")
                methods.string("private_key_jwt")
                methods.string("none")
            }
            document.array("grant_types_supported") { grants in
                grants.string("client_credentials")
                grants.string("authorization_code")
                grants.string("refresh_token")
                grants.string("urn:ietf:params:oauth:grant-type:device_code")
            }
            document.array("response_types_supported") { $0.string("code") }
            document.array("response_modes_supported") { modes in
                modes.string("query")
                modes.string("form_post")
            }
            document.array("code_challenge_methods_supported") { $0.string("S256") }
            document.array("scopes_supported") { scopes in
                for scope in ["openid", "profile", "email", "offline_access"] { scopes.string(scope) }
            }
            document.array("subject_types_supported") { $0.string("public") }
            document.array("id_token_signing_alg_values_supported") { $0.string("RS256") }
            document.array("claims_supported") { claims in
                for claim in [
                    "aud", "iss", "iat", "nbf", "exp", "amr", "appid", "auth_time", "name", "nonce", "oid",
                    "preferred_username", "sub", "tid", "upn", "uti", "ver",
                ] {
                    claims.string(claim)
                }
            }
        }
    }

    /// The JWKS: every key whose tokens may still be shown.
    func signingKeys(_ input: TenantInput, _ call: Call) async throws(VaultError) -> JSONAnswer {
        guard knows(tenant: input.tenant) else { return Self.unknownTenant(input.tenant, call) }
        return JSONAnswer { document in
            document.array("keys") { list in
                for key in keys.valid(at: call.now) {
                    list.object { jwk in
                        jwk.member("kty", "RSA")
                        jwk.member("use", "sig")
                        jwk.member("alg", "RS256")
                        jwk.member("kid", key.keyID)
                        jwk.member("n", Base64.encodeURL(key.modulus))
                        jwk.member("e", Base64.encodeURL(key.exponent))
                    }
                }
            }
        }
    }

    /// Answers clients that ask whether this authority can be trusted: for itself, it can.
    func instance(_ input: TenantInput, _ call: Call) async throws(VaultError) -> JSONAnswer {
        let host = String(authority.loginURL.dropFirst(8))
        return JSONAnswer { document in
            document.member(
                "tenant_discovery_endpoint",
                "\(authority.loginURL)/\(authority.tenant)/v2.0/.well-known/openid-configuration")
            document.member("api-version", "1.1")
            document.array("metadata") { list in
                list.object { entry in
                    entry.member("preferred_network", host)
                    entry.member("preferred_cache", host)
                    entry.array("aliases") { $0.string(host) }
                }
            }
        }
    }

    static func unknownTenant(_ tenant: String, _ call: Call) -> JSONAnswer {
        oauthError(
            400, "invalid_tenant", 90_002,
            "Tenant '\(tenant.prefix(64))' not found. Check to make sure you have the correct tenant ID.",
            call)
    }

    /// An error of RFC 6749 §5.2 in the form that Microsoft's clients expect.
    static func oauthError(_ status: UInt16, _ error: StaticString, _ number: Int, _ description: String, _ call: Call)
        -> JSONAnswer
    {
        var answer = JSONAnswer(status) { document in
            document.member("error", String(describing: error))
            document.member("error_description", "AADSTS\(number): \(description)")
            document.array("error_codes") { $0.integer(Int64(number)) }
            document.member("timestamp", call.now.iso8601)
            document.member("trace_id", call.id)
            document.member("correlation_id", call.id)
        }
        if status == 401 { answer.challenge = "Basic realm=\"token endpoint\"" }
        return answer
    }
}
