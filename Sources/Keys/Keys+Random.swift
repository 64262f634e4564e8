import Cryptography
import Domain
import Objects
import Operations

struct RandomBytesInput: OperationInput {
    let count: Int

    init(_ request: Request) throws(VaultError) {
        struct Body: Decodable {
            let count: Int
        }
        count = try Body.fromJSON(request.body).count
        guard (1...128).contains(count) else { throw .invalid("count", "it must be from 1 to 128") }
    }
}

struct RandomBytes: OperationOutput {
    let bytes: [UInt8]

    func response(_ call: Call) -> Response { .json { $0.member("value", Base64.encodeURL(bytes)) } }
}

extension Keys {
    /// Random bytes out of the pool's hardware.
    ///
    /// - Source: Azure REST "Get Random Bytes".
    func randomBytes(_ input: RandomBytesInput, _ call: Call) async throws(VaultError) -> RandomBytes {
        RandomBytes(
            bytes: try await work.askHardware(call) { module throws(CryptoError) in
                try module.random(count: input.count)
            })
    }
}
