import Barrier
import Cryptography
import Domain
import Store
import Testing

struct RecordCipherTests {
    private let sealed: SealedStore
    private static let text = "a small record"
    /// Format, number of the data key, nonce, ciphertext, tag.
    static let length = 1 + 4 + 12 + text.utf8.count + 16

    init() throws {
        sealed = try SealedStore()
        try sealed.put(Self.text, at: "room/a")
        try sealed.put("another record", at: "room/b")
    }

    private func isRefused(_ key: String) -> Bool { isIntegrityFault(of: key) { _ = try sealed.text(at: key) } }

    @Test("A record is stored as format, number of its key, nonce, ciphertext and tag")
    func layout() throws {
        let raw = try #require(try sealed.raw("room/a"))
        #expect(raw.count == Self.length)
        #expect(Array(raw.prefix(5)) == [1, 0, 0, 0, 1])
        #expect(!raw.map { Character(UnicodeScalar($0)) }.map(String.init).joined().contains("small"))
        #expect(try sealed.text(at: "room/a") == Self.text)
    }

    @Test("The same text is never sealed to the same bytes")
    func nonces() throws {
        let first = try sealed.raw("room/a")
        try sealed.put(Self.text, at: "room/a")
        #expect(try sealed.raw("room/a") != first)
    }

    @Test("A flipped bit is found, wherever it is", arguments: 0..<length)
    func flipped(_ position: Int) throws {
        let raw = try #require(try sealed.raw("room/a"))
        for bit in 0..<8 {
            var bytes = raw
            bytes[position] ^= 1 << UInt8(bit)
            try sealed.overwrite("room/a", with: bytes)
            #expect(isRefused("room/a"), "bit \(bit)")
        }
    }

    @Test("A record cut short is found, wherever it is cut", arguments: 0..<length)
    func truncated(_ count: Int) throws {
        let raw = try #require(try sealed.raw("room/a"))
        try sealed.overwrite("room/a", with: Array(raw.prefix(count)))
        #expect(isRefused("room/a"))
    }

    @Test("A byte that was put in is found, wherever it is", arguments: 0...length)
    func inserted(_ position: Int) throws {
        var raw = try #require(try sealed.raw("room/a"))
        raw.insert(0, at: position)
        try sealed.overwrite("room/a", with: raw)
        #expect(isRefused("room/a"))
    }

    @Test("A record moved to another key does not open there")
    func moved() throws {
        try sealed.overwrite("room/c", with: try sealed.raw("room/a"))
        #expect(isRefused("room/c"))
    }

    @Test("Two records that changed places do not open")
    func swapped() throws {
        let (first, second) = (try sealed.raw("room/a"), try sealed.raw("room/b"))
        try sealed.overwrite("room/a", with: second)
        try sealed.overwrite("room/b", with: first)
        #expect(isRefused("room/a"))
        #expect(isRefused("room/b"))
    }

    @Test("Halves of two records do not make one", arguments: 1..<length)
    func grafted(_ cut: Int) throws {
        let (first, second) = (try #require(try sealed.raw("room/a")), try #require(try sealed.raw("room/b")))
        let grafted = Array(first.prefix(cut)) + Array(second.dropFirst(cut))
        // One time in 256 the last bytes of both are the same, and the graft is the first record itself.
        guard grafted != first else { return }
        try sealed.overwrite("room/a", with: grafted)
        // The heads of both are alike: cut there, it is the other record whole.
        #expect(isRefused("room/a"))
    }

    @Test("A record of another server does not open, even at its own key")
    func ofAnotherServer() throws {
        let other = try SealedStore()
        try other.put(Self.text, at: "room/a")
        try sealed.overwrite("room/a", with: try other.raw("room/a"))
        #expect(isRefused("room/a"))
    }

    @Test("A record says which key sealed it, and the wrong number does not open it")
    func otherKey() throws {
        try sealed.addDataKey(for: .system)
        var raw = try #require(try sealed.raw("room/a"))
        raw[4] = 2
        try sealed.overwrite("room/a", with: raw)
        #expect(isRefused("room/a"))
        raw[4] = 9
        try sealed.overwrite("room/a", with: raw)
        #expect(isRefused("room/a"))
    }

    @Test("One record that does not open spoils the list it stands in")
    func inLists() throws {
        var raw = try #require(try sealed.raw("room/b"))
        raw[20] ^= 1
        try sealed.overwrite("room/b", with: raw)
        #expect(isIntegrityFault(of: "room/b") { _ = try sealed.reader.records(in: .init(prefix: "room/"), limit: 9) })
        #expect(try sealed.reader.records(in: .init(prefix: "room/"), limit: 1).count == 1)
    }

    @Test("An empty record is sealed like any other")
    func empty() throws {
        try sealed.put("", at: "room/empty")
        #expect(try sealed.text(at: "room/empty") == "")
        var raw = try #require(try sealed.raw("room/empty"))
        raw[raw.count - 1] ^= 1
        try sealed.overwrite("room/empty", with: raw)
        #expect(isRefused("room/empty"))
    }
}
