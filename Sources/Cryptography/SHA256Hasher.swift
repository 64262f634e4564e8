internal import COpenSSL
internal import Domain

/// A SHA-256 digest as a value: 32 bytes, cheap to compare and to use as a dictionary key.
package struct SHA256Digest: Hashable, Sendable {
    package let words: (UInt64, UInt64, UInt64, UInt64)

    package init(_ bytes: [UInt8]) {
        precondition(bytes.count == 32)
        words = bytes.withUnsafeBytes { $0.loadUnaligned(as: (UInt64, UInt64, UInt64, UInt64).self) }
    }

    init(words: (UInt64, UInt64, UInt64, UInt64)) { self.words = words }

    package static let zero = SHA256Digest(words: (0, 0, 0, 0))

    package var bytes: [UInt8] { withUnsafeBytes(of: words) { Array($0) } }

    package static func == (left: SHA256Digest, right: SHA256Digest) -> Bool { left.words == right.words }

    // A digest is uniform already: one word of it is a hash.
    package func hash(into hasher: inout Hasher) { hasher.combine(words.0) }
}

/// SHA-256 with a context that is kept between calls. Belongs to one thread.
package final class SHA256Hasher {
    private let context: OpaquePointer
    private let engine: CryptoEngine

    package init(_ engine: CryptoEngine) throws(CryptoError) {
        guard let context = EVP_MD_CTX_new() else { throw .failed("SHA-256") }
        self.context = context
        self.engine = engine
        guard EVP_DigestInit_ex2(context, engine.sha256, nil) == 1 else { throw .failed("SHA-256") }
    }

    deinit { EVP_MD_CTX_free(context) }

    package func digest(_ bytes: [UInt8]) -> SHA256Digest { bytes.withUnsafeBytes { digest($0) } }

    package func digest(_ parts: UnsafeRawBufferPointer...) -> SHA256Digest {
        // Restarting a context with the same algorithm cannot fail, nor can feeding it memory.
        EVP_DigestInit_ex2(context, nil, nil)
        for part in parts { EVP_DigestUpdate(context, part.baseAddress, part.count) }
        var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        withUnsafeMutableBytes(of: &words) {
            _ = EVP_DigestFinal_ex(context, $0.bindMemory(to: UInt8.self).baseAddress, nil)
        }
        return SHA256Digest(words: words)
    }
}
