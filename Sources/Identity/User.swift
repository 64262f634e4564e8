package import Barrier
package import Cryptography
package import Domain
import FoundationEssentials
import Store

/// The name a person signs in by: `alice@example.com`. Spellings that differ in case are one name.
///
/// - Source: Microsoft Entra ID, attribute userPrincipalName: letters, digits and `'.-_!#^~`, at most 64 before and 48 after the `@`.
package struct UserName: Sendable, Hashable, CustomStringConvertible {
    /// As it was given.
    package let description: String
    /// The same for every spelling.
    package let key: String

    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        guard parts.count == 2, (1...64).contains(parts[0].utf8.count), (1...48).contains(parts[1].utf8.count),
            parts[0].utf8.allSatisfy({ $0.isASCIILetter || $0.isASCIIDigit || "'.-_!#^~".utf8.contains($0) }),
            parts[0].first != ".", parts[0].last != ".",
            parts[1].utf8.allSatisfy({
                $0.isASCIILetter || $0.isASCIIDigit || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-")
            }),
            parts[1].split(separator: ".", omittingEmptySubsequences: false).allSatisfy({ !$0.isEmpty })
        else { return nil }
        description = String(text)
        key = text.lowercased()
    }

    package static func == (left: UserName, right: UserName) -> Bool { left.key == right.key }
    package func hash(into hasher: inout Hasher) { hasher.combine(key) }
}

/// A person: signs in by a password, and by the codes of an authenticator where one is registered.
package struct User: Sendable {
    package let id: GUID
    package let name: UserName
    package var displayName: String
    /// Absent for none.
    package var mailNickname: String?
    package var isEnabled = true
    package let created: Timestamp
    package var password: PasswordHash
    /// The password was chosen by somebody else.
    package var mustChangePassword: Bool
    package var authenticator: Authenticator?
    /// Who the person is at other issuers: their tokens stand for the person.
    package var identities: [ExternalIdentity] = []
    /// Stands in every token and session; one with an older number is refused. Moves with the password, the authenticator, and when all
    /// sessions are ended.
    package var tokenGeneration = 1

    package init(
        id: GUID, name: UserName, displayName: String, mailNickname: String? = nil, created: Timestamp,
        password: PasswordHash, mustChangePassword: Bool
    ) {
        self.id = id
        self.name = name
        self.displayName = displayName
        self.mailNickname = mailNickname
        self.created = created
        self.password = password
        self.mustChangePassword = mustChangePassword
    }
}

extension User {
    package static func isDisplayName(_ text: String) -> Bool {
        (1...256).contains(text.utf16.count) && text.isPrintable
    }

    /// Writes a person who must be new.
    ///
    /// - Throws: `.conflict` when the name is somebody's.
    package func insert(in transaction: Transaction) throws(VaultError) {
        guard try UserTable.id(named: name, in: transaction) == nil else {
            throw VaultError(
                .conflict, "Another object with the same value for property userPrincipalName already exists.")
        }
        try UserTable.put(self, in: transaction)
    }
}

/// A password as it is kept.
package struct PasswordHash: Sendable {
    package let salt: [UInt8]
    package let hash: [UInt8]
    package let cost: ScryptCost

    package static let leastCharacters = 12
    package static let mostCharacters = 256

    init(salt: [UInt8], hash: [UInt8], cost: ScryptCost) { (self.salt, self.hash, self.cost) = (salt, hash, cost) }

    /// Slow: not on an event loop.
    package init(of password: SensitiveBytes, engine: CryptoEngine) throws(CryptoError) {
        salt = try engine.random(count: 16)
        cost = .password
        hash = try engine.scrypt(password, salt: salt, cost: cost).withUnsafeBytes { Array($0) }
    }

    func isOf(_ password: SensitiveBytes, engine: CryptoEngine) -> Bool {
        guard let tried = try? engine.scrypt(password, salt: salt, cost: cost) else { return false }
        return SensitiveBytes.equal(tried, SensitiveBytes(hash))
    }

    /// Why a password may not be chosen; nil when it may.
    ///
    /// - Source: NIST SP 800-63B §3.1.1.2: length rather than composition, and not what the account itself says.
    package static func flaw(of password: String, for name: UserName) -> String? {
        guard password.count >= leastCharacters else { return "it must have at least \(leastCharacters) characters" }
        guard password.count <= mostCharacters, password.utf8.count <= 4 * mostCharacters else {
            return "it must have at most \(mostCharacters) characters"
        }
        let lowered = password.lowercased()
        guard Set(lowered).count >= 5 else { return "it must have at least five different characters" }
        let account = name.key.prefix { $0 != "@" }
        guard account.count < 4 || !lowered.contains(account) else { return "it must not hold the user's name" }
        return nil
    }
}

/// What makes six-digit codes on a person's telephone (RFC 6238).
package struct Authenticator: Sendable {
    /// 20 bytes.
    package let secret: SensitiveBytes
    /// The step of the last code that was accepted: each code opens once.
    package var lastStep: Int64

    package init(secret: SensitiveBytes, lastStep: Int64 = 0) { (self.secret, self.lastStep) = (secret, lastStep) }
}

/// The stored people: one record each under `identity/user/<id>`, and their names under `identity/user-name/<name>`.
package enum UserTable {
    private static let prefix = "identity/user/"

    private struct Record: Codable {
        var format = 1
        let id: GUID
        let name: String
        let displayName: String
        let mailNickname: String?
        let isEnabled: Bool
        let created: Timestamp
        let salt: String
        let hash: String
        let n: UInt64
        let r: UInt32
        let p: UInt32
        let mustChangePassword: Bool
        /// Absent without an authenticator.
        let secret: String?
        let lastStep: Int64?
        let tokenGeneration: Int
        /// Absent for none.
        let identities: [ExternalIdentity]?
    }

    private static func key(_ id: GUID) -> String { prefix + id.description }
    private static func key(_ name: UserName) -> String { "identity/user-name/" + name.key }

    package static func user(_ id: GUID, in reader: any RecordReader) throws(VaultError) -> User? {
        guard let bytes = try reader.record(at: key(id)) else { return nil }
        return try decode(bytes, at: key(id))
    }

    /// Whose name it is.
    package static func id(named name: UserName, in reader: any RecordReader) throws(VaultError) -> GUID? {
        guard let bytes = try reader.record(at: key(name)) else { return nil }
        guard let id = GUID(String(decoding: bytes, as: UTF8.self)) else { throw .integrity(record: key(name)) }
        return id
    }

    package static func all(in reader: any RecordReader) throws(VaultError) -> [User] {
        var users: [User] = []
        var after = prefix
        while true {
            let entries = try reader.records(in: KeyRange(prefix: prefix, after: after), limit: 1_000)
            guard let last = entries.last else { return users }
            for entry in entries { users.append(try decode(entry.value, at: entry.key)) }
            after = last.key
        }
    }

    package static func put(_ user: User, in transaction: Transaction) throws(VaultError) {
        let record = Record(
            id: user.id, name: user.name.description, displayName: user.displayName, mailNickname: user.mailNickname,
            isEnabled: user.isEnabled, created: user.created, salt: Base64.encode(user.password.salt),
            hash: Base64.encode(user.password.hash), n: user.password.cost.n, r: user.password.cost.r,
            p: user.password.cost.p, mustChangePassword: user.mustChangePassword,
            secret: user.authenticator?.secret.withUnsafeBytes { Base64.encode($0) },
            lastStep: user.authenticator?.lastStep, tokenGeneration: user.tokenGeneration,
            identities: user.identities.isEmpty ? nil : user.identities)
        guard let bytes = try? JSONEncoder().encode(record) else { throw .internal("a user could not be encoded") }
        try transaction.put(Array(bytes), at: key(user.id), in: .system)
        try transaction.put(Array(user.id.description.utf8), at: key(user.name), in: .system)
    }

    package static func remove(_ user: User, in transaction: Transaction) throws(VaultError) {
        try transaction.remove(key(user.id))
        try transaction.remove(key(user.name))
    }

    private static func decode(_ bytes: [UInt8], at key: String) throws(VaultError) -> User {
        guard let record = try? JSONDecoder().decode(Record.self, from: Data(bytes)), record.format == 1,
            let name = UserName(record.name), let salt = Base64.decode(record.salt),
            let hash = Base64.decode(record.hash), let cost = ScryptCost(n: record.n, r: record.r, p: record.p)
        else { throw .integrity(record: key) }
        var user = User(
            id: record.id, name: name, displayName: record.displayName, mailNickname: record.mailNickname,
            created: record.created, password: PasswordHash(salt: salt, hash: hash, cost: cost),
            mustChangePassword: record.mustChangePassword)
        user.isEnabled = record.isEnabled
        user.tokenGeneration = record.tokenGeneration
        user.identities = record.identities ?? []
        if let text = record.secret {
            guard let secret = Base64.decode(text), let step = record.lastStep else { throw .integrity(record: key) }
            user.authenticator = Authenticator(secret: SensitiveBytes(secret), lastStep: step)
        }
        return user
    }
}
