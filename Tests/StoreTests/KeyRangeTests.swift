import Store
import Testing

struct KeyRangeTests {
    @Test("A prefix ends before the next byte", arguments: [("a", "b"), ("vault/x/", "vault/x0"), ("due/", "due0")])
    func prefix(_ prefix: String, _ upper: String) {
        #expect(KeyRange(prefix: prefix) == KeyRange(from: prefix, to: upper))
    }

    @Test("A prefix after a key begins with the least key that is greater")
    func after() {
        #expect(KeyRange(prefix: "p/", after: "p/k") == KeyRange(from: "p/k\u{0}", to: "p0"))
    }

    @Test("The empty prefix takes in every ASCII key")
    func empty() {
        #expect(KeyRange(prefix: "") == KeyRange(from: "", to: "\u{7F}"))
    }
}
