import Cryptography
import Domain
import ProviderOpenSSL
import Testing
import X509

#if canImport(Glibc)
    import Glibc
#endif

struct PKCS12Tests {
    private let engine: CryptoEngine
    private let provider: OpenSSLProvider

    init() throws {
        engine = try CryptoEngine()
        provider = try OpenSSLProvider(engine)
    }

    enum Verdict: String, Decodable { case accept, reject, either }

    struct Entry: Decodable, Sendable, CustomTestStringConvertible {
        let file, password: String
        let expect: Verdict
        let why: String
        var testDescription: String { "\(file): \(why)" }
    }

    static let entries = VectorFiles.json("pkcs12/strongroom/manifest.json", as: [Entry].self)

    static let divergences = [
        "ed25519.p12":
            "the key is sound; that certificates have no keys of this type is a rule of the room Certificates"
    ]

    /// What an import looks at: a key that the provider takes, and a certificate of that key.
    private func take(_ entry: Entry) throws -> Bool {
        let bytes = VectorFiles.bytes("pkcs12/strongroom/" + entry.file)
        var (key, certificates): (SensitiveBytes?, [Certificate]) = (nil, [])
        if entry.file.hasSuffix(".p12") {
            let content = try PKCS12(engine).open(bytes, password: entry.password)
            key = content.privateKey
            certificates = [content.certificate].compactMap { $0 } + content.others
        } else {
            for block in try #require(PEM.decode(String(decoding: bytes, as: UTF8.self))) {
                switch block.label {
                case "PRIVATE KEY": key = SensitiveBytes(block.der)
                case "CERTIFICATE": certificates.append(try Certificate(der: block.der, engine: engine))
                default: break
                }
            }
        }
        guard let key else { return false }
        let material = try provider.importKey(.pkcs8(key), id: [UInt8](repeating: 1, count: 16), isExportable: false)
        return certificates.first?.publicKey == material.publicKey
    }

    @Test("A container is taken or refused as its manifest says", arguments: entries)
    func verdicts(_ entry: Entry) throws {
        let (taken, seconds) = Self.measured { (try? take(entry)) == true }
        if entry.expect != .either {
            expect(taken, like: entry.expect == .accept, entry.file, unless: Self.divergences)
        }
        #expect(seconds < 1, "CPU time must be bounded, whatever the container says")
    }

    private static func measured<Value>(_ work: () throws -> Value) rethrows -> (Value, seconds: Double) {
        func now() -> Double {
            var time = timespec()
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
            return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
        }
        let start = now()
        let value = try work()
        return (value, now() - start)
    }

    @Test("The manifest names every file")
    func complete() {
        let files = VectorFiles.names("pkcs12/strongroom").filter { $0 != "manifest.json" }
        #expect(files == Self.entries.map(\.file).sorted())
        #expect(Self.entries.count == 28)
        #expect(Set(Self.divergences.keys).isSubset(of: Set(files)))
        #expect(VectorFiles.names("pkcs12/boringssl") == Self.published.map(\.file).sorted())
    }

    @Test("A wrong password is told alike for every container that is taken")
    func wrongPassword() throws {
        for entry in Self.entries where entry.expect == .accept && entry.file.hasSuffix(".p12") {
            for password in ["", "x", entry.password + "x"] {
                expectNotAuthentic(entry.file, VectorFiles.bytes("pkcs12/strongroom/" + entry.file), password)
            }
        }
    }

    private func expectNotAuthentic(_ name: String, _ bytes: [UInt8], _ password: String) {
        do throws(CryptoError) {
            _ = try PKCS12(engine).open(bytes, password: password)
            Issue.record("\(name) was opened")
        } catch {
            guard case .notAuthentic = error else {
                Issue.record("\(name): \(error)")
                return
            }
        }
    }

    // MARK: BoringSSL's containers

    struct Published: Sendable, CustomTestStringConvertible {
        let file, password: String
        /// Why it is refused; nil when it is opened.
        let refusal: String?
        var testDescription: String { file }
    }

    private static let rc2 =
        "the certificate is under RC2 with 40 bits, which libcrypto 3 has in its legacy module only"

    static let published = [
        Published(file: "bad1.p12", password: "foo", refusal: "it is broken, and must be refused"),
        Published(file: "empty_password.p12", password: "", refusal: rc2),
        Published(file: "no_encryption.p12", password: "foo", refusal: nil),
        Published(file: "openssl.p12", password: "foo", refusal: rc2),
        Published(file: "pbes2_sha1.p12", password: "foo", refusal: nil),
        Published(file: "windows.p12", password: "foo", refusal: rc2),
    ]

    @Test("Published containers are opened or refused", arguments: published)
    func opens(_ vector: Published) throws {
        let bytes = VectorFiles.bytes("pkcs12/boringssl/" + vector.file)
        let (content, seconds) = Self.measured { try? PKCS12(engine).open(bytes, password: vector.password) }
        #expect((content == nil) == (vector.refusal != nil))
        #expect(seconds < 1)
        if let content {
            let key = try #require(content.privateKey)
            let material = try provider.importKey(
                .pkcs8(key), id: [UInt8](repeating: 1, count: 16), isExportable: false)
            #expect(content.certificate?.publicKey == material.publicKey)
        }
    }

    // MARK: Bounds

    /// 16,777,216 iterations in the encryption of the key, and one in the MAC before it.
    @Test("Iterations inside of a container are bounded too")
    func bomb() {
        let bytes = VectorFiles.bytes("pkcs12/own/pbes2_bomb.p12")
        let (content, seconds) = Self.measured { try? PKCS12(engine).open(bytes, password: "foo") }
        #expect(content == nil && seconds < 1)
    }

    @Test("A container that is too large is refused before any work")
    func tooLarge() {
        let bytes = VectorFiles.bytes("pkcs12/strongroom/rsa2048_aes256.p12")
        #expect(throws: CryptoError.self) {
            try PKCS12(engine).open(bytes + [UInt8](repeating: 0, count: 256 << 10), password: "correct horse 7")
        }
    }

    @Test("No changed byte and no missing end troubles the reader")
    func changed() {
        let bytes = VectorFiles.bytes("pkcs12/strongroom/rsa_one_iteration.p12")
        for place in bytes.indices {
            var changed = bytes
            changed[place] ^= 0xFF
            _ = try? PKCS12(engine).open(changed, password: "correct horse 7")
            #expect(throws: CryptoError.self) {
                try PKCS12(engine).open(Array(bytes[..<place]), password: "correct horse 7")
            }
        }
    }

    // MARK: Containers that are made here

    @Test(
        "A container is read back with its key and its chain",
        arguments: [
            KeySpecification.rsa(bits: 2_048), .ec(.p256), .ec(.p521), .ec(.p256K),
        ])
    func roundTrip(_ specification: KeySpecification) throws {
        let material = try provider.generate(
            specification, publicExponent: 65_537, id: [UInt8](repeating: 1, count: 16), isExportable: true)
        let root = try Authority(root: "Root")
        let issuing = try root.authority("Issuing")
        let leaf = try issuing.issue(CertificateContent(subject: "CN=leaf"), to: material.publicKey)
        let chain = [issuing.certificate, root.certificate]
        let made = try PKCS12(engine).make(privateKey: material.reference, certificate: leaf, chain: chain)
        let content = try PKCS12(engine).open(made.withUnsafeBytes { Array($0) }, password: "")
        let key = try #require(content.privateKey)
        let again = try provider.importKey(.pkcs8(key), id: [UInt8](repeating: 2, count: 16), isExportable: false)
        #expect(again.publicKey == material.publicKey)
        #expect(content.certificate == leaf && Set(content.others) == Set(chain))
        let bare = try PKCS12(engine).make(privateKey: nil, certificate: leaf, chain: chain)
        let open = try PKCS12(engine).open(bare.withUnsafeBytes { Array($0) }, password: "")
        #expect(open.privateKey == nil && open.certificate == nil && Set(open.others) == Set([leaf] + chain))
    }
}
