/**
 * Reads weights, moments and masks out of a flash store, tensor by tensor: when a run is over, or when another one goes on from it.
 *
 * Every block is checked before any of it is used. Not here: where tensors lie (flash-about.ts), files (storage/).
 */
import { dealBlocks } from '../cluster/flash-blocks.js';
import { CorruptFile, InvalidConfig } from '../util/errors.js';
import { manifestName } from '../storage/manifest.js';
import { realFileSystem } from '../storage/real-file-system.js';
import { openStore, type Store } from '../storage/store.js';
import type { VersionState } from './version-state.js';
import type { StoreAbout, StoredMask, StoredParameter } from './flash-about.js';

export interface StoredState {
  readonly about: StoreAbout;
  readonly step: number;
  readonly state: VersionState;
  weights(name: string, into: Float32Array): void;
  moment(name: string, number: number, into: Float32Array): void;
  /** Null where the weight is dense. */
  mask(name: string): Uint8Array | null;
  close(): void;
}

/** Whether a folder is that of a store. */
export const isStore = (folder: string): boolean => realFileSystem.kind(`${folder}/${manifestName}`) === 'file';

/** Opens a store at a committed step, the newest unless said. @throws CorruptFile, InvalidConfig */
export const openStored = (folder: string, step?: number): StoredState => {
  const store = openStore(realFileSystem, folder, { mode: 'read' });
  try {
    const committed = store.committedSteps(), found = step === undefined ? committed[0] : committed.find((one) => one === step);
    if (found === undefined) {
      throw new InvalidConfig({ what: step === undefined ? 'a flash store in which no step was ever committed' : `step ${step} of a flash store`, where: folder, ...(step === undefined ? {} : { limit: committed.join(', ') || 'none' }), hint: 'begin anew, or resume from a checkpoint' });
    }
    return reader(store, folder, found, store.states(found)[0] as string);
  } catch (error) {
    store.close();
    throw error;
  }
};

/** Whoever has finished first closes. */
const once = (close: () => void): (() => void) => {
  let isOpen = true;
  return () => {
    if (isOpen) close();
    isOpen = false;
  };
};

const reader = (store: Store, folder: string, step: number, text: string): StoredState => {
  const about = store.manifest.about as unknown as StoreAbout, state = JSON.parse(text) as VersionState;
  const { runs } = dealBlocks(about.layout.pieces, store.shards.length);
  /** Bytes first … of a piece; whole blocks are read, for only they can be checked. */
  const readPiece = (piece: number, first: number, into: Uint8Array): void => {
    for (const run of runs[piece] ?? []) {
      const from = Math.max(first, run.offset), to = Math.min(first + into.length, run.offset + run.bytes);
      if (from >= to) continue;
      const whole = new Uint8Array(run.bytes);
      store.shards[run.shard]?.read(step, run.at, whole);
      into.set(whole.subarray(from - run.offset, to - run.offset), from - first);
    }
  };
  const bytesOf = (values: Float32Array): Uint8Array => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const parameter = (name: string): StoredParameter => {
    const found = about.layout.parameters.find((one) => one.name === name);
    if (found === undefined) throw new CorruptFile({ what: `a store without the parameter '${name}'`, where: folder, hint: 'resume the run that it was made by' });
    return found;
  };
  const maskOf = ({ sparse }: StoredParameter): { readonly piece: number; readonly mask: StoredMask; readonly positions: Uint32Array } | null => {
    const use = sparse === null ? undefined : state.masks[sparse.number], mask = sparse?.masks[use?.buffer ?? 0];
    if (sparse === null || use === undefined || mask === undefined) return null;
    const positions = new Uint32Array(use.stored);
    readPiece(sparse.piece, mask.positions, new Uint8Array(positions.buffer));
    return { piece: sparse.piece, mask, positions };
  };
  const spread = (piece: number, at: number, positions: Uint32Array, into: Float32Array): void => {
    const values = new Float32Array(positions.length);
    readPiece(piece, at, bytesOf(values));
    into.fill(0);
    positions.forEach((position, i) => (into[position] = values[i] as number));
  };
  return {
    about, step, state,
    weights(name, into) {
      const stored = parameter(name), masked = maskOf(stored);
      if (masked !== null) spread(masked.piece, masked.mask.weights[step % 2 === 0 ? 0 : 1], masked.positions, into);
      else if (stored.weights !== null) readPiece(stored.weights.piece, stored.weights.at, bytesOf(into));
    },
    moment(name, number, into) {
      const stored = parameter(name), masked = maskOf(stored);
      if (masked !== null) spread(masked.piece, masked.mask.moments[number] as number, masked.positions, into);
      else if (stored.moments !== null) readPiece(stored.moments.piece, stored.moments.at[number] as number, bytesOf(into));
    },
    mask(name) {
      const stored = parameter(name), masked = maskOf(stored);
      if (masked === null) return null;
      const mask = new Uint8Array(stored.shape.reduce((product, n) => product * n, 1));
      for (const position of masked.positions) mask[position] = 1;
      return mask;
    },
    close: once(() => store.close()),
  };
};
