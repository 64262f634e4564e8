internal import CPKCS11
package import Cryptography
package import Domain
import Threads

/// Which token of which module, and how to log in to it.
package struct TokenConfiguration: Sendable {
    /// Path of the module, a shared library.
    package var module: String
    package var label: String
    package var pin: SensitiveBytes
    /// How many calls may be in the module at once.
    package var sessions: Int

    package init(module: String, label: String, pin: SensitiveBytes, sessions: Int = 16) {
        (self.module, self.label, self.pin, self.sessions) = (module, label, pin, sessions)
    }
}

/// A token of a PKCS #11 module: a bounded pool of sessions, logged in, and made anew after the token was lost.
package final class Token: @unchecked Sendable {
    // Unchecked: the function list is constant and the module is initialised for use from several threads; the rest is behind
    // the monitor.
    private let functions: UnsafeMutablePointer<CK_FUNCTION_LIST>
    package let configuration: TokenConfiguration

    private struct State {
        var idle: [CK_SESSION_HANDLE] = []
        var open = 0
        var inUse = 0
        /// Counts the connections; handles of objects belong to one of them.
        var generation: UInt64 = 0
        var slot: CK_SLOT_ID = 0
        /// Never closed while connected: objects of a session live as long as it does.
        var keeper: CK_SESSION_HANDLE = 0
        var isConnected = false
        var isReconnecting = false
        var lastTry: ContinuousClock.Instant?
        /// Why the token refused the PIN. It is not shown the same one again: a few refusals lock a device for good.
        var refusal: String?
    }

    private let state = Monitor(State())

    /// Loads the module and connects.
    ///
    /// - Throws: `.absent` saying what is missing.
    package init(_ configuration: TokenConfiguration) throws(CryptoError) {
        guard let functions = strongroom_pkcs11_load(configuration.module) else {
            throw .absent("the PKCS #11 module '\(configuration.module)' cannot be loaded")
        }
        self.functions = functions
        self.configuration = configuration
        try connect()
    }

    var list: CK_FUNCTION_LIST { functions.pointee }

    package var isConnected: Bool { state.withLock { $0.isConnected } }

    // MARK: Sessions

    struct Session {
        let handle: CK_SESSION_HANDLE
        let keeper: CK_SESSION_HANDLE
        let generation: UInt64
        let slot: CK_SLOT_ID
        let list: CK_FUNCTION_LIST
    }

    /// Runs `body` with a session of its own; once more after reconnecting when the token was lost meanwhile.
    ///
    /// - Throws: `.absent` while the token is away.
    func withSession<Value>(_ body: (Session) throws(TokenFailure) -> Value) throws(CryptoError) -> Value {
        for attempt in 0..<3 {
            let session = try borrow()
            // A session that cannot be brought to rest is not used again.
            var isSpent = false
            defer { giveBack(session, isSpent: isSpent) }
            do throws(TokenFailure) {
                return try body(session)
            } catch {
                isSpent = error.code == CK_RV(CKR_OPERATION_ACTIVE)
                if error.isVague, isHealthy(session) {
                    guard !error.concernsInput else { throw error.cryptoError }
                    // Modules answer so when two threads come upon one object in the making: it is tried once more.
                    if attempt == 0 { continue }
                    throw error.cryptoError
                }
                guard error.isLoss || error.isVague else { throw error.cryptoError }
                markLost(session.generation)
                if attempt > 0 { throw .absent("the token answered \(error)") }
            }
        }
        throw .absent("the token was lost")
    }

    private enum Borrowed {
        case idle(Session)
        /// Room for one more session, which the caller opens.
        case room
        case disconnected
    }

    private func borrow() throws(CryptoError) -> Session {
        while true {
            let found: Borrowed? = state.wait { state -> Borrowed? in
                if state.isReconnecting { return nil }
                guard state.isConnected else { return .disconnected }
                if let handle = state.idle.popLast() {
                    state.inUse += 1
                    return .idle(self.session(handle, state))
                }
                // A few more than threads wait here: quick operations come from event loops.
                guard state.open < self.configuration.sessions + 4 else { return nil }
                state.open += 1
                state.inUse += 1
                return .room
            }
            switch found {
            case .idle(let session): return session
            case .room:
                guard let session = openAnother() else { throw .absent("no session can be opened") }
                return session
            case .disconnected, nil: try connect()
            }
        }
    }

    private func session(_ handle: CK_SESSION_HANDLE, _ state: State) -> Session {
        Session(
            handle: handle, keeper: state.keeper, generation: state.generation, slot: state.slot,
            list: functions.pointee)
    }

    private func openAnother() -> Session? {
        let slot = state.withLock { $0.slot }
        var handle: CK_SESSION_HANDLE = 0
        let result = list.C_OpenSession(slot, CK_FLAGS(CKF_SERIAL_SESSION | CKF_RW_SESSION), nil, nil, &handle)
        guard result == CKR_OK else {
            state.withLock { state in
                state.open -= 1
                state.inUse -= 1
                state.isConnected = false
            }
            state.broadcast()
            return nil
        }
        return state.withLock { session(handle, $0) }
    }

    private func giveBack(_ session: Session, isSpent: Bool) {
        if isSpent { _ = list.C_CloseSession(session.handle) }
        state.withLock { state in
            state.inUse -= 1
            if session.generation == state.generation {
                if isSpent { state.open -= 1 } else { state.idle.append(session.handle) }
            }
        }
        state.broadcast()
    }

    private func markLost(_ generation: UInt64) {
        state.withLock { if $0.generation == generation { $0.isConnected = false } }
    }

    /// Whether the token still knows the session and answers a search.
    private func isHealthy(_ session: Session) -> Bool {
        var info = CK_TOKEN_INFO()
        guard list.C_GetTokenInfo(session.slot, &info) == CKR_OK else { return false }
        let template = Template().flag(CK_ATTRIBUTE_TYPE(CKA_TOKEN), true)
        return (try? Objects.find(template, in: session, limit: 1).isEmpty) == false
    }

    // MARK: Connecting

    private enum Step {
        case done, tooEarly, start
        case refused(String)
    }

    private static let retryEvery: Duration = .seconds(1)

    /// Starts the module anew: alone, when every session has come back. Tried at most once a second.
    private func connect() throws(CryptoError) {
        let step: Step? = state.wait { state -> Step? in
            if state.isReconnecting { return nil }
            if state.isConnected { return .done }
            if let refusal = state.refusal { return .refused(refusal) }
            guard state.inUse == 0 else { return nil }
            if let last = state.lastTry, .now - last < Self.retryEvery { return .tooEarly }
            state.isReconnecting = true
            state.lastTry = .now
            return .start
        }
        switch step {
        case .done, nil: return
        case .tooEarly: throw .absent("the token is away")
        case .refused(let text): throw .absent(text)
        case .start: break
        }
        let result = Result { () throws(CryptoError) in try start() }
        state.withLock { state in
            state.isReconnecting = false
            guard case .success(let (slot, keeper)) = result else { return }
            state.slot = slot
            state.keeper = keeper
            state.idle = []
            state.open = 0
            state.generation += 1
            state.isConnected = true
            state.lastTry = nil
        }
        state.broadcast()
        _ = try result.get()
    }

    private func start() throws(CryptoError) -> (slot: CK_SLOT_ID, keeper: CK_SESSION_HANDLE) {
        _ = list.C_Finalize(nil)
        var arguments = CK_C_INITIALIZE_ARGS()
        arguments.flags = CK_FLAGS(CKF_OS_LOCKING_OK)
        let started = list.C_Initialize(&arguments)
        guard started == CKR_OK || started == CKR_CRYPTOKI_ALREADY_INITIALIZED else {
            throw .absent("the module does not start (\(TokenFailure(started)))")
        }
        guard let slot = Self.slot(labelled: configuration.label, in: list) else {
            throw .absent("the module has no token labelled '\(configuration.label)'")
        }
        var keeper: CK_SESSION_HANDLE = 0
        let opened = list.C_OpenSession(slot, CK_FLAGS(CKF_SERIAL_SESSION | CKF_RW_SESSION), nil, nil, &keeper)
        guard opened == CKR_OK else { throw .absent("no session can be opened (\(TokenFailure(opened)))") }
        let entered = configuration.pin.withUnsafeBytes { pin in
            list.C_Login(
                keeper, CK_USER_TYPE(CKU_USER),
                UnsafeMutablePointer(mutating: pin.bindMemory(to: UInt8.self).baseAddress), CK_ULONG(pin.count))
        }
        guard entered == CKR_OK || entered == CKR_USER_ALREADY_LOGGED_IN else {
            let failure = TokenFailure(entered)
            if failure.concernsPIN {
                let text = "the token refused the PIN (\(failure)); it is tried again when the server is started anew"
                state.withLock { $0.refusal = text }
                throw .absent(text)
            }
            throw .absent("the token does not let the server in (\(failure))")
        }
        return (slot, keeper)
    }

    static func slot(labelled label: String, in list: CK_FUNCTION_LIST) -> CK_SLOT_ID? {
        var count: CK_ULONG = 0
        guard list.C_GetSlotList(1, nil, &count) == CKR_OK, count > 0 else { return nil }
        var slots = [CK_SLOT_ID](repeating: 0, count: Int(count))
        guard list.C_GetSlotList(1, &slots, &count) == CKR_OK else { return nil }
        return slots.prefix(Int(count)).first { slot in
            var info = CK_TOKEN_INFO()
            guard list.C_GetTokenInfo(slot, &info) == CKR_OK else { return false }
            return Self.text(&info.label) == label
        }
    }

    /// A text of fixed width, padded with blanks.
    static func text<Tuple>(_ tuple: inout Tuple) -> String {
        withUnsafeBytes(of: &tuple) { bytes in
            var text = bytes.prefix { $0 != 0 }
            while text.last == UInt8(ascii: " ") { text = text.dropLast() }
            return String(decoding: text, as: UTF8.self)
        }
    }

    /// What the token says of itself.
    func information() throws(CryptoError) -> (model: String, serialNumber: String) {
        try withSession { session throws(TokenFailure) in
            var info = CK_TOKEN_INFO()
            try check(session.list.C_GetTokenInfo(session.slot, &info))
            return (Self.text(&info.model), Self.text(&info.serialNumber))
        }
    }

    /// The mechanisms of the token.
    func mechanisms() throws(CryptoError) -> Set<CK_MECHANISM_TYPE> {
        try withSession { session throws(TokenFailure) in
            var count: CK_ULONG = 0
            try check(session.list.C_GetMechanismList(session.slot, nil, &count))
            var list = [CK_MECHANISM_TYPE](repeating: 0, count: Int(count))
            try check(session.list.C_GetMechanismList(session.slot, &list, &count))
            return Set(list.prefix(Int(count)))
        }
    }

    // MARK: Setting up

    /// Makes a token on a free slot of a module: for a software module that the server sets up by itself.
    package static func initialize(_ configuration: TokenConfiguration) throws(CryptoError) {
        guard let functions = strongroom_pkcs11_load(configuration.module) else {
            throw .absent("the PKCS #11 module '\(configuration.module)' cannot be loaded")
        }
        let list = functions.pointee
        var arguments = CK_C_INITIALIZE_ARGS()
        arguments.flags = CK_FLAGS(CKF_OS_LOCKING_OK)
        let started = list.C_Initialize(&arguments)
        guard started == CKR_OK else { throw .absent("the module does not start (\(TokenFailure(started)))") }
        defer { _ = list.C_Finalize(nil) }
        guard slot(labelled: configuration.label, in: list) == nil else { return }
        do throws(TokenFailure) {
            var count: CK_ULONG = 0
            try check(list.C_GetSlotList(1, nil, &count))
            var slots = [CK_SLOT_ID](repeating: 0, count: Int(count))
            try check(list.C_GetSlotList(1, &slots, &count))
            // A software module offers a fresh slot behind those in use.
            guard let free = slots.last else { throw TokenFailure(CK_RV(CKR_SLOT_ID_INVALID)) }
            var label = Array(configuration.label.utf8.prefix(32))
            label += repeatElement(UInt8(ascii: " "), count: 32 - label.count)
            try configuration.pin.withUnsafeBytes { bytes throws(TokenFailure) in
                let pin = UnsafeMutablePointer(mutating: bytes.bindMemory(to: UInt8.self).baseAddress)
                try check(list.C_InitToken(free, pin, CK_ULONG(bytes.count), &label))
                guard let slot = slot(labelled: configuration.label, in: list) else {
                    throw TokenFailure(CK_RV(CKR_TOKEN_NOT_PRESENT))
                }
                var session: CK_SESSION_HANDLE = 0
                try check(
                    list.C_OpenSession(slot, CK_FLAGS(CKF_SERIAL_SESSION | CKF_RW_SESSION), nil, nil, &session))
                try check(list.C_Login(session, CK_USER_TYPE(CKU_SO), pin, CK_ULONG(bytes.count)))
                try check(list.C_InitPIN(session, pin, CK_ULONG(bytes.count)))
                try check(list.C_Logout(session))
                try check(list.C_CloseSession(session))
            }
        } catch { throw .absent("the token cannot be made (\(error))") }
    }
}

/// What a module answered instead of CKR_OK.
struct TokenFailure: Error, CustomStringConvertible {
    let code: CK_RV
    /// The module has the key and refused the input: trying again would only cost as much again.
    let concernsInput: Bool

    init(_ code: CK_RV, concernsInput: Bool = false) { (self.code, self.concernsInput) = (code, concernsInput) }

    var description: String { "CKR 0x" + String(code, radix: 16) }

    /// The PIN is wrong, ended or locked.
    var concernsPIN: Bool {
        [CKR_PIN_INCORRECT, CKR_PIN_INVALID, CKR_PIN_LEN_RANGE, CKR_PIN_EXPIRED, CKR_PIN_LOCKED].contains {
            code == CK_RV($0)
        }
    }

    /// The session, the login or the token is gone.
    var isLoss: Bool {
        switch code {
        case CK_RV(CKR_DEVICE_ERROR), CK_RV(CKR_DEVICE_REMOVED), CK_RV(CKR_TOKEN_NOT_PRESENT),
            CK_RV(CKR_TOKEN_NOT_RECOGNIZED), CK_RV(CKR_SESSION_CLOSED), CK_RV(CKR_SESSION_HANDLE_INVALID),
            CK_RV(CKR_USER_NOT_LOGGED_IN), CK_RV(CKR_CRYPTOKI_NOT_INITIALIZED), CK_RV(CKR_OBJECT_HANDLE_INVALID),
            CK_RV(CKR_KEY_HANDLE_INVALID), CK_RV(CKR_WRAPPING_KEY_HANDLE_INVALID),
            CK_RV(CKR_UNWRAPPING_KEY_HANDLE_INVALID), CK_RV(CKR_SLOT_ID_INVALID):
            true
        default: false
        }
    }

    /// Could be the input or the token.
    var isVague: Bool {
        code == CK_RV(CKR_GENERAL_ERROR) || code == CK_RV(CKR_FUNCTION_FAILED) || code == CK_RV(CKR_HOST_MEMORY)
            || code == CK_RV(CKR_TEMPLATE_INCONSISTENT)
    }

    var cryptoError: CryptoError {
        switch code {
        case CK_RV(CKR_MECHANISM_INVALID), CK_RV(CKR_MECHANISM_PARAM_INVALID), CK_RV(CKR_CURVE_NOT_SUPPORTED),
            CK_RV(CKR_DOMAIN_PARAMS_INVALID):
            .unavailable("The mechanism")
        default: .failed("the token answered \(self)")
        }
    }
}

func check(_ result: CK_RV) throws(TokenFailure) {
    guard result == CKR_OK else { throw TokenFailure(result) }
}
