import Audit
import Barrier
import Domain
import Operations

extension Management {
    var auditOperations: [any AnyOperation] {
        [
            Operation(
                "AuditVerify", .get, on: .management, "/strongroom/audit/verification",
                requires: .atScope(.auditRead) { _ in nil },
                run: verifyAudit),
            Operation(
                "AuditExport", .get, on: .management, "/strongroom/audit/events",
                requires: .atScope(.auditRead) { _ in nil },
                run: exportAudit),
        ]
    }

    struct VerificationOutput: OperationOutput {
        let report: AuditVerifier.Report

        func response(_ call: Call) -> Response {
            .json { answer in
                answer.member("isWhole", report.fault == nil)
                answer.member("records", Int64(clamping: report.records))
                answer.member("checkpoints", Int64(clamping: report.checkpoints))
                if let time = report.lastCheckpoint { answer.member("lastCheckpoint", time.iso8601) }
                if let fault = report.fault {
                    answer.object("firstBrokenRecord") { broken in
                        broken.member("sequence", Int64(clamping: fault.sequence))
                        broken.member("reason", fault.text)
                    }
                }
            }
        }
    }

    /// Walks the whole log on a thread of the pool.
    func verifyAudit(_ input: NoInput, _ call: Call) async throws(VaultError) -> VerificationOutput {
        let (audit, engine) = (audit, engine)
        return try await slowly(call) { () throws(VaultError) in
            let reader = try audit.makeReader()
            let report = try AuditVerifier(engine: engine, publicKey: audit.publicKey).verify(
                reader, witnessed: try audit.witnessed())
            return VerificationOutput(report: report)
        }
    }

    struct ExportInput: OperationInput {
        let filter: AuditFilter
        let after: UInt64

        init(_ request: Request) throws(VaultError) {
            filter = try AuditFilter(
                since: try request.query.value("since"), until: try request.query.value("until"),
                vault: try request.query.value("vault"))
            let text = try request.query.value("after") ?? "0"
            guard let after = UInt64(text) else {
                throw .badParameter("The after query parameter must be a record number.")
            }
            self.after = after
        }
    }

    struct ExportOutput: OperationOutput {
        let page: AuditPage

        func response(_ call: Call) -> Response {
            .json { answer in
                answer.array("value") { list in
                    for event in page.events { list.embed(event.json(reason: Response.reason)) }
                }
                if let last = page.last { answer.member("next", String(last)) } else { answer.null("next") }
            }
        }
    }

    /// A page of the log as AuditEvent records; `next` goes into `after` of the following call.
    func exportAudit(_ input: ExportInput, _ call: Call) async throws(VaultError) -> ExportOutput {
        let audit = audit
        return try await slowly(call) { () throws(VaultError) in
            ExportOutput(page: try AuditPage(after: input.after, filter: input.filter, from: try audit.makeReader()))
        }
    }
}
