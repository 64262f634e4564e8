package import Domain

/// A plain text for one person (RFC 5322).
package struct MailMessage: Sendable {
    package let recipient: String
    package let subject: String
    package let text: String
    package let date: Timestamp
    /// Without brackets; the same when a message is sent again, so that the receiver can tell.
    package let identifier: String

    package init(recipient: String, subject: String, text: String, date: Timestamp, identifier: String) {
        (self.recipient, self.subject, self.text) = (recipient, subject, text)
        (self.date, self.identifier) = (date, identifier)
    }

    /// Whether a text can stand as an address in commands and headers: nothing that would end it or begin another.
    package static func isAddress(_ text: String) -> Bool {
        guard let at = text.lastIndex(of: "@"), at != text.startIndex, text.index(after: at) != text.endIndex else {
            return false
        }
        return (3...254).contains(text.utf8.count)
            && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !"<>()[]\\,;:\"".utf8.contains($0) }
    }

    /// The lines of the message, each without its end.
    func lines(from sender: String) -> [String] {
        [
            "From: Strongroom <\(sender)>",
            "To: <\(recipient)>",
            "Subject: \(Self.header(subject))",
            "Date: \(date.date(zone: "+0000"))",
            "Message-ID: <\(identifier)>",
            "Auto-Submitted: auto-generated",
            "MIME-Version: 1.0",
            "Content-Type: text/plain; charset=utf-8",
            "Content-Transfer-Encoding: base64",
            "",
        ]
            + Self.wrapped(
                Base64.encode(
                    text.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\r\n").utf8))
    }

    /// RFC 2047 where the text is not plain; nothing in it can end the line.
    private static func header(_ text: String) -> String {
        guard text.utf8.contains(where: { $0 < 0x20 || $0 > 0x7E }) || text.utf8.count > 900 else { return text }
        var words: [String] = []
        var word: [UInt8] = []
        for scalar in text.unicodeScalars {
            let bytes = Array(String(scalar).utf8)
            if word.count + bytes.count > 45 {
                words.append(word.isEmpty ? "" : "=?utf-8?B?\(Base64.encode(word))?=")
                word = []
            }
            word += scalar.value < 0x20 ? [0x20] : bytes
        }
        words.append("=?utf-8?B?\(Base64.encode(word))?=")
        return words.joined(separator: "\r\n ")
    }

    private static func wrapped(_ text: String) -> [String] {
        let bytes = Array(text.utf8)
        return stride(from: 0, to: bytes.count, by: 76).map {
            String(decoding: bytes[$0..<min($0 + 76, bytes.count)], as: UTF8.self)
        }
    }
}
