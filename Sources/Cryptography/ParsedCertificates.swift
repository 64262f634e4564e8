internal import COpenSSL
import Synchronization

/// Certificates that were read, by their DER: reading one decodes its public key, which takes libcrypto longer than a signature.
///
/// Bounded: when the newer half is full it becomes the older half, and what the older half held and nobody asked for is dropped.
/// libcrypto's certificates count their references and may be read by several threads.
package final class ParsedCertificates: Sendable {
    private struct Held: @unchecked Sendable {
        // Unchecked because of the pointer: it holds a reference of its own to what nobody changes.
        let pointer: OpaquePointer
    }

    private struct State {
        var newer: [[UInt8]: Held] = [:]
        var older: [[UInt8]: Held] = [:]
    }

    private static let half = 64
    private let state = Mutex(State())

    /// - Returns: a certificate that the caller frees; nil when it was not kept.
    package func find(_ der: [UInt8]) -> OpaquePointer? {
        let held: Held? = state.withLock { state in
            if let held = state.newer[der] {
                X509_up_ref(held.pointer)
                return held
            }
            guard let held = state.older.removeValue(forKey: der) else { return nil }
            X509_up_ref(held.pointer)
            Self.insert(der, held, &state)
            return held
        }
        return held?.pointer
    }

    /// - Parameter certificate: stays the caller's; it must not be changed any more.
    package func keep(_ der: [UInt8], _ certificate: OpaquePointer) {
        let held = Held(pointer: certificate)
        state.withLock { state in
            guard state.newer[der] == nil, state.older[der] == nil else { return }
            X509_up_ref(held.pointer)
            Self.insert(der, held, &state)
        }
    }

    private static func insert(_ der: [UInt8], _ certificate: Held, _ state: inout State) {
        if state.newer.count >= half {
            for dropped in state.older.values { X509_free(dropped.pointer) }
            state.older = state.newer
            state.newer = [:]
        }
        state.newer[der] = certificate
    }

    func removeAll() {
        state.withLock { state in
            for certificate in state.newer.values { X509_free(certificate.pointer) }
            for certificate in state.older.values { X509_free(certificate.pointer) }
            state = State()
        }
    }
}
