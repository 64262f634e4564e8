import Domain
import Operations
import StrongroomTesting
import Testing

struct ErrorAnswerTests {
    /// Status, code and inner code of every error, written down a second time.
    private static let answers: [VaultError.Code: (UInt16, String)] = [
        .badParameter: (400, "BadParameter"), .malformedRequest: (400, "BadRequest"),
        .missingToken: (401, "Unauthorized"),
        .invalidToken: (401, "Unauthorized"), .forbiddenByRBAC: (403, "Forbidden/ForbiddenByRbac"),
        .authorizationFailed: (403, "AuthorizationFailed"),
        .forbiddenByVault: (403, "Forbidden"), .secretDisabled: (403, "Forbidden/SecretDisabled"),
        .secretNotFound: (404, "SecretNotFound"), .keyDisabled: (403, "Forbidden/KeyDisabled"),
        .keyExpired: (403, "Forbidden/KeyExpired"), .keyNotYetValid: (403, "Forbidden/KeyNotYetValid"),
        .keyOperationForbidden: (403, "Forbidden/KeyOperationForbidden"), .keyNotFound: (404, "KeyNotFound"),
        .certificateNotFound: (404, "CertificateNotFound"),
        .authorityNotFound: (404, "AuthorityNotFound"),
        .pendingCertificateNotFound: (404, "PendingCertificateNotFound"), .contactsNotFound: (404, "ContactsNotFound"),
        .certificateTemplateNotFound: (404, "CertificateTemplateNotFound"),
        .issuerNotFound: (404, "CertificateIssuerNotFound"), .pendingInProgress: (409, "Forbidden"),
        .accessDenied: (403, "Forbidden/AccessDenied"), .forbiddenByFirewall: (403, "Forbidden/ForbiddenByFirewall"),
        .forbiddenByConnection: (403, "Forbidden/ForbiddenByConnection"),
        .vaultNameNotValid: (400, "VaultNameNotValid"), .vaultAlreadyExists: (409, "VaultAlreadyExists"),
        .vaultIsDeleted: (409, "ConflictError"), .resourceGroupNotFound: (404, "ResourceGroupNotFound"),
        .apiVersionNotValid: (400, "InvalidApiVersionParameter"),
        .directoryObjectNotFound: (404, "Request_ResourceNotFound"),
        .roleDefinitionNotFound: (404, "RoleDefinitionDoesNotExist"),
        .roleDefinitionNameTaken: (409, "RoleDefinitionWithSameNameExists"),
        .roleDefinitionAssigned: (400, "RoleDefinitionHasAssignments"),
        .vaultNotFound: (404, "VaultNotFound"), .hostNotFound: (404, "HostNotFound"), .routeNotFound: (404, "NotFound"),
        .resourceNotFound: (404, "ResourceNotFound"), .methodNotAllowed: (405, "MethodNotAllowed"),
        .deletedButRecoverable: (409, "Conflict/ObjectIsDeletedButRecoverable"), .conflict: (409, "Conflict"),
        .roleAssignmentExists: (409, "RoleAssignmentExists"), .throttled: (429, "Throttled"),
        .bodyTooLarge: (413, "RequestBodyTooLarge"),
        .uriTooLong: (414, "RequestUriTooLong"), .headTooLarge: (431, "RequestHeaderFieldsTooLarge"),
        .requestTimeout: (408, "RequestTimeout"),
        .storageFull: (503, "ServiceUnavailable"), .unavailable: (503, "ServiceUnavailable"),
        .integrity: (500, "InternalServerError"),
        .internal: (500, "InternalServerError"),
    ]

    @Test("Every error has its status, its code and its inner code", arguments: VaultError.Code.allCases)
    func answers(_ code: VaultError.Code) throws {
        let (status, text) = try #require(Self.answers[code])
        let response = VaultError(code, "A message.\r\nOf two lines.").response()
        #expect(response.status == status)
        #expect(response.errorCode == text)
        #expect(response.json["error"]["message"].string == "A message.\r\nOf two lines.")
        #expect(response.json.members == ["error"])
        #expect(Response.reason(status) != "Unknown")
    }

    @Test("A cause never leaves the process", arguments: VaultError.Code.allCases)
    func causes(_ code: VaultError.Code) {
        let response = VaultError(code, "A message.", cause: .text("hush-hush")).response(
            challenge: "Bearer x", allowed: [.get])
        #expect(!String(decoding: response.body, as: UTF8.self).contains("hush"))
        #expect(!response.headers.contains { $0.value.contains("hush") })
    }

    @Test("Every 401 carries the challenge, every 405 what is allowed, 429 and 503 when to come back")
    func headers() {
        for code in VaultError.Code.allCases {
            let response = VaultError(code, "").response(challenge: "Bearer x", allowed: [.get, .put])
            #expect((response.header("WWW-Authenticate") == "Bearer x") == (response.status == 401))
            #expect((response.header("Allow") == "GET, PUT") == (response.status == 405))
            #expect((response.header("Retry-After") != nil) == [429, 503].contains(response.status))
        }
    }

    @Test("Where framing is in doubt the connection closes")
    func closing() {
        let closing = VaultError.Code.allCases.filter { VaultError($0, "").response().closes }
        #expect(Set(closing) == [.malformedRequest, .bodyTooLarge, .uriTooLong, .headTooLarge, .requestTimeout])
    }
}
