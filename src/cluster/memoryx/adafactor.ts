/**
 * Adafactor's sweeps (docs/numerics.md §6).
 *
 *   vector   0  second moments, the direction u and leaves of Σu² and Σw²
 *   matrix   0  leaves of Σg² over rows and over columns, and of Σw²         (units share blocks of 64 rows)
 *            1  next moments of rows and columns, beside the old ones        (units share rows, and columns)
 *            2  leaves of Σu²
 *   last        step and clipping out of the sums; weights, momentum; a matrix's next moments take the place of the old ones
 *
 * u is formed again where it is needed, in a stretch of the unit's own. Not here: the journal (update.ts).
 */
import { squareLeafFloats } from '../../kernels/types.js';
import { isFactored } from '../../model/moments.js';
import type { OptimizerOf } from '../../model/optimizer.js';
import { floats as view } from '../../tensor/shared-memory.js';
import { ceilDiv } from '../../util/units.js';
import { stretchFloats } from '../layout.js';
import { columnLeafRows, statisticsOf, type StatisticsPlan } from '../sweeps.js';
import { treeSum, treeSumRows } from '../tree-sum.js';
import { unitShare } from './places.js';
import type { Scalars } from './scalars.js';
import { gradientStretch, liesReady, weightsIn, type Sweep, type UpdateShare } from './share.js';

const f32 = Math.fround;

interface Matrix {
  readonly rows: number;
  readonly cols: number;
  readonly at: StatisticsPlan;
}

export const adafactorSweep = (share: UpdateShare, optimizer: OptimizerOf<'adafactor'>, s: Scalars, step: number, sweep: number): Sweep => {
  const relative = statisticsOf(optimizer, share), base = share.statistics;
  const at = Object.fromEntries(Object.entries(relative).map(([name, offset]) => [name, name === 'bytes' ? offset : base + offset])) as unknown as StatisticsPlan;
  const { kernels: k, place, shape, stretch, clip } = share, { now } = weightsIn(place, step);
  const [rows = 0, cols = 0] = shape, matrix: Matrix | null = isFactored(optimizer, share) ? { rows, cols, at } : null;
  const leafAt = (leaves: number, from: number): number => leaves + (from / squareLeafFloats) * 4;
  if (matrix === null) {
    const [v = 0] = place.moments, directionOf = (g: number, from: number, floats: number): void => k.overRoot(stretch, g, v + from * 4, floats);
    if (sweep === 1) return lastSweep(share, optimizer, s, step, at, place.moments[1] ?? 0, directionOf);
    return {
      kind: 'stretches',
      run(from, floats) {
        const g = gradientStretch(k, place, from, floats, clip, stretch);
        k.squaredMoment(v + from * 4, g, floats, s.beta2, s.oneMinusBeta2, f32(optimizer.epsilon1));
        directionOf(g, from, floats);
        k.squareLeaves(leafAt(at.direction, from), stretch, floats);
        if (optimizer.scaleParameter) k.squareLeaves(leafAt(at.weights, from), now + from * 4, floats);
      },
    };
  }
  if (sweep === 0) {
    return {
      kind: 'whole',
      run() {
        sumRowsAndColumns(share, matrix);
        if (optimizer.scaleParameter) k.squareLeaves(leafAt(at.weights, share.first), now + share.first * 4, share.count);
      },
    };
  }
  if (sweep === 1) return { kind: 'whole', run: () => formMoments(share, matrix, s, f32(optimizer.epsilon1)) };
  const mean = meanOf(view(share.memory, at.rows, rows));
  const directionOf = (g: number, from: number, floats: number): void =>
    k.overFactors(stretch, g, at.rows + Math.floor(from / cols) * 4, at.columnFactors, from % cols, cols, floats, mean);
  if (sweep === 3) {
    keepMoments(share, matrix);
    return lastSweep(share, optimizer, s, step, at, place.moments[2] ?? 0, directionOf);
  }
  return {
    kind: 'stretches',
    run(from, floats) {
      directionOf(gradientStretch(k, place, from, floats, clip, stretch), from, floats);
      k.squareLeaves(leafAt(at.direction, from), stretch, floats);
    },
  };
};

/** `directionOf` leaves u in the unit's stretch. */
const lastSweep = (share: UpdateShare, optimizer: OptimizerOf<'adafactor'>, s: Scalars, step: number, at: StatisticsPlan, momentum: number, directionOf: (g: number, from: number, floats: number) => void): Sweep => {
  const { kernels: k, place, stretch, memory, clip } = share, { now, next } = weightsIn(place, step);
  const size = share.shape.reduce((product, n) => product * n, 1);
  const rootMeanSquare = (leaves: number): number => f32(Math.sqrt(f32(treeSum(view(memory, leaves, ceilDiv(size, squareLeafFloats)).slice()) / f32(size))));
  const alpha = optimizer.scaleParameter ? f32(s.learningRate * Math.max(f32(optimizer.epsilon2), rootMeanSquare(at.weights))) : s.learningRate;
  const factor = f32(alpha / Math.max(1, f32(rootMeanSquare(at.direction) / f32(optimizer.clipThreshold)))), decay = f32(1 - f32(s.weightDecay * alpha));
  return {
    kind: 'stretches',
    run(from, floats) {
      const offset = from * 4;
      directionOf(gradientStretch(k, place, from, floats, clip, stretch), from, floats);
      if (optimizer.beta1 === 0) k.directedStep(next + offset, now + offset, stretch, floats, factor, decay);
      else k.directedMomentumStep(next + offset, now + offset, stretch, momentum + offset, floats, factor, decay, s.beta1, s.oneMinusBeta1);
    },
  };
};

/** Leaves of the rows and columns in this unit's blocks of 64 rows. */
const sumRowsAndColumns = ({ kernels: k, place, clip, stretch, unit, units }: UpdateShare, { rows, cols, at }: Matrix): void => {
  const blocks = ceilDiv(rows, columnLeafRows), leaves = ceilDiv(cols, squareLeafFloats);
  /** Rows first … +count, whole; `g` is their gradient. */
  const wholeRows = (g: number, first: number, count: number): void => {
    if (count < 4) for (let r = 0; r < count; r++) k.squareLeaves(at.rowLeaves + (first + r) * leaves * 4, g + r * cols * 4, cols);
    else {
      for (let leaf = 0; leaf < leaves; leaf++) {
        const from = leaf * squareLeafFloats;
        k.rowSquares(at.rowLeaves + (first * leaves + leaf) * 4, leaves * 4, g + from * 4, cols * 4, count, Math.min(squareLeafFloats, cols - from));
      }
    }
    k.columnSquares(at.columnLeaves + Math.floor(first / columnLeafRows) * cols * 4, g, cols * 4, count, cols);
  };
  const fits = Math.floor(stretchFloats / cols), atOnce = liesReady(place, clip) ? Math.max(4, fits) : fits;
  for (let block = Math.floor((blocks * unit) / units); block < Math.floor((blocks * (unit + 1)) / units); block++) {
    const end = Math.min(rows, (block + 1) * columnLeafRows);
    k.clear(at.columnLeaves + block * cols * 4, cols * 4);
    for (let row = block * columnLeafRows; row < end; row += Math.max(1, atOnce)) {
      if (atOnce > 0) {
        const count = Math.min(atOnce, end - row);
        wholeRows(gradientStretch(k, place, row * cols, count * cols, clip, stretch), row, count);
        continue;
      }
      for (let col = 0; col < cols; col += stretchFloats) {
        const count = Math.min(stretchFloats, cols - col), g = gradientStretch(k, place, row * cols + col, count, clip, stretch);
        k.squareLeaves(at.rowLeaves + (row * leaves + col / squareLeafFloats) * 4, g, count);
        k.columnSquares(at.columnLeaves + (block * cols + col) * 4, g, 0, 1, count);
      }
    }
  }
};

/** The next moments of this unit's rows and of its columns. */
const formMoments = ({ memory, place, unit, units }: UpdateShare, { rows, cols, at }: Matrix, s: Scalars, epsilon: number): void => {
  const moved = (old: number, sum: number, count: number): number => f32(f32(s.beta2 * old) + f32(s.oneMinusBeta2 * f32(f32(sum / f32(count)) + epsilon)));
  const old = place.moments.map((moment, i) => view(memory, moment, i === 0 ? rows : cols));
  const leaves = ceilDiv(cols, squareLeafFloats), rowLeaves = view(memory, at.rowLeaves, rows * leaves), nextRows = view(memory, at.rows, rows);
  const ownRows = unitShare(rows, unit, units), row = new Float32Array(leaves);
  for (let r = ownRows.first; r < ownRows.first + ownRows.count; r++) {
    row.set(rowLeaves.subarray(r * leaves, (r + 1) * leaves));
    nextRows[r] = moved(old[0]?.[r] as number, treeSum(row), cols);
  }
  const { first, count } = unitShare(cols, unit, units), blocks = ceilDiv(rows, columnLeafRows), columnLeaves = view(memory, at.columnLeaves, blocks * cols), own = new Float32Array(blocks * count);
  for (let block = 0; block < blocks; block++) own.set(columnLeaves.subarray(block * cols + first, block * cols + first + count), block * count);
  treeSumRows(own, count);
  const nextColumns = view(memory, at.columns, cols), factors = view(memory, at.columnFactors, cols);
  for (let c = 0; c < count; c++) {
    const next = moved(old[1]?.[first + c] as number, own[c] as number, rows);
    nextColumns[first + c] = next;
    factors[first + c] = f32(1 / f32(Math.sqrt(next)));
  }
};

/** This unit's share of the next moments, to where moments are kept. */
const keepMoments = ({ kernels: k, place, unit, units }: UpdateShare, { rows, cols, at }: Matrix): void => {
  for (const [home, from, size] of [[place.moments[0] ?? 0, at.rows, rows], [place.moments[1] ?? 0, at.columns, cols]] as const) {
    const { first, count } = unitShare(size, unit, units);
    k.copy(home + first * 4, from + first * 4, count * 4);
  }
};

/** The mean of R': leaves of 1,024 values, each ascending from +0, and the tree. */
const meanOf = (values: Float32Array): number => {
  const leaves = new Float32Array(ceilDiv(values.length, squareLeafFloats));
  values.forEach((value, i) => (leaves[Math.floor(i / squareLeafFloats)] = (leaves[Math.floor(i / squareLeafFloats)] as number) + value));
  return f32(treeSum(leaves) / f32(values.length));
};
