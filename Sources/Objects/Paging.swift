package import Cryptography
package import Domain
package import Operations

/// Pages of a list: how many, from where, and the link to the next one.
///
/// A page goes on after the last name it showed, so that items may come and go between pages without anything being shown twice
/// or skipped. The link's token is signed and bound to the vault and the list: it opens nothing else.
package struct Paging: Sendable {
    private let key: SensitiveBytes
    private let engine: CryptoEngine

    package init(key: SensitiveBytes, engine: CryptoEngine) {
        (self.key, self.engine) = (key, engine)
    }

    /// What a client asked for.
    package struct Page: Sendable {
        /// 1 to 25.
        package let size: Int
        package let asked: Int?
        fileprivate let token: String?

        /// Of a list of the management plane: `$top` may ask for more than a page, and gets a page then.
        ///
        /// - Throws: `.badParameter`.
        package init(resources request: Request) throws(VaultError) {
            let page = try Page(request)
            guard let text = try request.query.value("$top") else {
                self = page
                return
            }
            guard (1...9).contains(text.utf8.count), text.utf8.allSatisfy(\.isASCIIDigit), let count = Int(text),
                count > 0
            else { throw .badParameter("The $top query parameter must be a whole number above 0.") }
            token = page.token
            (size, asked) = (min(count, page.size), count)
        }

        /// - Throws: `.badParameter` for a size outside 1 to 25.
        package init(_ request: Request) throws(VaultError) {
            token = try request.query.value("$skiptoken")
            guard let text = try request.query.value("maxresults") else {
                (size, asked) = (25, nil)
                return
            }
            guard text.utf8.count <= 2, text.utf8.allSatisfy(\.isASCIIDigit), let count = Int(text),
                (1...25).contains(count)
            else {
                throw .badParameter("The maxresults query parameter must be a whole number from 1 to 25.")
            }
            (size, asked) = (count, count)
        }
    }

    /// The name after which the page begins; nil for the first page.
    ///
    /// - Throws: `.badParameter` for a token that this server did not make for this list.
    package func marker(_ page: Page, list: String, in vault: Vault) throws(VaultError) -> String? {
        guard let token = page.token else { return nil }
        guard let json = Base64.decodeURL(token), let decoded = try? Token.fromJSON(json),
            let signed = Base64.decodeURL(decoded.NextMarker), signed.count > 16
        else { throw Self.badToken }
        let marker = Array(signed[16...])
        guard constantTimeEqual(Array(signed[..<16]), try tag(marker, list: list, in: vault)),
            let text = String(validating: marker, as: UTF8.self)
        else { throw Self.badToken }
        return text
    }

    /// - Parameters:
    ///   - path: of the list, such as `/secrets`.
    ///   - query: further members of the query that must stay, such as `within=P30D`.
    package func link(
        after marker: String, page: Page, path: String, query: String = "", list: String, in vault: Vault,
        _ version: APIVersion
    ) throws(VaultError) -> String {
        let authority = vault.authority.contains(":") ? vault.authority : vault.authority + ":443"
        let size = page.asked.map { "&maxresults=\($0)" } ?? ""
        let token = try token(after: marker, list: list, in: vault)
        return "https://\(authority)\(path)?api-version=\(version.text)\(query)&$skiptoken=\(token)\(size)"
    }

    /// What the link to the next page carries as `$skiptoken`.
    package func token(after marker: String, list: String, in vault: Vault) throws(VaultError) -> String {
        let signed = try tag(Array(marker.utf8), list: list, in: vault) + Array(marker.utf8)
        var json = JSONWriter()
        json.object { token in
            token.member("NextMarker", Base64.encodeURL(signed))
            token.member("TargetLocation", 0)
        }
        return Base64.encodeURL(json.bytes)
    }

    /// The link behind a page that was read with one element more than it shows, which is taken off again.
    ///
    /// - Parameter marker: what the next page begins after.
    /// - Returns: nil on the last page.
    package func next<Element>(
        after elements: inout [Element], page: Page, path: String, query: String = "", list: String, in vault: Vault,
        _ version: APIVersion, marker: (Element) -> String
    ) throws(VaultError) -> String? {
        guard elements.count > page.size else { return nil }
        elements.removeLast()
        return try link(
            after: marker(elements[elements.count - 1]), page: page, path: path, query: query, list: list, in: vault,
            version)
    }

    private struct Token: Decodable {
        let NextMarker: String
    }

    private func tag(_ marker: [UInt8], list: String, in vault: Vault) throws(VaultError) -> [UInt8] {
        do throws(CryptoError) {
            return Array(try engine.hmacSHA256(key: key, Array("\(vault.keyPrefix)\n\(list)\n".utf8) + marker)[..<16])
        } catch { throw .internal("a page token could not be signed") }
    }

    private static let badToken = VaultError.badParameter(
        "The $skiptoken query parameter is not one that this list has given out. Start again without it.")
}
