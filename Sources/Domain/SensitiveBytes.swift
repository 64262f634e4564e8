#if canImport(Glibc)
    import Glibc
#endif

/// Bytes that must not leak: keys, passphrases, secret values on their way to and from the client.
///
/// The memory is private to the value, zeroed when the last reference goes, and prints as its length only. It is not locked
/// against swap: encrypt or turn off swap on the host. It opens through `withUnsafeBytes` alone, which makes every use easy to find in review.
package final class SensitiveBytes: @unchecked Sendable {
    // Unchecked because of the pointer: the bytes are written in the initialiser only and never change afterwards.
    private let storage: UnsafeMutableRawBufferPointer

    /// Makes `count` bytes that `fill` writes; if it throws, what it wrote is zeroed.
    package init<Failure: Error>(count: Int, _ fill: (UnsafeMutableRawBufferPointer) throws(Failure) -> Void)
        throws(Failure)
    {
        storage = .allocate(byteCount: max(count, 1), alignment: 16)
        storage.initializeMemory(as: UInt8.self, repeating: 0)
        self.count = count
        try fill(UnsafeMutableRawBufferPointer(rebasing: storage[0..<count]))
    }

    package convenience init(_ bytes: some Collection<UInt8>) {
        self.init(count: bytes.count) { $0.copyBytes(from: bytes) }
    }

    package let count: Int

    package func withUnsafeBytes<Value, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Value
    ) throws(Failure) -> Value {
        try body(UnsafeRawBufferPointer(rebasing: storage[0..<count]))
    }

    deinit {
        explicit_bzero(storage.baseAddress!, storage.count)
        storage.deallocate()
    }

    /// Compares without telling by its time where the two differ; lengths are not secret.
    package static func equal(_ left: SensitiveBytes, _ right: SensitiveBytes) -> Bool {
        left.withUnsafeBytes { left in right.withUnsafeBytes { right in constantTimeEqual(left, right) } }
    }
}

extension SensitiveBytes: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { "<\(count) sensitive bytes>" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: []) }
}

/// Whether two byte strings are equal, in time that depends on their lengths alone.
package func constantTimeEqual(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool {
    guard left.count == right.count else { return false }
    var difference: UInt8 = 0
    for index in 0..<left.count { difference |= left[index] ^ right[index] }
    return difference == 0
}

package func constantTimeEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    left.withUnsafeBytes { left in right.withUnsafeBytes { right in constantTimeEqual(left, right) } }
}
