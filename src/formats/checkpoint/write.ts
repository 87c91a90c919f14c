/**
 * Writing a checkpoint, tensor by tensor in any order, straight out of shared memory; it is there as a whole or not at all.
 *
 *   begin: part folder, files with their headers ─▶ tensors, each with a checksum ─▶ finish: sync, state.json, sync, rename, sync
 *
 * Synchronous: it runs in an actor on a thread of its own. Not here: folders (folders.ts), reading (read.ts), when (cluster/archive/).
 */
import { join } from 'node:path';
import { crc32 } from '../../storage/crc.js';
import type { FileSystem, OpenFile } from '../../storage/file-system.js';
import { realFileSystem } from '../../storage/real-file-system.js';
import { DoesNotFit, EmulatorBug } from '../../util/errors.js';
import { bytesOfTensor, checkPlanned, headerBytes, inFileOrder, type PlannedTensor } from '../safetensors/layout.js';
import { checkpointFiles, checkpointFolder, partFolder, removeFolder, stateName, type CheckpointFile } from './folders.js';

export const checkpointFormat = 'waferstream-checkpoint', checkpointVersion = 1;

/** A tensor of a checkpoint: f32 weights and moments, u8 masks. */
export interface CheckpointTensor {
  readonly file: CheckpointFile;
  readonly name: string;
  readonly shape: readonly number[];
}

interface WrittenFile {
  readonly open: OpenFile;
  readonly bytes: number;
  /** Where each tensor's data begin, and how long they are. */
  readonly places: ReadonlyMap<string, { readonly at: number; readonly bytes: number }>;
  readonly checksums: Map<string, number>;
}

const planned = ({ name, shape, file }: CheckpointTensor): PlannedTensor => ({ name, shape, dtype: file === 'masks' ? 'U8' : 'F32' });

export class CheckpointWriter {
  readonly #fs: FileSystem;
  readonly #dir: string;
  readonly #step: number;
  readonly #part: string;
  readonly #files = new Map<CheckpointFile, WrittenFile>();
  readonly #again: boolean;

  /**
   * Makes the part folder, and its files in full size. `again`: goes on with the part folder of a writer that died; whatever that one wrote as a whole need not be written
   * again. @throws DoesNotFit, StorageFailed
   */
  constructor(dir: string, step: number, tensors: readonly CheckpointTensor[], { again = false, fs = realFileSystem }: { readonly again?: boolean; readonly fs?: FileSystem } = {}) {
    this.#fs = fs;
    this.#again = again;
    this.#dir = dir;
    this.#step = step;
    this.#part = partFolder(dir, step);
    fs.makeFolder(dir);
    if (!again && fs.kind(this.#part) !== null) removeFolder(this.#part, fs);
    const needBytes = tensors.reduce((sum, tensor) => sum + bytesOfTensor(planned(tensor)), 0), { freeBytes } = fs.space(dir);
    if (!again && needBytes > freeBytes) throw new DoesNotFit({ what: 'a checkpoint', where: dir, needBytes, haveBytes: freeBytes, hint: 'keep fewer checkpoints, or choose a folder on another disk' });
    fs.makeFolder(this.#part);
    try {
      for (const file of Object.keys(checkpointFiles) as CheckpointFile[]) {
        const own = inFileOrder(tensors.filter((tensor) => tensor.file === file).map(planned));
        if (own.length > 0) this.#files.set(file, this.#create(file, own));
      }
    } catch (error) {
      this.abandon();
      throw error;
    }
  }

  #create(file: CheckpointFile, tensors: readonly PlannedTensor[]): WrittenFile {
    const path = join(this.#part, checkpointFiles[file]);
    checkPlanned(tensors, path);
    const header = headerBytes(tensors, { format: 'pt' }, path), places = new Map<string, { readonly at: number; readonly bytes: number }>();
    let at = header.length;
    for (const tensor of tensors) {
      places.set(tensor.name, { at, bytes: bytesOfTensor(tensor) });
      at += bytesOfTensor(tensor);
    }
    const open = this.#fs.open(path, this.#again ? 'write' : 'create');
    if (!this.#again) {
      open.write(header, 0);
      open.truncate(at);
    }
    return { open, bytes: at, places, checksums: new Map() };
  }

  /** Writes a tensor, as a whole. Returns its bytes. */
  write(file: CheckpointFile, name: string, values: Float32Array | Uint8Array): number {
    const written = this.#files.get(file), place = written?.places.get(name), bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    if (written === undefined || place?.bytes !== bytes.length) throw new EmulatorBug({ what: `tensor '${name}' of ${bytes.length} bytes is not planned in a checkpoint`, where: file });
    written.open.write(bytes, place.at);
    written.checksums.set(name, crc32(bytes));
    return bytes.length;
  }

  /** Completes it. `state`: plain data beside the tensors. Returns its folder. */
  finish(state: unknown): string {
    const files = [...this.#files].map(([file, { open, bytes, places, checksums }]) => {
      for (const [name, place] of places) {
        if (checksums.has(name)) continue;
        if (!this.#again) throw new EmulatorBug({ what: `a checkpoint without its tensor '${name}'`, where: this.#part });
        const written = new Uint8Array(place.bytes);
        open.read(written, place.at);
        checksums.set(name, crc32(written));
      }
      open.sync();
      open.close();
      return { file: checkpointFiles[file], bytes, checksums: Object.fromEntries(checksums) };
    });
    this.#files.clear();
    const text = this.#fs.open(join(this.#part, stateName), 'create');
    text.write(new TextEncoder().encode(`${JSON.stringify({ format: checkpointFormat, version: checkpointVersion, step: this.#step, state, files }, null, 1)}\n`), 0);
    text.sync();
    text.close();
    this.#fs.syncFolder(this.#part);
    const folder = checkpointFolder(this.#dir, this.#step);
    // One of the same step, from a run before: this one takes its place.
    if (this.#fs.kind(folder) !== null) removeFolder(folder, this.#fs);
    this.#fs.rename(this.#part, folder);
    this.#fs.syncFolder(this.#dir);
    return folder;
  }

  /** Removes what was written. */
  abandon(): void {
    for (const { open } of this.#files.values()) open.close();
    this.#files.clear();
    if (this.#fs.kind(this.#part) !== null) removeFolder(this.#part, this.#fs);
  }
}
