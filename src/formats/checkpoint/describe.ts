/**
 * What a checkpoint of a training holds, and which there are: rows for a program, lines for a terminal.
 *
 * Masks are read, to count what they store; weights and moments are not. Not here: printing (cli/), files of weights alone (../inspect.ts).
 */
import { join } from 'node:path';
import type { FileSystem } from '../../storage/file-system.js';
import { manifestName } from '../../storage/manifest.js';
import { realFileSystem } from '../../storage/real-file-system.js';
import { formatBytes } from '../../util/units.js';
import { count, grouped, percent, printable, table } from '../lines.js';
import { elementsOf } from '../safetensors/dtypes.js';
import { pieceBytesMax } from './checksum.js';
import { fileNameOf, listCheckpoints, stateName, type ListedCheckpoint } from './folders.js';
import { openCheckpoint, readCheckpointState, type Checkpoint } from './read.js';
import type { CheckpointState, ListedFile } from './state.js';

/** What of a training stands at a path: a store of its state, one checkpoint, a folder of them; null for anything else. */
export const kindOfState = (path: string, fs: FileSystem = realFileSystem): 'store' | 'checkpoint' | 'checkpoints' | null => {
  if (fs.kind(path) !== 'folder') return null;
  if (fs.kind(join(path, manifestName)) !== null) return 'store';
  if (fs.kind(join(path, stateName)) !== null) return 'checkpoint';
  return listCheckpoints(path, fs).length > 0 ? 'checkpoints' : null;
};

/** A parameter of a checkpoint. */
export interface TrainingRow {
  readonly name: string;
  readonly shape: readonly number[];
  readonly elements: number;
  /** Positions that its mask stores; null where it is dense. */
  readonly stored: number | null;
  /** Names of its moments, without its own. */
  readonly moments: readonly string[];
}

export interface TrainingInspection {
  readonly path: string;
  readonly state: CheckpointState;
  readonly files: readonly ListedFile[];
  /** In graph order. */
  readonly rows: readonly TrainingRow[];
  /** Of the files of tensors. */
  readonly bytes: number;
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

const storedOf = (checkpoint: Checkpoint, name: string, elements: number): number => {
  const room = new Uint8Array(Math.min(pieceBytesMax, elements));
  let stored = 0;
  for (let at = 0; at < elements; at += room.length) {
    const piece = room.subarray(0, Math.min(room.length, elements - at));
    checkpoint.readTensor('masks', name, at, piece);
    for (const one of piece) if (one !== 0) stored++;
  }
  return stored;
};

/** Names of moments by parameter: the longest parameter's name that one begins with. */
const momentsOf = ({ tensors, state }: Checkpoint): ReadonlyMap<string, readonly string[]> => {
  const found = new Map<string, string[]>(state.model.parameters.map(({ name }) => [name, []]));
  for (const { file, name } of tensors) {
    if (file !== 'optimizer') continue;
    for (let dot = name.lastIndexOf('.'); dot >= 0; dot = dot === 0 ? -1 : name.lastIndexOf('.', dot - 1)) {
      const moments = found.get(name.slice(0, dot));
      if (moments === undefined) continue;
      moments.push(name.slice(dot + 1));
      break;
    }
  }
  return found;
};

/** Reads the state of the checkpoint at `path`, or of the newest one in it. @throws CorruptFile as `openCheckpoint` */
export const inspectTraining = (path: string, fs: FileSystem = realFileSystem): TrainingInspection => {
  const checkpoint = openCheckpoint(path, fs);
  try {
    const { state, files } = checkpoint, moments = momentsOf(checkpoint);
    const masked = new Set(checkpoint.tensors.filter(({ file }) => file === 'masks').map(({ name }) => name));
    const rows = state.model.parameters.map(({ name, shape }): TrainingRow => {
      const elements = elementsOf(shape) ?? 0;
      return { name, shape, elements, stored: masked.has(name) ? storedOf(checkpoint, name, elements) : null, moments: moments.get(name) ?? [] };
    });
    return { path: checkpoint.path, state, files, rows, bytes: sum(files.map(({ bytes }) => bytes)) };
  } finally {
    checkpoint.close();
  }
};

/** Plain data on one line, and short. */
const shortened = (value: unknown): string => {
  const text = printable(JSON.stringify(value)), most = 160;
  return text.length > most ? `${text.slice(0, most)}…` : text;
};

const aboutLines = ({ state }: TrainingInspection): string[] => {
  const lastLoss = state.losses?.at(-1), lastEvaluation = state.evaluations.at(-1);
  const optional = ([['clip norm', state.clipNorm], ['sparsity', state.sparsity], ['precision', state.precision], ['loss scaling', state.lossScaling]] as const).filter(([, value]) => value !== null);
  return table([
    ['seed', String(state.seed)], ['batch size', grouped(state.batchSize)], ['samples seen', grouped(state.samplesSeen)], ['numerics', `version ${state.numericsVersion}`],
    ['optimizer', shortened(state.optimizer)],
    ...optional.map(([what, value]) => [what, shortened(value)]),
    ...(lastEvaluation === undefined ? [] : [['evaluations', `${grouped(state.evaluations.length)}, the last behind step ${lastEvaluation.step}: loss ${lastEvaluation.loss.toFixed(4)}, perplexity ${lastEvaluation.perplexity.toFixed(2)}`]]),
    ...(lastLoss === undefined ? [] : [['losses', `${grouped(state.losses?.length ?? 0)}, the last ${lastLoss.toFixed(4)}`]]),
  ], []);
};

/** The inspection as lines: the state, a table of the parameters, one of the files. No line break at the end. */
export const textOfTraining = (inspection: TrainingInspection): string => {
  const { state, rows, files, bytes } = inspection, sparse = rows.some(({ stored }) => stored !== null);
  const sparsity = ({ elements, stored }: TrainingRow): string[] => (stored === null ? ['', ''] : [grouped(stored), percent(elements - stored, elements)]);
  return [
    `${printable(state.model.name)} after step ${state.step}: ${count(rows.length, 'parameter')}, ${count(sum(rows.map(({ elements }) => elements)), 'value')}, ${formatBytes(bytes)} in ${count(files.length, 'file')}`,
    '',
    ...aboutLines(inspection),
    '',
    ...table([
      ['parameter', 'shape', 'values', ...(sparse ? ['stored', 'sparsity'] : []), 'moments'],
      ...rows.map((row) => [printable(row.name), `[${row.shape.join(', ')}]`, grouped(row.elements), ...(sparse ? sparsity(row) : []), row.moments.map(printable).join(', ')]),
    ], sparse ? [2, 3, 4] : [2]),
    '',
    ...table([['file', 'size', 'tensors', 'crc32'], ...files.map((file) => [file.name, formatBytes(file.bytes), grouped(file.tensors.length), file.crc32])], [1, 2]),
  ].join('\n');
};

/** A checkpoint of a folder; `state` and `bytes` are null where its state.json is damaged. */
export interface CheckpointSummary extends ListedCheckpoint {
  readonly model: string | null;
  readonly bytes: number | null;
  /** The last loss, of training or of an evaluation. */
  readonly loss: number | null;
  /** What is wrong with state.json, or null. */
  readonly damage: string | null;
}

/** The complete checkpoints of a folder, by step, from their state alone. @throws StorageFailed */
export const inspectCheckpoints = (dir: string, fs: FileSystem = realFileSystem): readonly CheckpointSummary[] =>
  listCheckpoints(dir, fs).map(({ step, path }): CheckpointSummary => {
    try {
      const { state, files } = readCheckpointState(path, fs);
      return { step, path, model: state.model.name, bytes: sum(files.map(({ bytes }) => bytes)), loss: state.losses?.at(-1) ?? state.evaluations.at(-1)?.loss ?? null, damage: null };
    } catch (error) {
      return { step, path, model: null, bytes: null, loss: null, damage: error instanceof Error ? error.message : String(error) };
    }
  });

/** The list as lines. No line break at the end. */
export const textOfCheckpoints = (found: readonly CheckpointSummary[]): string => [
  ...table([
    ['step', 'size', 'loss', 'model', 'folder'],
    ...found.map(({ step, bytes, loss, model, path }) => [grouped(step), bytes === null ? '' : formatBytes(bytes), loss === null ? '' : loss.toFixed(4), model === null ? 'DAMAGED' : printable(model), printable(path)]),
  ], [0, 1, 2]),
  '',
  ...found.flatMap(({ damage }) => (damage === null ? [] : [printable(damage)])),
  `${count(found.length, 'checkpoint')}, ${formatBytes(sum(found.map(({ bytes }) => bytes ?? 0)))}; weights stand in the ${fileNameOf('model')} of each`,
].join('\n');
