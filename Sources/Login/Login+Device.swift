import Barrier
import Cryptography
import Domain
import Identity
import Operations
import Synchronization

/// Devices without a browser: a person signs in elsewhere and types a code.
///
/// - Source: RFC 8628.
extension Login {
    var deviceOperations: [any AnyOperation] {
        [
            Operation(
                "DeviceCodeIssue", .post, on: .login, "/{tenant}/oauth2/v2.0/devicecode", "/{tenant}/oauth2/devicecode",
                requires: .nothing, bodyLimit: 16 << 10, run: deviceCode),
            Operation("DevicePageGet", .get, on: .login, "/device", requires: .nothing, run: devicePage),
            Operation(
                "DeviceSignIn", .post, on: .login, "/device", requires: .nothing, bodyLimit: 16 << 10, run: signInDevice
            ),
        ]
    }

    struct DeviceInput: OperationInput {
        let tenant: String
        let clientID: String
        let scope: String
        let isVersion2: Bool

        init(_ request: Request) throws(VaultError) {
            tenant = request.parameter("tenant") ?? ""
            isVersion2 = request.path.contains { $0.lowercased() == "v2.0" }
            let form = try Form(request.body)
            clientID = try form.value("client_id") ?? ""
            let resource = try form.value("resource").map { $0 + "/.default openid offline_access" }
            scope = try form.value("scope") ?? resource ?? "openid"
        }
    }

    /// Where a person types the code of a device.
    private var deviceAddress: String { authority.loginURL + "/device" }

    func deviceCode(_ input: DeviceInput, _ call: Call) async throws(VaultError) -> JSONAnswer {
        guard knows(tenant: input.tenant) else { return Self.unknownTenant(input.tenant, call) }
        guard let client = GUID(input.clientID).flatMap({ SignInClient($0, in: directory) }) else {
            return Self.unknownClient(input.clientID, call)
        }
        guard input.scope.utf8.count <= 1_024, !Scopes(input.scope).isAmbiguous else {
            return Self.oauthError(
                400, "invalid_scope", 28_000, "The scope names more than one resource, or is too long.", call)
        }
        let expires = call.now + DeviceSignIn.lifetime
        guard let handle = try? Handle(expires: expires, engine: engine),
            let userCode = try? DeviceSignIn.newUserCode(engine: engine)
        else { throw .internal("a device code could not be made") }
        let device = DeviceSignIn(client: client.id, scope: input.scope, userCode: userCode)
        let now = call.now
        try await call.commit { transaction throws(VaultError) in
            try SignInTable.put(device, at: handle, now: now, in: transaction)
        }
        let shown = "\(userCode.prefix(4))-\(userCode.suffix(4))"
        let seconds = Int64(DeviceSignIn.lifetime.components.seconds)
        return JSONAnswer { answer in
            answer.member("user_code", shown)
            answer.member("device_code", handle.text)
            answer.member(input.isVersion2 ? "verification_uri" : "verification_url", deviceAddress)
            if input.isVersion2 {
                answer.member("expires_in", seconds)
                answer.member("interval", DeviceSignIn.interval)
            } else {
                answer.member("expires_in", String(seconds))
                answer.member("interval", String(DeviceSignIn.interval))
            }
            answer.member(
                "message",
                "To sign in, use a web browser to open the page \(deviceAddress) and enter the code \(shown) to authenticate."
            )
        }
    }

    static func unknownClient(_ id: String, _ call: Call) -> JSONAnswer {
        oauthError(
            400, "unauthorized_client", 700_016,
            "Application with identifier '\(GUID(id)?.description ?? "")' was not found in the directory, or people cannot sign in to it.",
            call)
    }

    // MARK: Pages

    func devicePage(_ input: NoInput, _ call: Call) async throws(VaultError) -> Page { Self.codePage(nil) }

    private static func codePage(_ refusal: String?) -> Page {
        Page(
            refusal == nil ? 200 : 400, title: "Enter the code",
            """
            <p>A device or a program showed you a code. Enter it only if you started that yourself.</p>
            \(Page.alert(refusal))
            <form method="post" action="/device">
            \(Page.field(
                "user_code", "Code",
                #"autocomplete="off" autocapitalize="characters" spellcheck="false" maxlength="16" required autofocus"#,
                hint: "Eight letters, such as BCDF-GHJK"))
            <button>Next</button>
            </form>
            """)
    }

    private static func deviceSignInPage(
        _ device: DeviceSignIn, _ client: SignInClient, _ refusal: Refusal? = nil, name: String = ""
    ) -> Page {
        let asksNew = refusal?.asksNewPassword == true
        return Page(
            refusal?.status ?? 200, title: asksNew ? "Choose a new password" : "Sign in on another device",
            """
            <p>Whoever showed you the code <strong class="code">\(device.userCode.prefix(4))-\(device.userCode.suffix(4))</strong> will be
            signed in as you to <strong>\(Page.escaped(client.displayName))</strong>. Go on only if you started this yourself.</p>
            \(refusal?.notice ?? "")
            <form method="post" action="/device">
            \(Page.hidden([("user_code", device.userCode)]))
            \(credentialFields(name: name, asksNew: asksNew))
            <button name="action" value="signin">Sign in</button>
            <button name="action" value="cancel" class="plain" formnovalidate>Cancel</button>
            </form>
            """)
    }

    func signInDevice(_ input: PageInput, _ call: Call) async throws(VaultError) -> Page {
        call.didSlowWork()
        guard let form = try? Form(input.body), let typed = try? form.value("user_code"),
            let hasName = try? form.value("username") != nil, let hasAction = try? form.value("action") != nil,
            let credentials = try? Credentials(form)
        else { return Self.brokenForm }
        guard let code = DeviceSignIn.userCode(typed: typed),
            let device = try SignInTable.device(userCode: code, now: call.now, in: call.lane.reader),
            device.state == .waiting, let client = SignInClient(device.client, in: directory)
        else { return Self.codePage("That code is not known, or its time is over. Ask the device for a new one.") }
        guard hasName || hasAction else { return Self.deviceSignInPage(device, client) }
        let now = call.now
        if credentials.cancels {
            try await call.commit { transaction throws(VaultError) in
                guard var device = try SignInTable.device(userCode: code, now: now, in: transaction),
                    device.state == .waiting
                else { return }
                device.state = .denied
                try SignInTable.replace(device, now: now, in: transaction)
            }
            return Page(title: "You did not sign in", "<p>The device will be told. You may close this window.</p>")
        }
        let authenticated: Authenticated
        switch await authenticate(credentials, call) {
        case .success(let done): authenticated = done
        case .failure(let refusal):
            return Self.deviceSignInPage(device, client, refusal, name: credentials.name)
        }
        let isKept = try await complete(authenticated, credentials, at: device.client, call) {
            user, transaction throws(VaultError) in
            guard var device = try SignInTable.device(userCode: code, now: now, in: transaction),
                device.state == .waiting
            else { throw VaultError(.conflict, "The device does not wait any more.") }
            device.state = .granted(
                SignIn(user: user, client: device.client, isMultiFactor: authenticated.step != nil, time: now))
            try SignInTable.replace(device, now: now, in: transaction)
        }
        guard isKept else { return Self.deviceSignInPage(device, client, .wrong, name: credentials.name) }
        return Page(
            title: "You are signed in",
            "<p>You are signed in to \(Page.escaped(client.displayName)) on your device. You may close this window.</p>"
        )
    }
}

/// When devices asked last; one that asks too often is told to slow down.
final class DevicePolls: Sendable {
    private let last = Mutex<[String: Timestamp]>([:])

    func isTooSoon(_ device: String, now: Timestamp) -> Bool {
        last.withLock { last in
            if last.count >= 2 * DeviceSignIn.most { last = last.filter { now - $0.value < .seconds(60) } }
            // A second of grace for clocks and networks.
            let isTooSoon = last[device].map { now - $0 < .seconds(DeviceSignIn.interval - 1) } ?? false
            last[device] = now
            return isTooSoon
        }
    }
}
