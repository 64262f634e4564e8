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

    @Test(
        "What a range has around another",
        arguments: [
            ("a", "z", "a", "m", "p", "z"), ("n", "z", nil, nil, "p", "z"), ("a", "n", "a", "m", nil, nil),
            ("n", "o", nil, nil, nil, nil),
        ] as [(String, String, String?, String?, String?, String?)])
    func around(
        _ lower: String, _ upper: String, _ before: String?, _ beforeEnd: String?, _ behind: String?,
        _ behindEnd: String?
    ) {
        let middle = KeyRange(from: "m", to: "p")
        let range = KeyRange(from: lower, to: upper)
        #expect(range.overlaps(middle) && middle.overlaps(range))
        let around = range.around(middle)
        #expect(around.before == before.map { KeyRange(from: $0, to: beforeEnd!) })
        #expect(around.behind == behind.map { KeyRange(from: $0, to: behindEnd!) })
        #expect(!KeyRange(from: "a", to: "m").overlaps(middle) && !KeyRange(from: "p", to: "z").overlaps(middle))
    }
}
