/**
 * Reading a checkpoint, by synchronous calls, and looking for damage.
 *
 *   openCheckpoint(folder) ─▶ state.json, every header, sizes, names ─▶ readTensor: the whole tensor against its checksum once, then any ranges of it
 *
 * No value is returned before its tensor is known to be what was written. Not here: which folders there are (folders.ts).
 */
import { basename, join } from 'node:path';
import { crc32 } from '../../storage/crc.js';
import { readAll, type FileSystem } from '../../storage/file-system.js';
import { realFileSystem } from '../../storage/real-file-system.js';
import { CorruptFile, InvalidConfig, WaferstreamError } from '../../util/errors.js';
import { quoted, type HeaderTensor } from '../safetensors/header.js';
import { crcInFile, crcText } from './checksum.js';
import { fileNameOf, latestCheckpoint, stateName, stepOfName, tensorFileNames, tensorFiles, type TensorFileName } from './folders.js';
import { decodeState, type CheckpointState, type ListedFile } from './state.js';
import { bytesOf, openTensorFile, type CheckpointTensor, type TensorFile } from './tensor-file.js';

const goBack = 'go back to an older checkpoint, or to a copy';

/** The folder that a path stands for: a checkpoint's own, or the newest in a folder of them. @throws CorruptFile where there is none */
export const checkpointAt = (path: string, fs: FileSystem = realFileSystem): string => {
  const kind = fs.kind(path);
  if (kind !== 'folder') throw new CorruptFile({ what: kind === null ? 'no such folder' : 'not a folder', where: path, hint: 'give the folder of a checkpoint, or one of checkpoints' });
  if (fs.kind(join(path, stateName)) !== null || stepOfName(basename(path)) !== null) return path;
  const latest = latestCheckpoint(path, fs);
  if (latest === null) throw new CorruptFile({ what: `no ${stateName} and no checkpoint`, where: path, hint: 'give the folder of a checkpoint, or one of checkpoints' });
  return latest.path;
};

/** The whole file, or that it is missing. */
const checkThere = (fs: FileSystem, path: string): void => {
  if (fs.kind(path) === null) throw new CorruptFile({ what: 'a file of the checkpoint is missing', where: path, hint: goBack });
};

/** state.json alone. @throws CorruptFile naming the field */
export const readCheckpointState = (folder: string, fs: FileSystem = realFileSystem): { readonly state: CheckpointState; readonly files: readonly ListedFile[] } => {
  const path = join(folder, stateName);
  checkThere(fs, path);
  return decodeState(readAll(fs, path), path);
};

/** A file of tensors that is as state.json lists it, as far as its header and size say. @throws CorruptFile */
const openListed = (fs: FileSystem, folder: string, listed: ListedFile): TensorFile => {
  const path = join(folder, listed.name), name = tensorFileNames.find((file) => fileNameOf(file) === listed.name);
  if (name === undefined) throw new CorruptFile({ what: 'field files: not a file of a checkpoint', where: join(folder, stateName), value: listed.name, limit: tensorFileNames.map(fileNameOf).join(', ') });
  checkThere(fs, path);
  const opened = openTensorFile(fs, path, name, 'read');
  try {
    if (opened.bytes !== listed.bytes) throw new CorruptFile({ what: 'the file has another size than was written', where: path, value: opened.bytes, limit: listed.bytes, hint: goBack });
    if (crcText(opened.headerCrc) !== listed.header) throw new CorruptFile({ what: 'the header is not what was written', where: path, value: crcText(opened.headerCrc), limit: listed.header, hint: goBack });
    if (JSON.stringify([...opened.tensors.keys()]) !== JSON.stringify(listed.tensors.map((tensor) => tensor.name))) throw new CorruptFile({ what: `the tensors are not those that ${stateName} lists`, where: path, value: opened.tensors.size, limit: listed.tensors.length, hint: goBack });
    return opened;
  } catch (error) {
    opened.file.close();
    throw error;
  }
};

/** The model's parameters and the tensors of its file must be the same. */
const checkParameters = ({ parameters }: CheckpointState['model'], model: TensorFile | undefined, path: string): void => {
  const unlike = parameters.find(({ name, shape }) => JSON.stringify(model?.tensors.get(name)?.shape) !== JSON.stringify(shape));
  if (unlike !== undefined || model?.tensors.size !== parameters.length) {
    throw new CorruptFile({ what: `field model.parameters: not the tensors of ${fileNameOf('model')}`, where: path, value: unlike === undefined ? parameters.length : unlike.name, limit: model?.tensors.size ?? 0, hint: goBack });
  }
};

/** Opens the checkpoint at `path`, or the newest one in it. @throws CorruptFile naming the file and what is wrong with it; StorageFailed */
export const openCheckpoint = (path: string, fs: FileSystem = realFileSystem): Checkpoint => {
  const folder = checkpointAt(path, fs), { state, files: listed } = readCheckpointState(folder, fs), files: TensorFile[] = [];
  try {
    for (const file of listed) files.push(openListed(fs, folder, file));
    checkParameters(state.model, files.find(({ name }) => name === 'model'), join(folder, stateName));
  } catch (error) {
    for (const { file } of files) file.close();
    throw error;
  }
  return new Checkpoint(folder, state, listed, files);
};

const damaged = (name: string, where: string, found: string, listed: string): CorruptFile =>
  new CorruptFile({ what: `tensor ${quoted(name)} is not what was written`, where, value: found, limit: listed, hint: goBack });

/** A tensor of a checkpoint, and where it is listed. */
interface Place {
  readonly from: TensorFile;
  readonly tensor: HeaderTensor;
  readonly crc32: string;
}

/** An open checkpoint. */
export class Checkpoint {
  readonly path: string;
  readonly state: CheckpointState;
  readonly files: readonly ListedFile[];
  /** File after file, in the order of their data. */
  readonly tensors: readonly CheckpointTensor[];
  readonly #files: readonly TensorFile[];
  readonly #places: ReadonlyMap<TensorFileName, ReadonlyMap<string, Place>>;
  readonly #verified = new Set<HeaderTensor>();
  #isOpen = true;

  constructor(path: string, state: CheckpointState, listed: readonly ListedFile[], files: readonly TensorFile[]) {
    this.path = path;
    this.state = state;
    this.files = listed;
    this.#files = files;
    this.tensors = files.flatMap(({ name: file, tensors }) => [...tensors.values()].map(({ name, shape }) => ({ file, name, shape })));
    this.#places = new Map(files.map((from, i) => {
      const sums = new Map(listed[i]?.tensors.map((tensor) => [tensor.name, tensor.crc32]));
      return [from.name, new Map([...from.tensors].map(([name, tensor]) => [name, { from, tensor, crc32: sums.get(name) ?? '' }]))];
    }));
  }

  /**
   * into (n) ← n elements of the flat tensor from `firstElement` on, which may lie in shared memory. The first read of a tensor reads all of it.
   * @throws CorruptFile naming file and tensor where its checksum differs, InvalidConfig for what is not there
   */
  readTensor(file: TensorFileName, name: string, firstElement: number, into: Float32Array | Uint8Array): void {
    const place = this.#places.get(file)?.get(name), where = join(this.path, fileNameOf(file));
    if (!this.#isOpen) throw new InvalidConfig({ what: 'the checkpoint is closed', where });
    if (place === undefined) throw new InvalidConfig({ what: `no tensor ${quoted(name)}`, where, hint: 'see the tensors of the checkpoint' });
    const { from, tensor, crc32: listed } = place;
    if (into instanceof Float32Array !== (tensorFiles[file] === 'F32')) throw new InvalidConfig({ what: `tensor ${quoted(name)} into an array of another type`, where, value: into.constructor.name, limit: tensor.dtype });
    if (!Number.isSafeInteger(firstElement) || firstElement < 0 || firstElement + into.length > tensor.elements) throw new InvalidConfig({ what: `elements of tensor ${quoted(name)}`, where, value: `${firstElement} to ${firstElement + into.length}`, limit: tensor.elements });
    const bytes = bytesOf(into), at = from.dataStart + tensor.begin;
    if (into.length === tensor.elements) {
      from.file.read(bytes, at);
      const found = crcText(crc32(bytes));
      if (found !== listed) {
        // Nobody shall go on with it by mistake.
        bytes.fill(0);
        throw damaged(name, where, found, listed);
      }
      this.#verified.add(tensor);
      return;
    }
    if (!this.#verified.has(tensor)) {
      this.#verify(place, where);
      this.#verified.add(tensor);
    }
    from.file.read(bytes, at + firstElement * into.BYTES_PER_ELEMENT);
  }

  #verify({ from, tensor, crc32: listed }: Place, where: string): void {
    const found = crcText(crcInFile(from.file, from.dataStart + tensor.begin, tensor.bytes));
    if (found !== listed) throw damaged(tensor.name, where, found, listed);
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    for (const { file } of this.#files) file.close();
  }
}

/** What is wrong with a checkpoint. */
export interface CheckpointDamage {
  /** The path of the file. */
  readonly file: string;
  /** Null where the file as a whole is damaged: missing, cut, its header, or state.json. */
  readonly tensor: string | null;
  readonly what: string;
}

/** Damage as data; anything but what the project throws on purpose goes on. */
const damageOf = (file: string, tensor: string | null, run: () => void): readonly CheckpointDamage[] => {
  try {
    run();
    return [];
  } catch (error) {
    if (!(error instanceof WaferstreamError)) throw error;
    return [{ file, tensor, what: error.message }];
  }
};

/** Every tensor of a file against its checksum, one at a time. */
function* verifyFile(fs: FileSystem, folder: string, listed: ListedFile): Generator<readonly CheckpointDamage[]> {
  const path = join(folder, listed.name), opened: TensorFile[] = [];
  const ofFile = damageOf(path, null, () => opened.push(openListed(fs, folder, listed)));
  yield ofFile;
  for (const { file, tensors, dataStart } of opened) {
    try {
      for (const { name, crc32: sum } of listed.tensors) {
        const tensor = tensors.get(name);
        yield damageOf(path, name, () => {
          const crc = tensor === undefined ? '' : crcText(crcInFile(file, dataStart + tensor.begin, tensor.bytes));
          if (crc !== sum) throw damaged(name, path, crc, sum);
        });
      }
    } finally {
      file.close();
    }
  }
}

/** As `verifyCheckpoint`, tensor by tensor: a list of damage behind each, mostly empty. A caller may stop in between. */
export function* verifyByTensor(path: string, fs: FileSystem = realFileSystem): Generator<readonly CheckpointDamage[]> {
  const folder = checkpointAt(path, fs), where = join(folder, stateName);
  let files: readonly ListedFile[] = [], isWhole = true;
  const ofState = damageOf(where, null, () => {
    const read = readCheckpointState(folder, fs);
    files = read.files;
  });
  yield ofState;
  for (const listed of files) {
    for (const damage of verifyFile(fs, folder, listed)) {
      isWhole &&= damage.length === 0;
      yield damage;
    }
  }
  // What no single file shows: that they belong together.
  if (isWhole && ofState.length === 0) yield damageOf(where, null, () => openCheckpoint(folder, fs).close());
}

/** All damage of the checkpoint at `path`, or of the newest one in it; reads every byte. Without state.json nothing else can be judged. @throws CorruptFile where there is no checkpoint */
export const verifyCheckpoint = (path: string, fs: FileSystem = realFileSystem): readonly CheckpointDamage[] => [...verifyByTensor(path, fs)].flat();
