import Domain
import Operations
import StrongroomTesting
import Testing

/// Items come and go between pages. What was there from the first page to the last is shown once; nothing is shown twice.
struct SecretPagingTests {
    private let house: TestHouse
    private let admin: Caller

    init() async throws {
        house = try await TestHouse.open()
        admin = try await house.admin()
    }

    /// The names on a page, and the link to the next one as a path.
    private func page(_ target: String) async throws -> (names: [String], next: String?) {
        let response = try await admin.send(.get, target, version: target.contains("api-version") ? nil : "7.4")
        #expect(response.status == 200)
        let names = response.json["value"].array.compactMap {
            $0["id"].string?.split(separator: "/").last.map(String.init)
        }
        let next = response.json["nextLink"].string.map { link in
            #expect(link.hasPrefix("https://demo.vault.localhost:8443/"))
            return "/" + link.split(separator: "/", maxSplits: 2)[2]
        }
        return (names, next)
    }

    private func all(_ target: String, between: (Int) async throws -> Void = { _ in }) async throws -> [[String]] {
        var pages: [[String]] = []
        var next: String? = target
        while let target = next {
            let page = try await page(target)
            pages.append(page.names)
            try #require(pages.count < 100, "the list has no end")
            next = page.next
            try await between(pages.count)
        }
        return pages
    }

    private func name(_ number: Int) -> String { "s" + String(1_000 + number) }

    private func fill(_ numbers: some Sequence<Int>) async throws {
        for number in numbers { #expect(try await admin.set(name(number), "x").status == 200) }
    }

    @Test("A list has twenty-five items a page unless asked for fewer, and ends in an explicit null")
    func sizes() async throws {
        try await fill(0..<60)
        #expect(try await all("/secrets").map(\.count) == [25, 25, 10])
        #expect(try await all("/secrets?maxresults=7").map(\.count) == [7, 7, 7, 7, 7, 7, 7, 7, 4])
        #expect(try await all("/secrets").flatMap { $0 } == (0..<60).map(name))
        let last = try await admin.send(.get, "/secrets")
        #expect(last.json["nextLink"].string != nil)
        let empty = try await admin.send(.get, "/deletedsecrets")
        #expect(String(decoding: empty.body, as: UTF8.self) == #"{"value":[],"nextLink":null}"#)
    }

    @Test("A list that ends with a full page has no empty one behind it")
    func exact() async throws {
        try await fill(0..<50)
        #expect(try await all("/secrets").map(\.count) == [25, 25])
    }

    @Test("Between pages, what is added behind is shown, what is added before is not, and nothing is shown twice")
    func comeAndGo() async throws {
        try await fill((0..<60).map { $0 * 2 })
        let pages = try await all("/secrets?maxresults=10") { number in
            // Behind the page, before it, and the very name that the next page begins after.
            _ = try await admin.set(name(119 - number), "new")
            _ = try await admin.set(name(number * 2 + 1), "new")
            _ = try await admin.delete(name(20 * number - 2))
            _ = try await admin.delete(name(20 * number + 2))
        }
        let shown = pages.flatMap { $0 }
        #expect(Set(shown).count == shown.count)
        #expect(shown == shown.sorted())
        let stayed = (0..<60).map { $0 * 2 }.filter { number in
            !(1...9).contains { page in number == 20 * page - 2 || number == 20 * page + 2 }
        }
        #expect(Set(stayed.map(name)).isSubset(of: shown))
    }

    @Test("Deleted secrets and versions are paged alike")
    func otherLists() async throws {
        try await fill(0..<30)
        for number in 0..<30 { _ = try await admin.delete(name(number)) }
        #expect(try await all("/deletedsecrets").map(\.count) == [25, 5])
        var versions: Set<String> = []
        for number in 0..<30 {
            let id = try await admin.set("v", "\(number)").json["id"].string ?? ""
            versions.insert(String(id.split(separator: "/").last ?? ""))
        }
        let pages = try await all("/secrets/v/versions?maxresults=4")
        #expect(pages.map(\.count) == [4, 4, 4, 4, 4, 4, 4, 2])
        let shown = pages.flatMap { $0 }
        #expect(shown == shown.sorted())
        #expect(Set(shown) == versions)
        #expect(try await page("/secrets/unknown/versions").names.isEmpty)
    }

    @Test("A version made between pages is shown or not, and none is shown twice")
    func versionsComeAndGo() async throws {
        for number in 0..<20 { _ = try await admin.set("v", "\(number)") }
        let before = Set(try await all("/secrets/v/versions").flatMap { $0 })
        let shown = try await all("/secrets/v/versions?maxresults=3") { number in
            _ = try await admin.set("v", "new-\(number)")
        }.flatMap { $0 }
        #expect(Set(shown).count == shown.count)
        #expect(before.isSubset(of: shown))
    }

    @Test("A token opens the list and the vault that it was made for, and nothing else")
    func tokens() async throws {
        try await fill(0..<3)
        for number in 0..<3 { _ = try await admin.set(name(number), "x", in: "other") }
        let next = try #require(try await page("/secrets?maxresults=1").next)
        let token = try #require(next.split(separator: "&").first { $0.hasPrefix("$skiptoken=") })
        func status(_ target: String, _ vault: String = "demo") async throws -> UInt16 {
            try await admin.send(.get, target, on: TestHouse.vaultHost(vault)).status
        }
        #expect(try await status("/secrets?\(token)") == 200)
        #expect(try await status("/secrets?\(token)", "other") == 400)
        #expect(try await status("/deletedsecrets?\(token)") == 400)
        #expect(try await status("/secrets/\(name(0))/versions?\(token)") == 400)
        for wrong in [
            "", "x", "nonsense", String(token.dropFirst(11).dropLast()),
            Base64.encodeURL(Array(#"{"NextMarker":"AAAA","TargetLocation":0}"#.utf8)),
        ] {
            #expect(try await status("/secrets?$skiptoken=\(wrong)") == 400, "\(wrong)")
        }
    }

    @Test("A token made before a restart is good after it")
    func restart() async throws {
        try await fill(0..<3)
        let next = try #require(try await page("/secrets?maxresults=2").next)
        let again = try await house.reopened()
        let response = try await again.admin().send(.get, next, version: nil)
        #expect(response.json["value"].array.count == 1)
    }

    @Test("The link carries the version and the size of the page that was asked for")
    func link() async throws {
        try await fill(0..<3)
        let response = try await admin.send(.get, "/secrets?maxresults=2", version: "7.6")
        let link = try #require(response.json["nextLink"].string)
        #expect(link.contains("api-version=7.6") && link.contains("maxresults=2"))
    }

    @Test(
        "A size that is no number from 1 to 25 is refused",
        arguments: ["0", "26", "-1", "x", "", "1.5", "99999999999999999999"])
    func badSizes(_ size: String) async throws {
        #expect(try await admin.send(.get, "/secrets?maxresults=\(size)").status == 400)
    }
}
