import Cryptography
import Domain
import Foundation
import StrongroomTesting
import Testing

/// What we issue, as the `openssl` command reads it.
struct ServerCertificatesTests {
    private let engine: CryptoEngine
    private let authority: ServerCertificates.Issued
    private let server: ServerCertificates.Issued
    private let folder: TemporaryFolder
    private static let start = Timestamp(epochSeconds: 1_800_000_000)

    init() throws {
        engine = try CryptoEngine()
        let maker = ServerCertificates(engine)
        authority = try maker.makeAuthority(commonName: "Test CA", from: Self.start, to: Self.start + .days(3_650))
        server = try maker.makeServer(
            hosts: ["*.vault.localhost", "login.localhost"], addresses: ["127.0.0.1", "::1"], authority: authority,
            from: Self.start,
            to: Self.start + .days(397))
        folder = try TemporaryFolder()
        try folder.write(authority.certificate, to: "ca.pem")
        try folder.write(server.certificate, to: "server.pem")
        try folder.write(server.privateKey.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }, to: "server.key")
    }

    private func openssl(_ arguments: [String]) throws -> (output: String, status: Int32) {
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["openssl"] + arguments
        process.currentDirectoryURL = URL(filePath: folder.path)
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (String(decoding: output, as: UTF8.self), process.terminationStatus)
    }

    @Test("The server's certificate verifies for its names under the authority and for nothing else")
    func verifies() throws {
        let time = String(Self.start.epochSeconds + 86_400)
        func verifies(_ more: String...) throws -> Bool {
            let arguments =
                ["verify", "-x509_strict", "-purpose", "sslserver", "-attime", time, "-CAfile", "ca.pem"] + more + [
                    "server.pem"
                ]
            return try openssl(arguments).status == 0
        }
        #expect(try verifies("-verify_hostname", "demo.vault.localhost"))
        #expect(try verifies("-verify_hostname", "login.localhost"))
        #expect(try verifies("-verify_ip", "127.0.0.1"))
        #expect(try verifies("-verify_ip", "::1"))
        #expect(try !verifies("-verify_hostname", "a.demo.vault.localhost"))
        #expect(try !verifies("-verify_hostname", "localhost"))
        #expect(try !verifies("-verify_ip", "127.0.0.2"))
        #expect(
            try openssl(["verify", "-attime", String(Self.start.epochSeconds - 1), "-CAfile", "ca.pem", "server.pem"])
                .status != 0)
        let end = (Self.start + .days(397)).epochSeconds + 1
        #expect(try openssl(["verify", "-attime", String(end), "-CAfile", "ca.pem", "server.pem"]).status != 0)
    }

    @Test("The server's certificate says what it is for")
    func fields() throws {
        let text = try openssl(["x509", "-in", "server.pem", "-noout", "-text"]).output
        for line in [
            "Version: 3", "Issuer: CN = Test CA", "ecdsa-with-SHA256", "NIST CURVE: P-256", "CA:FALSE",
            "Digital Signature",
            "TLS Web Server Authentication",
            "DNS:*.vault.localhost, DNS:login.localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1",
            "Not Before: Jan 15 08:00:00 2027 GMT",
        ] { #expect(text.contains(line), "\(line)") }
    }

    @Test("The authority signs servers and no further authorities")
    func authorityFields() throws {
        let text = try openssl(["x509", "-in", "ca.pem", "-noout", "-text"]).output
        for line in [
            "CA:TRUE, pathlen:0", "Certificate Sign, CRL Sign", "X509v3 Basic Constraints: critical",
            "X509v3 Key Usage: critical",
        ] {
            #expect(text.contains(line), "\(line)")
        }
        #expect(!text.contains("TLS Web"))
    }

    @Test("The private key belongs to the certificate")
    func privateKey() throws {
        let ofCertificate = try openssl(["x509", "-in", "server.pem", "-noout", "-pubkey"])
        let ofKey = try openssl(["pkey", "-in", "server.key", "-pubout"])
        #expect(ofCertificate.status == 0 && ofKey.status == 0)
        #expect(ofCertificate.output == ofKey.output)
    }

    @Test("Serial numbers are random and positive")
    func serials() throws {
        let other = try ServerCertificates(engine).makeServer(
            hosts: ["x.localhost"], addresses: [], authority: authority, from: Self.start, to: Self.start + .days(1))
        try folder.write(other.certificate, to: "other.pem")
        let serials = try ["server.pem", "other.pem"].map {
            try openssl(["x509", "-in", $0, "-noout", "-serial"]).output
        }
        #expect(serials[0] != serials[1])
        #expect(!serials.contains { $0.contains("-") })
    }

    @Test("An authority that cannot be read is refused")
    func malformedAuthority() {
        let broken = ServerCertificates.Issued(certificate: "nonsense", privateKey: authority.privateKey)
        #expect(throws: CryptoError.self) {
            try ServerCertificates(engine).makeServer(
                hosts: ["x"], addresses: [], authority: broken, from: Self.start, to: Self.start)
        }
        let keyless = ServerCertificates.Issued(
            certificate: authority.certificate, privateKey: SensitiveBytes("nonsense".utf8))
        #expect(throws: CryptoError.self) {
            try ServerCertificates(engine).makeServer(
                hosts: ["x"], addresses: [], authority: keyless, from: Self.start, to: Self.start)
        }
    }
}
