internal import CPKCS11
import Cryptography
import Domain
import Synchronization

/// Objects of a token: finding, reading, wrapping.
enum Objects {
    /// Held while an object comes into being, is looked for or goes: software modules keep an object as a file, stumble when several
    /// threads make one at once, and take a file that is being written for one of another process when they list the folder.
    private static let making = Mutex(())

    static func find(_ template: Template, in session: Token.Session, limit: Int) throws(TokenFailure)
        -> [CK_OBJECT_HANDLE]
    {
        var attributes = template.attributes
        var handles = [CK_OBJECT_HANDLE](repeating: 0, count: limit)
        var count: CK_ULONG = 0
        // The list of what is found is made here.
        try check(
            making.withLock { _ in
                session.list.C_FindObjectsInit(session.handle, &attributes, CK_ULONG(attributes.count))
            })
        defer { _ = session.list.C_FindObjectsFinal(session.handle) }
        try check(session.list.C_FindObjects(session.handle, &handles, CK_ULONG(limit), &count))
        return Array(handles.prefix(Int(count)))
    }

    static func read(_ type: CK_ATTRIBUTE_TYPE, of object: CK_OBJECT_HANDLE, in session: Token.Session)
        throws(TokenFailure) -> [UInt8]
    {
        var attribute = CK_ATTRIBUTE(type: type, pValue: nil, ulValueLen: 0)
        try check(session.list.C_GetAttributeValue(session.handle, object, &attribute, 1))
        var bytes = [UInt8](repeating: 0, count: Int(attribute.ulValueLen))
        try bytes.withMemory { buffer throws(TokenFailure) in
            attribute.pValue = buffer.baseAddress
            try check(session.list.C_GetAttributeValue(session.handle, object, &attribute, 1))
        }
        return bytes
    }

    /// The bytes of a secret key that may be read.
    static func readSecret(of object: CK_OBJECT_HANDLE, in session: Token.Session) throws(TokenFailure)
        -> SensitiveBytes
    {
        var attribute = CK_ATTRIBUTE(type: CK_ATTRIBUTE_TYPE(CKA_VALUE), pValue: nil, ulValueLen: 0)
        try check(session.list.C_GetAttributeValue(session.handle, object, &attribute, 1))
        return try SensitiveBytes(count: Int(attribute.ulValueLen)) { buffer throws(TokenFailure) in
            attribute.pValue = buffer.baseAddress
            try check(session.list.C_GetAttributeValue(session.handle, object, &attribute, 1))
        }
    }

    static func create(_ template: Template, in session: CK_SESSION_HANDLE, _ list: CK_FUNCTION_LIST)
        throws(TokenFailure) -> CK_OBJECT_HANDLE
    {
        var attributes = template.attributes
        var handle: CK_OBJECT_HANDLE = 0
        try check(
            making.withLock { _ in list.C_CreateObject(session, &attributes, CK_ULONG(attributes.count), &handle) })
        return handle
    }

    static func remove(_ object: CK_OBJECT_HANDLE, in session: Token.Session) throws(TokenFailure) {
        try check(making.withLock { _ in session.list.C_DestroyObject(session.handle, object) })
    }

    /// Removes what is not to stay; it ends with its session anyway.
    static func destroy(_ object: CK_OBJECT_HANDLE, in session: Token.Session) {
        _ = try? remove(object, in: session)
    }

    static func wrap(
        _ object: CK_OBJECT_HANDLE, by key: CK_OBJECT_HANDLE, _ mechanism: CK_MECHANISM_TYPE,
        in session: Token.Session
    ) throws(TokenFailure) -> [UInt8] {
        var mechanism = CK_MECHANISM(mechanism: mechanism, pParameter: nil, ulParameterLen: 0)
        var count: CK_ULONG = 0
        try check(session.list.C_WrapKey(session.handle, &mechanism, key, object, nil, &count))
        var bytes = [UInt8](repeating: 0, count: Int(count))
        try check(session.list.C_WrapKey(session.handle, &mechanism, key, object, &bytes, &count))
        return Array(bytes.prefix(Int(count)))
    }

    /// - Parameter owner: the session that a session object is to live with.
    static func unwrap(
        _ bytes: [UInt8], by key: CK_OBJECT_HANDLE, _ mechanism: CK_MECHANISM_TYPE, _ template: Template,
        in owner: CK_SESSION_HANDLE, _ list: CK_FUNCTION_LIST
    ) throws(TokenFailure) -> CK_OBJECT_HANDLE {
        var mechanism = CK_MECHANISM(mechanism: mechanism, pParameter: nil, ulParameterLen: 0)
        var attributes = template.attributes
        var bytes = bytes
        var handle: CK_OBJECT_HANDLE = 0
        try check(
            making.withLock { _ in
                list.C_UnwrapKey(
                    owner, &mechanism, key, &bytes, CK_ULONG(bytes.count), &attributes, CK_ULONG(attributes.count),
                    &handle)
            })
        return handle
    }
}

/// Runs one of the calls of PKCS #11 that answer in two steps, with a buffer that is large enough for one.
enum Crypt {
    typealias Start = (CK_SESSION_HANDLE, UnsafeMutablePointer<CK_MECHANISM>?, CK_OBJECT_HANDLE) -> CK_RV
    typealias Run = (
        CK_SESSION_HANDLE, UnsafeMutablePointer<UInt8>?, CK_ULONG, UnsafeMutablePointer<UInt8>?,
        UnsafeMutablePointer<CK_ULONG>?
    ) -> CK_RV

    private static func endAll(in session: Token.Session) {
        var bytes = [UInt8](repeating: 0, count: 1_024)
        for end in [session.list.C_DecryptFinal, session.list.C_EncryptFinal, session.list.C_SignFinal] {
            var count: CK_ULONG = 1_024
            _ = end?(session.handle, &bytes, &count)
        }
    }

    static func run(
        _ start: Start, _ run: Run, _ mechanism: inout CK_MECHANISM, _ key: CK_OBJECT_HANDLE, _ input: [UInt8],
        room: Int, in session: Token.Session
    ) throws(TokenFailure) -> SensitiveBytes {
        var started = start(session.handle, &mechanism, key)
        if started == CKR_OPERATION_ACTIVE {
            // Some modules leave an operation open when it fails.
            endAll(in: session)
            started = start(session.handle, &mechanism, key)
        }
        try check(started)
        var input = input
        var count = CK_ULONG(room)
        let output = try SensitiveBytes(count: room) { buffer throws(TokenFailure) in
            let result = run(
                session.handle, &input, CK_ULONG(input.count), buffer.bindMemory(to: UInt8.self).baseAddress, &count)
            guard result == CKR_OK else { throw TokenFailure(result, concernsInput: true) }
        }
        return output.withUnsafeBytes { SensitiveBytes($0[0..<Int(count)]) }
    }
}
