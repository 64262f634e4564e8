import Cryptography
import Domain
import House
import Operations
import ProviderOpenSSL
import StrongroomTesting
import Testing

@testable import Keys

/// Keys that come wrapped (BYOK).
struct TransferBlobTests {
    private static func document(
        schema: String = #""schema_version":"1.0.0","#,
        header: String = #"{"kid":"https://x/keys/kek/1","alg":"dir","enc":"CKM_RSA_AES_KEY_WRAP"}"#,
        ciphertext: String = "AQID"
    ) -> String {
        Base64.encodeURL(
            Array(#"{\#(schema)"header":\#(header),"ciphertext":"\#(ciphertext)","generator":"test"}"#.utf8))
    }

    @Test("A blob is read as the specification of Azure writes it")
    func reads() throws {
        let blob = try TransferBlob(Self.document())
        #expect(blob.kid == "https://x/keys/kek/1" && blob.hash == .sha1 && blob.ciphertext == [1, 2, 3])
        #expect(try TransferBlob(Self.document(schema: #""schema_version":"1.0","#)).ciphertext == [1, 2, 3])
    }

    @Test(
        "A blob that is none is refused",
        arguments: [
            "", "!", "e30", Base64.encodeURL(Array("[]".utf8)), document(schema: ""),
            document(schema: #""schema_version":"2.0.0","#),
            document(header: #"{"kid":"k","alg":"RSA-OAEP","enc":"CKM_RSA_AES_KEY_WRAP"}"#),
            document(header: #"{"kid":"k","alg":"dir","enc":"RSA_AES_KEY_WRAP_256"}"#),
            document(header: #"{"alg":"dir","enc":"CKM_RSA_AES_KEY_WRAP"}"#), document(header: "{}"),
            document(ciphertext: "***"), document(ciphertext: String(repeating: "A", count: 80_000)),
        ])
    func refuses(_ text: String) {
        #expect {
            _ = try TransferBlob(text)
        } throws: { error in (error as? VaultError)?.code == .badParameter }
    }

    // MARK: Through the module

    /// Wraps a key as the tool of a hardware vendor does.
    private static func wrap(
        _ target: [UInt8], for kek: JSON, _ software: OpenSSLProvider, kid: String? = nil
    ) throws -> String {
        let publicKey = try #require(kek["key"].publicKey)
        let inner = try software.makeSecret(count: 32)
        var parameters = CipherParameters()
        let wrapped = try software.ephemeral(inner).encrypt(target, .ckmAESKeyWrapPad, &parameters)
        let ciphertext = try TransferBlob.seal(
            .sha1, for: try software.openPublic(publicKey), key: inner, wrapped: wrapped)
        let header =
            #"{"kid":"\#(kid ?? kek["key"]["kid"].string ?? "")","alg":"dir","enc":"CKM_RSA_AES_KEY_WRAP"}"#
        return document(header: header, ciphertext: Base64.encodeURL(ciphertext))
    }

    private static func importBody(_ type: String, _ blob: String) -> String {
        #"{"key":{"kty":"\#(type)","key_hsm":"\#(blob)"}}"#
    }

    @Test("A wrapped key comes in, and works", arguments: [HardwareHouse.premium, HardwareHouse.pool])
    func transfers(_ host: String) async throws {
        let hardware = try await HardwareHouse.shared
        let admin = try hardware.admin()
        let software = try OpenSSLProvider(try CryptoEngine())
        let kek = try await admin.create("byok-kek", #"{"kty":"RSA-HSM","key_ops":["import"]}"#, on: host).json
        #expect(kek["key"]["key_ops"].array.compactMap(\.string) == ["import"])
        for (type, specification) in [
            ("RSA-HSM", .rsa(bits: 2_048)), ("EC-HSM", .ec(.p384)),
        ] as [(String, KeySpecification)] {
            let target = try software.generate(specification, publicExponent: 65_537, id: [], isExportable: false)
            let blob = try Self.wrap(target.reference.withUnsafeBytes { Array($0) }, for: kek, software)
            let made = try await admin.key(.put, "/keys/byok-\(type)", Self.importBody(type, blob), on: host)
            #expect(made.status == 200, "\(made.message)")
            #expect(made.json["key"].publicKey == target.publicKey)
            #expect(made.json["key"]["key_hsm"] == .null && made.json["key"]["kty"].string == type)
        }
        // A symmetric key travels as its bytes.
        let secret = [UInt8](0..<32)
        let blob = try Self.wrap(secret, for: kek, software)
        let made = try await admin.key(.put, "/keys/byok-oct", Self.importBody("oct-HSM", blob), on: host)
        #expect(made.status == 200, "\(made.message)")
        let sealed = try await admin.key(
            .post, "/keys/byok-oct/wrapkey", #"{"alg":"CKM_AES_KEY_WRAP","value":"AAECAwQFBgcICQoLDA0ODw"}"#, on: host,
            version: "7.6")
        var parameters = CipherParameters()
        let expected = try software.ephemeral(SensitiveBytes(secret)).encrypt(
            Array(0..<16), .ckmAESKeyWrap, &parameters)
        #expect(sealed.bytes("value") == expected)
    }

    @Test("A blob for another key, or one that was changed, does not come in and tells nothing")
    func refused() async throws {
        let hardware = try await HardwareHouse.shared
        let admin = try hardware.admin()
        let host = HardwareHouse.pool
        let software = try OpenSSLProvider(try CryptoEngine())
        let kek = try await admin.create("byok-kek2", #"{"kty":"RSA-HSM","key_ops":["import"]}"#, on: host).json
        let plain = try await admin.create("byok-plain", #"{"kty":"RSA-HSM"}"#, on: host).json
        let elsewhere = try await admin.create(
            "byok-kek2", #"{"kty":"RSA-HSM","key_ops":["import"]}"#, on: HardwareHouse.premium
        ).json
        let target = try software.generate(.ec(.p256), publicExponent: 65_537, id: [], isExportable: false).reference
            .withUnsafeBytes { Array($0) }
        let id = kek["key"]["kid"].string ?? ""
        let base = String(id.dropLast(33))
        let whole = try Self.wrap(target, for: kek, software)
        func send(_ blob: String, _ type: String = "EC-HSM") async throws -> Response {
            try await admin.key(.put, "/keys/byok-refused", Self.importBody(type, blob), on: host)
        }
        for (what, blob) in [
            ("not an exchange key", try Self.wrap(target, for: plain, software)),
            ("of another vault", try Self.wrap(target, for: elsewhere, software)),
            ("wrapped for another", try Self.wrap(target, for: plain, software, kid: id)),
            (
                "no such version",
                try Self.wrap(target, for: kek, software, kid: base + "/" + String(repeating: "0", count: 32))
            ),
            ("no version", try Self.wrap(target, for: kek, software, kid: base)),
            ("nonsense inside", try Self.wrap([UInt8](repeating: 1, count: 64), for: kek, software)),
            ("too short", Self.document(header: #"{"kid":"\#(id)","alg":"dir","enc":"CKM_RSA_AES_KEY_WRAP"}"#)),
        ] {
            let response = try await send(blob)
            #expect(response.status == 400 || response.status == 404, "\(what): \(response.status)")
        }
        // Every wrong byte of the ciphertext gets one and the same answer.
        let json = try JSON(try #require(Base64.decodeURL(whole)))
        let ciphertext = try #require(json["ciphertext"].string.flatMap { Base64.decodeURL($0) })
        var answers: Set<String> = []
        for index in stride(from: 0, to: ciphertext.count, by: 37) {
            var altered = ciphertext
            altered[index] ^= 1
            let response = try await send(
                Self.document(
                    header: #"{"kid":"\#(id)","alg":"dir","enc":"CKM_RSA_AES_KEY_WRAP"}"#,
                    ciphertext: Base64.encodeURL(altered)))
            #expect(response.status == 400)
            answers.insert(response.message)
        }
        #expect(answers.count == 1)
        #expect(try await send(whole, "RSA-HSM").status == 400)
        #expect(try await send(whole, "EC").status == 400)
        #expect(try await admin.key(.get, "/keys/byok-refused", on: host).status == 404)
        #expect(try await send(whole).status == 200)
    }
}
