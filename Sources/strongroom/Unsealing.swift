import Barrier
import Cryptography
import Domain
import House
import ProviderPKCS11
import StoreSQLite

/// How the data folder of `serve` is opened: by a passphrase, or by a hardware security module.
struct Unsealing {
    let source: Barrier.KEKSource
    /// Where a passphrase comes from.
    let passphrase: String

    /// - Throws: when the folder has no keys yet, or belongs to `dev`.
    static func source(of store: SQLiteStore) throws -> Barrier.KEKSource {
        do {
            guard let source = try Barrier.kekSource(of: try store.connection()) else {
                throw CommandFailure(HouseError.notInitialized.text)
            }
            if case .key = source {
                throw CommandFailure.configuration(
                    "this data folder belongs to 'strongroom dev'; 'serve' takes one made by 'strongroom init'")
            }
            return source
        } catch let failure as Barrier.Failure {
            throw CommandFailure("the data folder cannot be unsealed: \(failure)")
        }
    }

    /// Nil when the folder is opened without one.
    func readPassphrase() throws -> SensitiveBytes? {
        if case .passphrase = source { try Passphrase.read(passphrase) } else { nil }
    }

    func kek(_ passphrase: SensitiveBytes?, token: Token?, engine: CryptoEngine) throws -> SensitiveBytes {
        switch source {
        case .passphrase(let salt, let cost):
            guard let passphrase else { throw CommandFailure("no passphrase was read") }
            return try engine.scrypt(passphrase, salt: salt, cost: cost)
        case .token(let wrapped): return try Self.open(wrapped, token)
        case .key: throw CommandFailure("this data folder belongs to 'strongroom dev'")
        }
    }

    /// The key of a folder of `dev`: a file, unless the folder was moved to another way of unsealing.
    static func developmentKEK(
        _ source: Barrier.KEKSource?, _ folder: DataFolder, _ token: @autoclosure () throws -> Token?,
        _ engine: CryptoEngine
    ) throws -> SensitiveBytes {
        switch source {
        case nil: try folder.key(create: true, engine: engine)
        case .key?: try folder.key(create: false, engine: engine)
        case .passphrase(let salt, let cost)?:
            try engine.scrypt(try Passphrase.read("stdin"), salt: salt, cost: cost)
        case .token(let wrapped)?: try open(wrapped, try token())
        }
    }

    static func open(_ wrapped: [UInt8], _ token: Token?) throws -> SensitiveBytes {
        guard let token else {
            throw CommandFailure.configuration(
                "this data folder is unsealed by a hardware security module; name it under 'hsm' in the configuration")
        }
        do throws(CryptoError) { return try WrappingKey(token).open(wrapped) } catch {
            guard case .absent(let what) = error else {
                throw CommandFailure("the hardware security module does not hold the key that unseals this data folder")
            }
            throw CommandFailure("the hardware security module cannot be used: \(what)")
        }
    }
}
