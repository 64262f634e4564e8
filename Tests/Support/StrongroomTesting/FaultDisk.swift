import CFaultDisk
import Synchronization

/// A disk that counts its calls and fails on demand; `Options.vfs` takes its name. See `fault_disk.h`.
package final class FaultDisk: Sendable {
    package enum Effect: Sendable {
        /// The chosen call fails and the next one works.
        case failsOnce
        /// The chosen call and all after it fail, and nothing more reaches the files.
        case stops
    }

    package struct Kinds: OptionSet, Sendable {
        package let rawValue: Int32

        package init(rawValue: Int32) { self.rawValue = rawValue }

        package static let read = Kinds(rawValue: 1)
        package static let write = Kinds(rawValue: 2)
        package static let sync = Kinds(rawValue: 4)
        package static let truncate = Kinds(rawValue: 8)
        package static let any: Kinds = [.read, .write, .sync, .truncate]
    }

    /// What of the writes since the last sync is found after a stop.
    package enum Salvage: Sendable {
        /// The process was killed.
        case everything
        /// The power was cut.
        case synced
        /// The power was cut while the disk wrote: any of them, in any order, some by halves.
        case some(seed: UInt64)
    }

    package let name: String
    nonisolated(unsafe) private let disk: OpaquePointer

    private static let count = Atomic<Int>(0)

    package init() {
        name = "fault-\(Self.count.add(1, ordering: .relaxed).newValue)"
        guard let disk = fault_disk_create(name) else { fatalError("SQLite took no file system") }
        self.disk = disk
    }

    deinit { fault_disk_destroy(disk) }

    package func arm(_ effect: Effect, _ kinds: Kinds = .any, at nth: Int) {
        fault_disk_arm(
            disk, Int32(effect == .stops ? FAULT_DISK_STOPS : FAULT_DISK_FAILS_ONCE), kinds.rawValue, UInt64(nth))
    }

    package func disarm() { fault_disk_disarm(disk) }
    package func calls(_ kinds: Kinds = .any) -> Int { Int(fault_disk_calls(disk, kinds.rawValue)) }
    package var hasTripped: Bool { fault_disk_has_tripped(disk) }

    /// From now on files cannot grow, except by what the file at `reserve` gives up.
    package func fill(reserve: String) { fault_disk_fill(disk, reserve) }
    package func empty() { fault_disk_empty(disk) }

    /// Puts into `folder` what the disk would hold after a stop.
    package func salvage(_ kept: Salvage, into folder: TemporaryFolder) {
        let (keeps, seed): (Int, UInt64) =
            switch kept {
            case .everything: (FAULT_DISK_KEEPS_ALL, 0)
            case .synced: (FAULT_DISK_KEEPS_NONE, 0)
            case .some(let seed): (FAULT_DISK_KEEPS_SOME, seed)
            }
        guard fault_disk_salvage(disk, folder.path, Int32(keeps), seed) else {
            fatalError("the files could not be salvaged")
        }
    }
}
