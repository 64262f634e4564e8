import Audit
import Domain
import StrongroomTesting
import Testing

struct AuditEventTests {
    private func full() -> AuditEvent {
        var event = AuditEvent(
            time: Timestamp(nanoseconds: 1_800_000_000_123_456_700), operationName: "SecretGet", status: 403,
            correlationID: GUID(high: 3, low: 4))
        event.durationNanoseconds = 7_654_321
        event.resultDescription = "no\r\n\"way\""
        event.callerAddress = "2001:db8::1"
        event.principal = Principal(
            kind: .application, objectID: GUID(high: 5, low: 6), applicationID: GUID(high: 7, low: 8),
            tenant: GUID(high: 9, low: 10),
            issuer: "https://login.localhost/x/")
        event.clientInfo = "azsdk-python\u{7}"
        event.requestURI = "https://demo.vault.localhost/secrets/é?api-version=7.4"
        event.objectID = "https://demo.vault.localhost/secrets/é"
        event.resourceID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/demo"
        event.apiVersion = "7.4"
        event.tlsVersion = "TLS1_3"
        event.isAuthorized = false
        event.assignmentID = GUID(high: 11, low: 12)
        return event
    }

    private func isSame(_ left: AuditEvent, _ right: AuditEvent) -> Bool {
        left.encoded() == right.encoded() && left.json { _ in "R" } == right.json { _ in "R" }
    }

    @Test("A full record comes back as it was written")
    func roundTrip() throws {
        let event = full()
        let again = try #require(AuditEvent(event.encoded()))
        #expect(isSame(event, again))
        #expect(again.time == event.time)
        #expect(again.principal == event.principal)
        #expect(again.isAuthorized == false)
        #expect(again.assignmentID == event.assignmentID)
    }

    @Test("A record of the bare minimum comes back as it was written")
    func bare() throws {
        let event = AuditEvent(
            time: TestClock.start, operationName: "X", status: 200, correlationID: GUID(high: 0, low: 0))
        let again = try #require(AuditEvent(event.encoded()))
        #expect(isSame(event, again))
        #expect(again.principal == nil && again.isAuthorized == nil && again.assignmentID == nil)
    }

    @Test("Bytes cut short anywhere, or with something behind, are no record")
    func truncated() {
        let bytes = full().encoded()
        for count in 0..<bytes.count { #expect(AuditEvent(Array(bytes.prefix(count))) == nil, "\(count) bytes") }
        #expect(AuditEvent(bytes + [0]) == nil)
    }

    @Test("The exported record is one line with the members of the schema")
    func json() throws {
        let bytes = full().json { $0 == 403 ? "Forbidden" : "?" }
        #expect(!bytes.contains { $0 < 0x20 || $0 == 0x7F })
        let json = try JSON(bytes)
        #expect(json["time"].string == "2027-01-15T08:00:00.1234567Z")
        #expect(json["category"].string == "AuditEvent")
        #expect(json["operationName"].string == "SecretGet")
        #expect(json["operationVersion"].string == "7.4")
        #expect(json["resultType"].string == "Failed")
        #expect(json["resultSignature"].string == "Forbidden")
        #expect(json["resultDescription"].string == "no\r\n\"way\"")
        #expect(json["durationMs"].string == "7")
        #expect(json["correlationId"].string == "00000000-0000-0003-0000-000000000004")
        #expect(json["callerIpAddress"].string == "2001:db8::1")
        #expect(json["identity"]["claim"]["oid"].string == "00000000-0000-0005-0000-000000000006")
        #expect(json["identity"]["claim"]["appid"].string == "00000000-0000-0007-0000-000000000008")
        #expect(
            json["resourceId"].string == "/SUBSCRIPTIONS/S/RESOURCEGROUPS/G/PROVIDERS/MICROSOFT.KEYVAULT/VAULTS/DEMO")
        #expect(json["properties"]["id"].string == "https://demo.vault.localhost/secrets/é")
        #expect(json["properties"]["clientInfo"].string == "azsdk-python\u{7}")
        #expect(json["properties"]["httpStatusCode"].integer == 403)
        #expect(json["properties"]["isRbacAuthorized"].bool == false)
        #expect(json["properties"]["tlsVersion"].string == "TLS1_3")
    }

    @Test("What is not known is left out of the exported record")
    func sparseJSON() throws {
        let event = AuditEvent(
            time: TestClock.start, operationName: "X", status: 200, correlationID: GUID(high: 0, low: 0))
        let json = try JSON(event.json { _ in "OK" })
        #expect(json["resultType"].string == "Success")
        #expect(json["identity"].members.isEmpty)
        #expect(json["properties"].members.isDisjoint(with: ["id", "isRbacAuthorized", "appliedAssignmentId"]))
    }
}
