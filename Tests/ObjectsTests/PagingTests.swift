import Cryptography
import Domain
import Objects
import Operations
import StrongroomTesting
import Testing

struct PagingTests {
    private let objects: ObjectStore
    private let paging: Paging

    init() throws {
        objects = try ObjectStore()
        paging = Paging(key: SensitiveBytes([UInt8](repeating: 3, count: 32)), engine: objects.engine)
    }

    private func page(_ items: [(name: String, value: String)]) throws -> Paging.Page {
        try Paging.Page(
            Request(
                method: .get, host: "demo.vault.localhost", target: "/keys", path: ["keys"], query: Query(items),
                authorization: nil, peer: .local, tlsVersion: ""))
    }

    @Test("A page holds 1 to 25, and 25 when nobody asks")
    func sizes() throws {
        #expect(try page([]).size == 25 && page([]).asked == nil)
        for size in 1...25 { #expect(try page([("maxresults", "\(size)")]).size == size) }
        for text in ["0", "26", "-1", "+1", "", " 1", "1 ", "1.0", "x", "0x1", "100", "٣", "999999999999999999999"] {
            #expect(isRefused(.badParameter) { _ = try page([("maxresults", text)]) }, "'\(text)'")
        }
        #expect(isRefused(.badParameter) { _ = try page([("maxresults", "1"), ("maxresults", "1")]) })
        #expect(isRefused(.badParameter) { _ = try page([("$skiptoken", "a"), ("$skiptoken", "a")]) })
    }

    private func link(
        _ marker: String, _ items: [(name: String, value: String)] = [], list: String = "keys", in vault: Vault? = nil
    ) throws -> String {
        try paging.link(
            after: marker, page: try page(items), path: "/keys", list: list, in: vault ?? objects.vault, .v7_4)
    }

    private func token(_ link: String) -> String {
        String(link.split(separator: "$skiptoken=")[1].prefix { $0 != "&" })
    }

    @Test("A link leads to its own list, with the version and the size that were asked for")
    func links() throws {
        let plain = try link("name")
        #expect(plain.hasPrefix("https://demo.vault.localhost:8443/keys?api-version=7.4&$skiptoken="))
        #expect(!plain.contains("maxresults"))
        #expect(try link("name", [("maxresults", "7")]).hasSuffix("&maxresults=7"))
        let decoded = try JSON(try #require(Base64.decodeURL(token(plain))))
        #expect(decoded.members == ["NextMarker", "TargetLocation"])
        #expect(decoded["TargetLocation"].integer == 0)
    }

    @Test("A host without a port is written with port 443")
    func port() throws {
        let vault = Vault(
            name: ObjectStore.name, subscription: GUID(high: 1, low: 2), resourceGroup: "g", location: "l",
            retentionDays: 90, isPurgeProtected: false, authority: "demo.vault.example.org")
        #expect(try link("name", in: vault).hasPrefix("https://demo.vault.example.org:443/keys?"))
    }

    @Test("A token opens the list that gave it out, and no other")
    func tokens() throws {
        for marker in ["a", "name-1", String(repeating: "x", count: 127)] {
            let token = token(try link(marker))
            let page = try page([("$skiptoken", token)])
            #expect(try paging.marker(page, list: "keys", in: objects.vault) == marker)
            for list in ["", "key", "Keys", "keys/a/versions", "deletedkeys", "secrets"] {
                #expect(isRefused(.badParameter) { _ = try paging.marker(page, list: list, in: objects.vault) })
            }
            let pool = objects.pool.vault
            #expect(isRefused(.badParameter) { _ = try paging.marker(page, list: "keys", in: pool) })
            let other = Paging(key: SensitiveBytes([UInt8](repeating: 4, count: 32)), engine: objects.engine)
            #expect(isRefused(.badParameter) { _ = try other.marker(page, list: "keys", in: objects.vault) })
        }
        #expect(try paging.marker(try page([]), list: "keys", in: objects.vault) == nil)
    }

    @Test("A token that was changed in any byte opens nothing")
    func altered() throws {
        let token = token(try link("name"))
        let json = try #require(Base64.decodeURL(token))
        let signed = try #require(try JSON(json)["NextMarker"].string.flatMap { Base64.decodeURL($0) })
        #expect(signed.count == 16 + 4)
        func refuses(_ signed: [UInt8]) throws -> Bool {
            let text = Base64.encodeURL(
                Array(#"{"NextMarker":"\#(Base64.encodeURL(signed))","TargetLocation":0}"#.utf8))
            let page = try page([("$skiptoken", text)])
            return isRefused(.badParameter) { _ = try paging.marker(page, list: "keys", in: objects.vault) }
        }
        #expect(try !refuses(signed))
        for index in signed.indices {
            var other = signed
            other[index] ^= 1
            #expect(try refuses(other), "byte \(index)")
            #expect(try refuses(Array(signed.prefix(index))), "cut at \(index)")
        }
        #expect(try refuses(signed + [0]))
        for nonsense in ["", "x", "e30", "bnVsbA", token + "A", String(token.dropLast())] {
            let page = try page([("$skiptoken", nonsense)])
            #expect(
                isRefused(.badParameter) { _ = try paging.marker(page, list: "keys", in: objects.vault) },
                "'\(nonsense)'")
        }
    }
}
