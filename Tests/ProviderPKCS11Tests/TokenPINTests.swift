import CPKCS11
import Cryptography
import Domain
import StrongroomTesting
import Testing

@testable import ProviderPKCS11

struct TokenPINTests {
    private static func change(_ token: Token, from old: String, to new: String) throws {
        var (old, new) = (Array(old.utf8), Array(new.utf8))
        let answer = try token.withSession { session throws(TokenFailure) in
            session.list.C_SetPIN(session.handle, &old, CK_ULONG(old.count), &new, CK_ULONG(new.count))
        }
        #expect(answer == CKR_OK)
    }

    /// Why the module or its token is not there; nil when it is.
    private static func absence(_ body: () throws -> Void) throws -> String? {
        do {
            try body()
            return nil
        } catch {
            guard let failure = error as? CryptoError, case .absent(let text) = failure else { throw error }
            return text
        }
    }

    /// Whether `body` comes to be refused for its PIN; a token is looked for at most once a second.
    private static func isRefused(_ body: () throws -> Void) async throws -> Bool {
        for _ in 0..<100 {
            guard let reason = try absence(body) else { return false }
            if reason.contains("refused the PIN") { return true }
            try await Task.sleep(for: .milliseconds(200))
        }
        return false
    }

    @Test("A PIN that was refused is not shown to the token again, which would lock it")
    func refused() async throws {
        let module = try OwnModule()
        let (material, id) = try module.make(.ec(.p256))
        let key = try module.provider.open(material, id: id)
        let digest = [UInt8](repeating: 7, count: 32)
        _ = try key.sign(digest, .ecdsa(.p256))
        let other = "another-pin-0000"
        try Self.change(module.token, from: SoftHSM.pin, to: other)
        // Starts the module anew with the old PIN, so that everybody has to log in again.
        #expect(isAbsent { try module.restartModule() })
        #expect(try await Self.isRefused { _ = try key.sign(digest, .ecdsa(.p256)) })

        var configuration = module.configuration
        configuration.module = try SoftHSM.module()
        configuration.pin = SensitiveBytes(other.utf8)
        try Self.change(try OwnModule.connect(configuration), from: other, to: SoftHSM.pin)
        // Longer than the time between two tries: the PIN would be right again, but nobody tries it.
        try await Task.sleep(for: .milliseconds(1_100))
        #expect(try await Self.isRefused { _ = try key.sign(digest, .ecdsa(.p256)) })
        // A server that is started anew does.
        configuration.pin = OwnModule.user
        configuration.module = try SoftHSM.module()
        #expect(try OwnModule.connect(configuration).isConnected)
    }
}
