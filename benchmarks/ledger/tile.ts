/**
 * One tile, in the vendor's simulator: matrix–vector products and instruction traces. All of these were fitted: they are where the tile's constants come from.
 *
 * Not here: programs whose loops are scalar (apart.ts).
 */
import { instructionTrace, machines, matrixVectorCycles } from '../../src/index.js';
import type { LedgerRow } from './types.js';

const matrixVector = [[10, 169.8], [20, 458.8], [30, 1029.8], [40, 1678.8], [50, 2692.8], [60, 3701.8], [70, 5152.8], [80, 6521.8], [90, 8412.8], [100, 10_144.8]] as const;

const products = matrixVector.map(([n, cycles]): LedgerRow => ({
  id: `tile/matvec-${n}`, what: 'matrix–vector product', configuration: `fp32, ${n} × ${n}, rows padded to fours, WSE-2, mean of many`, unit: 'cycles', kind: 'measurement', reading: 'secondary', source: 'matvecBenchmark', calibration: true,
  published: cycles, predict: () => matrixVectorCycles(n, n, machines.wse2),
  ...(n === 10 ? { word: 'the smallest is a few cycles off: its start and end, the constant term, weigh most there; in the fit N ≥ 30 counts' } : {}),
}));

const traces = ([['trace', 2094, false, [2, 6]], ['trace-conflict', 2160, true, [3, 11]]] as const).flatMap(([name, issue, conflict, executes]) =>
  (['first', 'last'] as const).map((which, i): LedgerRow => ({
    id: `tile/${name}-${which}`, what: `${which} element of a vector multiply-add`, configuration: `fp32, 5 elements, issued at cycle ${issue}${conflict ? ', operands in one bank group' : ''}`, unit: 'cycles behind its issue', kind: 'measurement', reading: 'secondary',
    source: 'simulatorTrace', calibration: true, published: executes[i] as number,
    predict: () => (instructionTrace({ issue, elements: 5, conflict }, machines.wse2).at(which === 'first' ? 0 : -1) ?? Number.NaN) - issue,
  })));

export const tile: readonly LedgerRow[] = [...products, ...traces];
