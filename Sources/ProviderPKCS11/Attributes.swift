internal import CPKCS11
import Domain

/// A template: attributes of an object, in memory that lives as long as the template and is zeroed after it.
final class Template {
    private(set) var attributes: [CK_ATTRIBUTE] = []
    private var memory: [UnsafeMutableRawBufferPointer] = []

    init() {}

    deinit {
        for buffer in memory {
            buffer.initializeMemory(as: UInt8.self, repeating: 0)
            buffer.deallocate()
        }
    }

    @discardableResult
    func bytes(_ type: CK_ATTRIBUTE_TYPE, _ value: some Collection<UInt8>) -> Template {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, value.count), alignment: 8)
        buffer.copyBytes(from: value)
        memory.append(buffer)
        attributes.append(
            CK_ATTRIBUTE(type: type, pValue: buffer.baseAddress, ulValueLen: CK_ULONG(value.count)))
        return self
    }

    @discardableResult
    func number(_ type: CK_ATTRIBUTE_TYPE, _ value: CK_ULONG) -> Template {
        withUnsafeBytes(of: value) { bytes(type, Array($0)) }
    }

    @discardableResult
    func flag(_ type: CK_ATTRIBUTE_TYPE, _ value: Bool) -> Template { bytes(type, [value ? 1 : 0]) }

    @discardableResult
    func text(_ type: CK_ATTRIBUTE_TYPE, _ value: String) -> Template { bytes(type, Array(value.utf8)) }
}

/// The constants that the header gives in a form Swift takes as another type.
enum Object {
    static let publicKey = CK_OBJECT_CLASS(CKO_PUBLIC_KEY)
    static let privateKey = CK_OBJECT_CLASS(CKO_PRIVATE_KEY)
    static let secretKey = CK_OBJECT_CLASS(CKO_SECRET_KEY)
}

extension KeySpecification {
    /// CKA_KEY_TYPE.
    var keyType: CK_ULONG {
        switch self {
        case .rsa: CK_ULONG(CKK_RSA)
        case .ec: CK_ULONG(CKK_EC)
        case .ed25519: CK_ULONG(CKK_EC_EDWARDS)
        case .oct(let bits): bits > 256 ? CK_ULONG(CKK_GENERIC_SECRET) : CK_ULONG(CKK_AES)
        }
    }
}

extension EllipticCurve {
    /// CKA_EC_PARAMS: the curve's object identifier in DER.
    var parameters: [UInt8] {
        switch self {
        case .p256: [0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07]
        case .p384: [0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x22]
        case .p521: [0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x23]
        case .p256K: [0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x0A]
        }
    }
}

/// CKA_EC_PARAMS of Ed25519: the curve's name as a printable string (PKCS #11 3.0 §2.3.5).
let edwards25519: [UInt8] = [0x13, 0x0C] + Array("edwards25519".utf8)

extension [UInt8] {
    /// `withUnsafeMutableBytes` that keeps the type of the error.
    mutating func withMemory<Value, Failure: Error>(
        _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Value
    ) throws(Failure) -> Value {
        let result: Result<Value, Failure> = withUnsafeMutableBytes { bytes in
            Result { () throws(Failure) in try body(bytes) }
        }
        return try result.get()
    }
}
