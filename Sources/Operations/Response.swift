package import Domain

/// What goes back: a status, a body that is JSON but for pages, and the headers that are not the same on every answer.
package struct Response: Sendable {
    package var status: UInt16
    package var body: [UInt8]
    package var headers: [(name: String, value: String)]
    /// What the server knows the request by; goes out as a header.
    package var requestID = GUID(high: 0, low: 0)
    /// Echo of the client's own id; nil when there is none to echo.
    package var clientRequestID: String?
    /// Close the connection after this answer.
    package var closes = false
    /// Which set of constant headers goes with it.
    package var style = Style.vault
    /// Of the body.
    package var contentType = "application/json; charset=utf-8"

    package enum Style: Sendable { case vault, managedHSM, plain }

    package init(status: UInt16, body: [UInt8] = [], headers: [(name: String, value: String)] = []) {
        (self.status, self.body, self.headers) = (status, body, headers)
    }

    package static func json(_ status: UInt16 = 200, _ write: (inout JSONWriter) -> Void) -> Response {
        var writer = JSONWriter()
        writer.object(write)
        return Response(status: status, body: writer.bytes)
    }

    /// Reason phrases (RFC 9110 §15), as the service's log records spell them.
    package static func reason(_ status: UInt16) -> String {
        switch status {
        case 200: "OK"
        case 201: "Created"
        case 202: "Accepted"
        case 204: "No Content"
        case 303: "See Other"
        case 304: "Not Modified"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 408: "Request Timeout"
        case 409: "Conflict"
        case 413: "Content Too Large"
        case 414: "URI Too Long"
        case 429: "Too Many Requests"
        case 431: "Request Header Fields Too Large"
        case 500: "Internal Server Error"
        case 503: "Service Unavailable"
        default: "Unknown"
        }
    }
}
