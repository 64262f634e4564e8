import Cryptography
import Domain
import Synchronization
import Testing

@testable import Keys

struct KeyCacheTests {
    /// A key that does nothing.
    private final class Idle: CryptoKey {
        func sign(_ digest: [UInt8], _ algorithm: KeyAlgorithm) throws(CryptoError) -> [UInt8] { [] }
        func verify(_ digest: [UInt8], signature: [UInt8], _ algorithm: KeyAlgorithm) throws(CryptoError) -> Bool {
            false
        }
        func encrypt(_ text: [UInt8], _ algorithm: KeyAlgorithm, _ parameters: inout CipherParameters)
            throws(CryptoError) -> [UInt8]
        { [] }
        func decrypt(_ text: [UInt8], _ algorithm: KeyAlgorithm, _ parameters: CipherParameters) throws(CryptoError)
            -> SensitiveBytes
        { SensitiveBytes([]) }
    }

    private func version(_ number: Int) -> ObjectVersion { ObjectVersion(GUID(high: 0, low: UInt64(number))) }

    /// Whether asking for a key opened it anew.
    private func opens(_ cache: KeyCache, _ number: Int, isPublic: Bool = false) throws -> Bool {
        var opened = false
        _ = try cache.key(version(number), isPublic: isPublic) { () throws(CryptoError) in
            opened = true
            return Idle()
        }
        return opened
    }

    @Test("A key is opened once, and its two halves are two keys")
    func once() throws {
        let cache = KeyCache(capacity: 10)
        #expect(try opens(cache, 1))
        #expect(try !opens(cache, 1))
        #expect(try opens(cache, 1, isPublic: true))
        #expect(try !opens(cache, 1, isPublic: true))
        #expect(try !opens(cache, 1))
        #expect(try opens(cache, 2))
        #expect(cache.count == 3)
    }

    @Test("Dropping a version drops both halves and no other version")
    func drop() throws {
        let cache = KeyCache(capacity: 10)
        for number in [1, 2] { for isPublic in [true, false] { _ = try opens(cache, number, isPublic: isPublic) } }
        cache.drop(version(1))
        #expect(cache.count == 2)
        #expect(try opens(cache, 1) && opens(cache, 1, isPublic: true))
        #expect(try !opens(cache, 2) && !opens(cache, 2, isPublic: true))
        cache.drop(version(9))
        #expect(cache.count == 4)
    }

    @Test("A cache never holds more than its bound", arguments: [1, 2, 3, 4, 10, 64])
    func bound(_ capacity: Int) throws {
        let cache = KeyCache(capacity: capacity)
        for number in 0..<1_000 {
            _ = try opens(cache, number % (capacity * 3), isPublic: number.isMultiple(of: 2))
            #expect(cache.count <= capacity)
        }
    }

    @Test("What was used last stays when room is made")
    func recent() throws {
        let cache = KeyCache(capacity: 8)
        for number in 0..<8 { _ = try opens(cache, number) }
        for number in [1, 3] { #expect(try !opens(cache, number)) }
        #expect(try opens(cache, 100))
        for number in [1, 3, 7, 100] { #expect(try !opens(cache, number), "\(number)") }
        #expect(try opens(cache, 0))
    }

    @Test("What cannot be opened is not kept, and is tried again")
    func failure() throws {
        let cache = KeyCache(capacity: 8)
        for _ in 0..<2 {
            #expect(throws: CryptoError.self) {
                try cache.key(version(1), isPublic: false) { () throws(CryptoError) in throw .failed("no") }
            }
            #expect(cache.count == 0)
        }
        #expect(try opens(cache, 1))
    }

    @Test("A key that is dropped goes when nobody uses it")
    func released() throws {
        let cache = KeyCache(capacity: 8)
        weak var kept: Idle?
        func put() throws {
            let key = Idle()
            kept = key
            _ = try cache.key(version(1), isPublic: false) { () throws(CryptoError) in key }
        }
        try put()
        #expect(kept != nil)
        cache.drop(version(1))
        #expect(kept == nil)
    }

    @Test("Many threads share a cache within its bound")
    func threads() async throws {
        let cache = KeyCache(capacity: 16)
        await withTaskGroup(of: Void.self) { group in
            for task in 0..<8 {
                group.addTask {
                    for number in 0..<500 {
                        let version = ObjectVersion(GUID(high: 0, low: UInt64((number * 7 + task) % 40)))
                        _ = cache.key(version, isPublic: false) { Idle() }
                        if number.isMultiple(of: 5) { cache.drop(version) }
                    }
                }
            }
        }
        #expect(cache.count <= 16)
    }
}
