/** What a version of a run's state says of itself beside its tensors, as plain data. Not here: when it is noted (versions.ts), files. */
import type { ScalingState } from '../model/precision.js';

/** What a committed version says of itself. */
export interface VersionState {
  readonly step: number;
  readonly evaluations: readonly { readonly step: number; readonly loss: number; readonly perplexity: number; readonly batches: number }[];
  /** The loss scale and what goes with it; null where there is none. */
  readonly scaling: ScalingState | null;
  /** By sparse parameter: which of its masks the version reads, and how many positions that stores. */
  readonly masks: readonly { readonly buffer: number; readonly stored: number }[];
}
