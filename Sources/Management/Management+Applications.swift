import Barrier
import Cryptography
import Domain
import Identity
import Operations

extension Management {
    var applicationOperations: [any AnyOperation] {
        let item = "/strongroom/applications/{application}"
        func anywhere(_ permission: Permission) -> Requirement { .atScope(permission) { _ in nil } }
        return [
            Operation(
                "ApplicationCreate", .post, on: .management, "/strongroom/applications",
                requires: anywhere(.applicationsWrite),
                status: 201, run: createApplication),
            Operation(
                "ApplicationList", .get, on: .management, "/strongroom/applications",
                requires: anywhere(.applicationsRead),
                run: listApplications),
            Operation(
                "ApplicationDisable", .post, on: .management, item + "/disable", requires: anywhere(.applicationsWrite),
                run: disableApplication),
            Operation(
                "ApplicationEnable", .post, on: .management, item + "/enable", requires: anywhere(.applicationsWrite),
                run: enableApplication),
            Operation(
                "ApplicationResetPassword", .post, on: .management, item + "/resetPassword",
                requires: anywhere(.applicationsWrite),
                run: resetPassword),
            Operation(
                "ApplicationCertificateAdd", .post, on: .management, item + "/certificates",
                requires: anywhere(.applicationsWrite), run: addCertificate),
            Operation(
                "ApplicationCertificateRemove", .delete, on: .management, item + "/certificates/{thumbprint}",
                requires: anywhere(.applicationsWrite), run: removeCertificate),
            Operation(
                "ApplicationDelete", .delete, on: .management, item, requires: anywhere(.applicationsDelete),
                status: 204,
                run: deleteApplication),
        ]
    }

    struct CreateApplicationInput: OperationInput {
        let displayName: String
        let kind: Application.Kind
        let signIn: SignInSettings?

        init(_ request: Request) throws(VaultError) {
            struct Body: Decodable {
                let displayName: String
                let kind: String?
                let redirectUris: [String]?
                let isPublicClient: Bool?
            }
            let body = try Body.fromJSON(request.body)
            displayName = body.displayName
            guard let kind = Application.Kind(rawValue: body.kind ?? "application") else {
                throw .badParameter(
                    "Property 'kind' has invalid value: it must be 'application' or 'managedIdentity'.\r\n")
            }
            self.kind = kind
            signIn = try Self.signIn(body.redirectUris ?? [], isPublic: body.isPublicClient ?? false, kind)
            guard (1...120).contains(displayName.utf16.count), displayName.isPrintable else {
                throw .badParameter(
                    "Property 'displayName' has invalid value: it must be 1 to 120 printable characters.\r\n")
            }
        }

        /// People sign in through an application that says where their codes go, or that is a public client.
        private static func signIn(_ addresses: [String], isPublic: Bool, _ kind: Application.Kind) throws(VaultError)
            -> SignInSettings?
        {
            guard isPublic || !addresses.isEmpty else { return nil }
            guard kind == .application else {
                throw .badParameter("People do not sign in through a managed identity: it takes no redirectUris.")
            }
            guard addresses.count <= SignInSettings.mostAddresses else {
                throw .badParameter("An application has at most \(SignInSettings.mostAddresses) redirectUris.")
            }
            for address in addresses {
                guard let flaw = SignInClient.flaw(ofRedirect: address) else { continue }
                throw .badParameter("The redirect URI '\(address.prefix(128))' cannot be registered: \(flaw).")
            }
            return SignInSettings(redirectAddresses: addresses, isPublic: isPublic)
        }
    }

    struct ApplicationInput: OperationInput {
        let id: GUID

        init(_ request: Request) throws(VaultError) {
            guard let id = GUID(request.parameter("application") ?? "") else {
                throw .badParameter("The application must be named by its appId, a GUID.")
            }
            self.id = id
        }
    }

    struct ApplicationOutput: OperationOutput {
        let application: Application
        let tenant: GUID
        var password: SensitiveBytes?
        var status: UInt16 = 200

        func response(_ call: Call) -> Response { .json(status) { write(to: &$0) } }

        func write(to writer: inout JSONWriter) {
            writer.member("appId", application.id)
            writer.member("displayName", application.displayName)
            writer.member("objectId", application.objectID)
            writer.member("enabled", application.isEnabled)
            writer.member("created", application.created.iso8601)
            if let password { writer.member("password", password) }
            if let signIn = application.signIn {
                writer.member("isPublicClient", signIn.isPublic)
                writer.array("redirectUris") { list in
                    for address in signIn.redirectAddresses { list.string(address) }
                }
            }
            if !application.certificates.isEmpty {
                writer.array("certificates") { list in
                    for certificate in application.certificates {
                        list.object { entry in
                            entry.member("thumbprint", Hex.encode(certificate.thumbprint).uppercased())
                            entry.member("subject", certificate.subject)
                            entry.member("notBefore", certificate.notBefore.iso8601)
                            entry.member("notAfter", certificate.notAfter.iso8601)
                        }
                    }
                }
            }
            writer.member("tenant", tenant)
        }
    }

    struct ApplicationList: OperationOutput {
        let items: [ApplicationOutput]

        func response(_ call: Call) -> Response {
            .json { list in list.array("value") { list in for item in items { list.object { item.write(to: &$0) } } } }
        }
    }

    /// Makes an application with a secret, which is shown once; or a managed identity or a public client, which have none.
    func createApplication(_ input: CreateApplicationInput, _ call: Call) async throws(VaultError) -> ApplicationOutput
    {
        let (password, secret): (SensitiveBytes?, ClientSecret?) =
            input.kind == .managedIdentity || input.signIn?.isPublic == true ? (nil, nil) : try await makeSecret(call)
        var made = Application(
            id: call.lane.newGUID(), objectID: call.lane.newGUID(), displayName: input.displayName, created: call.now,
            secret: secret, kind: input.kind)
        made.signIn = input.signIn
        let application = made
        call.concerns(objectID: "/strongroom/applications/\(application.id)")
        try await call.commit { transaction throws(VaultError) in try ApplicationTable.put(application, in: transaction)
        }
        directory.reload(application.id, from: call.lane.reader, committed: application)
        return ApplicationOutput(application: application, tenant: authority.tenant, password: password, status: 201)
    }

    func listApplications(_ input: NoInput, _ call: Call) async throws(VaultError) -> ApplicationList {
        let applications = directory.all.sorted { ($0.created, $0.id) < ($1.created, $1.id) }
        return ApplicationList(items: applications.map { ApplicationOutput(application: $0, tenant: authority.tenant) })
    }

    /// Refuses the application's secrets and tokens from the next request on, until it is enabled again.
    func disableApplication(_ input: ApplicationInput, _ call: Call) async throws(VaultError) -> ApplicationOutput {
        try await change(input.id, call) { $0.isEnabled = false }
    }

    func enableApplication(_ input: ApplicationInput, _ call: Call) async throws(VaultError) -> ApplicationOutput {
        try await change(input.id, call) { $0.isEnabled = true }
    }

    /// Replaces the secret. Tokens that the old one got are refused too: whoever had it must lose what it gave.
    func resetPassword(_ input: ApplicationInput, _ call: Call) async throws(VaultError) -> ApplicationOutput {
        let (password, secret) = try await makeSecret(call)
        var output = try await change(input.id, call) { application throws(VaultError) in
            guard application.kind == .application else { throw .badParameter("A managed identity has no secret.") }
            guard application.signIn?.isPublic != true else { throw .badParameter("A public client has no secret.") }
            application.secrets = [secret]
            application.tokenGeneration += 1
        }
        output.password = password
        return output
    }

    /// Removes an application. Its role assignments stay, naming nobody.
    func deleteApplication(_ input: ApplicationInput, _ call: Call) async throws(VaultError) -> NoContent {
        call.concerns(objectID: "/strongroom/applications/\(input.id)")
        try await call.commit { transaction throws(VaultError) in
            guard try ApplicationTable.application(input.id, in: transaction) != nil else {
                throw Self.unknown(input.id)
            }
            try ApplicationTable.remove(input.id, in: transaction)
        }
        directory.reload(input.id, from: call.lane.reader, committed: nil)
        return NoContent()
    }

    func change(
        _ id: GUID, _ call: Call, _ change: @escaping @Sendable (inout Application) throws(VaultError) -> Void
    ) async throws(VaultError) -> ApplicationOutput {
        call.concerns(objectID: "/strongroom/applications/\(id)")
        let changed = try await call.commit { transaction throws(VaultError) -> Application in
            guard var application = try ApplicationTable.application(id, in: transaction) else {
                throw Self.unknown(id)
            }
            try change(&application)
            try ApplicationTable.put(application, in: transaction)
            return application
        }
        directory.reload(id, from: call.lane.reader, committed: changed)
        return ApplicationOutput(application: changed, tenant: authority.tenant)
    }

    private func makeSecret(_ call: Call) async throws(VaultError) -> (SensitiveBytes, ClientSecret) {
        let (engine, now) = (engine, call.now)
        return try await slowly(call) { () throws(VaultError) in
            do throws(CryptoError) { return try ClientAuthentication.makeSecret(engine: engine, now: now) } catch {
                throw .internal("a client secret could not be made")
            }
        }
    }

    private static func unknown(_ id: GUID) -> VaultError {
        VaultError(.resourceNotFound, "The application '\(id)' does not exist.")
    }
}
