import Cryptography
import Domain
import Identity
import StrongroomTesting
import Testing

struct SigningKeysTests {
    private let now = TestClock.start

    @Test("A key's name is the thumbprint of its public half")
    func thumbprint() throws {
        let engine = try CryptoEngine()
        let key = try SigningKey.make(engine: engine, now: now)
        let text = #"{"e":"AQAB","kty":"RSA","n":"\#(Base64.encodeURL(key.modulus))"}"#
        #expect(key.keyID == Base64.encodeURL(try engine.sha256(Array(text.utf8))))
    }

    @Test("An older key stays until two days after its successor was made")
    func overlap() throws {
        let engine = try CryptoEngine()
        let material = try RSAPrivateKey.generate(bits: 2_048, engine: engine)
        func key(_ name: String, _ day: Int) throws -> SigningKey {
            try SigningKey(keyID: name, key: material, created: now + .days(day))
        }
        let keys = SigningKeys([try key("a", 0)])
        keys.publish(keys.adding(try key("b", 30)))
        #expect(keys.newest?.keyID == "b")
        #expect(keys.valid(at: now + .days(30)).map(\.keyID) == ["a", "b"])
        #expect(keys.key("a", at: now + .days(32) - .seconds(1)) != nil)
        #expect(keys.key("a", at: now + .days(32)) == nil)
        #expect(keys.key("b", at: now + .days(400)) != nil)
        #expect(keys.key("c", at: now) == nil)
        // b was made within the overlap: a stays; thirty days later a has outlived every token.
        #expect(keys.adding(try key("c", 31)).map(\.keyID) == ["a", "b", "c"])
        #expect(keys.adding(try key("c", 60)).map(\.keyID) == ["b", "c"])
    }
}
