import Barrier
import Cryptography
package import Domain
import Objects
package import Operations

extension Management {
    var keyOperations: [any AnyOperation] {
        [
            Operation(
                "BarrierRotate", .post, on: .management, "/strongroom/barrier/rotate",
                requires: .atScope(.barrierRotate) { _ in nil },
                run: rotateBarrier),
            Operation(
                "BarrierMove", .post, on: .management, "/strongroom/barrier/move",
                requires: .atScope(.barrierRotate) { _ in nil }, run: moveBarrier),
            Operation(scheduled: "DataKeyRotateIfWorn", requires: .barrierRotate, run: rotateWornKeys),
            Operation(
                "BackupKeyExport", .post, on: .management, "/strongroom/backupKeys/export",
                requires: .atScope(.backupKeysExport) { _ in nil }, run: exportBackupKey),
            Operation(
                "BackupKeyImport", .post, on: .management, "/strongroom/backupKeys/import",
                requires: .atScope(.backupKeysImport) { _ in nil }, run: importBackupKey),
        ]
    }

    enum RotationTarget: Sendable {
        case root
        case dataKey(SealDomain)
    }

    struct RotateInput: OperationInput {
        let target: String

        init(_ request: Request) throws(VaultError) {
            struct Body: Decodable {
                let target: String
            }
            target = try Body.fromJSON(request.body).target
        }
    }

    struct RotateOutput: OperationOutput {
        let target: String

        func response(_ call: Call) -> Response { .json { $0.member("rotated", target) } }
    }

    /// Makes a new root key, or a new data key for the system or one vault, while serving. Records sealed under older data keys stay
    /// readable and are sealed anew when they are next written.
    func rotateBarrier(_ input: RotateInput, _ call: Call) async throws(VaultError) -> RotateOutput {
        let target: RotationTarget
        switch input.target.lowercased() {
        case "root": target = .root
        case "system": target = .dataKey(.system)
        case let text:
            let parts = text.split(separator: "/", maxSplits: 1)
            guard parts.count == 2, ["vault", "pool"].contains(parts[0]), let name = VaultName(parts[1]),
                let vault = vaults.vault(name, parts[0] == "vault" ? .vault : .managedHSM)
            else {
                throw .badParameter(
                    "Property 'target' has invalid value: it must be root, system, vault/<name> or pool/<name>.\r\n")
            }
            target = .dataKey(vault.sealDomain)
        }
        let (engine, kek, now) = (engine, kek.current, call.now)
        let keys = try await call.commit { transaction throws(VaultError) in
            switch target {
            case .root: try Barrier.rotateRoot(kek: kek, engine: engine, in: transaction)
            case .dataKey(let domain):
                try Barrier.addDataKey(for: domain, kek: kek, engine: engine, now: now, in: transaction)
            }
        }
        keyring.reload(from: call.lane.reader, kek: kek, committed: keys)
        return RotateOutput(target: input.target.lowercased())
    }

    /// The duty to look for worn data keys, an hour after `time`.
    package static func wearDuty(after time: Timestamp) -> Duty {
        Duty(due: time + .hours(1), id: "data-key-wear", operation: "DataKeyRotateIfWorn", vault: nil)
    }

    /// Replaces every data key that has sealed enough or is old, and looks again in an hour.
    func rotateWornKeys(_ input: NoInput, _ call: Call) async throws(VaultError) -> NoContent {
        let (engine, kek, now) = (engine, kek.current, call.now)
        let worn = keyring.wornDomains(at: now)
        let keys = try await call.commit { transaction throws(VaultError) -> Keys? in
            var keys: Keys?
            for domain in worn {
                keys = try Barrier.addDataKey(for: domain, kek: kek, engine: engine, now: now, in: transaction)
            }
            try Self.wearDuty(after: now).schedule(in: transaction)
            return keys
        }
        if let keys { keyring.reload(from: call.lane.reader, kek: kek, committed: keys) }
        return NoContent()
    }

    struct ExportKeyInput: OperationInput {
        let passphrase: SensitiveBytes

        init(_ request: Request) throws(VaultError) {
            struct Body: Decodable {
                let passphrase: String
            }
            let text = try Body.fromJSON(request.body).passphrase
            guard (12...1_024).contains(text.utf8.count) else {
                throw .badParameter("Property 'passphrase' has invalid value: it must be 12 to 1024 bytes.\r\n")
            }
            passphrase = SensitiveBytes(text.utf8)
        }
    }

    struct KeyFileOutput: OperationOutput {
        let file: BackupKeyFile

        func response(_ call: Call) -> Response { .json { file.write(to: &$0) } }
    }

    /// The newest backup key, sealed under a passphrase, for another server that is to restore what this one backs up.
    func exportBackupKey(_ input: ExportKeyInput, _ call: Call) async throws(VaultError) -> KeyFileOutput {
        guard let key = backupKeys.newest else { throw .internal("no backup key") }
        let engine = engine
        return try await slowly(call) { () throws(VaultError) in
            KeyFileOutput(file: try BackupKeyFile(sealing: key, passphrase: input.passphrase, engine: engine))
        }
    }

    struct ImportKeyInput: OperationInput {
        let passphrase: SensitiveBytes
        let file: BackupKeyFile

        init(_ request: Request) throws(VaultError) {
            struct Body: Decodable {
                let passphrase: String
                let file: BackupKeyFile
            }
            let body = try Body.fromJSON(request.body)
            passphrase = SensitiveBytes(body.passphrase.utf8)
            file = body.file
        }
    }

    struct ImportedKey: OperationOutput {
        let id: GUID

        func response(_ call: Call) -> Response { .json { $0.member("imported", id) } }
    }

    /// Takes another server's backup key beside our own: what it backed up can be restored here.
    func importBackupKey(_ input: ImportKeyInput, _ call: Call) async throws(VaultError) -> ImportedKey {
        let engine = engine
        let key = try await slowly(call) { () throws(VaultError) in
            try input.file.open(passphrase: input.passphrase, engine: engine)
        }
        // A key that is here already stays what it is: our own must not become another's.
        if backupKeys.key(key.id) == nil {
            try await call.commit { transaction throws(VaultError) in try BackupKeys.put(key, in: transaction) }
            backupKeys.publish(key)
        }
        return ImportedKey(id: key.id)
    }
}
