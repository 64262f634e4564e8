import Domain
import Objects
import Operations

struct ListExpiringSecrets: OperationInput {
    let within: CalendarPeriod
    let text: String
    let page: Paging.Page

    init(_ request: Request) throws(VaultError) {
        guard let text = try request.query.value("within"), let period = CalendarPeriod(text) else {
            throw .badParameter("The within query parameter must be an ISO 8601 period such as P30D or PT12H.")
        }
        within = period
        self.text = text
        page = try Paging.Page(request)
    }
}

extension Secrets {
    /// How many secrets one page looks at. A page may be short, or empty, with a link to the next.
    private static let scanned = 400

    /// The secrets whose newest version expires after now and within a period. An addition to the reference.
    func listExpiring(_ input: ListExpiringSecrets, _ call: Call) async throws(VaultError) -> SecretList {
        let table = try table(call)
        let list = "secrets:expiring/\(input.text)"
        let marker = try paging.marker(input.page, list: list, in: table.vault)
        let now = call.now.epochSeconds
        let until = input.within.end(after: call.now).epochSeconds
        var items: [SecretList.Item] = []
        var last: String?
        let heads = try table.heads(after: marker, limit: Self.scanned, in: call.lane.reader)
        var isComplete = heads.count < Self.scanned
        for head in heads {
            guard items.count < input.page.size else {
                isComplete = false
                break
            }
            last = head.name.key
            if let expires = head.current.attributes.expires, expires > now, expires <= until {
                items.append(try item(head, table.vault))
            }
        }
        var link: String?
        if !isComplete, let last {
            link = try paging.link(
                after: last, page: input.page, path: "/secrets:expiring", query: "&within=\(input.text)", list: list,
                in: table.vault,
                call.apiVersion)
        }
        return SecretList(vault: table.vault, items: items, nextLink: link)
    }
}
