/**
 * Writing a safetensors checkpoint: one file, or several with their index.
 *
 *   tensors ──▶ cut into files of at most `shardBytesMax` in the order given ──▶ each file laid out (layout.ts)
 *           ──▶ written beside its place, synced, renamed; the index last
 *
 * A reader sees the old file or the whole new one, never a part. Values go through f32ToBf16 and f32ToF16; a finite value that would become
 * infinite is refused. Not here: which parameter of a model is which tensor.
 */
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { f32ToBf16, f32ToF16 } from '../../tensor/half.js';
import { InvalidConfig, WaferstreamError } from '../../util/errors.js';
import { dtypeBytes, elementsOf, type WeightDtype } from './dtypes.js';
import { quoted } from './header.js';
import { bytesOfTensor, checkPlanned, headerBytes, inFileOrder, type PlannedTensor } from './layout.js';
import { indexEnding, shardsMax } from './shard-index.js';
import { pieceBytesMax } from './shard.js';

/** A tensor to write. Data given as a function is asked for when its turn comes and dropped after it. */
export interface TensorToWrite {
  readonly name: string;
  readonly shape: readonly number[];
  /** Row-major f32, as many as the shape says. */
  readonly data: Float32Array | (() => Float32Array | Promise<Float32Array>);
}

export interface WriteOptions {
  /** Of all tensors. Default F32. */
  readonly dtype?: WeightDtype;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Most bytes of data a file; above them the checkpoint is cut into several. A tensor is never cut. Default: one file. */
  readonly shardBytesMax?: number;
}

export interface WrittenCheckpoint {
  /** What to open: the file, or the index of several. */
  readonly path: string;
  readonly files: readonly string[];
  /** Of the data of all tensors. */
  readonly bytes: number;
}

type Planned = TensorToWrite & PlannedTensor;
const ending = '.safetensors';

/** Files of tensors in the order given, each as full as the limit allows. */
const cut = (tensors: readonly Planned[], bytesMax: number): Planned[][] => {
  const files: Planned[][] = [[]];
  let bytes = 0;
  for (const tensor of tensors) {
    const size = bytesOfTensor(tensor);
    if (bytes > 0 && bytes + size > bytesMax) {
      files.push([]);
      bytes = 0;
    }
    files.at(-1)?.push(tensor);
    bytes += size;
  }
  return files;
};

const narrows = { F16: { narrow: f32ToF16, infinity: 0x7c00 }, BF16: { narrow: f32ToBf16, infinity: 0x7f80 } };

const writeAll = async (handle: FileHandle, bytes: Uint8Array): Promise<void> => {
  for (let at = 0; at < bytes.length; ) at += (await handle.write(bytes, at, Math.min(pieceBytesMax, bytes.length - at))).bytesWritten;
};

const writeData = async (handle: FileHandle, { name, dtype, shape }: Planned, data: Float32Array, path: string): Promise<void> => {
  const elements = elementsOf(shape);
  if (data.length !== elements) throw new InvalidConfig({ what: `tensor ${quoted(name)}: data of another length than its shape`, where: path, value: data.length, limit: elements });
  if (dtype === 'F32') return writeAll(handle, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  const { narrow, infinity } = narrows[dtype];
  const piece = new Uint16Array(Math.min(pieceBytesMax / dtypeBytes[dtype], data.length));
  for (let at = 0; at < data.length; at += piece.length) {
    const part = data.subarray(at, at + piece.length), bits = piece.subarray(0, part.length);
    narrow(part, bits);
    const lost = bits.findIndex((pattern, i) => (pattern & 0x7fff) === infinity && Number.isFinite(part[i]));
    if (lost >= 0) throw new InvalidConfig({ what: `tensor ${quoted(name)}: element ${at + lost} is too large for ${dtype}`, where: path, value: part[lost], hint: 'write F32' });
    await writeAll(handle, new Uint8Array(bits.buffer, 0, bits.byteLength));
  }
};

/** Writes beside `path` and renames into it; on failure nothing is left. */
const replaceFile = async (path: string, fill: (handle: FileHandle) => Promise<void>): Promise<void> => {
  const partial = `${path}.${process.pid}.partial`;
  try {
    await using handle = await opened(partial);
    await fill(handle.file);
    await handle.file.sync();
  } catch (cause) {
    await rm(partial, { force: true }).catch(() => undefined);
    throw cause instanceof WaferstreamError ? cause : new InvalidConfig({ what: `cannot be written: ${cause instanceof Error ? cause.message : String(cause)}`, where: path, hint: 'check folder, permission and space' }, { cause });
  }
  await rename(partial, path).catch(async (cause: unknown) => {
    await rm(partial, { force: true });
    throw new InvalidConfig({ what: 'cannot be put in its place', where: path, value: String(cause), hint: 'check folder and permission' }, { cause });
  });
};

const opened = async (path: string): Promise<{ readonly file: FileHandle } & AsyncDisposable> => {
  const file = await open(path, 'w');
  return { file, [Symbol.asyncDispose]: () => file.close() };
};

const writeFile = (path: string, tensors: readonly Planned[], metadata: Readonly<Record<string, string>>): Promise<void> => {
  const ordered = inFileOrder(tensors);
  return replaceFile(path, async (handle) => {
    await writeAll(handle, headerBytes(ordered, metadata, path));
    for (const tensor of ordered) await writeData(handle, tensor, typeof tensor.data === 'function' ? await tensor.data() : tensor.data, path);
  });
};

const indexText = (files: ReadonlyMap<string, readonly Planned[]>, bytes: number): string => {
  const lines = [...files].flatMap(([file, tensors]) => tensors.map(({ name }) => [name, file] as const)).toSorted(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const map = lines.map(([name, file]) => `    ${JSON.stringify(name)}: ${JSON.stringify(file)}`).join(',\n');
  return `{\n  "metadata": {\n    "total_size": ${bytes}\n  },\n  "weight_map": {\n${map}\n  }\n}\n`;
};

/**
 * Writes tensors to `path`, which ends in `.safetensors`. Where several files are needed they stand beside it, as
 * `model-00001-of-00003.safetensors` with `model.safetensors.index.json` for `model.safetensors`, and `path` itself is not written.
 *
 * @throws InvalidConfig for tensors that the format or the dtype cannot hold, and for a place that cannot be written.
 */
export const writeSafetensors = async (path: string, tensors: Iterable<TensorToWrite>, options: WriteOptions = {}): Promise<WrittenCheckpoint> => {
  const { dtype = 'F32', metadata = {}, shardBytesMax = Infinity } = options;
  if (!path.endsWith(ending)) throw new InvalidConfig({ what: 'the name of a safetensors file', where: path, value: basename(path), limit: `ends in ${ending}` });
  if (!(shardBytesMax >= 1)) throw new InvalidConfig({ what: 'shardBytesMax', where: path, value: shardBytesMax, limit: 'at least 1' });
  const planned = [...tensors].map((tensor): Planned => ({ ...tensor, dtype }));
  checkPlanned(planned, path);
  if (!Object.entries(metadata).flat().every((text) => typeof text === 'string' && text.isWellFormed())) throw new InvalidConfig({ what: 'metadata must map strings to strings', where: path });
  const bytes = planned.reduce((sum, tensor) => sum + bytesOfTensor(tensor), 0);
  const cuts = cut(planned, shardBytesMax);
  if (cuts.length > shardsMax) throw new InvalidConfig({ what: 'the checkpoint would have too many files', where: path, value: cuts.length, limit: shardsMax, hint: 'raise shardBytesMax' });
  if (cuts.length === 1) {
    await writeFile(path, planned, metadata);
    return { path, files: [path], bytes };
  }
  const stem = basename(path, ending);
  const number = (n: number): string => String(n).padStart(5, '0');
  const files = new Map(cuts.map((file, i) => [`${stem}-${number(i + 1)}-of-${number(cuts.length)}${ending}`, file]));
  for (const [name, file] of files) await writeFile(join(dirname(path), name), file, metadata);
  const index = join(dirname(path), `${stem}${indexEnding}`);
  await replaceFile(index, (handle) => writeAll(handle, new TextEncoder().encode(indexText(files, bytes))));
  return { path: index, files: [...files.keys()].map((name) => join(dirname(path), name)), bytes };
};
