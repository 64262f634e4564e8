import Barrier
import Cryptography
import Domain
import Keys
import Operations
import ProviderOpenSSL
import ProviderPKCS11
import Threads

/// The hardware security module of a house: the provider, its threads, and what a crash left in it.
struct HardwareSetup: Sendable {
    let provider: PKCS11Provider
    let pool: WorkPool

    /// Wraps the server's key-encryption key.
    var sealing: @Sendable (SensitiveBytes) throws(CryptoError) -> [UInt8] {
        let wrapping = provider.wrapping
        return { key throws(CryptoError) in try wrapping.seal(key) }
    }

    var keys: KeyWork.HardwareKeys { KeyWork.HardwareKeys(provider: provider, pool: pool) }

    /// - Parameter instance: names this server's objects in the token.
    init(_ token: Token, software: OpenSSLProvider, instance: GUID) throws(CryptoError) {
        provider = try PKCS11Provider(token, software: software, instance: instance.description)
        pool = WorkPool(name: "hsm", threads: token.configuration.sessions, capacity: 1_024)
    }

    /// Why no keys can be kept in it now; nil when they can.
    var flaw: String? {
        do throws(CryptoError) { _ = try provider.information() } catch {
            return "The hardware security module does not answer."
        }
        return nil
    }

    func remove(_ ids: Set<[UInt8]>) throws(CryptoError) { try provider.remove(ids) }

    /// Finds objects that no record speaks of and removes them, beside the work of the server. What is made meanwhile is not looked
    /// at.
    func removeOrphans(
        known: @escaping @Sendable () throws(VaultError) -> Set<[UInt8]>, log: @escaping @Sendable (String) -> Void
    ) {
        let provider = provider
        let candidates: Set<[UInt8]>
        do throws(CryptoError) { candidates = try provider.objects() } catch {
            log("hsm: its objects could not be listed: \(error)")
            return
        }
        guard !candidates.isEmpty else { return }
        let pool = pool
        Task.detached {
            _ = await pool.run(on: DirectWaker()) {
                do {
                    let orphans = candidates.subtracting(try known())
                    guard !orphans.isEmpty else { return }
                    try provider.remove(orphans)
                    log("hsm: \(orphans.count) objects that no key owns were removed from the token")
                } catch {
                    log("hsm: objects that no key owns could not be removed: \(error)")
                }
            }
        }
    }
}
