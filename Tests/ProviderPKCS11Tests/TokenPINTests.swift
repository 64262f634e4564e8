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
        #expect(isAbsent { _ = try key.sign(digest, .ecdsa(.p256)) })

        var configuration = module.configuration
        configuration.module = try SoftHSM.module()
        configuration.pin = SensitiveBytes(other.utf8)
        try Self.change(try Token(configuration), from: other, to: SoftHSM.pin)
        // Longer than the time between two tries: the PIN would be right again, but nobody tries it.
        try await Task.sleep(for: .milliseconds(1_100))
        #expect(isAbsent { _ = try key.sign(digest, .ecdsa(.p256)) })
        // A server that is started anew does.
        configuration.pin = OwnModule.user
        configuration.module = try SoftHSM.module()
        #expect(try Token(configuration).isConnected)
    }
}
