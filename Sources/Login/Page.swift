import Cryptography
import Domain
import Identity
import Operations

/// A page for people: plain HTML that works without a script, with nothing loaded from anywhere.
struct Page: OperationOutput {
    let status: UInt16
    private let bytes: [UInt8]
    /// Where its forms may lead, besides here.
    private let formTarget: String?

    /// - Parameters:
    ///   - content: HTML; what comes from outside must have been escaped.
    ///   - formTarget: an address whose origin forms may lead to.
    init(_ status: UInt16 = 200, title: String, formTarget: String? = nil, _ content: String) {
        self.status = status
        // Not every reader speaks an alert that is there from the start; all of them speak the title.
        let isError = content.contains("class=\"alert\"")
        self.formTarget = formTarget.flatMap { Self.origin($0) }
        let title = Self.escaped(title)
        let html = """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="robots" content="noindex">
            <title>\(isError ? "Error: " : "")\(title) - Strongroom</title>
            <style>\(Self.style)</style>
            </head>
            <body>
            <main>
            <p class="brand">Strongroom</p>
            <h1>\(title)</h1>
            \(content)
            </main>
            </body>
            </html>

            """
        bytes = Array(html.utf8)
    }

    func response(_ call: Call) -> Response {
        var response = Response(status: status, body: bytes, headers: Self.headers)
        response.contentType = "text/html; charset=utf-8"
        let target = formTarget.map { " " + $0 } ?? ""
        response.headers.append(
            (
                "Content-Security-Policy",
                "default-src 'none'; style-src 'sha256-\(Self.styleDigest)'; form-action 'self'\(target); "
                    + "frame-ancestors 'none'; base-uri 'none'"
            ))
        return response
    }

    private static let headers = [("X-Frame-Options", "DENY"), ("Referrer-Policy", "no-referrer")]

    /// Text as it may stand in an element or in an attribute's quotes.
    ///
    /// - Parameter isKept: to be sent back as it came; otherwise what hides, or turns the direction of the text around it, is left out.
    static func escaped(_ text: String, isKept: Bool = false) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            default:
                let category = scalar.properties.generalCategory
                if isKept || (category != .control && category != .format) { result.unicodeScalars.append(scalar) }
            }
        }
        return result
    }

    static func hidden(_ fields: [(name: String, value: String)]) -> String {
        fields.map { #"<input type="hidden" name="\#(escaped($0.name))" value="\#(escaped($0.value, isKept: true))">"# }
            .joined(separator: "\n")
    }

    /// A field with its label.
    ///
    /// - Parameter attributes: written by us.
    static func field(
        _ name: StaticString, _ label: StaticString, type: StaticString = "text", value: String = "",
        _ attributes: StaticString, hint: StaticString? = nil
    ) -> String {
        let described = hint == nil ? "" : #" aria-describedby="\#(name)-hint""#
        let note = hint.map { #"<p class="hint" id="\#(name)-hint">\#($0)</p>"# } ?? ""
        let filled = value.isEmpty ? "" : #" value="\#(escaped(value))""#
        return """
            <label for="\(name)">\(label)</label>
            <input id="\(name)" name="\(name)" type="\(type)"\(filled)\(described) \(attributes)>
            \(note)
            """
    }

    static func alert(_ text: String?) -> String {
        text.map { #"<p class="alert" role="alert">\#(escaped($0))</p>"# } ?? ""
    }

    /// What is to be known, and is nobody's fault.
    static func note(_ text: String?) -> String {
        text.map { #"<p class="note" role="status">\#(escaped($0))</p>"# } ?? ""
    }

    private static func origin(_ address: String) -> String? {
        guard let start = address.firstRange(of: "://")?.upperBound else { return nil }
        let end = address[start...].firstIndex { "/?#".contains($0) } ?? address.endIndex
        // A policy has no word for an IPv6 address (CSP Level 3 §2.3.1).
        return address[start...].hasPrefix("[") ? String(address[..<start].dropLast(2)) : String(address[..<end])
    }

    private static let style = """
        :root{color-scheme:light dark;--ink:#1b1b1f;--paper:#fff;--ground:#eef0f4;--line:#767680;--accent:#0b5394;--accent-ink:#fff;--bad:#a4161a}
        @media(prefers-color-scheme:dark){:root{--ink:#ececf1;--paper:#1e1f24;--ground:#121317;--line:#8d8d99;--accent:#8ab8ff;--accent-ink:#0a1a2f;--bad:#ff9a9a}}
        *{box-sizing:border-box}
        body{margin:0;background:var(--ground);color:var(--ink);font:1rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
        main{max-width:26rem;margin:0 auto;padding:1.5rem;background:var(--paper);min-height:100vh}
        @media(min-width:32rem){main{margin:8vh auto;min-height:0;border-radius:.5rem;padding:2rem}}
        .brand{margin:0 0 1rem;font-weight:600;letter-spacing:.02em}
        h1{margin:0 0 .75rem;font-size:1.5rem;line-height:1.25}
        label{display:block;margin:1rem 0 .25rem;font-weight:600}
        input:not([type=hidden]){width:100%;padding:.625rem;font:inherit;color:inherit;background:transparent;border:1px solid var(--line);border-radius:.25rem}
        button,.button{display:inline-block;margin:1.5rem .5rem 0 0;padding:.625rem 1.25rem;font:inherit;font-weight:600;color:var(--accent-ink);background:var(--accent);border:1px solid var(--accent);border-radius:.25rem;cursor:pointer;text-decoration:none}
        button.plain{color:var(--accent);background:transparent}
        a{color:var(--accent)}
        :focus-visible{outline:3px solid var(--accent);outline-offset:2px}
        .hint{margin:.25rem 0 0;font-size:.875rem}
        .alert{margin:1rem 0;padding:.75rem;border-left:.25rem solid var(--bad);color:var(--bad);font-weight:600}
        .code{font:600 1.125rem/1.5 ui-monospace,monospace;letter-spacing:.05em}
        p{overflow-wrap:anywhere}
        strong.code{white-space:nowrap}
        .note{margin:1rem 0;padding:.75rem;border-left:.25rem solid var(--accent)}
        .apart{margin-top:1.5rem}
        """

    private static let styleDigest: String = {
        guard let engine = try? CryptoEngine(), let digest = try? engine.sha256(Array(style.utf8)) else { return "" }
        return Base64.encode(digest)
    }()
}

/// Sends a browser on after a form was sent (RFC 9700 §4.12: by 303, so that what was typed does not go along).
struct Redirect: OperationOutput {
    let status: UInt16 = 303
    let address: String

    func response(_ call: Call) -> Response {
        Response(status: status, headers: [("Location", address), ("Referrer-Policy", "no-referrer")])
    }
}

/// A page, or the way to another.
enum PageOrRedirect: OperationOutput {
    case page(Page)
    case redirect(Redirect)

    func response(_ call: Call) -> Response {
        switch self {
        case .page(let page): page.response(call)
        case .redirect(let redirect): redirect.response(call)
        }
    }
}
