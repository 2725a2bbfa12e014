/**
 * Exports: what both entries offer beside `createRam` and `createRamSync`.
 *
 *   used by  core, index
 */
export type { ReservationOptions } from "./admission.js";
export type { Amount, ReservationAmount } from "./amount.js";
export { Cache, CacheBusyError, type CacheStats } from "./cache.js";
export type { CacheOptions } from "./caches.js";
export {
  CleanCache,
  CleanCacheBusyError,
  type CleanCacheFailure,
  type CleanCacheOptions,
  type CleanCacheStats,
  type CleanContents,
} from "./clean-cache.js";
export type { EvictReason } from "./clean-frames.js";
export type { ViewConstructor } from "./contents.js";
export { DeadlockError, type DeadlockStep } from "./deadlock.js";
export type { DamagedPart } from "./debug/inspect.js";
export type { Corruption, CorruptionKind, DumpRow } from "./debug/report.js";
export type { Debug, DebugSettings } from "./debug/settings.js";
export type { Track } from "./debug/tracks.js";
export type { DebugTrace } from "./debug/watcher.js";
export { type Debugging, withDebug } from "./debug/with-debug.js";
export type { DeferFailure, Epoch, EpochStall, EpochStats, EpochUse } from "./epoch.js";
export type { EpochReader } from "./epoch-readers.js";
export { type ErrorCode, RingfenceError } from "./errors.js";
export { Gfp } from "./gfp.js";
export type { Leak, Oldest, TrackOptions } from "./holders.js";
export type { DefragmentOptions, DefragmentReport } from "./housekeeping/defragmenter.js";
export type { FlusherOptions } from "./housekeeping/flusher.js";
export type { MoveFailure, Mover } from "./housekeeping/mover.js";
export type { Pressure } from "./housekeeping/pressure.js";
export type { Completion, Lease, NodeBuffer } from "./lease.js";
export type { LinearMemory } from "./memory.js";
export { Mempool } from "./mempool.js";
export type { AllocOptions, Answer, MempoolOptions, MempoolSettings, None, Slots } from "./mempool-options.js";
export {
  MempoolBusyError,
  type MempoolEvents,
  type MempoolFailure,
  type MempoolMisuse,
  type MempoolMisuseKind,
  type MempoolStats,
  MempoolTimeoutError,
  type Shortage,
} from "./mempool-report.js";
export type { Misuse, MisuseKind } from "./misuse.js";
export type { Allocator } from "./modslab/allocator.js";
export { pagesInBuffer } from "./modslab/buffer-pages.js";
export {
  type AddedMembers,
  type DerivedPages,
  type DerivedSlabs,
  derive,
  type KeptMembers,
  type OwnCaches,
  type PageChanges,
  type SlabChanges,
  type Spelled,
  type TakenMembers,
} from "./modslab/derive.js";
export type { AllocatorFailure } from "./modslab/failure.js";
export { type FrameFunctions, pagesFrom, pagesOfReservation, pagesOfReserve } from "./modslab/frame-sources.js";
export type { Constructing, FrameOptions, PageAllocator, Placeable, RamPages } from "./modslab/page-allocator.js";
export type { CacheMethod, ObjectCache, ObjectCounts, SlabAllocator, SlabOptions } from "./modslab/slab-allocator.js";
export { type CacheOf, type ConstructedCache, type Slabs, slabify } from "./modslab/slabify.js";
export { FrameAccount, withAccounting } from "./modslab/with-accounting.js";
export { type ConstructedPages, type ConstructorOptions, withConstructor } from "./modslab/with-constructor.js";
export { type FallibleRequest, type FaultDecision, withFaultInjection } from "./modslab/with-fault-injection.js";
export { withNode } from "./modslab/with-node.js";
export { type Deferring, type RcuOptions, type RcuPages, type RcuSlabs, withRcu } from "./modslab/with-rcu.js";
export { type AllocationStatistics, type Counting, withStatistics } from "./modslab/with-statistics.js";
export { type TracedCall, type TraceListener, withTracing } from "./modslab/with-tracing.js";
export { withZone, type Zone } from "./modslab/with-zone.js";
export type { RamOptions, TrackingOptions, Watermarks } from "./options.js";
export type { Damage } from "./poison.js";
export { Prefilled, prefill } from "./prefilled.js";
export type { Allocation } from "./probes.js";
export { type MallocImports, Ram, type RamEvents, ZERO_SIZE_PTR } from "./ram.js";
export type { CacheAttributes } from "./report/attributes.js";
export type { FrameRun } from "./report/frame-map.js";
export { formatSlabtop, type SlabtopKey, type SlabtopOptions } from "./report/slabtop.js";
export type { CacheReport, Fragmentation, PoolReport, RamReport, ReportOptions } from "./report/snapshot.js";
export { formatAliases, formatAttributes, formatBuddyinfo, formatMeminfo, formatSlabinfo } from "./report/text.js";
export type { FrameInfo, MemInfo, SlabInfo, Validation } from "./report.js";
export {
  type Remaining,
  Reservation,
  ReservationExceededError,
  ReservationTimeoutError,
} from "./reservation.js";
export {
  Reserve,
  type ReserveMisuse,
  type ReserveOptions,
  type ReserveStats,
  type ReserveUnit,
} from "./reserve.js";
export { type ReserveEvents, type ReserveRow, Reserves } from "./reserves.js";
export {
  ResourcePool,
  type ResourcePoolBand,
  ResourcePoolError,
  type ResourcePoolEvents,
  type ResourcePoolFailure,
  type ResourcePoolMisuse,
  type ResourcePoolOptions,
  type ResourcePoolStats,
  type Schedule,
} from "./resource-pool.js";
export { SHRINK_EMPTY, SHRINK_STOP, type Shrinker, type ShrinkerFailure, type ShrinkerStats } from "./shrinkers.js";
export type {
  AccessorOf,
  AccessorsOf,
  ListAccessor,
  MatrixAccessor,
  PointerAccessor,
  RowAccessor,
  ScalarAccessor,
  StructAccessor,
  VectorAccessor,
} from "./struct/accessors.js";
export type { CursorOf, ListCursor, MatrixCursor, PartOf, RowCursor, VectorCursor } from "./struct/cursor.js";
export { type FieldPlace, type LayoutName, layoutOf, type StructLayout } from "./struct/layout.js";
export { Struct, type StructOptions } from "./struct/struct.js";
export { type ColumnOf, type ColumnsOf, Table } from "./struct/table.js";
export {
  aligned,
  array,
  bool,
  type FieldType,
  type FieldTypes,
  f32,
  f64,
  type InputOf,
  i8,
  i16,
  i32,
  i64,
  type List,
  type Matrix,
  mat,
  mat2,
  mat3,
  mat4,
  type Pointer,
  pointer,
  type Scalar,
  type ScalarName,
  type Scalars,
  type ScalarValue,
  type ScalarView,
  type StructType,
  sized,
  struct,
  u8,
  u16,
  u32,
  u64,
  type ValueOf,
  type Vector,
  vec2,
  vec3,
  vec4,
} from "./struct/types.js";
export type { AllocationFailure, PressureEvent } from "./supply.js";
export type { Owner, WaitOptions } from "./wait-queue.js";
export type { RecordOptions } from "./watch/recorder.js";
export type { LeakChange, LeakGroup, LeakOptions, LeakSnapshot, Tracker } from "./watch/tracker.js";
export type { Recording } from "./watch/watching.js";
