/**
 * Reading a checkpoint: its state, and its tensors one by one, each checked against its checksum before any of it is used.
 *
 * Synchronous. Not here: folders (folders.ts), writing (write.ts), whose checkpoint it is (emulator/).
 */
import { join } from 'node:path';
import { crc32 } from '../../storage/crc.js';
import { readAll, type FileSystem, type OpenFile } from '../../storage/file-system.js';
import { realFileSystem } from '../../storage/real-file-system.js';
import { CorruptFile, WaferstreamError } from '../../util/errors.js';
import { isObject, parseJsonObject, shown } from '../json.js';
import { headerLength, lengthBytes, parseHeader, type HeaderTensor } from '../safetensors/header.js';
import { checkpointFiles, isCheckpoint, listCheckpoints, stateName, type CheckpointFile } from './folders.js';
import { checkpointFormat, checkpointVersion } from './write.js';

interface FileEntry {
  readonly file: string;
  readonly bytes: number;
  readonly checksums: Readonly<Record<string, number>>;
}

/** What state.json says. */
export interface CheckpointState {
  readonly step: number;
  readonly state: unknown;
  readonly files: readonly FileEntry[];
}

/** The checkpoint that a path means: itself, or the newest of a folder of them; null: none. */
export const findCheckpoint = (path: string, fs: FileSystem = realFileSystem): string | null => (isCheckpoint(path, fs) ? path : (listCheckpoints(path, fs).at(-1)?.path ?? null));

const isFile = (value: unknown): value is FileEntry => isObject(value) && typeof value['file'] === 'string' && Number.isSafeInteger(value['bytes']) && isObject(value['checksums']) && Object.values(value['checksums']).every(Number.isInteger);

/** @throws CorruptFile */
export const readCheckpointState = (path: string, fs: FileSystem = realFileSystem): CheckpointState => {
  const where = join(path, stateName), said = parseJsonObject(readAll(fs, where), where);
  const { format, version, step, state, files } = said;
  const refuse = (field: string, value: unknown, limit: unknown): CorruptFile => new CorruptFile({ what: `field ${field}`, where, value: shown(value), limit, hint: 'give another checkpoint' });
  if (format !== checkpointFormat) throw refuse('format', format, checkpointFormat);
  if (version !== checkpointVersion) throw refuse('version', version, checkpointVersion);
  if (!Number.isSafeInteger(step) || (step as number) < 0) throw refuse('step', step, 'a whole number from 0');
  if (!Array.isArray(files) || !files.every(isFile)) throw refuse('files', files, 'names, bytes and checksums');
  return { step: step as number, state, files };
};

export interface OpenCheckpoint extends CheckpointState {
  readonly path: string;
  has(file: CheckpointFile, name: string): boolean;
  /** Fills `into` with a tensor. @throws CorruptFile where it is missing, of another size, or damaged */
  read(file: CheckpointFile, name: string, into: Float32Array | Uint8Array): void;
  close(): void;
}

interface OpenTensors {
  readonly open: OpenFile;
  readonly data: number;
  readonly tensors: ReadonlyMap<string, HeaderTensor>;
  readonly checksums: Readonly<Record<string, number>>;
}

const openTensors = (path: string, entry: FileEntry, fs: FileSystem): OpenTensors => {
  const where = join(path, entry.file), open = fs.open(where, 'read');
  try {
    const size = open.size();
    if (size !== entry.bytes) throw new CorruptFile({ what: 'a file of another size than was written', where, value: size, limit: entry.bytes, hint: 'give another checkpoint' });
    const start = new Uint8Array(Math.min(lengthBytes, size));
    open.read(start, 0);
    const json = new Uint8Array(headerLength(start, size, where)), data = lengthBytes + json.length;
    open.read(json, lengthBytes);
    return { open, data, tensors: new Map(parseHeader(json, size - data, where).tensors.map((tensor) => [tensor.name, tensor])), checksums: entry.checksums };
  } catch (error) {
    open.close();
    throw error;
  }
};

/** Opens a checkpoint folder. @throws CorruptFile */
export const openCheckpoint = (path: string, fs: FileSystem = realFileSystem): OpenCheckpoint => {
  const said = readCheckpointState(path, fs), files = new Map<string, OpenTensors>();
  const close = (): void => {
    for (const { open } of files.values()) open.close();
    files.clear();
  };
  try {
    for (const entry of said.files) files.set(entry.file, openTensors(path, entry, fs));
  } catch (error) {
    close();
    throw error;
  }
  return {
    ...said, path, close,
    has: (file, name) => files.get(checkpointFiles[file])?.tensors.has(name) === true,
    read(file, name, into) {
      const from = files.get(checkpointFiles[file]), tensor = from?.tensors.get(name), where = join(path, checkpointFiles[file]);
      if (from === undefined || tensor === undefined) throw new CorruptFile({ what: `no tensor '${name}'`, where, hint: 'give a checkpoint of this run' });
      const bytes = new Uint8Array(into.buffer, into.byteOffset, into.byteLength);
      if (tensor.bytes !== bytes.length) throw new CorruptFile({ what: `tensor '${name}' of another size`, where, value: tensor.bytes, limit: `${bytes.length} bytes` });
      from.open.read(bytes, from.data + tensor.begin);
      if (crc32(bytes) !== from.checksums[name]) throw new CorruptFile({ what: `tensor '${name}' is not what was written`, where, hint: 'the disk lost or changed it: give another checkpoint' });
    },
  };
};

export interface CheckpointDamage {
  readonly file: string;
  readonly tensor: string | null;
  readonly what: string;
}

/** Reads every tensor. */
export const verifyCheckpoint = (path: string, fs: FileSystem = realFileSystem): CheckpointDamage[] => {
  const damage: CheckpointDamage[] = [];
  const note = (file: string, tensor: string | null, check: () => void): void => {
    try {
      check();
    } catch (error) {
      if (!(error instanceof WaferstreamError)) throw error;
      damage.push({ file, tensor, what: error.message });
    }
  };
  note(join(path, stateName), null, () => {
    for (const entry of readCheckpointState(path, fs).files) {
      note(join(path, entry.file), null, () => {
        const { open, data, tensors, checksums } = openTensors(path, entry, fs);
        try {
          for (const [name, { begin, bytes }] of tensors) {
            note(join(path, entry.file), name, () => {
              const all = new Uint8Array(bytes);
              open.read(all, data + begin);
              if (crc32(all) !== checksums[name]) throw new CorruptFile({ what: `tensor '${name}' is not what was written`, where: join(path, entry.file) });
            });
          }
        } finally {
          open.close();
        }
      });
    }
  });
  return damage;
};
