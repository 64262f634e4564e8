import Access
import Domain
import Operations

/// The settings of a managed HSM pool, on its own host.
///
/// - Source: Azure REST, Managed HSM "Settings", 7.4 to 2025-07-01.
extension Management {
    private static let keysThroughARM = "AllowKeyManagementOperationsThroughARM"

    var poolSettingsOperations: [any AnyOperation] {
        let since = APIVersion.v7_4preview1
        return [
            Operation(
                "SettingList", .get, on: .managedHSM, "/settings", requires: .permission(.localSettingsRead),
                since: since,
                run: listSettings),
            Operation(
                "SettingGet", .get, on: .managedHSM, "/settings/{setting}", requires: .permission(.localSettingsRead),
                since: since, run: getSetting),
            Operation(
                "SettingUpdate", .patch, on: .managedHSM, "/settings/{setting}",
                requires: .permission(.localSettingsWrite), since: since, run: updateSetting),
        ]
    }

    struct SettingInput: OperationInput {
        let name: String

        init(_ request: Request) throws(VaultError) {
            name = request.parameter("setting") ?? ""
            guard name.isEmpty || name.lowercased() == Management.keysThroughARM.lowercased() else {
                throw VaultError(.resourceNotFound, "The setting '\(name.prefix(64))' does not exist.")
            }
        }
    }

    struct SettingChange: OperationInput {
        let isOn: Bool

        init(_ request: Request) throws(VaultError) {
            struct Body: Decodable {
                let value: String
            }
            _ = try SettingInput(request)
            switch try Body.fromJSON(request.body).value.lowercased() {
            case "true": isOn = true
            case "false": isOn = false
            default: throw .badParameter("Property 'value' has invalid value: it must be \"true\" or \"false\".\r\n")
            }
        }
    }

    private func isOn(_ call: Call) throws(VaultError) -> Bool {
        vaults.entry(try call.vault().name, .managedHSM)?.settings.allowsKeysThroughARM ?? false
    }

    private static func write(_ isOn: Bool, to writer: inout JSONWriter) {
        writer.member("name", keysThroughARM)
        writer.member("value", isOn ? "true" : "false")
        writer.member("type", "boolean")
    }

    func listSettings(_ input: NoInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        let isOn = try isOn(call)
        return JSONOutput { $0.array("settings") { list in list.object { Self.write(isOn, to: &$0) } } }
    }

    func getSetting(_ input: SettingInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        let isOn = try isOn(call)
        return JSONOutput { Self.write(isOn, to: &$0) }
    }

    func updateSetting(_ input: SettingChange, _ call: Call) async throws(VaultError) -> JSONOutput {
        let pool = try call.vault()
        let name = VaultTable.Name(name: pool.name, service: .managedHSM)
        call.concerns(objectID: "https://\(pool.authority)/settings/\(Self.keysThroughARM)")
        let changed = try await call.commit { transaction throws(VaultError) in
            guard var settings = try VaultTable.settings(name, in: transaction) else {
                throw .internal("a pool has no settings")
            }
            settings.allowsKeysThroughARM = input.isOn ? true : nil
            try VaultTable.put(settings, in: transaction)
            return settings
        }
        vaults.reload(name, from: call.lane.reader, committed: changed)
        return JSONOutput { Self.write(input.isOn, to: &$0) }
    }
}
