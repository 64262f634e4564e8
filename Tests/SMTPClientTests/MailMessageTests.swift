import Domain
import Testing

@testable import SMTPClient

struct MailMessageTests {
    private func message(subject: String = "Hello", text: String = "One\nTwo") -> MailMessage {
        MailMessage(
            recipient: "a@example.com", subject: subject, text: text, date: Timestamp(epochSeconds: 784_111_777),
            identifier: "1@example.com")
    }

    private func header(_ name: String, _ lines: [String]) -> String? {
        lines.first { $0.hasPrefix(name + ": ") }.map { String($0.dropFirst(name.count + 2)) }
    }

    @Test("The headers are those of RFC 5322")
    func headers() {
        let lines = message().lines(from: "strongroom@example.com")
        #expect(header("From", lines) == "Strongroom <strongroom@example.com>")
        #expect(header("To", lines) == "<a@example.com>")
        #expect(header("Subject", lines) == "Hello")
        #expect(header("Date", lines) == "Sun, 06 Nov 1994 08:49:37 +0000")
        #expect(header("Message-ID", lines) == "<1@example.com>")
        #expect(header("Auto-Submitted", lines) == "auto-generated")
    }

    @Test("The text goes out whole, in lines that are not too long")
    func text() throws {
        let long = String(repeating: "ein sehr langer Satz ", count: 50) + "\n.\n"
        let lines = message(text: long).lines(from: "s@example.com")
        let body = lines[(try #require(lines.firstIndex(of: "")) + 1)...]
        #expect(body.allSatisfy { $0.utf8.count <= 76 })
        let decoded = try #require(Base64.decode(body.joined()))
        #expect(
            String(decoding: decoded, as: UTF8.self)
                == long.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\r\n"))
    }

    @Test("Nothing in a subject begins another line", arguments: ["a\r\nBcc: b@example.com", "ä\nb", "\u{0}"])
    func injection(_ subject: String) {
        let lines = message(subject: subject).lines(from: "s@example.com")
        let whole = lines.joined(separator: "\r\n")
        #expect(!whole.contains("\r\nBcc"))
        #expect(header("Subject", lines)?.hasPrefix("=?utf-8?B?") == true)
        #expect(whole.unicodeScalars.allSatisfy { $0.value >= 0x20 || "\r\n".unicodeScalars.contains($0) })
    }

    @Test("An address is one that no command or header can be smuggled in with")
    func addresses() {
        for text in ["a@b", "first.last+tag@example.com", "x@[ipv6]".replacing("[ipv6]", with: "host")] {
            #expect(MailMessage.isAddress(text), "\(text)")
        }
        for text in [
            "", "a", "@b", "a@", "a b@c", "a@b>", "<a@b>", "a@b\r\nRCPT TO:<c@d>", "a,b@c", "ä@b",
            "a@\(String(repeating: "b", count: 300))",
        ] { #expect(!MailMessage.isAddress(text), "\(text)") }
    }
}
