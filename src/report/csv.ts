/**
 * CSV: steps, evaluations, counts by device, the passes of a price, and curves, as tables after RFC 4180.
 *
 * The first line names the columns; numbers stand as JavaScript writes them, so that reading them gives the same number; what a row does not have is empty. Lines end with CR LF. Not here: which files (cli/setup/outputs.ts).
 */
import type { CurvePoint, PassDemands, Price } from '../timing/types.js';
import { actions } from '../trace/counts.js';
import type { CountsByDevice } from '../trace/record.js';
import type { StepFigures } from './tensorboard.js';

type Cell = string | number | boolean | null | undefined;

const quoted = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
/** One line, with its end. */
export const csvLine = (cells: readonly Cell[]): string => `${cells.map((cell) => (cell === null || cell === undefined ? '' : quoted(String(cell)))).join(',')}\r\n`;

/** Columns by their names, each with what it takes of a row. */
type Columns<Row> = Readonly<Record<string, (row: Row) => Cell>>;
const table = <Row>(columns: Columns<Row>, rows: readonly Row[]): string => csvLine(Object.keys(columns)) + rows.map((row) => csvLine(Object.values(columns).map((cell) => cell(row)))).join('');

const stepColumns: Columns<StepFigures & { readonly step: number }> = {
  step: ({ step }) => step, loss: ({ loss }) => loss, learning_rate: ({ learningRate }) => learningRate, samples: ({ samples }) => samples, tokens: ({ tokens }) => tokens, seconds: ({ seconds }) => seconds,
  gradient_norm: ({ gradientNorm }) => gradientNorm, loss_scale: ({ lossScale }) => lossScale, skipped: ({ skipped }) => skipped, masks_updated: ({ masksUpdated }) => masksUpdated, sparsity: ({ sparsity }) => sparsity,
  flash_read_bytes: ({ tiers }) => tiers?.readBytes, flash_written_bytes: ({ tiers }) => tiers?.writtenBytes, flash_waited_seconds: ({ tiers }) => tiers?.waitedSeconds,
};

/** The first line of a table of steps, and the line of one step: for files that grow with a run. */
export const stepsCsvHead = csvLine(Object.keys(stepColumns));
export const stepCsv = (step: StepFigures & { readonly step: number }): string => csvLine(Object.values(stepColumns).map((cell) => cell(step)));

export const evaluationsCsv = (evaluations: readonly { readonly step: number; readonly loss: number; readonly perplexity: number; readonly batches: number }[]): string =>
  table({ step: ({ step }) => step, loss: ({ loss }) => loss, perplexity: ({ perplexity }) => perplexity, batches: ({ batches }) => batches }, evaluations);

/** A line a device, and the sum of all as `total`. */
export const countsCsv = ({ total, devices }: CountsByDevice): string =>
  table<CountRow>({ device: ([device]) => device, ...Object.fromEntries(actions.map((action) => [action, ([, counts]: CountRow) => counts[action]])) }, [...Object.entries(devices), ['total', total]]);
type CountRow = readonly [device: string, counts: CountsByDevice['total']];

const demandNames = ['tile', 'products', 'overhead', 'rowSums', 'columnSums', 'elementwise', 'fabric', 'waferInput', 'waferOutput', 'swarmX', 'memoryX'] as const satisfies readonly (keyof PassDemands)[];

/** A line a pass: its price, and the seconds for which one execution keeps each resource busy. */
export const passesCsv = ({ passes }: Pick<Price, 'passes'>): string =>
  table<Price['passes'][number]>({
    pass: ({ pass }) => pass, op: ({ op }) => op, phase: ({ phase }) => phase, bound: ({ bound }) => bound, cycles: ({ cycles }) => cycles, seconds: ({ seconds }) => seconds,
    times_a_step: ({ timesAStep }) => timesAStep, seconds_a_step: ({ secondsAStep }) => secondsAStep,
    ...Object.fromEntries(demandNames.map((name) => [`${name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}_seconds`, ({ demands }: Price['passes'][number]) => demands[name]])),
  }, passes);

/** A line a point; `x` names what the curve goes over. */
export const curveCsv = (x: string, points: readonly CurvePoint[]): string =>
  table<CurvePoint>({
    [x]: (point) => point.x, batch_size: (point) => point.batchSize, seconds_a_step: (point) => point.secondsAStep, tokens_per_second: (point) => point.tokensPerSecond, speedup: (point) => point.speedup,
    efficiency: (point) => point.efficiency, utilization: (point) => point.utilization, verdict: (point) => point.verdict,
  }, points);
