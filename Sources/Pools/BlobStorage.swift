import Domain

/// A container of a storage that speaks Azure's Blob protocol, with a shared access signature.
///
/// - Source: Azure REST "Put Blob", "Get Blob", "Delete Blob", 2021-12-02.
struct BlobStorage: BackupStorage {
    let container: String
    let signature: SensitiveBytes
    let exchange: Pools.Exchange

    private static let version = ("x-ms-version", "2021-12-02")

    private func address(_ name: String) -> String {
        let query = signature.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        return "\(container)/\(name)?\(query)"
    }

    private func ask(
        _ method: String, _ name: String, headers: [(String, String)] = [], body: [UInt8] = [], mostBytes: Int = 65_536
    ) async throws(VaultError) -> BlobAnswer {
        try await exchange(
            BlobRequest(
                method: method, address: address(name), headers: [Self.version] + headers, body: body,
                mostBytes: mostBytes)
        ).get()
    }

    func write(_ bytes: [UInt8], to name: String) async throws(VaultError) {
        let answer = try await ask(
            "PUT", name, headers: [("x-ms-blob-type", "BlockBlob"), ("Content-Type", "application/octet-stream")],
            body: bytes)
        guard answer.status == 201 else { throw Self.refused(answer) }
    }

    func read(_ name: String, mostBytes: Int) async throws(VaultError) -> [UInt8] {
        let answer = try await ask("GET", name, mostBytes: mostBytes)
        guard answer.status != 404 else { throw VaultError(.resourceNotFound, "The backup is not in the storage.") }
        guard answer.status == 200 else { throw Self.refused(answer) }
        return answer.body
    }

    func remove(_ name: String) async { _ = try? await ask("DELETE", name) }

    private static func refused(_ answer: BlobAnswer) -> VaultError {
        .badParameter("The storage refused the access: it answered with status \(answer.status).")
    }
}

package struct BlobRequest: Sendable {
    package let method: String
    package let address: String
    package let headers: [(name: String, value: String)]
    package let body: [UInt8]
    /// Of the answer.
    package let mostBytes: Int

    init(method: String, address: String, headers: [(String, String)], body: [UInt8], mostBytes: Int) {
        (self.method, self.address, self.body, self.mostBytes) = (method, address, body, mostBytes)
        self.headers = headers.map { (name: $0.0, value: $0.1) }
    }
}

package struct BlobAnswer: Sendable {
    let status: Int
    let body: [UInt8]

    package init(status: Int, body: [UInt8]) { (self.status, self.body) = (status, body) }
}
