package import Barrier
package import Cryptography
package import Domain
import FoundationEssentials
import Store

/// That a person signed in, through which client and how.
package struct SignIn: Sendable, Hashable, Codable {
    package let user: GUID
    package let client: GUID
    /// Of the person at that time.
    package let tokenGeneration: Int
    /// Whether a code of an authenticator was given beside the password.
    package let isMultiFactor: Bool
    package let time: Timestamp

    package init(user: User, client: GUID, isMultiFactor: Bool, time: Timestamp) {
        self.user = user.id
        self.client = client
        tokenGeneration = user.tokenGeneration
        self.isMultiFactor = isMultiFactor
        self.time = time
    }
}

/// An authorization code that was given out (RFC 6749 §4.1).
package struct AuthorizationCode: Sendable, Codable {
    package static let lifetime: Duration = .minutes(5)

    var format = 1
    package let signIn: SignIn
    package let redirectAddress: String
    /// Of PKCE by S256 (RFC 7636); nil for none.
    package let challenge: String?
    package let scope: String
    package let nonce: String?
    /// What was made of it; nil until it is used. Used again, it takes that away (RFC 6749 §4.1.2).
    package var session: GUID?

    package init(signIn: SignIn, redirectAddress: String, challenge: String?, scope: String, nonce: String?) {
        self.signIn = signIn
        self.redirectAddress = redirectAddress
        self.challenge = challenge
        self.scope = scope
        self.nonce = nonce
    }
}

/// A device that waits for a person to sign in elsewhere (RFC 8628).
package struct DeviceSignIn: Sendable, Codable {
    package static let lifetime: Duration = .minutes(15)
    /// Seconds between two questions of a device.
    package static let interval = 5
    /// How many may wait at once.
    package static let most = 1_000

    package enum State: Sendable, Hashable, Codable {
        case waiting
        case granted(SignIn)
        case denied
    }

    var format = 1
    package let client: GUID
    package let scope: String
    package let userCode: String
    package var state = State.waiting

    package init(client: GUID, scope: String, userCode: String) {
        self.client = client
        self.scope = scope
        self.userCode = userCode
    }

    /// Letters that are neither vowels nor mistaken for one another.
    ///
    /// - Source: RFC 8628 §6.1.
    private static let alphabet = Array("BCDFGHJKLMNPQRSTVWXZ".utf8)

    package static func newUserCode(engine: CryptoEngine) throws(CryptoError) -> String {
        var text: [UInt8] = []
        while text.count < 8 {
            for byte in try engine.random(count: 16) where byte < 240 && text.count < 8 {
                text.append(alphabet[Int(byte) % alphabet.count])
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// A code as it was typed: any case, with hyphens and spaces.
    package static func userCode(typed: String) -> String? {
        let text = typed.uppercased().filter { $0 != "-" && !$0.isWhitespace }
        return text.utf8.count == 8 && text.utf8.allSatisfy(alphabet.contains) ? text : nil
    }
}

/// What a refresh token stands for: a person at a client, from sign-in on.
package struct Session: Sendable, Codable {
    /// Ends when it was not used for so long.
    package static let lifetime: Duration = .days(90)
    /// Processes that share a token may both use it at once; later the same is theft.
    package static let overlap: Duration = .seconds(60)

    var format = 1
    package let id: GUID
    package let signIn: SignIn
    package let scope: String
    /// Of the refresh token that is good now.
    package var number: Int64 = 1
    package var used: Timestamp

    package init(id: GUID, signIn: SignIn, scope: String) {
        self.id = id
        self.signIn = signIn
        self.scope = scope
        used = signIn.time
    }
}

/// A secret that names a stored thing: the time until which it holds, and 32 random bytes. Stored is its digest, under that time, so that what
/// has expired is found without a search.
package struct Handle: Sendable {
    package let text: SensitiveBytes
    package let expires: Timestamp
    private let digest: [UInt8]

    package init(expires: Timestamp, engine: CryptoEngine) throws(CryptoError) {
        var bytes = ByteWriter(reserving: 40)
        bytes.integer(UInt64(max(0, expires.epochSeconds)))
        try engine.randomKey(count: 32).withUnsafeBytes { bytes.raw(Array($0)) }
        self.expires = Timestamp(epochSeconds: expires.epochSeconds)
        digest = try engine.sha256(bytes.bytes)
        text = SensitiveBytes(Base64.encodeURL(bytes.bytes).utf8)
    }

    package init?(_ text: String, engine: CryptoEngine) {
        guard text.utf8.count == 54, let bytes = Base64.decodeURL(text), bytes.count == 40,
            let digest = try? engine.sha256(bytes)
        else { return nil }
        var reader = ByteReader(bytes)
        guard let seconds = reader.integer(UInt64.self), seconds < 1 << 40 else { return nil }
        expires = Timestamp(epochSeconds: Int64(seconds))
        self.digest = digest
        self.text = SensitiveBytes(text.utf8)
    }

    static func timeKey(_ time: Timestamp) -> String {
        let digits = String(UInt64(max(0, time.epochSeconds)), radix: 16)
        return String(repeating: "0", count: max(0, 16 - digits.count)) + digits
    }

    var key: String { Self.timeKey(expires) + "/" + Hex.encode(digest) }
}

/// Codes and waiting devices under `identity/code/` and `identity/device/`, sessions under `identity/session/`.
package enum SignInTable {
    private static let (codes, devices, sessions) = ("identity/code/", "identity/device/", "identity/session/")
    private static let userCodes = "identity/device-code/"

    // MARK: Codes

    package static func put(_ code: AuthorizationCode, at handle: Handle, now: Timestamp, in transaction: Transaction)
        throws(VaultError)
    {
        try removeExpired(codes, now, transaction)
        try transaction.put(try encode(code), at: codes + handle.key, in: .system)
    }

    package static func code(_ handle: Handle, in reader: any RecordReader) throws(VaultError) -> AuthorizationCode? {
        try record(at: codes + handle.key, in: reader)
    }

    package static func replace(_ code: AuthorizationCode, at handle: Handle, in transaction: Transaction)
        throws(VaultError)
    {
        try transaction.put(try encode(code), at: codes + handle.key, in: .system)
    }

    // MARK: Devices

    /// - Throws: `.throttled` when too many wait.
    package static func put(_ device: DeviceSignIn, at handle: Handle, now: Timestamp, in transaction: Transaction)
        throws(VaultError)
    {
        try removeExpired(devices, now, transaction)
        let waiting = try transaction.records(in: KeyRange(prefix: devices), limit: DeviceSignIn.most)
        guard waiting.count < DeviceSignIn.most else {
            throw VaultError(.throttled, "Too many devices are waiting for a sign-in. Try again later.", retryAfter: 60)
        }
        // A code that stands already is somebody else's; 20^8 of them make this rare.
        guard try transaction.record(at: userCodes + device.userCode) == nil else {
            throw VaultError(.throttled, "The device could not be given a code. Try again.", retryAfter: 1)
        }
        try transaction.put(try encode(device), at: devices + handle.key, in: .system)
        try transaction.put(Array(handle.key.utf8), at: userCodes + device.userCode, in: .system)
    }

    package static func device(_ handle: Handle, in reader: any RecordReader) throws(VaultError) -> DeviceSignIn? {
        try record(at: devices + handle.key, in: reader)
    }

    /// The device that a person means, unless its time is over.
    package static func device(userCode: String, now: Timestamp, in reader: any RecordReader) throws(VaultError)
        -> DeviceSignIn?
    {
        guard let key = try deviceKey(userCode, now, reader) else { return nil }
        return try record(at: devices + key, in: reader)
    }

    package static func replace(_ device: DeviceSignIn, now: Timestamp, in transaction: Transaction) throws(VaultError)
    {
        guard let key = try deviceKey(device.userCode, now, transaction) else { return }
        try transaction.put(try encode(device), at: devices + key, in: .system)
    }

    /// What a device asked for is given once.
    package static func remove(_ device: DeviceSignIn, at handle: Handle, in transaction: Transaction)
        throws(VaultError)
    {
        try transaction.remove(devices + handle.key)
        try transaction.remove(userCodes + device.userCode)
    }

    private static func deviceKey(_ userCode: String, _ now: Timestamp, _ reader: any RecordReader) throws(VaultError)
        -> String?
    {
        guard let bytes = try reader.record(at: userCodes + userCode) else { return nil }
        let key = String(decoding: bytes, as: UTF8.self)
        return key < Handle.timeKey(now) ? nil : key
    }

    // MARK: Sessions

    package static func put(_ session: Session, in transaction: Transaction) throws(VaultError) {
        try transaction.put(try encode(session), at: sessions + session.id.description, in: .system)
    }

    package static func session(_ id: GUID, in reader: any RecordReader) throws(VaultError) -> Session? {
        try record(at: sessions + id.description, in: reader)
    }

    package static func removeSession(_ id: GUID, in transaction: Transaction) throws(VaultError) {
        try transaction.remove(sessions + id.description)
    }

    // MARK: Records

    /// Takes away a few of those whose time is over, so that they never gather.
    private static func removeExpired(_ prefix: String, _ now: Timestamp, _ transaction: Transaction) throws(VaultError)
    {
        let oldest = try transaction.records(in: KeyRange(prefix: prefix), limit: 32)
        for entry in oldest where entry.key < prefix + Handle.timeKey(now) {
            if prefix == devices, let device: DeviceSignIn = try record(at: entry.key, in: transaction) {
                try transaction.remove(userCodes + device.userCode)
            }
            try transaction.remove(entry.key)
        }
    }

    private static func encode(_ value: some Encodable) throws(VaultError) -> [UInt8] {
        guard let bytes = try? JSONEncoder().encode(value) else { throw .internal("a sign-in could not be encoded") }
        return Array(bytes)
    }

    private static func record<Value: Decodable>(at key: String, in reader: any RecordReader) throws(VaultError)
        -> Value?
    {
        guard let bytes = try reader.record(at: key) else { return nil }
        guard let value = try? JSONDecoder().decode(Value.self, from: Data(bytes)) else {
            throw .integrity(record: key)
        }
        return value
    }
}
