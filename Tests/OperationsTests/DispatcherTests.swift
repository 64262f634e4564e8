import Audit
import Domain
import House
import Identity
import Operations
import StrongroomTesting
import Testing

/// The one path of a call, step by step: who is it, what do they want, may they, and what is left on record.
struct DispatcherTests {
    private let house: TestHouse
    private let admin: Caller
    /// Holds no role.
    private let nobody: Caller

    init() async throws {
        house = try await TestHouse.open()
        admin = try await house.admin()
        nobody = try await house.caller("nobody")
    }

    // MARK: Who is it?

    @Test(
        "A call without a token gets the challenge before anything else is looked at",
        arguments: [
            (.get, "/secrets/a", "7.4", ""), (.put, "/secrets/a", "7.4", "{"), (.get, "/secrets/a", nil, ""),
            (.get, "/secrets/a", "1.0", ""),
            (.get, "/no/such/path/at/all", "7.4", ""), (.delete, "/secrets", "7.4", ""), (nil, "/secrets/a", "7.4", ""),
            (.get, "/secrets/a_b", "7.4", ""),
            (.post, "/secrets:batchGet", "7.4", "[[[["), (.get, "/", "7.4", ""),
        ] as [(Request.Method?, String, String?, String)])
    func challenge(_ method: Request.Method?, _ target: String, _ version: String?, _ body: String) async throws {
        let response = try await admin.send(method, target, body, version: version, authorization: .none)
        #expect(response.status == 401)
        #expect(
            response.header("WWW-Authenticate")
                == #"Bearer authorization="https://login.localhost:8443/\#(house.house.instance.tenant)", resource="https://vault.localhost:8443""#
        )
        #expect(
            String(decoding: response.body, as: UTF8.self)
                == #"{"error":{"code":"Unauthorized","message":"AKV10000: Request is missing a Bearer or PoP token."}}"#
        )
    }

    @Test(
        "Each kind of host challenges for its own resource",
        arguments: [(TestHouse.managementHost, "management"), ("pool.managedhsm.localhost", "managedhsm")])
    func resources(_ host: String, _ resource: String) async throws {
        let response = try await admin.send(.get, "/anything", on: host, authorization: .none)
        #expect(response.status == 401)
        #expect(
            response.header("WWW-Authenticate")?.hasSuffix(#"resource="https://\#(resource).localhost:8443""#) == true)
    }

    @Test("A vault that is not there challenges like one that is, and is not found only by those who are known")
    func unknownVault() async throws {
        let host = TestHouse.vaultHost("absent")
        #expect(try await admin.send(.get, "/secrets", on: host, authorization: .none).status == 401)
        let response = try await admin.send(.get, "/secrets", on: host)
        #expect(response.status == 404 && response.errorCode == "VaultNotFound")
    }

    @Test("A token for another resource is refused with the challenge")
    func otherResource() async throws {
        let token = try admin.token(for: .management)
        let response = try await admin.send(.get, "/secrets", authorization: .header("Bearer " + token))
        #expect(response.status == 401)
        #expect(response.header("WWW-Authenticate") != nil)
    }

    @Test(
        "A host that nothing is served on is not found",
        arguments: ["localhost", "example.org", "console.localhost", "", "a.b.vault.localhost"])
    func unknownHosts(_ host: String) async throws {
        let response = try await admin.send(.get, "/secrets", on: host)
        #expect(response.status == 404)
        #expect(response.errorCode == "HostNotFound")
    }

    // MARK: What do they want?

    @Test("A path or a method that is not there is told to those who are known")
    func routes() async throws {
        #expect(try await admin.send(.get, "/nothing/a").errorCode == "NotFound")
        let response = try await admin.send(.delete, "/secrets")
        #expect(response.status == 405 && response.header("Allow") == "GET")
        let unknownMethod = try await admin.send(nil, "/secrets/a")
        #expect(unknownMethod.status == 405 && unknownMethod.header("Allow") == "DELETE, GET, PATCH, PUT")
    }

    @Test("A missing, unknown or doubled api-version is refused", arguments: [nil, "", "7", "7.7", "2015-06-01", "x"])
    func versions(_ version: String?) async throws {
        let response = try await admin.send(.get, "/secrets", version: version)
        #expect(response.status == 400 && response.errorCode == "BadParameter")
        #expect(try await admin.send(.get, "/secrets?api-version=7.4&api-version=7.4").status == 400)
    }

    @Test("Every api-version since 7.0 is served", arguments: APIVersion.allCases)
    func allVersions(_ version: APIVersion) async throws {
        #expect(try await admin.send(.get, "/secrets", version: version.text).status == 200)
        #expect(try await admin.send(.get, "/secrets", version: version.text.uppercased()).status == 200)
    }

    // MARK: May they?

    @Test("Who holds no role gets the service's text, the same whether the object is there or not")
    func forbidden() async throws {
        _ = try await admin.set("there", "x")
        let (present, absent) = (try await nobody.get("there"), try await nobody.get("gone1"))
        #expect(present.status == 403 && present.errorCode == "Forbidden/ForbiddenByRbac")
        let client = nobody.client
        #expect(
            present.json["error"]["message"].string
                == "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role definitions were "
                + "changed recently, please observe propagation time.\r\nCaller: appid=\(client.id);oid=\(client.objectID);iss="
                + "\(house.house.authority.issuer)\r\nAction: 'Microsoft.KeyVault/vaults/secrets/getSecret/action'\r\nResource: "
                + "'\(house.scope(ofVault: "demo").lowercased())/secrets/there'\r\nAssignment: (not found)\r\nDenyAssignmentId: null\r\n"
                + "DecisionReason: null \r\nVault: demo;location=local\r\n")
        let same = String(decoding: absent.body, as: UTF8.self).replacing("gone1", with: "there")
        #expect(same == String(decoding: present.body, as: UTF8.self))
    }

    @Test(
        "The body of a call that may not be made is not looked at",
        arguments: [(Request.Method.put, "/secrets/a"), (.patch, "/secrets/a"), (.post, "/secrets/restore")])
    func bodies(_ method: Request.Method, _ target: String) async throws {
        #expect(try await nobody.send(method, target, "{").status == 403)
        #expect(try await admin.send(method, target, "{").status == 400)
    }

    /// The paths of an operation with names in the place of their parameters.
    private func targets(_ operation: any AnyOperation) -> [String] {
        operation.paths.map { path in
            path.split(separator: "/").map { segment in
                segment.hasSuffix("-version}")
                    ? String(repeating: "0", count: 32) : segment.hasPrefix("{") ? "a" : String(segment)
            }.reduce("") { $0 + "/" + $1 }
        }
    }

    /// What only pools have.
    private static let ofPools: Set<Permission> = [
        .randomBytes, .localAssignmentsRead, .localAssignmentsWrite, .localAssignmentsDelete, .localDefinitionsRead,
        .localDefinitionsWrite, .localDefinitionsDelete, .localSettingsRead, .localSettingsWrite,
        .securityDomainDownload, .securityDomainUpload, .securityDomainUploadRead, .transferKeyRead, .poolBackupStart,
        .poolBackupRead, .poolRestoreStart, .poolRestoreRead,
    ]

    @Test(
        "Every operation of a vault asks for a role",
        arguments: Permission.allCases.filter { $0.isDataAction && !ofPools.contains($0) })
    func everyOperation(_ permission: Permission) async throws {
        let operations = house.house.catalog.operations.filter {
            $0.hosts.contains(.vault) && $0.method != nil && $0.requirement.permission == permission
        }
        #expect(!operations.isEmpty)
        for operation in operations {
            for target in targets(operation) {
                let body = operation.name == "SecretBatchGet" ? #"{"items":[{"name":"a"}]}"# : ""
                let response = try await nobody.send(operation.method, target, body, version: APIVersion.latest.text)
                if case .perItem = operation.requirement {
                    #expect(response.json["value"][0]["status"].integer == 403)
                } else {
                    #expect(response.status == 403, "\(operation.name)")
                }
            }
        }
    }

    @Test(
        "Every operation of a pool asks for a local role, which no role outside gives",
        arguments: Permission.allCases.filter { $0.poolAction != nil })
    func everyPoolOperation(_ permission: Permission) async throws {
        let house = try await TestHouse.open { configuration in
            configuration.vaults.append(.init(name: VaultName("pool")!, service: .managedHSM))
        }
        let callers = [try await house.admin(), try await house.caller("nobody")]
        let operations = house.house.catalog.operations.filter {
            $0.hosts.contains(.managedHSM) && $0.method != nil && $0.requirement.permission == permission
        }
        #expect(!operations.isEmpty)
        for operation in operations {
            for target in targets(operation) {
                for caller in callers {
                    let response = try await caller.send(
                        operation.method, target, on: "pool.managedhsm.localhost", version: APIVersion.latest.text)
                    #expect(
                        response.status == 403 && response.errorCode == "Forbidden/ForbiddenByRbac",
                        "\(operation.name) \(target)")
                }
            }
        }
    }

    @Test("The management plane words its refusals in its own way")
    func managementForbidden() async throws {
        let response = try await nobody.manage(.get, "/strongroom/applications")
        #expect(response.status == 403 && response.errorCode == "AuthorizationFailed")
    }

    // MARK: What is left on record

    private func event(of response: Response) throws -> AuditEvent {
        try #require(try house.audit().events.first { $0.correlationID == response.requestID })
    }

    @Test("Every answer has a record that agrees with it")
    func records() async throws {
        let set = try await admin.set("a", "x")
        let got = try await admin.get("a")
        let missing = try await admin.get("absent")
        let refused = try await nobody.get("a")
        let unknown = try await admin.send(.get, "/secrets", authorization: .none)
        let lost = try await admin.send(.get, "/no/such", on: "example.org")
        for (response, name, isAuthorized) in [
            (set, "SecretSet", true), (got, "SecretGet", true), (missing, "SecretGet", true),
            (refused, "SecretGet", false),
            (unknown, "Authentication", nil), (lost, "RequestRefused", nil),
        ] as [(Response, String, Bool?)] {
            let event = try event(of: response)
            #expect(event.operationName == name)
            #expect(event.status == response.status)
            #expect(event.isAuthorized == isAuthorized)
            #expect(event.callerAddress == "192.0.2.7")
            #expect(event.time == house.clock.now)
            #expect(event.resultDescription.isEmpty == (response.status < 400))
        }
        let event = try event(of: got)
        #expect(event.principal?.applicationID == admin.client.id)
        #expect(event.objectID == "https://demo.vault.localhost:8443/secrets/a")
        #expect(event.requestURI == "https://demo.vault.localhost:8443/secrets/a")
        #expect(event.resourceID == house.scope(ofVault: "demo"))
        #expect(event.apiVersion == "7.4")
        #expect(event.tlsVersion == "TLS1_3")
        #expect(event.clientInfo == "test")
        #expect(event.assignmentID != nil)
    }

    @Test("Each item of a batch has a record of its own under the id of the call")
    func batch() async throws {
        _ = try await admin.set("a", "x")
        let response = try await admin.send(
            .post, "/secrets:batchGet", #"{"items":[{"name":"a"},{"name":"absent"},{"name":"a_b"}]}"#)
        #expect(response.json["value"].array.map { $0["status"].integer } == [200, 404, 400])
        let events = try house.audit().events.filter { $0.correlationID == response.requestID }
        #expect(events.map(\.operationName) == ["SecretGet", "SecretGet", "SecretGet"])
        #expect(events.map(\.status) == [200, 404, 400])
    }

    @Test("Neither values nor tokens nor passwords are ever on record or in the log")
    func nothingSecret() async throws {
        let token = try admin.token(for: .vault)
        _ = try await admin.send(
            .put, "/secrets/a", #"{"value":"hush-hush","contentType":"hush-type","tags":{"hush-tag":"hush-hush"}}"#)
        _ = try await admin.get("a")
        _ = try await admin.send(.put, "/secrets/a", #"{"value":7,"hush-hush":["hush-hush"]}"#)
        _ = try await admin.send(.get, "/secrets/a", authorization: .header("Bearer " + token + "x"))
        _ = try await admin.send(.get, "/secrets/a", authorization: .header("Basic aHVzaA=="))
        let tenant = house.house.instance.tenant
        let form = "grant_type=client_credentials&client_id=\(admin.client.id)&client_secret="
        for secret in ["hush-hush", admin.client.password] {
            _ = try await admin.send(
                .post, "/\(tenant)/oauth2/v2.0/token", form + secret, on: TestHouse.loginHost, version: nil)
        }
        let records = try house.audit().events.map { String(decoding: $0.json(reason: Response.reason), as: UTF8.self) }
        for line in records + house.log.lines {
            for word in ["hush", token.split(separator: ".")[2].description, admin.client.password, "aHVzaA"] {
                #expect(!line.contains(word), "\(line)")
            }
        }
    }

    @Test(
        "Control characters in what a client sends forge no line of the log",
        arguments: ["\n", "\r\n", "\u{0}", "\u{1B}[2J", "\"}\n{\""])
    func forgery(_ text: String) async throws {
        _ = try await admin.send(.get, "/secrets/a\(text)b")
        _ = try await admin.send(.get, "/secrets?api-version=\(text)")
        for event in try house.audit().events {
            let line = event.json(reason: Response.reason)
            #expect(!line.contains { $0 < 0x20 || $0 == 0x7F })
            #expect(throws: Never.self) { try JSON(line) }
        }
    }

    // MARK: Health

    @Test(
        "State is told without a token and without a record",
        arguments: ["/livez", "/health", "/readyz", "/healthstatus"])
    func health(_ target: String) async throws {
        let before = try house.audit().events.count
        let response = try await admin.send(.get, target, version: nil, authorization: .none)
        #expect(response.status == 200)
        #expect(response.json.members == ["status"])
        #expect(try house.audit().events.count == before)
    }
}
