import Domain
import Testing

@testable import ACME

struct ACMEOrderTests {
    private let order = ACMEOrder(identifier: GUID(high: 1, low: 2), begun: Timestamp(epochSeconds: 1_700_000_000))

    @Test("What a step leaves is read back as it was")
    func coding() throws {
        var state = order.at(.check)
        state.address = "https://acme.example/order/1"
        state.authorizations = ["https://acme.example/authorization/1"]
        state.questions = 3
        state.resume = .finalise
        state.challenges = [
            .init(
                kind: .dns, name: "example.com", authorization: "https://acme.example/authorization/1",
                address: "https://acme.example/challenge/1", token: "abc", response: "def")
        ]
        let read = try ACMEOrder(try state.encoded())
        #expect(read.identifier == order.identifier && read.begun == order.begun && read.stage == .check)
        #expect(read.address == state.address && read.authorizations == state.authorizations)
        #expect(read.questions == 3 && read.resume == .finalise)
        #expect(read.challenges.first?.response == "def" && read.challenges.first?.kind == .dns)
    }

    @Test("What is no state is damage", arguments: ["", "{}", "[]", #"{"format":2}"#])
    func damaged(_ text: String) {
        #expect(throws: VaultError.self) { try ACMEOrder(Array(text.utf8)) }
    }

    @Test("A step that comes off forgets failures; questions are counted for one stage")
    func progress() {
        var state = order.at(.check)
        (state.failures, state.questions) = (4, 7)
        #expect(state.at(.check).failures == 0 && state.at(.check).questions == 7)
        #expect(state.at(.finalise).questions == 0)
    }

    @Test(
        "Failures are tried again later each time, up to an hour",
        arguments: [(0, 10), (1, 20), (5, 320), (8, 2_560), (9, 3_600), (500, 3_600)])
    func delays(_ failures: Int, _ seconds: Int) {
        #expect(ACMEOrder.retryDelay(after: failures) == .seconds(seconds))
    }

    @Test("A token is of the base64url alphabet and not endless")
    func tokens() {
        #expect(ACME.isToken("evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr_oA"))
        for text in ["", "../x", "a/b", "a b", "ä", "a.b", String(repeating: "a", count: 257)] {
            #expect(!ACME.isToken(text), "\(text)")
        }
    }
}
