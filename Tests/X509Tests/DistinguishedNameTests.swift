import Cryptography
import Testing
import X509

struct DistinguishedNameTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let text: String
        let parts: [[String]]
        var testDescription: String { text }
    }

    static let readable: [Case] = [
        Case(text: "", parts: []),
        Case(text: "CN=example.com", parts: [["CN", "example.com"]]),
        Case(text: "cn=a,o=b;c=DE", parts: [["CN", "a"], ["O", "b"], ["C", "DE"]]),
        Case(text: "CN = a ,  O = b ", parts: [["CN", "a"], ["O", "b"]]),
        Case(text: "CN=a\\, b", parts: [["CN", "a, b"]]),
        Case(text: "CN=\"a, b; c\"", parts: [["CN", "a, b; c"]]),
        Case(text: "CN=K\\C3\\A4se", parts: [["CN", "Käse"]]),
        Case(text: "CN=Käse", parts: [["CN", "Käse"]]),
        Case(text: "CN=a=b", parts: [["CN", "a=b"]]),
        Case(text: "CN=a\\\\b", parts: [["CN", "a\\b"]]),
        Case(text: "S=Berlin, ST=Bayern", parts: [["ST", "Berlin"], ["ST", "Bayern"]]),
        Case(text: "E=a@example.com", parts: [["emailAddress", "a@example.com"]]),
        Case(text: "DC=example, DC=com", parts: [["DC", "example"], ["DC", "com"]]),
        Case(text: "UID=7, SERIALNUMBER=8", parts: [["UID", "7"], ["serialNumber", "8"]]),
        Case(text: "CN=" + String(repeating: "x", count: 256), parts: [["CN", String(repeating: "x", count: 256)]]),
    ]

    @Test("A name is read into its parts", arguments: readable)
    func reads(_ vector: Case) throws {
        #expect(try DistinguishedName.parse(vector.text).map { [$0.attribute, $0.value] } == vector.parts)
    }

    @Test(
        "A name that is none is refused",
        arguments: [
            "example.com", "CN", "CN=", "CN= ", "=a", "XX=a", "2.5.4.3=a", "CN=a,", ",CN=a", "CN=a,,O=b", "CN=a\\",
            "CN=\"a", "CN=a\nb", "CN=a\u{0}b", "CN=\\00", "CN=\\C3", "CN=\\FF\\FE",
            "CN=" + String(repeating: "x", count: 257),
        ])
    func refuses(_ text: String) {
        #expect(throws: CryptoError.self) { try DistinguishedName.parse(text) }
    }

    @Test("What a certificate says as its subject is read as the same name", arguments: readable.dropFirst())
    func roundTrip(_ vector: Case) throws {
        // libcrypto holds names to the bounds of X.520: 64 characters of a common name.
        guard vector.text.utf8.count < 64 else { return }
        let der = try Authority.builder.request(
            CertificateContent(subject: vector.text), key: SigningKey.all[1].publicKey,
            signer: SigningKey.all[1].signer)
        let subject = try CertificateRequest(der: der, engine: SigningKey.engine).subject
        #expect(try DistinguishedName.parse(subject).map { [$0.attribute, $0.value] } == vector.parts)
    }
}
