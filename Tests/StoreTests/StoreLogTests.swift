import Store
import Testing

struct StoreLogTests {
    @Test("A number is 16 hexadecimal digits behind the prefix", arguments: [0, 1, 255, 1 << 40, StoreLog.lastNumber])
    func roundTrip(_ number: UInt64) {
        let key = StoreLog.key(number)
        #expect(key.utf8.count == StoreLog.prefix.utf8.count + 16)
        #expect(StoreLog.number(of: key) == number)
    }

    @Test(
        "Other spellings are no keys of the log",
        arguments: [
            "", "audit", "audit/", "audit/1", "audit/00000000000000001", "audit/000000000000000A",
            "audit/+000000000000001",
            "audit/ffffffffffffffff", "audis/0000000000000001",
        ])
    func others(_ key: String) { #expect(StoreLog.number(of: key) == nil) }

    @Test(
        "A range has the numbers whose keys are in it",
        arguments: [
            (KeyRange(prefix: StoreLog.prefix), 0..<(StoreLog.lastNumber + 1)),
            (KeyRange(from: "", to: "zzz"), 0..<(StoreLog.lastNumber + 1)),
            (KeyRange(prefix: StoreLog.prefix, after: StoreLog.key(7)), 8..<(StoreLog.lastNumber + 1)),
            (KeyRange(from: StoreLog.key(3), to: StoreLog.key(5)), 3..<5),
            (KeyRange(from: "audit/000000000000001", to: "audit/000000000000001a0"), 0x10..<0x1B),
            (KeyRange(from: "audit/000000000000001:", to: "audit/000000000000002"), 0x1A..<0x20),
            (KeyRange(from: "audit/000000000000001g", to: "audit/1"), 0x20..<(1 << 60)),
        ])
    func numbers(_ range: KeyRange, _ expected: Range<UInt64>) { #expect(StoreLog.numbers(in: range) == expected) }

    @Test("A range without keys of the log has no numbers", arguments: [("", "audit/"), ("audit0", "b"), ("b", "a")])
    func none(_ lower: String, _ upper: String) {
        #expect(StoreLog.numbers(in: KeyRange(from: lower, to: upper)).isEmpty)
    }
}
