/**
 * Writing a checkpoint: tensors in any order, by ranges, from any thread, straight out of shared memory.
 *
 *   beginCheckpoint ─▶ .step-00000120.part/ files with headers, full size ─▶ write, write, … ─▶ finish ─▶ step-00000120/
 *        other threads: continueCheckpoint(partFolder) ─▶ write, … ─▶ ranges() ─message─▶ add() ─┘
 *
 * finish syncs the files, then state.json, then the folder, and renames it last: a kill at any point leaves a whole checkpoint of that step or none, and so does a
 * loss of power. All calls are synchronous. Not here: what is saved when (the cluster), reading (read.ts).
 */
import { basename, dirname, join } from 'node:path';
import { crc32 } from '../../storage/crc.js';
import type { FileSystem } from '../../storage/file-system.js';
import { realFileSystem } from '../../storage/real-file-system.js';
import { DoesNotFit, EmulatorBug, InvalidConfig, assert } from '../../util/errors.js';
import { quoted, type HeaderTensor } from '../safetensors/header.js';
import { addRange, combineCrc, crcInFile, crcText, type Range } from './checksum.js';
import { fileNameOf, partName, removeTree, stateName, stepName, stepOfPart, tensorFileNames, tensorFiles, type TensorFileName } from './folders.js';
import { encodeState, type CheckpointState, type ListedFile } from './state.js';
import { PastCache } from './past-cache.js';
import { bytesOf, createTensorFile, openTensorFile, planFiles, type CheckpointTensor, type TensorFile } from './tensor-file.js';

/** What a writer has written: plain data, for another thread's `add`. */
export type WrittenRanges = readonly { readonly file: TensorFileName; readonly name: string; readonly ranges: readonly Range[] }[];

/** A folder whose name survives, and those above it. */
const makeFolder = (fs: FileSystem, dir: string): void => {
  const missing: string[] = [];
  for (let at = dir; fs.kind(at) === null; at = dirname(at)) missing.push(at);
  if (missing.length === 0) return;
  fs.makeFolder(dir);
  for (const made of missing) fs.syncFolder(dirname(made));
};

/**
 * Begins the checkpoint of a step in `dir`, which is made if it is missing: a hidden folder, its files at their full sizes. What a killed process left of the same step goes first.
 *
 * @throws InvalidConfig for a step that is there already, and for tensors that a file cannot hold; DoesNotFit where the disk has too little room; StorageFailed.
 */
export const beginCheckpoint = (dir: string, step: number, tensors: readonly CheckpointTensor[], fs: FileSystem = realFileSystem): CheckpointWriter => {
  if (!Number.isSafeInteger(step) || step < 0) throw new InvalidConfig({ what: 'step of a checkpoint', where: dir, value: step, limit: 'a whole number from 0' });
  const part = join(dir, partName(step)), place = join(dir, stepName(step));
  const files = planFiles(tensors, place);
  makeFolder(fs, dir);
  if (fs.kind(place) !== null) throw new InvalidConfig({ what: `a checkpoint of step ${step} is there already`, where: place, hint: 'resume from it, remove it, or save to another folder' });
  removeTree(fs, part);
  const needBytes = files.reduce((sum, { bytes }) => sum + bytes, 0), { freeBytes: haveBytes } = fs.space(dir);
  if (needBytes > haveBytes) throw new DoesNotFit({ what: `the checkpoint of step ${step}`, where: dir, needBytes, haveBytes, hint: 'free space, keep fewer checkpoints, or save to another disk' });
  try {
    fs.makeFolder(part);
    for (const file of files) createTensorFile(fs, join(part, fileNameOf(file.file)), file);
    return continueCheckpoint(part, fs);
  } catch (error) {
    discard(fs, part);
    throw error;
  }
};

/** Removes what was begun; the error that led here counts, not that of a disk that refuses this too. */
const discard = (fs: FileSystem, part: string): void => {
  try {
    removeTree(fs, part);
  } catch {
    // The next beginning of this step removes it.
  }
};

/** Another writer of a checkpoint that was begun, for another thread. @throws CorruptFile, InvalidConfig for a folder that is none */
export const continueCheckpoint = (partFolder: string, fs: FileSystem = realFileSystem): CheckpointWriter => {
  const step = stepOfPart(basename(partFolder));
  if (step === null) throw new InvalidConfig({ what: 'not a checkpoint that is being written', where: partFolder, limit: partName(120), hint: 'give the partFolder of a writer' });
  const files: TensorFile[] = [];
  try {
    for (const name of tensorFileNames) {
      const path = join(partFolder, fileNameOf(name));
      if (name !== 'masks' || fs.kind(path) !== null) files.push(openTensorFile(fs, path, name, 'write'));
    }
  } catch (error) {
    for (const { file } of files) file.close();
    throw error;
  }
  return new CheckpointWriter(fs, partFolder, step, files);
};

export class CheckpointWriter {
  /** For `continueCheckpoint`. */
  readonly partFolder: string;
  readonly step: number;
  readonly #fs: FileSystem;
  readonly #files: ReadonlyMap<TensorFileName, TensorFile>;
  readonly #long: ReadonlyMap<TensorFileName, PastCache>;
  /** By file and tensor; bytes from the tensor's first. */
  readonly #ranges: ReadonlyMap<TensorFileName, Map<string, readonly Range[]>>;
  #isOpen = true;

  constructor(fs: FileSystem, partFolder: string, step: number, files: readonly TensorFile[]) {
    this.#fs = fs;
    this.partFolder = partFolder;
    this.step = step;
    this.#files = new Map(files.map((file) => [file.name, file]));
    this.#long = new Map(files.map(({ name, file }) => [name, new PastCache(fs, file)]));
    this.#ranges = new Map(files.map(({ name }) => [name, new Map<string, readonly Range[]>()]));
  }

  #place(file: TensorFileName, name: string): { readonly to: TensorFile; readonly tensor: HeaderTensor } {
    const to = this.#files.get(file), tensor = to?.tensors.get(name);
    if (to === undefined || tensor === undefined) throw new EmulatorBug({ what: `tensor ${quoted(name)} was not planned for ${fileNameOf(file)}`, where: this.partFolder });
    return { to, tensor };
  }

  #add(file: TensorFileName, name: string, range: Range): void {
    const ranges = this.#ranges.get(file);
    ranges?.set(name, addRange(ranges.get(name) ?? [], range));
  }

  /**
   * Puts elements of a tensor from `firstElement` on into its file. They must stay as they are during the call; they may lie in shared memory. Written twice, the later counts.
   * @throws StorageFailed, EmulatorBug for what was not planned.
   */
  write(file: TensorFileName, name: string, firstElement: number, values: Float32Array | Uint8Array): void {
    assert(this.#isOpen, `the writer of ${this.partFolder} is open`);
    const { to, tensor } = this.#place(file, name), isFloat = values instanceof Float32Array;
    assert(isFloat === (tensorFiles[file] === 'F32'), `${fileNameOf(file)} takes ${tensorFiles[file]}`);
    assert(Number.isSafeInteger(firstElement) && firstElement >= 0 && firstElement + values.length <= tensor.elements, `elements ${firstElement} to ${firstElement + values.length} lie in the ${tensor.elements} of tensor ${quoted(name)}`);
    const bytes = bytesOf(values), first = firstElement * values.BYTES_PER_ELEMENT;
    this.#long.get(file)?.write(bytes, to.dataStart + tensor.begin + first);
    this.#add(file, name, { first, end: first + bytes.length, crc: crc32(bytes) });
  }

  /** What was written by this writer, or added to it. */
  ranges(): WrittenRanges {
    return [...this.#ranges].flatMap(([file, tensors]) => [...tensors].map(([name, ranges]) => ({ file, name, ranges })));
  }

  /** Takes over what writers of other threads wrote. */
  add(written: WrittenRanges): void {
    for (const { file, name, ranges } of written) {
      this.#place(file, name);
      for (const range of ranges) this.#add(file, name, range);
    }
  }

  /** The CRC of a tensor. @throws EmulatorBug if a part of it was not written */
  #crcOf(to: TensorFile, { name, bytes, begin }: HeaderTensor): number {
    if (bytes === 0) return 0;
    const [range = { first: 0, end: 0, crc: 0 }, gap] = this.#ranges.get(to.name)?.get(name) ?? [];
    assert(gap === undefined && range.first === 0 && range.end === bytes, `all ${bytes} bytes of tensor ${quoted(name)} of ${fileNameOf(to.name)} were written, not ${range.first} to ${range.end} alone`);
    return range.crc ?? crcInFile(to.file, to.dataStart + begin, bytes);
  }

  #listed(to: TensorFile): ListedFile {
    let whole = to.headerCrc;
    const tensors = [...to.tensors.values()].map((tensor) => {
      const crc = this.#crcOf(to, tensor);
      whole = combineCrc(whole, crc, tensor.bytes);
      return { name: tensor.name, crc32: crcText(crc) };
    });
    return { name: fileNameOf(to.name), bytes: to.bytes, crc32: crcText(whole), header: crcText(to.headerCrc), tensors };
  }

  /** The parameters of the state are the tensors of the model's file. */
  #checkParameters({ parameters }: CheckpointState['model']): void {
    const tensors = this.#files.get('model')?.tensors;
    const unlike = parameters.find(({ name, shape }) => JSON.stringify(tensors?.get(name)?.shape) !== JSON.stringify(shape));
    assert(unlike === undefined && tensors?.size === parameters.length, `the model's parameters are the tensors of ${fileNameOf('model')}${unlike === undefined ? '' : `: ${quoted(unlike.name)} is not`}`);
  }

  /**
   * Makes the checkpoint: every tensor is whole, and everything survives a loss of power when this returns. Other threads have closed their writers.
   * @returns the path of its folder.
   * @throws EmulatorBug for a tensor that is not whole; InvalidConfig for a state that no file can hold; StorageFailed. `abandon` then cleans up.
   */
  finish(state: CheckpointState): string {
    assert(this.#isOpen, `the writer of ${this.partFolder} is open`);
    assert(state.step === this.step, `the state is of step ${this.step}, not ${state.step}`);
    this.#checkParameters(state.model);
    const text = encodeState(state, [...this.#files.values()].map((file) => this.#listed(file)));
    for (const { file } of this.#files.values()) file.sync();
    const file = this.#fs.open(join(this.partFolder, stateName), 'create');
    try {
      file.write(text, 0);
      file.sync();
    } finally {
      file.close();
    }
    this.#fs.syncFolder(this.partFolder);
    this.close();
    const dir = dirname(this.partFolder), path = join(dir, stepName(this.step));
    this.#fs.rename(this.partFolder, path);
    this.#fs.syncFolder(dir);
    return path;
  }

  /** Closes the files; what was written stays for the thread that finishes. Closing twice is closing once. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    for (const file of this.#long.values()) file.close();
    for (const { file } of this.#files.values()) file.close();
  }

  /** Lets the checkpoint go, for whatever reason; its hidden folder is removed as far as the disk allows. Not for a finished one. */
  abandon(): void {
    this.close();
    discard(this.#fs, this.partFolder);
  }
}
