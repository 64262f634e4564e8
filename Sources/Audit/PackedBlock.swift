import CLZ4

/// Bytes as one LZ4 block.
///
/// - Source: LZ4 block format description.
enum PackedBlock {
    /// - Returns: nil when there are more bytes than a block can hold, about 2 GB.
    static func pack(_ bytes: [UInt8]) -> [UInt8]? {
        guard bytes.count <= LZ4_MAX_INPUT_SIZE else { return nil }
        let bound = Int(LZ4_compressBound(Int32(bytes.count)))
        return [UInt8](unsafeUninitializedCapacity: bound) { packed, count in
            bytes.withUnsafeBytes { plain in
                count = Int(
                    LZ4_compress_default(
                        plain.baseAddress.map { $0.assumingMemoryBound(to: CChar.self) },
                        UnsafeMutableRawPointer(packed.baseAddress!).assumingMemoryBound(to: CChar.self),
                        Int32(plain.count), Int32(bound)))
            }
        }
    }

    /// - Parameter count: of the bytes that were packed.
    /// - Returns: nil when this is no block of exactly that many bytes.
    static func unpack(_ packed: ArraySlice<UInt8>, count: Int) -> [UInt8]? {
        guard count <= LZ4_MAX_INPUT_SIZE, packed.count <= Int32.max else { return nil }
        var isWhole = false
        // One more than asked for, since an empty buffer has no address.
        let bytes = [UInt8](unsafeUninitializedCapacity: count + 1) { plain, initialized in
            let unpacked = packed.withUnsafeBytes { packed in
                LZ4_decompress_safe(
                    packed.baseAddress.map { $0.assumingMemoryBound(to: CChar.self) },
                    UnsafeMutableRawPointer(plain.baseAddress!).assumingMemoryBound(to: CChar.self),
                    Int32(packed.count), Int32(count))
            }
            isWhole = unpacked == Int32(count)
            initialized = isWhole ? count : 0
        }
        return isWhole ? bytes : nil
    }
}
