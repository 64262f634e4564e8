package import Domain

/// The one mapping from an error to what the client sees. Exhaustive on purpose: a new code does not compile without its answer.
package struct ErrorAnswer: Sendable {
    package let status: UInt16
    package let code: String
    package let innerCode: String?

    package init(_ code: VaultError.Code) {
        (status, self.code, innerCode) =
            switch code {
            case .badParameter: (400, "BadParameter", nil)
            case .malformedRequest: (400, "BadRequest", nil)
            case .missingToken, .invalidToken: (401, "Unauthorized", nil)
            case .forbiddenByRBAC: (403, "Forbidden", "ForbiddenByRbac")
            case .authorizationFailed: (403, "AuthorizationFailed", nil)
            case .forbiddenByVault: (403, "Forbidden", nil)
            case .accessDenied: (403, "Forbidden", "AccessDenied")
            case .forbiddenByFirewall: (403, "Forbidden", "ForbiddenByFirewall")
            case .forbiddenByConnection: (403, "Forbidden", "ForbiddenByConnection")
            case .secretDisabled: (403, "Forbidden", "SecretDisabled")
            case .keyDisabled: (403, "Forbidden", "KeyDisabled")
            case .keyExpired: (403, "Forbidden", "KeyExpired")
            case .keyNotYetValid: (403, "Forbidden", "KeyNotYetValid")
            case .keyOperationForbidden: (403, "Forbidden", "KeyOperationForbidden")
            case .keyNotFound: (404, "KeyNotFound", nil)
            case .certificateNotFound: (404, "CertificateNotFound", nil)
            case .authorityNotFound: (404, "AuthorityNotFound", nil)
            case .pendingCertificateNotFound: (404, "PendingCertificateNotFound", nil)
            case .contactsNotFound: (404, "ContactsNotFound", nil)
            case .certificateTemplateNotFound: (404, "CertificateTemplateNotFound", nil)
            case .issuerNotFound: (404, "CertificateIssuerNotFound", nil)
            case .pendingInProgress: (409, "Forbidden", nil)
            case .secretNotFound: (404, "SecretNotFound", nil)
            case .vaultNotFound: (404, "VaultNotFound", nil)
            case .vaultNameNotValid: (400, "VaultNameNotValid", nil)
            case .vaultAlreadyExists: (409, "VaultAlreadyExists", nil)
            case .vaultIsDeleted: (409, "ConflictError", nil)
            case .directoryObjectNotFound: (404, "Request_ResourceNotFound", nil)
            case .apiVersionNotValid: (400, "InvalidApiVersionParameter", nil)
            case .resourceGroupNotFound: (404, "ResourceGroupNotFound", nil)
            case .hostNotFound: (404, "HostNotFound", nil)
            case .routeNotFound: (404, "NotFound", nil)
            case .resourceNotFound: (404, "ResourceNotFound", nil)
            case .methodNotAllowed: (405, "MethodNotAllowed", nil)
            case .deletedButRecoverable: (409, "Conflict", "ObjectIsDeletedButRecoverable")
            case .conflict: (409, "Conflict", nil)
            case .roleDefinitionNotFound: (404, "RoleDefinitionDoesNotExist", nil)
            case .roleDefinitionNameTaken: (409, "RoleDefinitionWithSameNameExists", nil)
            case .roleDefinitionAssigned: (400, "RoleDefinitionHasAssignments", nil)
            case .roleAssignmentExists: (409, "RoleAssignmentExists", nil)
            case .throttled: (429, "Throttled", nil)
            case .bodyTooLarge: (413, "RequestBodyTooLarge", nil)
            case .uriTooLong: (414, "RequestUriTooLong", nil)
            case .headTooLarge: (431, "RequestHeaderFieldsTooLarge", nil)
            case .requestTimeout: (408, "RequestTimeout", nil)
            case .storageFull, .unavailable: (503, "ServiceUnavailable", nil)
            case .integrity, .internal: (500, "InternalServerError", nil)
            }
    }
}

extension VaultError {
    package var answer: ErrorAnswer { ErrorAnswer(code) }

    /// `{"error":{"code","message","innererror":{"code"}}}`
    package func writeBody(to writer: inout JSONWriter) {
        let answer = answer
        writer.object("error") { error in
            error.member("code", answer.code)
            error.member("message", message)
            if let inner = answer.innerCode {
                error.object("innererror") { $0.member("code", inner) }
            }
        }
    }

    /// The form of RFC 6749 §5.2, which clients of a token endpoint expect of every error.
    package func oauthResponse(requestID: GUID) -> Response {
        let error =
            switch answer.status {
            case 401: "invalid_client"
            case 429, 503: "temporarily_unavailable"
            case 500: "server_error"
            default: "invalid_request"
            }
        var response = Response.json(answer.status) { document in
            document.member("error", error)
            document.member("error_description", message)
            document.member("trace_id", requestID)
            document.member("correlation_id", requestID)
        }
        let plain = self.response()
        response.headers = plain.headers
        response.closes = plain.closes
        return response
    }

    package func response(challenge: String? = nil, allowed: [Request.Method] = []) -> Response {
        var response = Response.json(answer.status) { writeBody(to: &$0) }
        switch answer.status {
        case 401:
            guard let challenge else { break }
            let demand = claims.map { #", error="insufficient_claims", claims="\#(Base64.encodeURL($0.utf8))""# } ?? ""
            response.headers.append(("WWW-Authenticate", challenge + demand))
        case 405: response.headers.append(("Allow", allowed.map(\.rawValue).joined(separator: ", ")))
        case 429: response.headers.append(("Retry-After", String(retryAfter ?? 5)))
        case 503: response.headers.append(("Retry-After", String(retryAfter ?? 10)))
        default: break
        }
        switch code {
        case .malformedRequest, .bodyTooLarge, .uriTooLong, .headTooLarge, .requestTimeout: response.closes = true
        default: break
        }
        return response
    }
}
