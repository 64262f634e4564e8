import ArgumentParser
import Domain
import FoundationEssentials
import HTTPSClient
import NIOHTTP1

/// Where the server is and who asks: the environment of the Azure SDKs, overridden by options.
struct ConnectionOptions: ParsableArguments {
    @Option(help: "The management address. [default: $ARM_URL]") var armURL: String?
    @Option(help: "The token service. [default: $AZURE_AUTHORITY_HOST]") var authorityHost: String?
    @Option(help: "The tenant. [default: $AZURE_TENANT_ID]") var tenant: String?
    @Option(help: "The client. [default: $AZURE_CLIENT_ID]") var clientID: String?
    @Option(help: "A file that holds the client's secret. [default: $AZURE_CLIENT_SECRET]") var clientSecretFile:
        String?
    @Option(help: "The subscription. [default: $AZURE_SUBSCRIPTION_ID]") var subscription: String?
    @Option(help: "A PEM bundle of trusted authorities. [default: $SSL_CERT_FILE]") var caFile: String?
    @Option(help: "The address of a vault. [default: $VAULT_URL]") var vaultURL: String?

    static var environment: [String: String] { ProcessInfo.processInfo.environment }

    func client() throws -> ManagementClient {
        let environment = Self.environment
        func need(_ option: String?, _ name: String, _ flag: String) throws -> String {
            guard let value = option ?? environment[name], !value.isEmpty else {
                throw CommandFailure.configuration("\(name) is not set; source the server's client.env or give \(flag)")
            }
            return value
        }
        let secret: String
        if let clientSecretFile {
            guard let bytes = DataFolder.read(file: clientSecretFile) else {
                throw CommandFailure.configuration("the file '\(clientSecretFile)' cannot be read")
            }
            secret =
                String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline).first.map(String.init) ?? ""
        } else {
            secret = try need(nil, "AZURE_CLIENT_SECRET", "--client-secret-file")
        }
        return ManagementClient(
            armURL: try need(armURL, "ARM_URL", "--arm-url"),
            authority: try need(authorityHost, "AZURE_AUTHORITY_HOST", "--authority-host"),
            tenant: try need(tenant, "AZURE_TENANT_ID", "--tenant"),
            clientID: try need(clientID, "AZURE_CLIENT_ID", "--client-id"),
            secret: SensitiveBytes(secret.utf8),
            subscription: try need(subscription, "AZURE_SUBSCRIPTION_ID", "--subscription"),
            caFile: caFile ?? environment["SSL_CERT_FILE"])
    }

    /// The address of a vault: the one given by name beside the one that the environment knows.
    func vaultAddress(_ name: String?) throws -> String {
        guard let known = vaultURL ?? Self.environment["VAULT_URL"], known.hasPrefix("https://") else {
            throw CommandFailure.configuration(
                "VAULT_URL is not set; source the server's client.env or give --vault-url")
        }
        let address = known.hasSuffix("/") ? String(known.dropLast()) : known
        guard let name else { return address }
        guard VaultName(name) != nil else { throw CommandFailure.usage("'\(name)' is not a valid name for a vault") }
        guard let dot = address.firstIndex(of: ".") else {
            throw CommandFailure.configuration("'\(address)' is not the address of a vault")
        }
        return "https://\(name)\(address[dot...])"
    }
}

/// Calls the management plane of a running server, as an application.
final class ManagementClient {
    private let armURL: String
    private let authority: String
    private let tenant: String
    private let clientID: String
    private let secret: SensitiveBytes
    let subscription: String
    private let caFile: String?
    /// By the address that they are for.
    private var tokens: [String: String] = [:]

    init(
        armURL: String, authority: String, tenant: String, clientID: String, secret: SensitiveBytes,
        subscription: String,
        caFile: String?
    ) {
        self.armURL = armURL.hasSuffix("/") ? String(armURL.dropLast()) : armURL
        self.authority = authority.hasSuffix("/") ? String(authority.dropLast()) : authority
        self.tenant = tenant
        self.clientID = clientID
        self.secret = secret
        self.subscription = subscription
        self.caFile = caFile
    }

    /// - Throws: with the server's own words when it refuses.
    func call(_ method: HTTPMethod, _ path: String, body: [UInt8] = []) async throws -> [UInt8] {
        let token = try await token(for: armURL)
        let headers = [("Authorization", "Bearer \(token)"), ("Content-Type", "application/json")]
        let (status, answer) = try await exchange(method, armURL + path, headers, body)
        guard status < 300 else { throw CommandFailure(Self.message(status, answer)) }
        return answer
    }

    /// The directory, beside the management plane.
    var graphURL: String { armURL.replacingOccurrence(of: "//management.", with: "//graph.") }

    /// Calls the directory.
    func call(graph method: HTTPMethod, _ path: String, body: [UInt8] = []) async throws -> [UInt8] {
        let token = try await token(for: graphURL)
        let headers = [("Authorization", "Bearer \(token)"), ("Content-Type", "application/json")]
        let (status, answer) = try await exchange(method, graphURL + path, headers, body)
        guard status < 300 else { throw CommandFailure(Self.message(status, answer)) }
        return answer
    }

    /// Calls the data plane of a vault.
    ///
    /// - Parameters:
    ///   - address: `https://demo.vault.localhost:8443`
    ///   - path: with its query but for the api-version.
    func call(_ method: HTTPMethod, vault address: String, _ path: String, body: [UInt8] = []) async throws -> [UInt8] {
        let (status, answer) = try await exchange(method, vault: address, path, body: body)
        guard status < 300 else { throw CommandFailure(Self.message(status, answer)) }
        return answer
    }

    /// The same, with the status for the caller to judge.
    func exchange(_ method: HTTPMethod, vault address: String, _ path: String, body: [UInt8] = []) async throws -> (
        status: Int, body: [UInt8]
    ) {
        guard let dot = address.firstIndex(of: ".") else {
            throw CommandFailure.configuration("'\(address)' is not the address of a vault")
        }
        // The resource of all vaults: their common suffix.
        let token = try await token(for: "https://" + address[address.index(after: dot)...])
        let headers = [("Authorization", "Bearer \(token)"), ("Content-Type", "application/json")]
        // The link to a next page has it already.
        let version = path.contains("api-version=") ? "" : (path.contains("?") ? "&" : "?") + "api-version=7.6"
        return try await exchange(method, address + path + version, headers, body)
    }

    /// What follows the host of an identifier or a link of the server's.
    static func path(of address: String) -> String? {
        address.dropFirst("https://".utf8.count).firstIndex(of: "/").map { String(address[$0...]) }
    }

    static func refusal(_ status: Int, _ answer: [UInt8]) -> CommandFailure {
        CommandFailure(message(status, answer))
    }

    private func token(for resource: String) async throws -> String {
        if let token = tokens[resource] { return token }
        struct Answer: Decodable {
            let access_token: String
        }
        let password = secret.withUnsafeBytes { Self.formEncoded(Array($0)) }
        let form =
            "grant_type=client_credentials&client_id=\(Self.formEncoded(Array(clientID.utf8)))&client_secret=\(password)"
            + "&scope=\(Self.formEncoded(Array((resource + "/.default").utf8)))"
        let (status, answer) = try await exchange(
            .POST, "\(authority)/\(tenant)/oauth2/v2.0/token", [("Content-Type", "application/x-www-form-urlencoded")],
            Array(form.utf8))
        guard status == 200, let decoded = try? Answer.fromJSON(answer) else {
            throw CommandFailure("no token was given: " + Self.message(status, answer))
        }
        tokens[resource] = decoded.access_token
        return decoded.access_token
    }

    private static func message(_ status: Int, _ answer: [UInt8]) -> String {
        struct Failure: Decodable {
            struct Inner: Decodable {
                let code: String
                let message: String
            }
            let error: Inner
        }
        struct OAuth: Decodable {
            let error_description: String
        }
        if let failure = try? Failure.fromJSON(answer) { return "\(failure.error.code): \(failure.error.message)" }
        if let failure = try? OAuth.fromJSON(answer) { return failure.error_description }
        return "the server answered with status \(status)"
    }

    static func formEncoded(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self).formEncoded }

    private func exchange(
        _ method: HTTPMethod, _ address: String, _ headers: [(name: String, value: String)], _ body: [UInt8]
    ) async throws -> (Int, [UInt8]) {
        let headers = headers + [("User-Agent", "strongroom/\(Strongroom.version)")]
        do throws(HTTPSClient.Failure) {
            let answer = try await HTTPSClient(caFile: caFile).exchange(
                method.rawValue, address, headers: headers, body: body)
            return (answer.status, answer.body)
        } catch {
            throw CommandFailure(error.text + "; is the server running?")
        }
    }
}

enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case text, json
}

extension String {
    /// The text with the first occurrence of a word replaced.
    fileprivate func replacingOccurrence(of word: String, with other: String) -> String {
        guard let range = firstRange(of: word) else { return self }
        return replacingCharacters(in: range, with: other)
    }

    private func replacingCharacters(in range: Range<Index>, with other: String) -> String {
        self[..<range.lowerBound] + other + self[range.upperBound...]
    }
}
